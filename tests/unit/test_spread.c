/* spread: cases known by heart, a slow twin in double, the losses of these names, the same bits for any pool. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/objective.h"
#include "loss/spread.h"
#include "tap.h"
#include "tensor/blas.h"
#include "base/banned.h"

static struct cn_spread_result
fast(const float *z, size_t rows, size_t dim, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_spread *s = cn_spread_new(rows, dim, pool, err);
	struct cn_spread_result result = { 0 };

	cn_spread_measure(s, z, rows, &result);
	TAP_OK(cn_spread_rank(s, z, 2 * rows) == result.rank, "the rank alone is the same");
	cn_spread_free(s);
	return result;
}

static double
distance2(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sum;
}

/* (tr C)^2 / tr(C^2), with C as it is defined. */
static double
slow_rank(double *u, size_t views, size_t dim)
{
	double trace = 0, squares = 0;

	for (size_t k = 0; k < dim; k++) {
		double mean = 0;

		for (size_t a = 0; a < views; a++)
			mean += u[a * dim + k] / (double)views;
		for (size_t a = 0; a < views; a++)
			u[a * dim + k] -= mean;
	}
	for (size_t k = 0; k < dim; k++)
		for (size_t j = 0; j < dim; j++) {
			double c = 0;

			for (size_t a = 0; a < views; a++)
				c += u[a * dim + k] * u[a * dim + j] / (double)views;
			trace += j == k ? c : 0;
			squares += c * c;
		}
	return trace * trace / squares;
}

static struct cn_spread_result
slow(const float *z, size_t rows, size_t dim, struct cn_err *err)
{
	double *u = cn_mem_array(2 * rows * dim, sizeof(double), err);
	struct cn_spread_result r = { 0 };

	for (size_t a = 0; a < 2 * rows; a++) {
		double squares = 0;

		for (size_t k = 0; k < dim; k++)
			squares += (double)z[a * dim + k] * (double)z[a * dim + k];
		for (size_t k = 0; k < dim; k++)
			u[a * dim + k] = (double)z[a * dim + k] / sqrt(squares);
	}
	for (size_t a = 0; a < rows; a++)
		r.alignment += distance2(u + a * dim, u + (a + rows) * dim, dim) / (double)rows;
	for (size_t kind = 0; kind < 2; kind++) {
		double sum = 0;

		for (size_t a = kind * rows; a < (kind + 1) * rows; a++)
			for (size_t b = a + 1; b < (kind + 1) * rows; b++)
				sum += exp(-2 * distance2(u + a * dim, u + b * dim, dim));
		r.uniformity += log(sum / ((double)rows * (double)(rows - 1) / 2)) / 2;
	}
	r.rank = slow_rank(u, 2 * rows, dim);
	cn_mem_free(u);
	return r;
}

/* Some way from 0, so that there is a mean to take out. */
static float *
draw(size_t rows, size_t dim, struct cn_err *err)
{
	float *z = cn_mem_array(2 * rows * dim, sizeof(float), err);
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 9, "spread");
	cn_rng_start(&rng, &key, rows, 0);
	for (size_t i = 0; i < rows * dim; i++)
		z[i] = 0.5f + cn_rng_normal(&rng);
	for (size_t i = 0; i < rows * dim; i++)
		z[rows * dim + i] = z[i] + 0.4f * cn_rng_normal(&rng);
	return z;
}

/* Fewer dimensions than views and more, one block and several. */
static void
agrees(size_t rows, size_t dim, struct cn_pool *pool, struct cn_err *err)
{
	float *z = draw(rows, dim, err);
	const struct cn_spread_result got = fast(z, rows, dim, NULL, err), again = fast(z, rows, dim, pool, err), want = slow(z, rows, dim, err);

	TAP_NEAR(got.alignment, want.alignment, 1e-5, "alignment agrees with the slow twin");
	TAP_NEAR(got.uniformity, want.uniformity, 1e-5, "uniformity agrees with the slow twin");
	TAP_NEAR(got.rank, want.rank, 1e-4, "rank agrees with the slow twin");
	TAP_OK(memcmp(&got, &again, sizeof got) == 0, "%zu rows of %zu: one thread and three, same bits", rows, dim);
	cn_mem_free(z);
}

