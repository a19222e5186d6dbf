/* mover_embedding - a small network says what to add to the anchor; the sum is brought to unit length. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "gen/mlp.h"
#include "gen/mover.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { HIDDEN = 128 };

#define TINY 1e-6f

struct embedding {
	struct cn_mover mover;
	struct cn_mover_config config;
	struct cn_mlp *net;
	float *length;			/* (most) |anchor + y| */
};

/* How much of y the bound on its norm leaves. */
static float
shrink(const struct embedding *e, const float *y)
{
	const float norm = sqrtf(cn_kernel_dot(y, y, e->config.dim)), bound = (float)e->config.latent_norm;

	return bound > 0 && norm > bound ? bound / norm : 1;
}

static void
make(struct cn_mover *mover, const struct cn_mover_rows *rows, size_t first, size_t n, float *made, unsigned char *sample)
{
	struct embedding *e = (struct embedding *)mover;
	const size_t dim = e->config.dim;
	size_t stride;
	float *in = cn_mlp_input(e->net, &stride);

	(void)sample;
	for (size_t i = first; i < first + n; i++, in += stride) {
		memcpy(in, rows->anchor + i / rows->draws * dim, dim * sizeof *in);
		memcpy(in + dim, rows->positive + i / rows->draws * dim, dim * sizeof *in);
		memcpy(in + 2 * dim, rows->noise + i * CN_MOVER_LATENT, CN_MOVER_LATENT * sizeof *in);
	}
	cn_mlp_forward(e->net, n);
	for (size_t i = 0; i < n; i++) {
		const float *y = cn_mlp_output(e->net, &stride) + i * stride, *a = rows->anchor + (first + i) / rows->draws * dim;
		const float share = shrink(e, y);
		float *g = made + i * dim;

		for (size_t j = 0; j < dim; j++)
			g[j] = a[j] + share * y[j];
		e->length[i] = sqrtf(cn_kernel_dot(g, g, dim)) + TINY;
		for (size_t j = 0; j < dim; j++)
			g[j] /= e->length[i];
	}
}

/* From the gradient of the unit vectors to that of the network's output, and so to that of its weights. */
static double
back(struct cn_mover *mover, size_t n, const float *made, const float *slope)
{
	struct embedding *e = (struct embedding *)mover;
	const size_t dim = e->config.dim;
	size_t stride;
	float *out = cn_mlp_output_gradient(e->net, &stride);

	for (size_t i = 0; i < n; i++, out += stride) {
		const float *y = cn_mlp_output(e->net, &stride) + i * stride, *g = made + i * dim, *dg = slope + i * dim;
		const float along = cn_kernel_dot(g, dg, dim), share = shrink(e, y);
		float radial = 0;

		for (size_t j = 0; j < dim; j++)
			out[j] = (dg[j] - along * g[j]) / e->length[i];
		if (share < 1)
			radial = cn_kernel_dot(y, out, dim) / cn_kernel_dot(y, y, dim);
		for (size_t j = 0; j < dim; j++)
			out[j] = share * (out[j] - radial * y[j]);
	}
	cn_mlp_backward(e->net, n, true);
	return 0;
}

static void
weights(struct cn_mover *mover, size_t *n, float **weight, const float **gradient)
{
	const struct embedding *e = (const struct embedding *)mover;

	*weight = cn_mlp_weights(e->net, n);
	*gradient = cn_mlp_gradient(e->net);
}

static void
release(struct cn_mover *mover)
{
	struct embedding *e = (struct embedding *)mover;

	cn_mlp_free(e->net);
	cn_mem_free(e->length);
	cn_mem_free(e);
}

static const struct cn_mover_kind kind = { .make = make, .back = back, .weights = weights, .free = release };

struct cn_mover *
cn_mover_embedding(const struct cn_mover_config *config, struct cn_err *err)
{
	const size_t width[] = { 2 * config->dim + CN_MOVER_LATENT, HIDDEN, HIDDEN, config->dim };
	struct embedding *e;

	if (err->code || !(e = cn_mem_array(1, sizeof *e, err)))
		return NULL;
	*e = (struct embedding){ .mover = { &kind }, .config = *config };
	e->net = cn_mlp_new(width, 3, config->most, config->seed, "gen.generator", config->pool, err);
	e->length = cn_mem_array(config->most, sizeof(float), err);
	if (!err->code)
		return &e->mover;
	release(&e->mover);
	return NULL;
}
