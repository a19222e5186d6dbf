/* depthwise - each channel convolved by a kernel of its own. */
#include <string.h>

#include "base/mem.h"
#include "nn/conv.h"
#include "nn/layer.h"
#include "tensor/clones.h"

#include "base/banned.h"

static size_t
taps(const struct cn_layer *l)
{
	return l->kernel * l->kernel;
}

/* Numbers that are learned: a kernel and a bias for each channel. */
static size_t
learned(const struct cn_layer *l)
{
	return (taps(l) + 1) * l->in.channels;
}

static int
fit(struct cn_layer *l, const char *word, struct cn_err *err)
{
	l->kernel = l->number;
	cn_conv_size(l);
	return cn_conv_check(l, word, err);
}

static size_t
tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	const uint32_t channels = (uint32_t)l->in.channels, kernel = (uint32_t)l->kernel;

	cn_layer_list(t++, "", "weight", (struct cn_shape){ 4, { channels, 1, kernel, kernel } }, taps(l), 0, &l->weight, &l->dweight);
	cn_layer_list(t, "", "bias", (struct cn_shape){ 1, { channels } }, taps(l), 0, &l->bias, &l->dbias);
	return 2;
}

static int
room(struct cn_layer *l, size_t n, struct cn_err *err)
{
	(void)n;
	if (l->packed)
		return 0;
	l->packed = cn_mem_array(taps(l), l->in.channels * sizeof(float), err);
	l->sums = cn_mem_array(CN_LAYER_PARTS, learned(l) * sizeof(double), err);
	return err->code ? -1 : 0;
}

/* weight (channels, taps) to packed (taps, channels). */
static void
pack(const struct cn_layer *l)
{
	for (size_t c = 0; c < l->in.channels; c++)
		for (size_t k = 0; k < taps(l); k++)
			l->packed[k * l->in.channels + c] = l->weight[c * taps(l) + k];
}

CN_CLONES static void
add_products(const float *restrict a, const float *restrict b, float *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += a[i] * b[i];
}

CN_CLONES static void
add_exact_products(const float *restrict a, const float *restrict b, double *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += (double)a[i] * (double)b[i];
}

static void
sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t c = l->in.channels;
	const float *x = job->x + i * cn_extent_count(&l->in);
	float *y = job->y + i * cn_extent_count(&l->out);

	(void)worker;
	for (size_t oy = 0; oy < l->out.height; oy++)
		for (size_t ox = 0; ox < l->out.width; ox++, y += c) {
			memcpy(y, l->bias, c * sizeof(float));
			for (size_t ky = 0; ky < l->kernel; ky++) {
				size_t tap, n, place;

				cn_conv_taps(l, oy, ox, ky, &tap, &n, &place);
				for (size_t k = 0; k < n; k++)
					add_products(x + place + k * c, l->packed + (ky * l->kernel + tap + k) * c, y, c);
			}
		}
}

static void
forward(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .y = y };

	(void)way;
	pack(l);
	cn_pool_run(pool, n, sample, &job);
}

/* One sample: the sums of its kernels' gradient (taps, channels) and, behind them, of the bias; dx unless it is NULL. */
static void
back_sample(const struct cn_layer *l, const float *x, const float *dy, float *dx, double *sums)
{
	const size_t c = l->in.channels;

	if (dx)
		memset(dx, 0, cn_extent_count(&l->in) * sizeof(float));
	for (size_t oy = 0; oy < l->out.height; oy++)
		for (size_t ox = 0; ox < l->out.width; ox++, dy += c) {
			for (size_t ky = 0; ky < l->kernel; ky++) {
				size_t tap, n, place;

				cn_conv_taps(l, oy, ox, ky, &tap, &n, &place);
				for (size_t k = 0; k < n; k++) {
					const size_t at = (ky * l->kernel + tap + k) * c;

					add_exact_products(x + place + k * c, dy, sums + at, c);
					if (dx)
						add_products(l->packed + at, dy, dx + place + k * c, c);
				}
			}
			for (size_t k = 0; k < c; k++)
				sums[taps(l) * c + k] += (double)dy[k];
		}
}

/* One of CN_LAYER_PARTS runs of samples, each with its own sums. */
static void
back_part(void *context, size_t part, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t in = cn_extent_count(&l->in), out = cn_extent_count(&l->out);
	double *sums = l->sums + part * learned(l);

	(void)worker;
	memset(sums, 0, learned(l) * sizeof(*sums));
	for (size_t i = job->n * part / CN_LAYER_PARTS; i < job->n * (part + 1) / CN_LAYER_PARTS; i++)
		back_sample(l, job->x + i * in, job->dy + i * out, job->dx ? job->dx + i * in : NULL, sums);
}

static void
backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .dy = dy, .dx = dx, .n = n };
	const size_t channels = l->in.channels;

	(void)y;
	cn_pool_run(pool, CN_LAYER_PARTS, back_part, &job);
	cn_layer_add(l->sums, CN_LAYER_PARTS, learned(l));
	for (size_t c = 0; c < channels; c++) {
		for (size_t k = 0; k < taps(l); k++)
			l->dweight[c * taps(l) + k] = (float)l->sums[k * channels + c];
		l->dbias[c] = (float)l->sums[taps(l) * channels + c];
	}
}

const struct cn_layer_kind cn_depthwise_kind = {
	.word = "depthwise", .grammar = ":K[/S]", .most = CN_LAYER_LONGEST, .strides = true,
	.fit = fit, .tensors = tensors, .room = room, .forward = forward, .backward = backward,
};
