/* mlp - layer l takes value[l] to value[l + 1]: y = x W + b, W (inputs, outputs). */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/dense.h"
#include "gen/mlp.h"

#include "base/banned.h"

#define SLOPE 0.2f

struct cn_mlp {
	size_t layers, rows, count;
	size_t width[CN_MLP_LAYERS + 1];	/* padded */
	size_t at[CN_MLP_LAYERS];		/* where W begins in weight; b follows it */
	float *weight, *gradient;		/* (count) */
	float *value[CN_MLP_LAYERS + 1];	/* (rows, width) */
	float *slope[CN_MLP_LAYERS + 1];	/* gradient of value */
	float *tangent[CN_MLP_LAYERS + 1];	/* how value changes along a direction of the input */
	float *turned;				/* a W transposed */
	struct cn_pool *pool;
};

static void
draw(struct cn_mlp *mlp, const size_t *width, uint64_t seed, const char *purpose)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, seed, purpose);
	for (size_t l = 0; l < mlp->layers; l++) {
		const float scale = sqrtf((l + 1 < mlp->layers ? 2.0f : 1.0f) / (float)width[l]);

		cn_rng_start(&rng, &key, l, 0);
		for (size_t i = 0; i < width[l]; i++)
			for (size_t o = 0; o < width[l + 1]; o++)
				mlp->weight[mlp->at[l] + i * mlp->width[l + 1] + o] = scale * cn_rng_normal(&rng);
	}
}

struct cn_mlp *
cn_mlp_new(const size_t *width, size_t layers, size_t rows, uint64_t seed, const char *purpose,
	struct cn_pool *pool, struct cn_err *err)
{
	struct cn_mlp *mlp;
	size_t widest = 0;

	if (err->code || !(mlp = cn_mem_array(1, sizeof *mlp, err)))
		return NULL;
	*mlp = (struct cn_mlp){ .layers = layers, .rows = rows, .pool = pool };
	for (size_t l = 0; l <= layers; l++) {
		mlp->width[l] = cn_dense_padded(width[l]);
		mlp->value[l] = cn_mem_array(rows, mlp->width[l] * sizeof(float), err);
		mlp->slope[l] = cn_mem_array(rows, mlp->width[l] * sizeof(float), err);
		mlp->tangent[l] = cn_mem_array(rows, mlp->width[l] * sizeof(float), err);
	}
	for (size_t l = 0; l < layers; l++) {
		const size_t size = mlp->width[l] * mlp->width[l + 1];

		mlp->at[l] = mlp->count;
		mlp->count += size + mlp->width[l + 1];
		widest = size > widest ? size : widest;
	}
	mlp->weight = cn_mem_array(mlp->count, sizeof(float), err);
	mlp->gradient = cn_mem_array(mlp->count, sizeof(float), err);
	mlp->turned = cn_mem_array(widest, sizeof(float), err);
	if (err->code) {
		cn_mlp_free(mlp);
		return NULL;
	}
	draw(mlp, width, seed, purpose);
	return mlp;
}

void
cn_mlp_free(struct cn_mlp *mlp)
{
	if (!mlp)
		return;
	for (size_t l = 0; l <= mlp->layers; l++) {
		cn_mem_free(mlp->value[l]);
		cn_mem_free(mlp->slope[l]);
		cn_mem_free(mlp->tangent[l]);
	}
	cn_mem_free(mlp->weight);
	cn_mem_free(mlp->gradient);
	cn_mem_free(mlp->turned);
	cn_mem_free(mlp);
}

float *
cn_mlp_input(struct cn_mlp *mlp, size_t *stride)
{
	*stride = mlp->width[0];
	return mlp->value[0];
}

const float *
cn_mlp_output(const struct cn_mlp *mlp, size_t *stride)
{
	*stride = mlp->width[mlp->layers];
	return mlp->value[mlp->layers];
}

float *
cn_mlp_output_gradient(struct cn_mlp *mlp, size_t *stride)
{
	*stride = mlp->width[mlp->layers];
	return mlp->slope[mlp->layers];
}

const float *
cn_mlp_input_gradient(const struct cn_mlp *mlp, size_t *stride)
{
	*stride = mlp->width[0];
	return mlp->slope[0];
}

float *
cn_mlp_tangent(struct cn_mlp *mlp, size_t *stride)
{
	*stride = mlp->width[0];
	return mlp->tangent[0];
}

