/* residual - the two ways through a block, and back. */
#include "base/mem.h"
#include "nn/batchnorm.h"
#include "nn/conv.h"
#include "nn/residual.h"
#include "tensor/clones.h"

#include "base/banned.h"

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
	block->part[CN_RESIDUAL_SHORTCUT].adds = true;
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
room(struct cn_layer *l, size_t n, struct cn_err *err)
{
	for (size_t i = 0; i < l->block->parts; i++)
		if (cn_conv_room(&l->block->part[i], n, err) != 0)
			return -1;
	return 0;
}

/* The map between the convolutions and a gradient (n, out), then what the convolution takes that takes most. */
static size_t
scratch(const struct cn_layer *l, size_t n, size_t threads)
{
	size_t most = 0;

	for (size_t i = 0; i < l->block->parts; i++) {
		const size_t wanted = cn_conv_scratch(&l->block->part[i], n, threads);

		most = wanted > most ? wanted : most;
	}
	return 2 * n * cn_extent_count(&l->out) + most;
}

static float *
map_of(const struct cn_layer *l)
{
	return l->scratch;
}

static float *
gradient_of(const struct cn_layer *l, size_t n)
{
	return l->scratch + n * cn_extent_count(&l->out);
}

static void
lend_scratch(struct cn_layer *l, size_t n)
{
	for (size_t i = 0; i < l->block->parts; i++)
		l->block->part[i].scratch = gradient_of(l, n) + n * cn_extent_count(&l->out);
}

/* to = the greater of to + from and 0. */
CN_CLONES static void
join(const float *restrict from, float *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const float sum = to[i] + from[i];

		to[i] = sum > 0 ? sum : 0;
	}
}

CN_CLONES static void
cut(float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = x[i] > 0 ? x[i] : 0;
}

static bool
has_shortcut(const struct cn_layer *l)
{
	return l->block->parts > CN_RESIDUAL_SHORTCUT;
}

static void
join_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *second = &job->layer->block->part[CN_RESIDUAL_SECOND], *shortcut = second + 1;
	const size_t size = cn_extent_count(&job->layer->out);
	float *y = job->y + i * size;

	(void)worker;
	cn_batchnorm_apply(second, second->y + i * size, y);
	if (!has_shortcut(job->layer)) {
		join(job->x + i * size, y, size);
		return;
	}
	cn_batchnorm_add(shortcut, shortcut->y + i * size, y);
	cut(y, size);
}

static void
forward(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_layer *part = l->block->part;
	struct cn_layer_job job = { .layer = l, .x = x, .y = y };

	lend_scratch(l, n);
	cn_conv_forward(&part[CN_RESIDUAL_FIRST], x, map_of(l), n, way, pool);
	cn_conv_before_norm(&part[CN_RESIDUAL_SECOND], map_of(l), n, way, pool);
	if (has_shortcut(l))
		cn_conv_before_norm(&part[CN_RESIDUAL_SHORTCUT], x, n, way, pool);
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
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	part(job->out + i * size, job->dy + i * size, gradient_of(job->layer, job->n) + i * size, size);
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
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->in);

	(void)worker;
	add(job->dy + i * size, job->dx + i * size, size);
}

static void
backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_layer *part = l->block->part;
	struct cn_layer_job job = { .layer = l, .out = y, .dy = dy, .dx = dx, .n = n };
	float *map = map_of(l), *dmap = gradient_of(l, n);

	lend_scratch(l, n);
	cn_conv_norm(&part[CN_RESIDUAL_FIRST], map, n, pool);
	cn_pool_run(pool, n, part_sample, &job);
	cn_conv_backward(&part[CN_RESIDUAL_SECOND], map, NULL, dmap, dmap, n, pool);
	cn_conv_backward(&part[CN_RESIDUAL_FIRST], x, map, dmap, dx, n, pool);
	if (has_shortcut(l))
		cn_conv_backward(&part[CN_RESIDUAL_SHORTCUT], x, NULL, dy, dx, n, pool);
	else if (dx)
		cn_pool_run(pool, n, add_sample, &job);
}

void
cn_residual_free(struct cn_residual *block)
{
	if (!block)
		return;
	for (size_t i = 0; i < CN_RESIDUAL_PARTS; i++)
		cn_layer_release(&block->part[i]);
	cn_mem_free(block);
}

const struct cn_layer_kind cn_residual_kind = {
	.word = "res", .grammar = ":C[/S]", .most = CN_LAYER_WIDEST, .strides = true,
	.fit = fit, .tensors = tensors, .room = room, .scratch = scratch, .forward = forward, .backward = backward,
};
