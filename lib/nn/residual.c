/* residual - the two ways through a block, and back. */
#include "base/mem.h"
#include "nn/conv.h"
#include "nn/residual.h"
#include "tensor/clones.h"

#include "base/banned.h"

struct job {
	const struct cn_layer *layer;
	const float *a, *b;
	float *to;
};

static struct cn_layer
convolution(struct cn_extent in, struct cn_extent out, size_t stride, size_t kernel, bool relu)
{
	return (struct cn_layer){ .in = in, .out = out, .stride = stride, .kernel = kernel, .relu = relu };
}

static int
fit(struct cn_layer *l, const char *word, struct cn_err *err)
{
	struct cn_residual *block = l->block = cn_mem_array(1, sizeof(*block), err);

	(void)word;
	if (!block)
		return -1;
	l->out.channels = l->number;
	cn_conv_size(l);
	block->part[CN_RESIDUAL_FIRST] = convolution(l->in, l->out, l->stride, 3, true);
	block->part[CN_RESIDUAL_SECOND] = convolution(l->out, l->out, 1, 3, false);
	block->parts = 2;
	if (l->stride != 1 || l->in.channels != l->out.channels)
		block->part[block->parts++] = convolution(l->in, l->out, l->stride, 1, false);
	return 0;
}

static size_t
tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	static const char *const names[CN_RESIDUAL_PARTS][2] = { { "conv1.", "norm1." }, { "conv2.", "norm2." },
		{ "shortcut.conv.", "shortcut.norm." } };
	size_t n = 0;

	for (size_t k = 0; k < l->block->parts; k++)
		n += cn_conv_tensors(&l->block->part[k], names[k][0], names[k][1], t + n);
	return n;
}

static int
room(struct cn_layer *l, size_t n, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_residual *block = l->block;
	const size_t out = cn_extent_count(&l->out) * sizeof(float);

	for (size_t i = 0; i < block->parts; i++)
		if (cn_conv_room(&block->part[i], n, pool, err) != 0)
			return -1;
	if (n <= l->room)
		return 0;
	for (size_t i = 0; i < block->parts; i++) {
		cn_mem_free(block->map[i]);
		block->map[i] = cn_mem_array(n, out, err);
	}
	for (size_t i = 0; i <= CN_RESIDUAL_SECOND; i++) {
		cn_mem_free(block->dmap[i]);
		block->dmap[i] = cn_mem_array(n, out, err);
	}
	cn_mem_free(block->dside);
	block->dside = cn_mem_array(n, cn_extent_count(&l->in) * sizeof(float), err);
	l->room = n;
	return err->code ? -1 : 0;
}

CN_CLONES static void
join(const float *restrict a, const float *restrict b, float *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const float sum = a[i] + b[i];

		to[i] = sum > 0 ? sum : 0;
	}
}

static void
join_sample(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	join(job->a + i * size, job->b + i * size, job->to + i * size, size);
}

static void
forward(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_residual *block = l->block;
	struct job job = { l, block->map[CN_RESIDUAL_SECOND], x, y };

	cn_conv_forward(&block->part[CN_RESIDUAL_FIRST], x, block->map[CN_RESIDUAL_FIRST], n, way, pool);
	cn_conv_forward(&block->part[CN_RESIDUAL_SECOND], block->map[CN_RESIDUAL_FIRST], block->map[CN_RESIDUAL_SECOND], n, way, pool);
	if (block->parts > CN_RESIDUAL_SHORTCUT) {
		job.b = block->map[CN_RESIDUAL_SHORTCUT];
		cn_conv_forward(&block->part[CN_RESIDUAL_SHORTCUT], x, block->map[CN_RESIDUAL_SHORTCUT], n, way, pool);
	}
	cn_pool_run(pool, n, join_sample, &job);
}

/* What the last ReLU let through, of dy; kept in both, since each way back overwrites its own. */
CN_CLONES static void
part(const float *restrict y, float *restrict dy, float *restrict copy, size_t n)
{
	for (size_t i = 0; i < n; i++)
		copy[i] = dy[i] = y[i] > 0 ? dy[i] : 0;
}

static void
part_sample(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	part(job->a + i * size, job->to + i * size, job->layer->block->dmap[CN_RESIDUAL_SECOND] + i * size, size);
}

CN_CLONES static void
add(const float *restrict from, float *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

static void
add_sample(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t size = cn_extent_count(&job->layer->in);

	(void)worker;
	add(job->a + i * size, job->to + i * size, size);
}

static void
backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_residual *block = l->block;
	float *const *map = block->map, *const *dmap = block->dmap;
	const bool through = block->parts > CN_RESIDUAL_SHORTCUT;
	struct job job = { l, y, NULL, dy };

	cn_pool_run(pool, n, part_sample, &job);
	cn_conv_backward(&block->part[CN_RESIDUAL_SECOND], map[CN_RESIDUAL_FIRST], map[CN_RESIDUAL_SECOND], dmap[CN_RESIDUAL_SECOND],
		dmap[CN_RESIDUAL_FIRST], n, pool);
	cn_conv_backward(&block->part[CN_RESIDUAL_FIRST], x, map[CN_RESIDUAL_FIRST], dmap[CN_RESIDUAL_FIRST], dx, n, pool);
	if (through)
		cn_conv_backward(&block->part[CN_RESIDUAL_SHORTCUT], x, map[CN_RESIDUAL_SHORTCUT], dy, dx ? block->dside : NULL, n, pool);
	if (!dx)
		return;
	job = (struct job){ l, through ? block->dside : dy, NULL, dx };
	cn_pool_run(pool, n, add_sample, &job);
}

void
cn_residual_free(struct cn_residual *block)
{
	if (!block)
		return;
	for (size_t i = 0; i < CN_RESIDUAL_PARTS; i++) {
		cn_layer_release(&block->part[i]);
		cn_mem_free(block->map[i]);
	}
	for (size_t i = 0; i <= CN_RESIDUAL_SECOND; i++)
		cn_mem_free(block->dmap[i]);
	cn_mem_free(block->dside);
	cn_mem_free(block);
}

const struct cn_layer_kind cn_residual_kind = {
	.word = "res", .grammar = ":C[/S]", .most = CN_LAYER_WIDEST, .strides = true,
	.fit = fit, .tensors = tensors, .room = room, .forward = forward, .backward = backward,
};