float *
cn_mlp_weights(struct cn_mlp *mlp, size_t *n)
{
	*n = mlp->count;
	return mlp->weight;
}

const float *
cn_mlp_gradient(const struct cn_mlp *mlp)
{
	return mlp->gradient;
}

void
cn_mlp_forward(struct cn_mlp *mlp, size_t rows)
{
	for (size_t l = 0; l < mlp->layers; l++) {
		const size_t in = mlp->width[l], n = mlp->width[l + 1];
		const float *w = mlp->weight + mlp->at[l], *b = w + in * n;
		float *y = mlp->value[l + 1];

		cn_dense_multiply(false, rows, n, in, mlp->value[l], in, w, n, y, n, mlp->pool);
		for (size_t r = 0; r < rows; r++, y += n)
			for (size_t o = 0; o < n; o++) {
				y[o] += b[o];
				if (l + 1 < mlp->layers && y[o] < 0)
					y[o] *= SLOPE;
			}
	}
}

static void
bend(const float *value, float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (value[i] < 0)
			x[i] *= SLOPE;
}

static void
weigh(struct cn_mlp *mlp, size_t l, size_t rows)
{
	const size_t in = mlp->width[l], n = mlp->width[l + 1];
	const float *dy = mlp->slope[l + 1];
	float *dw = mlp->gradient + mlp->at[l], *db = dw + in * n;

	cn_dense_multiply(true, in, n, rows, mlp->value[l], in, dy, n, dw, n, mlp->pool);
	memset(db, 0, n * sizeof *db);
	for (size_t r = 0; r < rows; r++)
		for (size_t o = 0; o < n; o++)
			db[o] += dy[r * n + o];
}

void
cn_mlp_backward(struct cn_mlp *mlp, size_t rows, bool weights)
{
	for (size_t l = mlp->layers; l-- > 0;) {
		const size_t in = mlp->width[l], n = mlp->width[l + 1];
		const float *w = mlp->weight + mlp->at[l];

		if (weights)
			weigh(mlp, l, rows);
		for (size_t i = 0; i < in; i++)
			for (size_t o = 0; o < n; o++)
				mlp->turned[o * in + i] = w[i * n + o];
		cn_dense_multiply(false, rows, in, n, mlp->slope[l + 1], n, mlp->turned, in, mlp->slope[l], in, mlp->pool);
		if (l > 0)
			bend(mlp->value[l], mlp->slope[l], rows * in);
	}
}

/*
 * v . (gradient of the input) = output's gradient . (v taken forward), and both are products of W and of the kinks' slopes
 * alone; so dW = (v before W)' (gradient behind W), and a bias, which only moves kinks, has none.
 */
void
cn_mlp_backward_twice(struct cn_mlp *mlp, size_t rows)
{
	for (size_t l = 0; l < mlp->layers; l++) {
		const size_t in = mlp->width[l], n = mlp->width[l + 1];
		const float *w = mlp->weight + mlp->at[l], *v = mlp->tangent[l];
		float *dw = mlp->gradient + mlp->at[l];

		cn_dense_multiply(true, in, n, rows, v, in, mlp->slope[l + 1], n, mlp->turned, n, mlp->pool);
		for (size_t i = 0; i < in * n; i++)
			dw[i] += mlp->turned[i];
		cn_dense_multiply(false, rows, n, in, v, in, w, n, mlp->tangent[l + 1], n, mlp->pool);
		if (l + 1 < mlp->layers)
			bend(mlp->value[l + 1], mlp->tangent[l + 1], rows * n);
	}
}

struct cn_optimizer *
cn_mlp_adam(struct cn_mlp *mlp, double beta2, struct cn_err *err)
{
	const struct cn_optimizer_config config = { .kind = CN_OPTIMIZER_ADAM, .beta2 = beta2 };
	const struct cn_optimizer_part all = { .n = mlp ? mlp->count : 0 };

	return cn_optimizer_new(&config, &all, 1, err);
}

void
cn_mlp_step(struct cn_mlp *mlp, struct cn_optimizer *adam, double lr, double momentum, struct cn_pool *pool)
{
	const struct cn_optimizer_rates rates = { .lr = lr, .momentum = momentum, .scale = 1 };

	cn_optimizer_step(adam, &rates, mlp->weight, mlp->gradient, pool);
}
