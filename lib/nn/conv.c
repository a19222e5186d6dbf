/* conv - convolution as matrix products over columns (im2col), with batch norm and ReLU. */
#include <math.h>

#include "base/mem.h"
#include "nn/conv.h"
#include "tensor/blas.h"
#include "tensor/clones.h"

#include "base/banned.h"

#define EPSILON 1e-5
#define MOMENTUM 0.1f

struct job {
	struct cn_layer *layer;
	const float *x, *out;
	float *y, *dy, *dx;
	size_t n, group;	/* samples; of one matrix product */
};

static size_t
positions(const struct cn_layer *layer)
{
	return layer->out.height * layer->out.width;
}

static size_t
taps(const struct cn_layer *layer)
{
	return layer->kernel * layer->kernel * layer->in.channels;
}

/* Samples of one matrix product: about 256 positions in training; one in use, so that neighbours do not matter. */
static size_t
group_size(const struct cn_layer *layer, bool training)
{
	return training && positions(layer) < 256 ? (256 + positions(layer) - 1) / positions(layer) : 1;
}

int
cn_conv_room(struct cn_layer *layer, size_t n, struct cn_pool *pool, struct cn_err *err)
{
	const size_t out = layer->out.channels, matrix = taps(layer) * out;

	if (!layer->packed) {
		layer->packed = cn_mem_array(matrix, sizeof(float), err);
		layer->centre = cn_mem_array(out, sizeof(float), err);
		layer->inverse = cn_mem_array(out, sizeof(float), err);
		layer->split = cn_mem_array(CN_CONV_PARTS * matrix, sizeof(float), err);
		layer->columns = cn_mem_array(cn_pool_threads(pool) * group_size(layer, true) * positions(layer),
			taps(layer) * sizeof(float), err);
	}
	if (n > layer->room) {
		cn_mem_free(layer->y);
		cn_mem_free(layer->sums);
		layer->y = cn_mem_array(n, cn_extent_count(&layer->out) * sizeof(float), err);
		layer->sums = cn_mem_array(n, 2 * out * sizeof(double), err);
		layer->room = n;
	}
	return err->code ? -1 : 0;
}

/* weight (out, in, taps) to packed (taps, in, out). */
static void
pack(const struct cn_layer *layer)
{
	const size_t in = layer->in.channels, out = layer->out.channels, area = layer->kernel * layer->kernel;

	for (size_t o = 0; o < out; o++)
		for (size_t i = 0; i < in; i++)
			for (size_t k = 0; k < area; k++)
				layer->packed[(k * in + i) * out + o] = layer->weight[(o * in + i) * area + k];
}

static float *
columns_of(const struct cn_layer *layer, size_t worker)
{
	return layer->columns + worker * group_size(layer, true) * positions(layer) * taps(layer);
}

/*
 * Where the taps of one row of the kernel lie in a sample (H, W, C), for output place (oy, ox): from *tap on *n taps
 * are inside and side by side, from *place on.  n is 0 when none is.
 */
static void
taps_inside(const struct cn_layer *l, size_t oy, size_t ox, size_t ky, size_t *tap, size_t *n, size_t *place)
{
	const size_t kernel = l->kernel, edge = kernel / 2, iy = oy * l->stride + ky - edge;	/* wraps where it is outside */
	const size_t left = ox * l->stride, right = left + kernel - edge;	/* of the last tap, + 1 */

	*tap = left < edge ? edge - left : 0;
	*n = kernel - *tap - (right > l->in.width ? right - l->in.width : 0);
	*n = iy < l->in.height ? *n : 0;
	*place = (iy * l->in.width + left + *tap - edge) * l->in.channels;
}

/* One sample (H, W, C) to columns (positions, kernel, kernel, C); what lies outside is 0. */
static void
spread(const struct cn_layer *l, const float *x, float *columns)
{
	const size_t c = l->in.channels, row = l->kernel * c;

	for (size_t oy = 0; oy < l->out.height; oy++)
		for (size_t ox = 0; ox < l->out.width; ox++)
			for (size_t ky = 0; ky < l->kernel; ky++, columns += row) {
				size_t tap, n, place;

				taps_inside(l, oy, ox, ky, &tap, &n, &place);
				if (n < l->kernel)
					memset(columns, 0, row * sizeof(float));
				if (n > 0)
					memcpy(columns + tap * c, x + place, n * c * sizeof(float));
			}
}

