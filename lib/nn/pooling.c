/* pooling - the greatest or the mean of a window of each channel, the mean over all positions; and up, the way back from windows. */
#include <string.h>

#include "nn/layer.h"
#include "tensor/clones.h"

#include "base/banned.h"

static int
fit_gap(struct cn_layer *l, const char *word, struct cn_err *err)
{
	(void)word;
	(void)err;
	l->out = (struct cn_extent){ 1, 1, l->in.channels };
	return 0;
}

static int
fit_window(struct cn_layer *l, const char *word, struct cn_err *err)
{
	l->kernel = l->number;
	l->stride = l->stride ? l->stride : l->kernel;
	if (l->kernel > l->in.height || l->kernel > l->in.width)
		return cn_err_set(err, CN_USAGE, "layer '%s' takes more than its map of %zu by %zu", word, l->in.height, l->in.width);
	l->out.height = (l->in.height - l->kernel) / l->stride + 1;
	l->out.width = (l->in.width - l->kernel) / l->stride + 1;
	return 0;
}

static int
fit_up(struct cn_layer *l, const char *word, struct cn_err *err)
{
	(void)word;
	(void)err;
	l->kernel = l->number;
	l->out.height = l->in.height * l->kernel;
	l->out.width = l->in.width * l->kernel;
	return 0;
}

static void
gap_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t channels = job->layer->out.channels, places = cn_extent_places(&job->layer->in);
	const float *x = job->x + i * places * channels;
	float *y = job->y + i * channels;

	(void)worker;
	memset(y, 0, channels * sizeof(float));
	for (size_t p = 0; p < places; p++)
		for (size_t c = 0; c < channels; c++)
			y[c] += x[p * channels + c];
	for (size_t c = 0; c < channels; c++)
		y[c] /= (float)places;
}

static void
back_gap_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t channels = job->layer->out.channels, places = cn_extent_places(&job->layer->in);
	const float *dy = job->dy + i * channels;
	float *dx = job->dx + i * places * channels;

	(void)worker;
	for (size_t p = 0; p < places; p++)
		for (size_t c = 0; c < channels; c++)
			dx[p * channels + c] = dy[c] / (float)places;
}

/* Where tap number tap of the window of output place p lies in a sample. */
static size_t
tap_at(const struct cn_layer *l, size_t p, size_t tap)
{
	const size_t row = p / l->out.width * l->stride + tap / l->kernel, column = p % l->out.width * l->stride + tap % l->kernel;

	return (row * l->in.width + column) * l->in.channels;
}

CN_CLONES static void
take_greatest(const float *restrict x, float *restrict y, size_t n)
{
	for (size_t c = 0; c < n; c++)
		y[c] = x[c] > y[c] ? x[c] : y[c];
}

CN_CLONES static void
take_sum(const float *restrict x, float *restrict y, size_t n)
{
	for (size_t c = 0; c < n; c++)
		y[c] += x[c];
}

/* The first tap that is the greatest gets all of dy, and leaves nothing to those behind it. */
CN_CLONES static void
give_greatest(const float *restrict x, const float *restrict y, float *restrict dy, float *restrict dx, size_t n)
{
	for (size_t c = 0; c < n; c++) {
		const float part = x[c] == y[c] ? dy[c] : 0;

		dx[c] += part;
		dy[c] -= part;
	}
}

static void
max_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels;
	const float *x = job->x + i * cn_extent_count(&l->in);
	float *y = job->y + i * cn_extent_count(&l->out);

	(void)worker;
	for (size_t p = 0; p < cn_extent_places(&l->out); p++, y += channels) {
		memcpy(y, x + tap_at(l, p, 0), channels * sizeof(float));
		for (size_t tap = 1; tap < l->kernel * l->kernel; tap++)
			take_greatest(x + tap_at(l, p, tap), y, channels);
	}
}

static void
back_max_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels, in = cn_extent_count(&l->in), out = cn_extent_count(&l->out);
	float *dx = job->dx + i * in;

	(void)worker;
	memset(dx, 0, in * sizeof(float));
	for (size_t p = 0; p < cn_extent_places(&l->out); p++)
		for (size_t tap = 0; tap < l->kernel * l->kernel; tap++)
			give_greatest(job->x + i * in + tap_at(l, p, tap), job->out + i * out + p * channels,
				job->dy + i * out + p * channels, dx + tap_at(l, p, tap), channels);
}

static void
avg_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels, area = l->kernel * l->kernel, out = cn_extent_count(&l->out);
	const float *x = job->x + i * cn_extent_count(&l->in);
	float *y = job->y + i * out;

	(void)worker;
	memset(y, 0, out * sizeof(float));
	for (size_t p = 0; p < cn_extent_places(&l->out); p++)
		for (size_t tap = 0; tap < area; tap++)
			take_sum(x + tap_at(l, p, tap), y + p * channels, channels);
	for (size_t k = 0; k < out; k++)
		y[k] /= (float)area;
}

static void
back_avg_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels, area = l->kernel * l->kernel, out = cn_extent_count(&l->out);
	float *dy = job->dy + i * out, *dx = job->dx + i * cn_extent_count(&l->in);

	(void)worker;
	for (size_t k = 0; k < out; k++)
		dy[k] /= (float)area;
	memset(dx, 0, cn_extent_count(&l->in) * sizeof(float));
	for (size_t p = 0; p < cn_extent_places(&l->out); p++)
		for (size_t tap = 0; tap < area; tap++)
			take_sum(dy + p * channels, dx + tap_at(l, p, tap), channels);
}

/* Where what lies at output place p of up comes from in a sample. */
static size_t
source_of(const struct cn_layer *l, size_t p)
{
	const size_t row = p / l->out.width / l->kernel, column = p % l->out.width / l->kernel;

	return (row * l->in.width + column) * l->in.channels;
}

static void
up_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels;
	const float *x = job->x + i * cn_extent_count(&l->in);
	float *y = job->y + i * cn_extent_count(&l->out);

	(void)worker;
	for (size_t p = 0; p < cn_extent_places(&l->out); p++)
		memcpy(y + p * channels, x + source_of(l, p), channels * sizeof(float));
}

static void
back_up_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t channels = l->in.channels;
	const float *dy = job->dy + i * cn_extent_count(&l->out);
	float *dx = job->dx + i * cn_extent_count(&l->in);

	(void)worker;
	memset(dx, 0, cn_extent_count(&l->in) * sizeof(float));
	for (size_t p = 0; p < cn_extent_places(&l->out); p++)
		take_sum(dy + p * channels, dx + source_of(l, p), channels);
}

const struct cn_layer_kind cn_gap_kind = {
	.word = "gap", .grammar = "", .fit = fit_gap, .sample = gap_sample, .back_sample = back_gap_sample,
};

const struct cn_layer_kind cn_max_kind = {
	.word = "max", .grammar = ":K[/S]", .most = CN_LAYER_LONGEST, .strides = true,
	.fit = fit_window, .sample = max_sample, .back_sample = back_max_sample,
};

const struct cn_layer_kind cn_avg_kind = {
	.word = "avg", .grammar = ":K[/S]", .most = CN_LAYER_LONGEST, .strides = true,
	.fit = fit_window, .sample = avg_sample, .back_sample = back_avg_sample,
};

const struct cn_layer_kind cn_up_kind = {
	.word = "up", .grammar = ":K", .most = CN_LAYER_LONGEST, .fit = fit_up, .sample = up_sample, .back_sample = back_up_sample,
};
