/* batchnorm - sums of samples, then what they say of the batch, then each sample normed by it; and back. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/batchnorm.h"
#include "tensor/clones.h"

#include "base/banned.h"

#define EPSILON 1e-5
#define MOMENTUM 0.1f

size_t
cn_batchnorm_tensors(struct cn_layer *l, const char *norm, struct cn_layer_tensor *t)
{
	const struct cn_shape width = { 1, { (uint32_t)l->out.channels } };

	cn_layer_list(t++, norm, "weight", width, 0, 1, &l->gamma, &l->dgamma);
	cn_layer_list(t++, norm, "bias", width, 0, 0, &l->beta, &l->dbeta);
	cn_layer_list(t++, norm, "running_mean", width, 0, 0, &l->mean, NULL);
	cn_layer_list(t, norm, "running_var", width, 0, 1, &l->variance, NULL);
	return 4;
}

int
cn_batchnorm_room(struct cn_layer *l, size_t n, struct cn_err *err)
{
	const size_t out = l->out.channels;

	if (!l->centre) {
		l->centre = cn_mem_array(out, sizeof(float), err);
		l->inverse = cn_mem_array(out, sizeof(float), err);
	}
	if (n > l->room) {
		cn_mem_free(l->sums);
		l->sums = cn_mem_array(n, 2 * out * sizeof(double), err);
		l->room = n;
	}
	return err->code ? -1 : 0;
}

/*
 * Sums and sums of squares over one sample's positions, by channel, four positions at a time.  In doubles: the variance is
 * a small difference of large sums where the mean is far from 0.
 */
CN_CLONES static void
sum_sample(const float *restrict y, size_t places, size_t channels, double *restrict sums)
{
	size_t p = 0;

	memset(sums, 0, 2 * channels * sizeof(*sums));
	for (; p + 4 <= places; p += 4, y += 4 * channels)
		for (size_t c = 0; c < channels; c++) {
			const double a = (double)y[c], b = (double)y[channels + c];
			const double d = (double)y[2 * channels + c], e = (double)y[3 * channels + c];

			sums[c] += (a + b) + (d + e);
			sums[channels + c] += (a * a + b * b) + (d * d + e * e);
		}
	for (; p < places; p++, y += channels)
		for (size_t c = 0; c < channels; c++) {
			sums[c] += (double)y[c];
			sums[channels + c] += (double)y[c] * (double)y[c];
		}
}

void
cn_batchnorm_sum(const struct cn_layer *l, const float *y, size_t i)
{
	sum_sample(y, cn_extent_places(&l->out), l->out.channels, l->sums + i * 2 * l->out.channels);
}

static void
follow_batch(struct cn_layer *l, size_t n)
{
	const size_t out = l->out.channels;
	const double count = (double)(n * cn_extent_places(&l->out));

	cn_layer_add(l->sums, n, 2 * out);
	for (size_t c = 0; c < out; c++) {
		const double mean = l->sums[c] / count, raw = l->sums[out + c] / count - mean * mean;
		const double variance = raw > 0 ? raw : 0;

		l->centre[c] = (float)mean;
		l->inverse[c] = (float)(1 / sqrt(variance + EPSILON));
		l->mean[c] += MOMENTUM * ((float)mean - l->mean[c]);
		l->variance[c] += MOMENTUM * ((float)(variance * count / (count > 1 ? count - 1 : 1)) - l->variance[c]);
	}
}

void
cn_batchnorm_settle(struct cn_layer *l, size_t n, bool learning)
{
	if (learning)
		follow_batch(l, n);
	for (size_t c = 0; c < l->out.channels && !learning; c++) {
		l->centre[c] = l->mean[c];
		l->inverse[c] = (float)(1 / sqrt((double)l->variance[c] + EPSILON));
	}
}

/* What ReLU lets through lies above this. */
static float
floor_of(const struct cn_layer *layer)
{
	return layer->relu ? 0 : -INFINITY;
}

CN_CLONES void
cn_batchnorm_apply(const struct cn_layer *l, const float *restrict from, float *restrict to)
{
	const float *restrict centre = l->centre, *restrict inverse = l->inverse, *restrict gamma = l->gamma, *restrict beta = l->beta;
	const size_t out = l->out.channels, places = cn_extent_places(&l->out);
	const float floor = floor_of(l);

	for (size_t p = 0; p < places; p++, from += out, to += out)
		for (size_t c = 0; c < out; c++) {
			const float value = (from[c] - centre[c]) * inverse[c] * gamma[c] + beta[c];

			to[c] = value > floor ? value : floor;
		}
}

