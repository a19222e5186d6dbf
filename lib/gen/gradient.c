/* gradient - a few samples at a time through the encoder and back, step by step. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "gen/gradient.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { PIECE = CN_ENCODER_PROBE };

struct cn_gradient {
	struct cn_gradient_config config;
	size_t dim, numbers, bytes;	/* of a vector; of a sample */
	float *from, *at, *shown;	/* (PIECE, numbers) the beginning; the way, unrounded; what would be written */
	float *slope;			/* (PIECE, numbers) ds/dx */
	float *z, *dz;			/* (PIECE, dim) */
	bool stopped[PIECE];
};

struct cn_gradient *
cn_gradient_new(const struct cn_gradient_config *config, struct cn_err *err)
{
	struct cn_gradient *g;

	if (err->code || !(g = cn_mem_array(1, sizeof *g, err)))
		return NULL;
	g->config = *config;
	if (config->step == 0)
		g->config.step = config->steps > 2 ? 2.5 * config->epsilon / config->steps : config->epsilon;
	g->dim = cn_encoder_dim(config->encoder, CN_ENCODER_HEAD);
	g->numbers = cn_encoder_numbers(config->encoder);
	g->bytes = g->numbers * cn_dtype_size(config->dtype);
	g->from = cn_mem_array(PIECE, g->numbers * sizeof(float), err);
	g->at = cn_mem_array(PIECE, g->numbers * sizeof(float), err);
	g->shown = cn_mem_array(PIECE, g->numbers * sizeof(float), err);
	g->slope = cn_mem_array(PIECE, g->numbers * sizeof(float), err);
	g->z = cn_mem_array(PIECE, g->dim * sizeof(float), err);
	g->dz = cn_mem_array(PIECE, g->dim * sizeof(float), err);
	if (!err->code)
		return g;
	cn_gradient_free(g);
	return NULL;
}

void
cn_gradient_free(struct cn_gradient *g)
{
	if (!g)
		return;
	cn_mem_free(g->from);
	cn_mem_free(g->at);
	cn_mem_free(g->shown);
	cn_mem_free(g->slope);
	cn_mem_free(g->z);
	cn_mem_free(g->dz);
	cn_mem_free(g);
}

static float
clip(float x, float low, float high)
{
	return x < low ? low : x > high ? high : x;
}

/* Where a number that began at from may be: epsilon around it, of images the whole numbers of that. */
static float
within(const struct cn_gradient *g, float x, float from)
{
	const float epsilon = (float)g->config.epsilon;

	if (g->config.dtype != CN_DTYPE_U8)
		return clip(x, from - epsilon, from + epsilon);
	x = clip(floorf(x + 0.5f), from - floorf(epsilon), from + floorf(epsilon));
	return clip(x, 0, 255);
}

static void
show(struct cn_gradient *g, size_t i)
{
	for (size_t k = i * g->numbers; k < (i + 1) * g->numbers; k++)
		g->shown[k] = within(g, g->at[k], g->from[k]);
}

static void
begin(struct cn_gradient *g, struct cn_gradient_draw *draw, size_t i)
{
	const float epsilon = (float)g->config.epsilon;
	float *from = g->from + i * g->numbers, *at = g->at + i * g->numbers;
	struct cn_rng rng;

	cn_dtype_to_f32(g->config.dtype, draw->from, from, g->numbers);
	memcpy(at, from, g->numbers * sizeof *at);
	if (draw->rng)
		rng = *draw->rng;
	for (size_t k = 0; draw->rng && k < g->numbers; k++)
		at[k] += cn_rng_range(&rng, -epsilon, epsilon);
	g->stopped[i] = false;
	draw->end = CN_GRADIENT_UNMOVED;
}

/* Takes the place the encoder was shown. */
static void
take(struct cn_gradient *g, struct cn_gradient_draw *draw, size_t i)
{
	const float *shown = g->shown + i * g->numbers;

	memcpy(draw->vector, g->z + i * g->dim, g->dim * sizeof *draw->vector);
	if (g->config.dtype != CN_DTYPE_U8)
		memcpy(draw->to, shown, g->bytes);
	for (size_t k = 0; g->config.dtype == CN_DTYPE_U8 && k < g->numbers; k++)
		((unsigned char *)draw->to)[k] = (unsigned char)shown[k];
}

/* s, and its gradient by z: (a - s u) / |z|, u = z / |z|. */
static float
compare(const struct cn_gradient *g, const float *a, size_t i)
{
	float *z = g->z + i * g->dim, *dz = g->dz + i * g->dim;
	const float length = sqrtf(cn_kernel_dot(z, z, g->dim)), floor = length > 1e-12f ? length : 1e-12f;

	cn_kernel_normalize(z, 1, g->dim);
	const float s = cn_kernel_dot(a, z, g->dim);

	for (size_t j = 0; j < g->dim; j++)
		dz[j] = (a[j] - s * z[j]) / floor;
	return s;
}

/* Judges the place shown at this step; a NaN or infinity is -1. */
static int
judge(struct cn_gradient *g, struct cn_gradient_draw *draw, size_t i, bool first)
{
	const float s = compare(g, draw->anchor, i);

	if (!isfinite(s))
		return -1;
	if (first && draw->rng && s > draw->ceiling) {
		g->stopped[i] = true;
		return 0;
	}
	if (first) {
		draw->ceiling = draw->ceiling > s ? draw->ceiling : s;
	} else if (g->stopped[i] || s > draw->ceiling) {
		g->stopped[i] = true;
		draw->end = draw->end == CN_GRADIENT_UNMOVED ? CN_GRADIENT_UNMOVED : CN_GRADIENT_STOPPED;
		return 0;
	} else if (s <= draw->score) {
		return 0;
	}
	draw->score = s;
	draw->end = first && !draw->rng ? CN_GRADIENT_UNMOVED : CN_GRADIENT_MOVED;
	take(g, draw, i);
	return 0;
}

static void
climb(struct cn_gradient *g, size_t i)
{
	const float epsilon = (float)g->config.epsilon, step = (float)g->config.step;

	for (size_t k = i * g->numbers; k < (i + 1) * g->numbers; k++) {
		const float sign = (float)((g->slope[k] > 0) - (g->slope[k] < 0));

		g->at[k] = clip(g->at[k] + step * sign, g->from[k] - epsilon, g->from[k] + epsilon);
		if (g->config.dtype == CN_DTYPE_U8)
			g->at[k] = clip(g->at[k], 0, 255);
	}
}

static int
run_piece(struct cn_gradient *g, struct cn_gradient_draw *draw, size_t n, struct cn_err *err)
{
	for (size_t i = 0; i < n; i++)
		begin(g, draw + i, i);
	for (unsigned step = 0; step <= g->config.steps; step++) {
		for (size_t i = 0; i < n; i++)
			show(g, i);
		if (cn_encoder_probe(g->config.encoder, g->shown, n, g->z, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			if (judge(g, draw + i, i, step == 0) < 0)
				return cn_err_set(err, CN_FAILED, "the model makes of a negative for id %llu a vector that is not finite; "
					"train it anew with a lower --lr", (unsigned long long)draw[i].id);
		if (step == g->config.steps)
			break;
		if (cn_encoder_slope(g->config.encoder, g->dz, g->slope, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			climb(g, i);
	}
	return 0;
}

int
cn_gradient_run(struct cn_gradient *g, struct cn_gradient_draw *draw, size_t n, struct cn_err *err)
{
	for (size_t at = 0; at < n && !err->code; at += PIECE)
		run_piece(g, draw + at, n - at < PIECE ? n - at : PIECE, err);
	return err->code ? -1 : 0;
}
