/* conv - convolution as matrix products over columns (im2col), with batch norm and ReLU, or with a bias alone. */
#include <string.h>

#include "base/mem.h"
#include "nn/batchnorm.h"
#include "nn/conv.h"
#include "tensor/blas.h"
#include "tensor/clones.h"

#include "base/banned.h"

static size_t
positions(const struct cn_layer *layer)
{
	return cn_extent_places(&layer->out);
}

static size_t
taps(const struct cn_layer *layer)
{
	return layer->kernel * layer->kernel * layer->in.channels;
}

/* Samples of one matrix product: those of about 256 positions, or one by itself. */
static size_t
group_size(const struct cn_layer *layer, bool together)
{
	return together && positions(layer) < 256 ? cn_pool_parts(256, positions(layer)) : 1;
}

void
cn_conv_size(struct cn_layer *l)
{
	l->stride = l->stride ? l->stride : 1;
	l->out.height = (l->in.height - 1) / l->stride + 1;
	l->out.width = (l->in.width - 1) / l->stride + 1;
}

int
cn_conv_check(const struct cn_layer *l, const char *word, struct cn_err *err)
{
	return l->kernel % 2 == 1 ? 0 : cn_err_set(err, CN_USAGE, "layer '%s': a kernel must be odd, not %zu", word, l->kernel);
}

static int
fit(struct cn_layer *l, const char *word, struct cn_err *err)
{
	l->kernel = l->times ? l->times : 3;
	l->relu = l->kind == &cn_conv_kind;
	l->out.channels = l->number;
	cn_conv_size(l);
	return cn_conv_check(l, word, err);
}

static void
list_weight(struct cn_layer *l, const char *conv, struct cn_layer_tensor *t)
{
	const uint32_t in = (uint32_t)l->in.channels, out = (uint32_t)l->out.channels, kernel = (uint32_t)l->kernel;

	cn_layer_list(t, conv, "weight", (struct cn_shape){ 4, { out, in, kernel, kernel } }, taps(l), 0, &l->weight, &l->dweight);
}

size_t
cn_conv_tensors(struct cn_layer *l, const char *conv, const char *norm, struct cn_layer_tensor *t)
{
	list_weight(l, conv, t);
	return 1 + cn_batchnorm_tensors(l, norm, t + 1);
}

static size_t
conv_tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	return cn_conv_tensors(l, "conv.", "norm.", t);
}

static size_t
plain_tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	list_weight(l, "", t);
	cn_layer_list(t + 1, "", "bias", (struct cn_shape){ 1, { (uint32_t)l->out.channels } }, taps(l), 0, &l->bias, &l->dbias);
	return 2;
}

static size_t
matrix(const struct cn_layer *layer)
{
	return taps(layer) * layer->out.channels;
}

int
cn_conv_room(struct cn_layer *layer, size_t n, struct cn_err *err)
{
	if (!layer->packed)
		layer->packed = cn_mem_array(matrix(layer), sizeof(float), err);
	if (n > layer->room && layer->gamma) {
		cn_mem_free(layer->y);
		layer->y = cn_mem_array(n, cn_extent_count(&layer->out) * sizeof(float), err);
	}
	return cn_batchnorm_room(layer, n, err);
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
	return layer->scratch + worker * group_size(layer, true) * positions(layer) * taps(layer);
}

/* The columns of each worker, then the parts of the gradient. */
size_t
cn_conv_scratch(const struct cn_layer *layer, size_t n, size_t threads)
{
	(void)n;
	return threads * group_size(layer, true) * positions(layer) * taps(layer) + CN_LAYER_PARTS * matrix(layer);
}

/* See cn_conv_taps. */
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

void
cn_conv_taps(const struct cn_layer *l, size_t oy, size_t ox, size_t ky, size_t *tap, size_t *n, size_t *place)
{
	taps_inside(l, oy, ox, ky, tap, n, place);
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

	if (!l->adds)
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

static void
convolve_group(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t n = cn_pool_part_size(job->n, i, job->group), first = i * job->group, places = positions(l), out = l->out.channels;
	float *columns = columns_of(l, worker), *y = (l->gamma ? l->y : job->y) + first * places * out;

	for (size_t k = 0; k < n; k++)
		spread(l, job->x + (first + k) * cn_extent_count(&l->in), columns + k * places * taps(l));
	cn_blas_gemm(false, false, n * places, out, taps(l), 1, columns, taps(l), l->packed, out, 0, y, out);
	for (size_t k = 0; k < n && l->gamma; k++)
		cn_batchnorm_sum(l, y + k * places * out, first + k);
}

static void
norm_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t size = cn_extent_count(&job->layer->out);

	(void)worker;
	cn_batchnorm_apply(job->layer, job->layer->y + i * size, job->y + i * size);
}

static void
add_bias(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const size_t channels = job->layer->out.channels, size = cn_extent_count(&job->layer->out);
	float *y = job->y + i * size;

	(void)worker;
	for (size_t p = 0; p < size; p += channels)
		for (size_t c = 0; c < channels; c++)
			y[p + c] += job->layer->bias[c];
}

static void
convolve(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .y = y, .n = n, .group = group_size(l, way.together) };

	l->fixed = !way.learning;
	pack(l);
	cn_pool_run(pool, cn_pool_parts(n, job.group), convolve_group, &job);
}