static double
loss(const char *words, float *z, size_t rows, size_t dim, struct cn_err *err)
{
	const struct cn_objective_sizes sizes = { rows, dim, 0, 0, 1 };
	struct cn_objective *o = cn_objective_new(words, &sizes, NULL, err);
	float *dz = cn_mem_array(2 * rows * dim, sizeof(float), err);
	const struct cn_objective_batch batch = { rows, z, NULL, NULL, dz };
	struct cn_objective_result result = { 0 };

	cn_objective_run(o, &batch, &result);
	cn_objective_free(o);
	cn_mem_free(dz);
	return result.loss;
}

static void
losses(struct cn_err *err)
{
	float *z = draw(40, 6, err);
	const struct cn_spread_result r = fast(z, 40, 6, NULL, err);

	TAP_NEAR(r.alignment, loss("alignment", z, 40, 6, err), 1e-5, "alignment is the loss of that name");
	TAP_NEAR(r.uniformity, loss("uniformity", z, 40, 6, err), 1e-5, "uniformity is the loss of that name");
	cn_mem_free(z);
}

static void
known(struct cn_err *err)
{
	enum { ROWS = 8, DIM = 4 };
	float z[2 * ROWS * DIM] = { 0 };
	struct cn_spread_result r;

	for (size_t a = 0; a < 2 * ROWS; a++)		/* rows along +-e_k, lengths of all kinds; pos opposite to x */
		z[a * DIM + a / 2 % DIM] = ((a % 2) ^ (a >= ROWS) ? -1 : 1) * (float)(a + 1);
	r = fast(z, ROWS, DIM, NULL, err);
	TAP_NEAR(r.rank, 4, 1e-6, "all directions alike: rank 4");
	TAP_NEAR(r.alignment, 4, 1e-6, "opposite views: alignment 4");
	TAP_NEAR(r.uniformity, log((4 * exp(-8) + 24 * exp(-4)) / 28), 1e-6, "its uniformity");
	for (size_t a = 0; a < 2 * ROWS; a++)
		for (size_t k = 0; k < DIM; k++)
			z[a * DIM + k] = a % 3 ? -1 : 1;
	TAP_NEAR(fast(z, ROWS, DIM, NULL, err).rank, 1, 1e-6, "two places: rank 1");
	for (size_t i = 0; i < 2 * ROWS * DIM; i++)
		z[i] = (float)(1 + 1e-6 * (double)(i % 7));
	r = fast(z, ROWS, DIM, NULL, err);
	TAP_OK(r.rank == 0 && fabs(r.alignment) < 1e-6 && fabs(r.uniformity) < 1e-6, "all in one place: 0, 0 and 0");
	memset(z, 0, sizeof z);
	r = fast(z, ROWS, DIM, NULL, err);
	TAP_OK(r.rank == 0 && r.alignment == 0, "vectors of length 0: finite");
	z[0] = 1;
	TAP_OK(fast(z, 1, DIM, NULL, err).uniformity == 0, "one row has no pairs");
}

/* Of an odd number of vectors, that come in no pairs. */
static void
odd(struct cn_err *err)
{
	enum { VIEWS = 7, DIM = 5 };
	float *z = draw(4, DIM, err);
	struct cn_spread *s = cn_spread_new(4, DIM, NULL, err);
	double u[VIEWS * DIM];

	for (size_t a = 0; a < VIEWS; a++) {
		double squares = 0;

		for (size_t k = 0; k < DIM; k++)
			squares += (double)z[a * DIM + k] * (double)z[a * DIM + k];
		for (size_t k = 0; k < DIM; k++)
			u[a * DIM + k] = (double)z[a * DIM + k] / sqrt(squares);
	}
	TAP_NEAR(cn_spread_rank(s, z, VIEWS), slow_rank(u, VIEWS, DIM), 1e-5, "the rank of seven vectors");
	TAP_OK(cn_spread_rank(s, z, 1) == 0, "and 0 of one");
	cn_spread_free(s);
	cn_mem_free(z);
}

int
main(void)
{
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(3, &err);

	cn_blas_begin();
	known(&err);
	losses(&err);
	odd(&err);
	agrees(5, 3, pool, &err);
	agrees(33, 100, pool, &err);
	agrees(600, 7, pool, &err);
	agrees(300, 610, pool, &err);
	TAP_OK(err.code == 0, "no error");
	cn_pool_free(pool);
	return tap_done();
}
