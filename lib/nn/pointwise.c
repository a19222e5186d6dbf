/* pointwise - layers that take each number by itself: ReLU, GELU, dropout; and flatten, which leaves it as it is. */
#include <math.h>
#include <string.h>

#include "nn/layer.h"

#include "base/banned.h"

static int
fit_flatten(struct cn_layer *l, const char *word, struct cn_err *err)
{
	(void)word;
	(void)err;
	l->out = (struct cn_extent){ 1, 1, cn_extent_count(&l->in) };
	return 0;
}

static void
flatten_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	memcpy(job->y + i * size, job->x + i * size, size * sizeof(float));
}

static void
back_flatten_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	memcpy(job->dx + i * size, job->dy + i * size, size * sizeof(float));
}

static void
relu_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	for (size_t k = i * size; k < (i + 1) * size; k++)
		job->y[k] = job->x[k] > 0 ? job->x[k] : 0;
}

static void
back_relu_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	for (size_t k = i * size; k < (i + 1) * size; k++)
		job->dx[k] = job->out[k] > 0 ? job->dy[k] : 0;
}

/* The part of the standard normal distribution that lies below x. */
static float
below(float x)
{
	return 0.5f * (1 + erff(x * 0.70710678f));
}

static void
gelu_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	for (size_t k = i * size; k < (i + 1) * size; k++)
		job->y[k] = job->x[k] * below(job->x[k]);
}

/* (x Phi(x))' = Phi(x) + x phi(x); phi(x) = e^(-x^2 / 2) / sqrt(2 pi). */
static void
back_gelu_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	for (size_t k = i * size; k < (i + 1) * size; k++) {
		const float x = job->x[k];

		job->dx[k] = job->dy[k] * (below(x) + x * 0.39894228f * expf(-0.5f * x * x));
	}
}

/* Draws that depend on the sample's place in the batch and the step alone: the same on both ways. */
static void
drop(const struct cn_layer *l, size_t i, const float *from, float *to)
{
	const size_t size = cn_extent_count(&l->out);
	const float part = (float)l->part, scale = 1 / (1 - part);
	struct cn_rng rng;

	cn_rng_start(&rng, &l->key, l->first + i, (uint32_t)l->step);
	for (size_t k = i * size; k < (i + 1) * size; k++)
		to[k] = cn_rng_unit(&rng) < part ? 0 : from[k] * scale;
}

static void
dropout_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;

	if (job->learning)
		drop(job->layer, i, job->x, job->y);
	else
		flatten_sample(context, i, worker);
}

static void
back_dropout_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;

	if (job->layer->fixed)
		back_flatten_sample(context, i, worker);
	else
		drop(job->layer, i, job->dy, job->dx);
}

const struct cn_layer_kind cn_flatten_kind = {
	.word = "flatten", .grammar = "", .fit = fit_flatten, .sample = flatten_sample, .back_sample = back_flatten_sample,
};

const struct cn_layer_kind cn_relu_kind = {
	.word = "relu", .grammar = "", .sample = relu_sample, .back_sample = back_relu_sample,
};

const struct cn_layer_kind cn_gelu_kind = {
	.word = "gelu", .grammar = "", .sample = gelu_sample, .back_sample = back_gelu_sample,
};

const struct cn_layer_kind cn_dropout_kind = {
	.word = "dropout", .grammar = ":P", .fraction = true, .sample = dropout_sample, .back_sample = back_dropout_sample,
};