void
cn_conv_before_norm(struct cn_layer *l, const float *x, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	convolve(l, x, NULL, n, way, pool);
	cn_batchnorm_settle(l, n, way.learning);
}

void
cn_conv_norm(struct cn_layer *l, float *y, size_t n, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .y = y };

	cn_pool_run(pool, n, norm_sample, &job);
}

void
cn_conv_forward(struct cn_layer *l, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .y = y };

	if (l->gamma) {
		cn_conv_before_norm(l, x, n, way, pool);
		cn_conv_norm(l, y, n, pool);
		return;
	}
	convolve(l, x, y, n, way, pool);
	cn_pool_run(pool, n, add_bias, &job);
}

CN_CLONES static void
cut_relu(const float *restrict out, float *restrict dy, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dy[i] = out[i] > 0 ? dy[i] : 0;
}

static void
cut(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t size = cn_extent_count(&l->out);

	(void)worker;
	if (l->relu)
		cut_relu(job->out + i * size, job->dy + i * size, size);
	if (l->fixed)
		return;
	if (l->gamma)
		cn_batchnorm_slopes(l, l->y + i * size, job->dy + i * size, i);
	else
		cn_batchnorm_sum(l, job->dy + i * size, i);	/* of which the bias takes the sums alone */
}

static void
bias_slope(const struct cn_layer *l, size_t n)
{
	cn_layer_add(l->sums, n, 2 * l->out.channels);
	for (size_t c = 0; c < l->out.channels; c++)
		l->dbias[c] = (float)l->sums[c];
}

static void
back_group(const struct cn_layer_job *job, size_t i, float *dpacked, float *columns)
{
	const struct cn_layer *l = job->layer;
	const size_t n = cn_pool_part_size(job->n, i, job->group), first = i * job->group, places = positions(l), out = l->out.channels;
	const size_t in = cn_extent_count(&l->in), m = n * places;
	const float share = l->fixed ? 0 : 1 / (float)(job->n * places);
	float *dy = job->dy + first * places * out;

	for (size_t k = 0; k < n; k++) {
		if (l->gamma)
			cn_batchnorm_undo(l, l->y + (first + k) * places * out, dy + k * places * out, share);
		if (!l->fixed)
			spread(l, job->x + (first + k) * in, columns + k * places * taps(l));
	}
	if (!l->fixed)
		cn_blas_gemm(true, false, taps(l), out, m, 1, columns, taps(l), dy, out, 1, dpacked, out);
	if (!job->dx)
		return;
	cn_blas_gemm(false, true, m, taps(l), out, 1, dy, out, l->packed, out, 0, columns, taps(l));
	for (size_t k = 0; k < n; k++)
		gather(l, columns + k * places * taps(l), job->dx + (first + k) * in);
}

/* One of CN_LAYER_PARTS runs of groups, each with its own sum for the weights. */
static void
back_part(void *context, size_t part, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t groups = cn_pool_parts(job->n, job->group);
	float *dpacked = job->split + part * matrix(l);

	memset(dpacked, 0, matrix(l) * sizeof(float));
	for (size_t i = groups * part / CN_LAYER_PARTS; i < groups * (part + 1) / CN_LAYER_PARTS; i++)
		back_group(job, i, dpacked, columns_of(l, worker));
}

/* The parts' sums, in order, to dweight (out, in, taps). */
static void
unpack(const struct cn_layer *l, float *split)
{
	const size_t in = l->in.channels, out = l->out.channels, area = l->kernel * l->kernel;

	for (size_t part = 1; part < CN_LAYER_PARTS; part++)
		for (size_t i = 0; i < matrix(l); i++)
			split[i] += split[part * matrix(l) + i];
	for (size_t o = 0; o < out; o++)
		for (size_t i = 0; i < in; i++)
			for (size_t k = 0; k < area; k++)
				l->dweight[(o * in + i) * area + k] = split[(k * in + i) * out + o];
}

void
cn_conv_backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .out = y, .dy = dy, .dx = dx, .n = n, .group = group_size(l, true),
		.split = columns_of(l, cn_pool_threads(pool)) };

	cn_pool_run(pool, n, cut, &job);
	if (l->gamma && !l->fixed)
		cn_layer_slopes(l, n);
	else if (!l->fixed)
		bias_slope(l, n);
	cn_pool_run(pool, CN_LAYER_PARTS, back_part, &job);
	if (!l->fixed)
		unpack(l, job.split);
}

const struct cn_layer_kind cn_conv_kind = {
	.word = "conv", .grammar = ":C[/S][xK]", .most = CN_LAYER_WIDEST, .most_times = CN_LAYER_LONGEST, .strides = true,
	.fit = fit, .tensors = conv_tensors, .room = cn_conv_room, .scratch = cn_conv_scratch,
	.forward = cn_conv_forward, .backward = cn_conv_backward,
};

const struct cn_layer_kind cn_plain_kind = {
	.word = "plain", .grammar = ":C[/S][xK]", .most = CN_LAYER_WIDEST, .most_times = CN_LAYER_LONGEST, .strides = true,
	.fit = fit, .tensors = plain_tensors, .room = cn_conv_room, .scratch = cn_conv_scratch,
	.forward = cn_conv_forward, .backward = cn_conv_backward,
};
