/* spread - products of vectors by blocks above the diagonal, and what they add up to. */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/spread.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { ROWS = 64, COLUMNS = 512 };	/* of a block; ROWS is also what one part of the pool's work takes */

#define LEAST 1e-4			/* tr C that has a rank */

struct cn_spread {
	size_t dim;
	struct cn_pool *pool;
	float *u;		/* (2B, dim): the views at unit length, then without their mean */
	float *block;		/* per worker: (ROWS, COLUMNS) */
	double *share;		/* what each part of the work adds to a sum */
	/* of the run */
	size_t views;
	const float *z;
	const float *vector;	/* the products are of these: n rows of u, or all its columns */
	size_t n;
	bool columns;
};

struct cn_spread *
cn_spread_new(size_t rows, size_t dim, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_spread *s = err->code ? NULL : cn_mem_array(1, sizeof(*s), err);

	if (!s)
		return NULL;
	s->dim = dim;
	s->pool = pool;
	s->u = cn_mem_array(2 * rows, dim * sizeof(float), err);
	s->block = cn_mem_array(cn_pool_threads(pool), ROWS * COLUMNS * sizeof(float), err);
	s->share = cn_mem_array(2 * rows / ROWS + 1, sizeof(double), err);
	if (!err->code)
		return s;
	cn_spread_free(s);
	return NULL;
}

void
cn_spread_free(struct cn_spread *s)
{
	if (!s)
		return;
	cn_mem_free(s->u);
	cn_mem_free(s->block);
	cn_mem_free(s->share);
	cn_mem_free(s);
}

static void
unit_part(void *context, size_t i, size_t worker)
{
	struct cn_spread *s = context;
	const size_t at = i * ROWS * s->dim, n = cn_pool_part_size(s->views, i, ROWS);

	(void)worker;
	memcpy(s->u + at, s->z + at, n * s->dim * sizeof(float));
	cn_kernel_normalize(s->u + at, n, s->dim);
}

/* Takes the mean over the views out of some dimensions. */
static void
centre_part(void *context, size_t i, size_t worker)
{
	struct cn_spread *s = context;
	const size_t dim = s->dim, n = cn_pool_part_size(dim, i, ROWS), begin = i * ROWS, end = begin + s->views * dim;
	double mean[ROWS] = { 0 };

	(void)worker;
	for (size_t row = begin; row < end; row += dim)
		for (size_t k = 0; k < n; k++)
			mean[k] += (double)s->u[row + k];
	for (size_t row = begin; row < end; row += dim)
		for (size_t k = 0; k < n; k++)
			s->u[row + k] = (float)((double)s->u[row + k] - mean[k] / (double)s->views);
}

/* The products of vectors [first, first + m) with [at, at + n). */
static void
multiply(const struct cn_spread *s, size_t first, size_t m, size_t at, size_t n, float *block)
{
	const size_t dim = s->dim;

	if (s->columns)
		cn_blas_gemm(true, false, m, n, s->views, 1, s->vector + first, dim, s->vector + at, dim, 0, block, COLUMNS);
	else
		cn_blas_gemm(false, true, m, n, dim, 1, s->vector + first * dim, dim, s->vector + at * dim, dim, 0, block, COLUMNS);
}

/* Pairs of 64 views with those behind them: their e^(-2 |u - v|^2). */
static void
repel_part(void *context, size_t i, size_t worker)
{
	struct cn_spread *s = context;
	const size_t first = i * ROWS, m = cn_pool_part_size(s->n, i, ROWS);
	float *block = s->block + worker * ROWS * COLUMNS;

	s->share[i] = 0;
	for (size_t at = first; at < s->n; at += COLUMNS) {
		const size_t n = s->n - at < COLUMNS ? s->n - at : COLUMNS;

		multiply(s, first, m, at, n, block);
		for (size_t r = 0; r < m; r++) {
			const size_t from = at == first ? r + 1 : 0;
			float *x = block + r * COLUMNS + from;

			for (size_t k = from; k < n; k++)
				x[k - from] *= 4;
			cn_kernel_exp(x, n - from, 4);
			s->share[i] += cn_kernel_sum(x, n - from);
		}
	}
}

/* Squares of the products of 64 vectors with each other, and twice of those with the ones behind. */
static void
square_part(void *context, size_t i, size_t worker)
{
	struct cn_spread *s = context;
	const size_t first = i * ROWS, m = cn_pool_part_size(s->n, i, ROWS);
	float *block = s->block + worker * ROWS * COLUMNS;

	s->share[i] = 0;
	for (size_t at = first; at < s->n; at += COLUMNS) {
		const size_t n = s->n - at < COLUMNS ? s->n - at : COLUMNS, once = at == first ? m : 0;

		multiply(s, first, m, at, n, block);
		for (size_t r = 0; r < m; r++) {
			const float *x = block + r * COLUMNS;

			s->share[i] += cn_kernel_squares(x, once) + 2 * cn_kernel_squares(x + once, n - once);
		}
	}
}

/* The sum over all blocks. */
static double
fold(struct cn_spread *s, const float *vector, size_t n, bool columns, void (*part)(void *context, size_t i, size_t worker))
{
	double sum = 0;

	s->vector = vector;
	s->n = n;
	s->columns = columns;
	cn_pool_run(s->pool, cn_pool_parts(n, ROWS), part, s);
	for (size_t i = 0; i < cn_pool_parts(n, ROWS); i++)
		sum += s->share[i];
	return sum;
}

static void
begin(struct cn_spread *s, const float *z, size_t views)
{
	s->z = z;
	s->views = views;
	cn_pool_run(s->pool, cn_pool_parts(views, ROWS), unit_part, s);
}

static double
alignment(const struct cn_spread *s)
{
	const size_t rows = s->views / 2, half = rows * s->dim;
	double sum = 0;

	for (size_t at = 0; at < half; at += s->dim)
		sum += (double)cn_kernel_distance2(s->u + at, s->u + half + at, s->dim);
	return sum / (double)rows;
}

static double
uniformity(struct cn_spread *s)
{
	const size_t rows = s->views / 2;
	const double pairs = (double)rows * (double)(rows - 1) / 2;
	double sum = 0;

	for (size_t kind = 0; kind < 2 && pairs > 0; kind++)
		sum += cn_rng_log(fold(s, s->u + kind * rows * s->dim, rows, false, repel_part) / pairs);
	return sum / 2;
}

/* The squares of u^T u and of u u^T have one sum: the smaller is made. */
static double
rank(struct cn_spread *s)
{
	const size_t views = s->views;
	const bool columns = s->dim < views;

	cn_pool_run(s->pool, cn_pool_parts(s->dim, ROWS), centre_part, s);
	const double trace = cn_kernel_squares(s->u, views * s->dim);

	if (trace < LEAST * (double)views)
		return 0;
	return trace * trace / fold(s, s->u, columns ? s->dim : views, columns, square_part);
}

void
cn_spread_measure(struct cn_spread *s, const float *z, size_t rows, struct cn_spread_result *result)
{
	begin(s, z, 2 * rows);
	result->alignment = alignment(s);
	result->uniformity = uniformity(s);
	result->rank = rank(s);
}

double
cn_spread_rank(struct cn_spread *s, const float *z, size_t views)
{
	begin(s, z, views);
	return rank(s);
}
