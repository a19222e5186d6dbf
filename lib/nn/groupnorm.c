/*
 * groupnorm - numbers of one sample normed together: by groups of channels over all positions (Wu & He 2018), or all
 * channels at one position (Ba et al. 2016).
 *
 * Either way a sample falls into blocks; block b has some positions of width channels, and begins at number b width.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/layer.h"

#include "base/banned.h"

#define EPSILON 1e-5

static int
fit_gn(struct cn_layer *l, const char *word, struct cn_err *err)
{
	if (l->in.channels % l->number != 0)
		return cn_err_set(err, CN_USAGE, "layer '%s': %zu channels do not fall into %zu groups", word, l->in.channels, l->number);
	l->blocks = l->number;
	l->width = l->in.channels / l->number;
	return 0;
}

static int
fit_ln(struct cn_layer *l, const char *word, struct cn_err *err)
{
	(void)word;
	(void)err;
	l->blocks = cn_extent_places(&l->in);
	l->width = l->in.channels;
	return 0;
}

static size_t
tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	const struct cn_shape shape = { 1, { (uint32_t)l->out.channels } };

	cn_layer_list(t++, "", "weight", shape, 0, 1, &l->gamma, &l->dgamma);
	cn_layer_list(t, "", "bias", shape, 0, 0, &l->beta, &l->dbeta);
	return 2;
}

static int
room(struct cn_layer *l, size_t n, struct cn_err *err)
{
	if (n <= l->room)
		return 0;
	cn_mem_free(l->centre);
	cn_mem_free(l->inverse);
	cn_mem_free(l->sums);
	l->centre = cn_mem_array(n, l->blocks * sizeof(float), err);
	l->inverse = cn_mem_array(n, l->blocks * sizeof(float), err);
	l->sums = cn_mem_array(n, 2 * l->out.channels * sizeof(double), err);
	l->room = n;
	return err->code ? -1 : 0;
}

/* Positions of a block. */
static size_t
length_of(const struct cn_layer *l)
{
	return cn_extent_count(&l->in) / (l->blocks * l->width);
}

/* Mean and 1 / deviation of the block that begins at x. */
static void
measure(const struct cn_layer *l, const float *x, float *centre, float *inverse)
{
	const size_t channels = l->in.channels, length = length_of(l);
	const double count = (double)(length * l->width);
	double sum = 0, squares = 0;

	for (size_t p = 0; p < length; p++)
		for (size_t c = 0; c < l->width; c++)
			sum += (double)x[p * channels + c];
	*centre = (float)(sum / count);
	for (size_t p = 0; p < length; p++)
		for (size_t c = 0; c < l->width; c++) {
			const double away = (double)x[p * channels + c] - sum / count;

			squares += away * away;
		}
	*inverse = (float)(1 / sqrt(squares / count + EPSILON));
}

static void
norm_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels, length = length_of(l);

	(void)worker;
	for (size_t b = 0; b < l->blocks; b++) {
		const size_t at = i * cn_extent_count(&l->in) + b * l->width, first = b * l->width % channels, k = i * l->blocks + b;
		const float *x = job->x + at, *gamma = l->gamma + first, *beta = l->beta + first;
		float *y = job->y + at;

		measure(l, x, &l->centre[k], &l->inverse[k]);
		for (size_t p = 0; p < length; p++, x += channels, y += channels)
			for (size_t c = 0; c < l->width; c++)
				y[c] = (x[c] - l->centre[k]) * l->inverse[k] * gamma[c] + beta[c];
	}
}

/*
 * One block's sums by channel, of dy and of dy times the normed value; then, with g = gamma dy,
 * dx = (g - mean g - normed * mean (g * normed)) / deviation.
 */
static void
back_block(const struct cn_layer *l, const float *x, const float *dy, float *dx, const float *gamma, float centre, float inverse,
	double *sums)
{
	const size_t channels = l->in.channels, length = length_of(l);
	const double count = (double)(length * l->width);
	double sum = 0, along = 0;

	for (size_t p = 0; p < length; p++)
		for (size_t c = 0; c < l->width; c++) {
			const double slope = (double)dy[p * channels + c], normed = (double)((x[p * channels + c] - centre) * inverse);

			sums[c] += slope;
			sums[channels + c] += slope * normed;
			sum += slope * (double)gamma[c];
			along += slope * (double)gamma[c] * normed;
		}
	const float mean = (float)(sum / count), slope = (float)(along / count);

	for (size_t p = 0; p < length && dx; p++, x += channels, dy += channels, dx += channels)
		for (size_t c = 0; c < l->width; c++)
			dx[c] = inverse * (gamma[c] * dy[c] - mean - (x[c] - centre) * inverse * slope);
}

static void
back_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels;
	double *sums = l->sums + i * 2 * channels;

	(void)worker;
	memset(sums, 0, 2 * channels * sizeof(*sums));
	for (size_t b = 0; b < l->blocks; b++) {
		const size_t at = i * cn_extent_count(&l->in) + b * l->width, first = b * l->width % channels, k = i * l->blocks + b;

		back_block(l, job->x + at, job->dy + at, job->dx ? job->dx + at : NULL, l->gamma + first, l->centre[k], l->inverse[k],
			sums + first);
	}
}

static void
backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .dy = dy, .dx = dx };

	(void)y;
	cn_pool_run(pool, n, back_sample, &job);
	cn_layer_slopes(l, n);
}

const struct cn_layer_kind cn_gn_kind = {
	.word = "gn", .grammar = ":G", .most = CN_LAYER_WIDEST,
	.fit = fit_gn, .tensors = tensors, .room = room, .sample = norm_sample, .backward = backward,
};

const struct cn_layer_kind cn_ln_kind = {
	.word = "ln", .grammar = "",
	.fit = fit_ln, .tensors = tensors, .room = room, .sample = norm_sample, .backward = backward,
};
