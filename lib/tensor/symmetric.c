/* symmetric - plain loops over rows, each sum in the order of its indices. */
#include "tensor/symmetric.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "base/banned.h"

enum { STEPS = 60 };	/* halvings of the range that holds all eigenvalues */

/* Row rank of the factor: what is left of column p of A, over the root of what is left of its diagonal. */
static void
take_pivot(const double *a, size_t n, size_t p, double *factor, size_t rank, double *left)
{
	const double root = sqrt(left[p]);
	double *row = factor + rank * n;

	for (size_t j = 0; j < n; j++)
		row[j] = a[p * n + j];
	for (size_t s = 0; s < rank; s++)
		for (size_t j = 0; j < n; j++)
			row[j] -= factor[s * n + p] * factor[s * n + j];
	for (size_t j = 0; j < n; j++) {
		row[j] /= root;
		left[j] -= row[j] * row[j];
	}
	left[p] = 0;
}

static size_t
greatest(const double *x, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		best = x[i] > x[best] ? i : best;
	return best;
}

size_t
cn_symmetric_factor(const double *a, size_t n, double *factor, struct cn_err *err)
{
	double *left = err->code ? NULL : cn_mem_array(n, sizeof *left, err);	/* the diagonal of what is left */
	size_t rank = 0;

	if (!left)
		return 0;
	for (size_t i = 0; i < n; i++)
		left[i] = a[i * n + i];
	const double least = (double)n * DBL_EPSILON * left[greatest(left, n)];

	while (rank < n) {
		const size_t p = greatest(left, n);

		if (left[p] <= least)
			break;
		take_pivot(a, n, p, factor, rank++, left);
	}
	cn_mem_free(left);
	return rank;
}

/* A matrix on its way to three diagonals. */
struct reduction {
	double *a;		/* (n, n) */
	size_t n, from;		/* rows and columns from here on are reflected */
	double *v, *w;		/* (n) of the reflection: A - v w^T - w v^T */
	double scale;
	double *diagonal, *beside;
};

enum { ROWS = 32 };		/* that one part of the pool's work takes */

/* w = scale A v. */
static void
multiply_part(void *context, size_t i, size_t worker)
{
	const struct reduction *r = context;
	const size_t first = r->from + i * ROWS, rows = cn_pool_part_size(r->n - r->from, i, ROWS);

	(void)worker;
	for (size_t row = first; row < first + rows; row++) {
		double sum = 0;

		for (size_t j = r->from; j < r->n; j++)
			sum += r->a[row * r->n + j] * r->v[j];
		r->w[row] = r->scale * sum;
	}
}

static void
update_part(void *context, size_t i, size_t worker)
{
	const struct reduction *r = context;
	const size_t first = r->from + i * ROWS, rows = cn_pool_part_size(r->n - r->from, i, ROWS);

	(void)worker;
	for (size_t row = first; row < first + rows; row++) {
		double *a = r->a + row * r->n;
		const double v = r->v[row], w = r->w[row];

		for (size_t j = r->from; j < r->n; j++)
			a[j] -= v * r->w[j] + w * r->v[j];
	}
}

/*
 * Makes zero what is below the side diagonal in column k: with H = 1 - s v v^T, s = 2 / v^T v, H A H is
 * A - v w^T - w v^T for w = p - s/2 (v^T p) v, p = s A v.
 */
static void
reflect(struct reduction *r, size_t k, struct cn_pool *pool)
{
	const size_t n = r->n;
	double length = 0, half = 0;

	r->from = k + 1;
	for (size_t j = k + 1; j < n; j++) {
		r->v[j] = r->a[k * n + j];
		length += r->v[j] * r->v[j];
	}
	const double first = r->v[k + 1], norm = sqrt(length), to = first > 0 ? -norm : norm;

	r->beside[k] = to;
	r->v[k + 1] = first - to;
	length += r->v[k + 1] * r->v[k + 1] - first * first;
	if (!(length > 0))
		return;
	r->scale = 2 / length;
	cn_pool_run(pool, cn_pool_parts(n - r->from, ROWS), multiply_part, r);
	for (size_t j = r->from; j < n; j++)
		half += r->v[j] * r->w[j];
	for (size_t j = r->from; j < n; j++)
		r->w[j] -= r->scale / 2 * half * r->v[j];
	cn_pool_run(pool, cn_pool_parts(n - r->from, ROWS), update_part, r);
}

static void
make_tridiagonal(struct reduction *r, struct cn_pool *pool)
{
	for (size_t k = 0; k < r->n; k++) {
		r->diagonal[k] = r->a[k * r->n + k];
		if (k + 2 < r->n)
			reflect(r, k, pool);
		else if (k + 1 < r->n)
			r->beside[k] = r->a[k * r->n + k + 1];
	}
}

struct bisection {
	const double *diagonal, *square;	/* square: of the side diagonal */
	size_t n;
	double low, high, least;		/* all eigenvalues lie between; least: what stands for 0 */
	double *value;
};

/* How many eigenvalues are below x: the signs of the pivots of T - x. */
static size_t
count_below(const struct bisection *b, double x)
{
	double pivot = 1;
	size_t count = 0;

	for (size_t i = 0; i < b->n; i++) {
		pivot = b->diagonal[i] - x - (i ? b->square[i - 1] / pivot : 0);
		if (fabs(pivot) < b->least)
			pivot = -b->least;
		count += pivot < 0;
	}
	return count;
}

static void
bisect_part(void *context, size_t i, size_t worker)
{
	const struct bisection *b = context;
	double low = b->low, high = b->high;

	(void)worker;
	for (int step = 0; step < STEPS; step++) {
		const double middle = low + (high - low) / 2;

		if (count_below(b, middle) <= i)
			low = middle;
		else
			high = middle;
	}
	b->value[i] = low + (high - low) / 2;
}

/* Gershgorin's circles hold all eigenvalues. */
static void
find_range(struct bisection *b, const double *beside)
{
	double greatest_square = 1;

	b->low = (double)INFINITY;
	b->high = -(double)INFINITY;
	for (size_t i = 0; i < b->n; i++) {
		const double reach = (i ? fabs(beside[i - 1]) : 0) + (i + 1 < b->n ? fabs(beside[i]) : 0);

		b->low = fmin(b->low, b->diagonal[i] - reach);
		b->high = fmax(b->high, b->diagonal[i] + reach);
		greatest_square = i + 1 < b->n ? fmax(greatest_square, b->square[i]) : greatest_square;
	}
	b->least = DBL_MIN * greatest_square;
}

int
cn_symmetric_eigenvalues(double *a, size_t n, double *value, struct cn_pool *pool, struct cn_err *err)
{
	double *room = err->code ? NULL : cn_mem_array(4 * n + 1, sizeof *room, err);

	if (!room)
		return -1;
	struct reduction r = { .a = a, .n = n, .v = room, .w = room + n, .diagonal = room + 2 * n, .beside = room + 3 * n };
	struct bisection b = { .diagonal = r.diagonal, .square = r.v, .n = n, .value = value };

	make_tridiagonal(&r, pool);
	for (size_t i = 0; i + 1 < n; i++)
		r.v[i] = r.beside[i] * r.beside[i];
	find_range(&b, r.beside);
	cn_pool_run(pool, n, bisect_part, &b);
	cn_mem_free(room);
	return 0;
}
