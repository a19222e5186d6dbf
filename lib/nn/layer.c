/* layer - linear maps, ReLU, means over positions; convolutions are in conv.c, blocks of them in residual.c. */
#include "base/mem.h"
#include "nn/conv.h"
#include "nn/layer.h"
#include "nn/residual.h"
#include "tensor/blas.h"

#include "base/banned.h"

enum { ROWS = 64 };	/* of a matrix product in training */

struct job {
	const struct cn_layer *layer;
	const float *x, *out;
	float *y, *dy, *dx;
	size_t n, rows;
};

size_t
cn_extent_count(const struct cn_extent *extent)
{
	return extent->height * extent->width * extent->channels;
}

int
cn_layer_room(struct cn_layer *layer, size_t n, struct cn_pool *pool, struct cn_err *err)
{
	switch (layer->kind) {
	case CN_LAYER_CONV: return cn_conv_room(layer, n, pool, err);
	case CN_LAYER_RESIDUAL: return cn_residual_room(layer, n, pool, err);
	default: return 0;
	}
}

void
cn_layer_release(struct cn_layer *layer)
{
	cn_mem_free(layer->packed);
	cn_mem_free(layer->centre);
	cn_mem_free(layer->inverse);
	cn_mem_free(layer->y);
	cn_mem_free(layer->sums);
	cn_mem_free(layer->split);
	cn_mem_free(layer->columns);
	cn_residual_free(layer->block);
}

/* weight is (out, in): y = x weight' + bias. */
static void
linear_rows(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t in = cn_extent_count(&job->layer->in), out = job->layer->out.channels, first = i * job->rows;
	const size_t m = job->n - first < job->rows ? job->n - first : job->rows;
	float *y = job->y + first * out;

	(void)worker;
	for (size_t r = 0; r < m; r++)
		memcpy(y + r * out, job->layer->bias, out * sizeof(float));
	cn_blas_gemm(false, true, m, out, in, 1, job->x + first * in, in, job->layer->weight, in, 1, y, out);
}

static void
linear_back_rows(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t in = cn_extent_count(&job->layer->in), out = job->layer->out.channels, first = i * job->rows;
	const size_t m = job->n - first < job->rows ? job->n - first : job->rows;

	(void)worker;
	cn_blas_gemm(false, false, m, in, out, 1, job->dy + first * out, out, job->layer->weight, in, 0,
		job->dx + first * in, in);
}

static void
linear_backward(struct cn_layer *l, struct job *job, struct cn_pool *pool)
{
	const size_t in = cn_extent_count(&l->in), out = l->out.channels;

	cn_blas_gemm(true, false, out, in, job->n, 1, job->dy, out, job->x, in, 0, l->dweight, in);
	memset(l->dbias, 0, out * sizeof(float));
	for (size_t r = 0; r < job->n; r++)
		for (size_t c = 0; c < out; c++)
			l->dbias[c] += job->dy[r * out + c];
	if (job->dx)
		cn_pool_run(pool, (job->n + ROWS - 1) / ROWS, linear_back_rows, job);
}

static void
mean_sample(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t channels = job->layer->out.channels, places = job->layer->in.height * job->layer->in.width;
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
share_sample(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t channels = job->layer->out.channels, places = job->layer->in.height * job->layer->in.width;
	const float *dy = job->dy + i * channels;
	float *dx = job->dx + i * places * channels;

	(void)worker;
	for (size_t p = 0; p < places; p++)
		for (size_t c = 0; c < channels; c++)
			dx[p * channels + c] = dy[c] / (float)places;
}

void
cn_layer_forward(struct cn_layer *l, const float *x, float *y, size_t n, bool training, struct cn_pool *pool)
{
	struct job job = { .layer = l, .x = x, .y = y, .n = n, .rows = training ? ROWS : 1 };
	const size_t size = n * cn_extent_count(&l->out);

	switch (l->kind) {
	case CN_LAYER_CONV:
		cn_conv_forward(l, x, y, n, training, pool);
		break;
	case CN_LAYER_RESIDUAL:
		cn_residual_forward(l, x, y, n, training, pool);
		break;
	case CN_LAYER_LINEAR:
		cn_pool_run(pool, (n + job.rows - 1) / job.rows, linear_rows, &job);
		break;
	case CN_LAYER_RELU:
		for (size_t i = 0; i < size; i++)
			y[i] = x[i] > 0 ? x[i] : 0;
		break;
	case CN_LAYER_GAP:
		cn_pool_run(pool, n, mean_sample, &job);
		break;
	case CN_LAYER_FLATTEN:
		memcpy(y, x, size * sizeof(float));
		break;
	}
}

void
cn_layer_backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool)
{
	struct job job = { .layer = l, .x = x, .out = y, .dy = dy, .dx = dx, .n = n, .rows = ROWS };
	const size_t size = n * cn_extent_count(&l->out);

	switch (l->kind) {
	case CN_LAYER_CONV:
		cn_conv_backward(l, x, y, dy, dx, n, pool);
		break;
	case CN_LAYER_RESIDUAL:
		cn_residual_backward(l, x, y, dy, dx, n, pool);
		break;
	case CN_LAYER_LINEAR:
		linear_backward(l, &job, pool);
		break;
	case CN_LAYER_RELU:
		for (size_t i = 0; i < size && dx; i++)
			dx[i] = y[i] > 0 ? dy[i] : 0;
		break;
	case CN_LAYER_GAP:
		if (dx)
			cn_pool_run(pool, n, share_sample, &job);
		break;
	case CN_LAYER_FLATTEN:
		if (dx)
			memcpy(dx, dy, size * sizeof(float));
		break;
	}
}