/* The other way: what several columns took from a place is added up there. */
CN_CLONES static void
gather(const struct cn_layer *l, const float *restrict columns, float *restrict dx)
{
	const size_t c = l->in.channels, row = l->kernel * c;

	memset(dx, 0, cn_extent_count(&l->in) * sizeof(float));
	for (size_t oy = 0; oy < l->out.height; oy++)
		for (size_t ox = 0; ox < l->out.width; ox++)
			for (size_t ky = 0; ky < l->kernel; ky++, columns += row) {
				size_t tap, n, place;

				taps_inside(l, oy, ox, ky, &tap, &n, &place);
				for (size_t i = 0; i < n * c; i++)
					dx[place + i] += columns[tap * c + i];
			}
}

static size_t
group_at(const struct job *job, size_t i)
{
	const size_t left = job->n - i * job->group;

	return left < job->group ? left : job->group;
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

static void
convolve_group(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t n = group_at(job, i), first = i * job->group, places = positions(l), out = l->out.channels;
	float *columns = columns_of(l, worker), *y = l->y + first * places * out;

	for (size_t k = 0; k < n; k++)
		spread(l, job->x + (first + k) * cn_extent_count(&l->in), columns + k * places * taps(l));
	cn_blas_gemm(false, false, n * places, out, taps(l), 1, columns, taps(l), l->packed, out, 0, y, out);
	for (size_t k = 0; k < n; k++)
		sum_sample(y + k * places * out, places, out, l->sums + (first + k) * 2 * out);
}

/* Adds up the samples' sums in order, into the first. */
static void
add_samples(const struct cn_layer *l, size_t n)
{
	const size_t width = 2 * l->out.channels;

	for (size_t k = 1; k < n; k++)
		for (size_t c = 0; c < width; c++)
			l->sums[c] += l->sums[k * width + c];
}

static void
batch_statistics(struct cn_layer *l, size_t n)
{
	const size_t out = l->out.channels;
	const double count = (double)(n * positions(l));

	add_samples(l, n);
	for (size_t c = 0; c < out; c++) {
		const double mean = l->sums[c] / count, raw = l->sums[out + c] / count - mean * mean;
		const double variance = raw > 0 ? raw : 0;

		l->centre[c] = (float)mean;
		l->inverse[c] = (float)(1 / sqrt(variance + EPSILON));
		l->mean[c] += MOMENTUM * ((float)mean - l->mean[c]);
		l->variance[c] += MOMENTUM * ((float)(variance * count / (count > 1 ? count - 1 : 1)) - l->variance[c]);
	}
}

/* What ReLU lets through lies above this. */
static float
floor_of(const struct cn_layer *layer)
{
	return layer->relu ? 0 : -INFINITY;
}

CN_CLONES static void
norm_sample(const struct cn_layer *l, const float *restrict from, float *restrict to)
{
	const float *restrict centre = l->centre, *restrict inverse = l->inverse, *restrict gamma = l->gamma, *restrict beta = l->beta;
	const size_t out = l->out.channels, places = positions(l);
	const float floor = floor_of(l);

	for (size_t p = 0; p < places; p++, from += out, to += out)
		for (size_t c = 0; c < out; c++) {
			const float value = (from[c] - centre[c]) * inverse[c] * gamma[c] + beta[c];

			to[c] = value > floor ? value : floor;
		}
}

static void
norm(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	norm_sample(job->layer, job->layer->y + i * size, job->y + i * size);
}

void
cn_conv_forward(struct cn_layer *l, const float *x, float *y, size_t n, bool training, struct cn_pool *pool)
{
	struct job job = { .layer = l, .x = x, .y = y, .n = n, .group = group_size(l, training) };

	pack(l);
	cn_pool_run(pool, (n + job.group - 1) / job.group, convolve_group, &job);
	if (training)
		batch_statistics(l, n);
	for (size_t c = 0; c < l->out.channels && !training; c++) {
		l->centre[c] = l->mean[c];
		l->inverse[c] = (float)(1 / sqrt((double)l->variance[c] + EPSILON));
	}
	cn_pool_run(pool, n, norm, &job);
}

CN_CLONES static void
cut_relu(const float *restrict out, float *restrict dy, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dy[i] = out[i] > 0 ? dy[i] : 0;
}

/* Sums of a sample by channel: of dy, and of dy times the normed value; four positions as floats, then as doubles. */
CN_CLONES static void
sum_slopes(const struct cn_layer *l, const float *restrict y, const float *restrict dy, double *restrict sums)
{
	const float *restrict centre = l->centre, *restrict inverse = l->inverse;
	const size_t n = l->out.channels, places = positions(l);
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

static void
cut(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t size = cn_extent_count(&l->out);

	(void)worker;
	if (l->relu)
		cut_relu(job->out + i * size, job->dy + i * size, size);
	sum_slopes(l, l->y + i * size, job->dy + i * size, l->sums + i * 2 * l->out.channels);
}

/* dy becomes the gradient before the norm: gamma / deviation * (dy - mean dy - normed * mean (dy * normed)). */
CN_CLONES static void
unnorm_sample(const struct cn_layer *l, const float *restrict y, float *restrict dy, float share)
{
	const float *restrict centre = l->centre, *restrict inverse = l->inverse, *restrict gamma = l->gamma;
	const float *restrict dbeta = l->dbeta, *restrict dgamma = l->dgamma;
	const size_t channels = l->out.channels, places = positions(l);

	for (size_t p = 0; p < places; p++, y += channels, dy += channels)
		for (size_t c = 0; c < channels; c++)
			dy[c] = gamma[c] * inverse[c] * (dy[c] - dbeta[c] * share
				- (y[c] - centre[c]) * inverse[c] * (dgamma[c] * share));
}

static void
back_group(const struct job *job, size_t i, float *dpacked, float *columns)
{
	const struct cn_layer *l = job->layer;
	const size_t n = group_at(job, i), first = i * job->group, places = positions(l), out = l->out.channels;
	const size_t in = cn_extent_count(&l->in), m = n * places;
	const float share = 1 / (float)(job->n * places);
	float *dy = job->dy + first * places * out;

	for (size_t k = 0; k < n; k++) {
		unnorm_sample(l, l->y + (first + k) * places * out, dy + k * places * out, share);
		spread(l, job->x + (first + k) * in, columns + k * places * taps(l));
	}
	cn_blas_gemm(true, false, taps(l), out, m, 1, columns, taps(l), dy, out, 1, dpacked, out);
	if (!job->dx)
		return;
	cn_blas_gemm(false, true, m, taps(l), out, 1, dy, out, l->packed, out, 0, columns, taps(l));
	for (size_t k = 0; k < n; k++)
		gather(l, columns + k * places * taps(l), job->dx + (first + k) * in);
}

/* One of CN_CONV_PARTS runs of groups, each with its own sum for the weights. */
static void
back_part(void *context, size_t part, size_t worker)
{
	const struct job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t groups = (job->n + job->group - 1) / job->group, matrix = taps(l) * l->out.channels;
	float *dpacked = l->split + part * matrix;

	memset(dpacked, 0, matrix * sizeof(float));
	for (size_t i = groups * part / CN_CONV_PARTS; i < groups * (part + 1) / CN_CONV_PARTS; i++)
		back_group(job, i, dpacked, columns_of(l, worker));
}

/* The parts' sums, in order, to dweight (out, in, taps). */
static void
unpack(const struct cn_layer *l)
{
	const size_t in = l->in.channels, out = l->out.channels, area = l->kernel * l->kernel, matrix = taps(l) * out;

	for (size_t part = 1; part < CN_CONV_PARTS; part++)
		for (size_t i = 0; i < matrix; i++)
			l->split[i] += l->split[part * matrix + i];
	for (size_t o = 0; o < out; o++)
		for (size_t i = 0; i < in; i++)
			for (size_t k = 0; k < area; k++)
				l->dweight[(o * in + i) * area + k] = l->split[(k * in + i) * out + o];
}

void
cn_conv_backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool)
{
	struct job job = { .layer = l, .x = x, .out = y, .dy = dy, .dx = dx, .n = n, .group = group_size(l, true) };
	const size_t out = l->out.channels;

	cn_pool_run(pool, n, cut, &job);
	add_samples(l, n);
	for (size_t c = 0; c < out; c++) {
		l->dbeta[c] = (float)l->sums[c];
		l->dgamma[c] = (float)l->sums[out + c];
	}
	cn_pool_run(pool, CN_CONV_PARTS, back_part, &job);
	unpack(l);
}
