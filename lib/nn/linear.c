/* linear - matrix products over rows of samples. */
#include <string.h>

#include "nn/layer.h"
#include "tensor/blas.h"

#include "base/banned.h"

enum { ROWS = 64 };	/* of a matrix product, where samples go together */

static int
fit(struct cn_layer *l, const char *word, struct cn_err *err)
{
	(void)word;
	(void)err;
	l->out = (struct cn_extent){ 1, 1, l->number };
	return 0;
}

static size_t
tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	const uint32_t from = (uint32_t)cn_extent_count(&l->in), out = (uint32_t)l->out.channels;

	cn_layer_list(t++, "", "weight", (struct cn_shape){ 2, { out, from } }, from, 0, &l->weight, &l->dweight);
	cn_layer_list(t, "", "bias", (struct cn_shape){ 1, { out } }, from, 0, &l->bias, &l->dbias);
	return 2;
}

/* weight is (out, in): y = x weight' + bias. */
static void
map_rows(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t in = cn_extent_count(&job->layer->in), out = job->layer->out.channels, first = i * job->group;
	const size_t m = cn_pool_part_size(job->n, i, job->group);
	float *y = job->y + first * out;

	(void)worker;
	for (size_t r = 0; r < m; r++)
		memcpy(y + r * out, job->layer->bias, out * sizeof(float));
	cn_blas_gemm(false, true, m, out, in, 1, job->x + first * in, in, job->layer->weight, in, 1, y, out);
}

static void
back_rows(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t in = cn_extent_count(&job->layer->in), out = job->layer->out.channels, first = i * job->group;
	const size_t m = cn_pool_part_size(job->n, i, job->group);

	(void)worker;
	cn_blas_gemm(false, false, m, in, out, 1, job->dy + first * out, out, job->layer->weight, in, 0,
		job->dx + first * in, in);
}

static void
forward(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .y = y, .n = n, .group = way.together ? ROWS : 1 };

	cn_pool_run(pool, cn_pool_parts(n, job.group), map_rows, &job);
}

static void
weigh(struct cn_layer *l, const float *x, const float *dy, size_t n)
{
	const size_t in = cn_extent_count(&l->in), out = l->out.channels;

	cn_blas_gemm(true, false, out, in, n, 1, dy, out, x, in, 0, l->dweight, in);
	memset(l->dbias, 0, out * sizeof(float));
	for (size_t r = 0; r < n; r++)
		for (size_t c = 0; c < out; c++)
			l->dbias[c] += dy[r * out + c];
}

static void
backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .dy = dy, .dx = dx, .n = n, .group = ROWS };

	(void)y;
	if (!l->fixed)
		weigh(l, x, dy, n);
	if (dx)
		cn_pool_run(pool, cn_pool_parts(n, ROWS), back_rows, &job);
}

const struct cn_layer_kind cn_linear_kind = {
	.word = "linear", .grammar = ":N", .most = CN_LAYER_WIDEST,
	.fit = fit, .tensors = tensors, .forward = forward, .backward = backward,
};