CN_CLONES void
cn_batchnorm_add(const struct cn_layer *l, const float *restrict from, float *restrict to)
{
	const float *restrict centre = l->centre, *restrict inverse = l->inverse, *restrict gamma = l->gamma, *restrict beta = l->beta;
	const size_t out = l->out.channels, places = cn_extent_places(&l->out);

	for (size_t p = 0; p < places; p++, from += out, to += out)
		for (size_t c = 0; c < out; c++)
			to[c] += (from[c] - centre[c]) * inverse[c] * gamma[c] + beta[c];
}

/* Sums of a sample by channel: of dy, and of dy times the normed value; four positions as floats, then as doubles. */
CN_CLONES static void
sum_slopes(const struct cn_layer *l, const float *restrict y, const float *restrict dy, double *restrict sums)
{
	const float *restrict centre = l->centre, *restrict inverse = l->inverse;
	const size_t n = l->out.channels, places = cn_extent_places(&l->out);
	size_t p = 0;

	memset(sums, 0, 2 * n * sizeof(*sums));
	for (; p + 4 <= places; p += 4, y += 4 * n, dy += 4 * n)
		for (size_t c = 0; c < n; c++) {
			const float a = dy[c], b = dy[n + c], d = dy[2 * n + c], e = dy[3 * n + c], m = centre[c];
			const float ay = a * (y[c] - m), by = b * (y[n + c] - m), dz = d * (y[2 * n + c] - m), ey = e * (y[3 * n + c] - m);

			sums[c] += (double)((a + b) + (d + e));
			sums[n + c] += (double)(((ay + by) + (dz + ey)) * inverse[c]);
		}
	for (; p < places; p++, y += n, dy += n)
		for (size_t c = 0; c < n; c++) {
			sums[c] += (double)dy[c];
			sums[n + c] += (double)(dy[c] * (y[c] - centre[c]) * inverse[c]);
		}
}

void
cn_batchnorm_slopes(const struct cn_layer *l, const float *y, const float *dy, size_t i)
{
	sum_slopes(l, y, dy, l->sums + i * 2 * l->out.channels);
}

/* dy becomes the gradient before the norm: gamma / deviation * (dy - mean dy - normed * mean (dy * normed)). */
CN_CLONES void
cn_batchnorm_undo(const struct cn_layer *l, const float *restrict y, float *restrict dy, float share)
{
	const float *restrict centre = l->centre, *restrict inverse = l->inverse, *restrict gamma = l->gamma;
	const float *restrict dbeta = l->dbeta, *restrict dgamma = l->dgamma;
	const size_t channels = l->out.channels, places = cn_extent_places(&l->out);

	for (size_t p = 0; p < places; p++, y += channels, dy += channels)
		for (size_t c = 0; c < channels; c++)
			dy[c] = gamma[c] * inverse[c] * (dy[c] - dbeta[c] * share
				- (y[c] - centre[c]) * inverse[c] * (dgamma[c] * share));
}

static size_t
tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	return cn_batchnorm_tensors(l, "", t);
}

static void
sum(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;

	(void)worker;
	cn_batchnorm_sum(job->layer, job->x + i * cn_extent_count(&job->layer->out), i);
}

static void
norm(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	cn_batchnorm_apply(job->layer, job->x + i * size, job->y + i * size);
}

static void
forward(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .y = y };

	if (way.learning)
		cn_pool_run(pool, n, sum, &job);
	cn_batchnorm_settle(l, n, way.learning);
	cn_pool_run(pool, n, norm, &job);
}

static void
take_slopes(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	cn_batchnorm_slopes(job->layer, job->x + i * size, job->dy + i * size, i);
}

static void
undo(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	memcpy(job->dx + i * size, job->dy + i * size, size * sizeof(float));
	cn_batchnorm_undo(job->layer, job->x + i * size, job->dx + i * size,
		job->layer->fixed ? 0 : 1 / (float)(job->n * cn_extent_places(&job->layer->out)));
}

static void
backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .dy = dy, .dx = dx, .n = n };

	(void)y;
	if (!l->fixed) {
		cn_pool_run(pool, n, take_slopes, &job);
		cn_layer_slopes(l, n);
	}
	if (dx)
		cn_pool_run(pool, n, undo, &job);
}

const struct cn_layer_kind cn_bn_kind = {
	.word = "bn", .grammar = "", .tensors = tensors, .room = cn_batchnorm_room, .forward = forward, .backward = backward,
};
