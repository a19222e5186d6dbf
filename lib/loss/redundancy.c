/* redundancy - dimensions centred, their products by bands, and what follows for the vectors. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "loss/anchor.h"
#include "loss/redundancy.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { ROWS = 64, COLUMNS = 128, DIMS = 64 };	/* what one part of the pool's work takes */

#define BAND_NUMBERS ((size_t)1 << 23)		/* of a band, unless it would have fewer than 128 dimensions */

struct cn_redundancy {
	size_t dim, breadth;		/* of a vector; dimensions of a band at most */
	struct cn_pool *pool;
	float *c, *d;			/* (2B, dim): the views without their mean; the gradient by these */
	float *band;			/* (breadth, dim): products of dimensions, then derivatives by them */
	double *variance;		/* (2, dim): of each kind's dimensions, with B; in vicreg then see spread */
	double *share;			/* (dim) or (B): what each adds to a sum */
	/* of the run */
	const struct cn_term *term;
	size_t rows;
	const float *z;
	float *dz;
	/* of the products: left^T right / divisor, loss = on (1 - c_ii)^2 + off c_ij^2 */
	const float *left, *right;	/* (B, dim) */
	float *d_left, *d_right;	/* d_left NULL: left is right, whose gradient has both */
	double divisor, on, off;
	size_t first, m;		/* the band's dimensions */
};

struct cn_redundancy *
cn_redundancy_new(size_t rows, size_t dim, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_redundancy *r = err->code ? NULL : cn_mem_array(1, sizeof(*r), err);

	if (!r)
		return NULL;
	const size_t few = BAND_NUMBERS / dim < 128 ? 128 : BAND_NUMBERS / dim;

	r->dim = dim;
	r->breadth = few < dim ? few : dim;
	r->pool = pool;
	r->c = cn_mem_array(2 * rows, dim * sizeof(float), err);
	r->d = cn_mem_array(2 * rows, dim * sizeof(float), err);
	r->band = cn_mem_array(r->breadth, dim * sizeof(float), err);
	r->variance = cn_mem_array(2 * dim, sizeof(double), err);
	r->share = cn_mem_array(dim > rows ? dim : rows, sizeof(double), err);
	if (!err->code)
		return r;
	cn_redundancy_free(r);
	return NULL;
}

void
cn_redundancy_free(struct cn_redundancy *r)
{
	if (!r)
		return;
	void *const block[] = { r->c, r->d, r->band, r->variance, r->share };

	for (size_t i = 0; i < sizeof(block) / sizeof(*block); i++)
		cn_mem_free(block[i]);
	cn_mem_free(r);
}

static double
sum(const double *x, size_t n)
{
	double all = 0;

	for (size_t i = 0; i < n; i++)
		all += x[i];
	return all;
}

static void
run(struct cn_redundancy *r, size_t n, void (*part)(void *context, size_t i, size_t worker))
{
	cn_pool_run(r->pool, n, part, r);
}

/* Some dimensions of one kind of view: their variances, and in c what the mean leaves. */
static void
centre(struct cn_redundancy *r, size_t kind, size_t at, size_t n)
{
	const size_t dim = r->dim, begin = kind * r->rows * dim + at, end = begin + r->rows * dim;
	double mean[DIMS] = { 0 }, squares[DIMS] = { 0 };

	for (size_t row = begin; row < end; row += dim)
		for (size_t k = 0; k < n; k++)
			mean[k] += (double)r->z[row + k];
	for (size_t k = 0; k < n; k++)
		mean[k] /= (double)r->rows;
	for (size_t row = begin; row < end; row += dim)
		for (size_t k = 0; k < n; k++) {
			const double x = (double)r->z[row + k] - mean[k];

			r->c[row + k] = (float)x;
			squares[k] += x * x;
		}
	for (size_t k = 0; k < n; k++)
		r->variance[kind * dim + at + k] = squares[k] / (double)r->rows;
}

static void
centre_part(void *context, size_t i, size_t worker)
{
	struct cn_redundancy *r = context;

	(void)worker;
	for (size_t kind = 0; kind < 2; kind++)
		centre(r, kind, i * DIMS, cn_pool_part_size(r->dim, i, DIMS));
}

/* Columns of the band: the products of its dimensions of left and a run of right's. */
static void
product_part(void *context, size_t i, size_t worker)
{
	struct cn_redundancy *r = context;
	const size_t at = i * COLUMNS;

	(void)worker;
	cn_blas_gemm(true, false, r->m, cn_pool_part_size(r->dim, i, COLUMNS), r->rows, (float)(1 / r->divisor), r->left + r->first, r->dim,
		r->right + at, r->dim, 0, r->band + at, r->dim);
}

/* The loss of each product; half its derivative takes its place. */
static void
judge_part(void *context, size_t i, size_t worker)
{
	struct cn_redundancy *r = context;
	const float off = (float)r->off;

	(void)worker;
	for (size_t k = i * ROWS; k < (i + 1) * ROWS && k < r->m; k++) {
		float *row = r->band + k * r->dim, *own = &row[r->first + k];
		const double lack = (double)*own - 1;

		*own = 0;
		r->share[r->first + k] = r->on * lack * lack + r->off * cn_kernel_squares(row, r->dim);
		for (size_t j = 0; j < r->dim; j++)
			row[j] *= off;
		*own = (float)(r->on * lack);
	}
}

/* What the band's derivatives do to some rows: to right in all dimensions, to left in those of the band. */
static void
gradient_part(void *context, size_t i, size_t worker)
{
	struct cn_redundancy *r = context;
	const size_t dim = r->dim, at = i * ROWS * dim, n = cn_pool_part_size(r->rows, i, ROWS);
	const float by = (float)((r->d_left ? 2 : 4) / r->divisor);

	(void)worker;
	cn_blas_gemm(false, false, n, dim, r->m, by, r->left + at + r->first, dim, r->band, dim, r->first > 0, r->d_right + at, dim);
	if (r->d_left)
		cn_blas_gemm(false, true, n, r->m, dim, by, r->right + at, dim, r->band, dim, 0, r->d_left + at + r->first, dim);
}

static double
products(struct cn_redundancy *r)
{
	for (r->first = 0; r->first < r->dim; r->first += r->m) {
		r->m = r->dim - r->first < r->breadth ? r->dim - r->first : r->breadth;
		run(r, cn_pool_parts(r->dim, COLUMNS), product_part);
		run(r, cn_pool_parts(r->m, ROWS), judge_part);
		run(r, cn_pool_parts(r->rows, ROWS), gradient_part);
	}
	return sum(r->share, r->dim);
}

static void
begin(struct cn_redundancy *r, const struct cn_term *term, size_t rows, const float *z, float *dz)
{
	r->term = term;
	r->rows = rows;
	r->z = z;
	r->dz = dz;
	run(r, cn_pool_parts(r->dim, DIMS), centre_part);
}

enum { SIM, STD, COV };	/* parameters of vicreg */

/* What standard deviations lack to be 1, mean of all dimensions; its derivative is c times what takes the place of the variances. */
static double
spread(struct cn_redundancy *r)
{
	const double rows = (double)r->rows, less = rows > 1 ? rows - 1 : 1, n = 2 * (double)r->dim;
	double loss = 0;

	for (size_t k = 0; k < 2 * r->dim; k++) {
		const double deviation = sqrt(r->variance[k] * rows / less + 1e-4), lack = 1 - deviation;

		loss += lack < 0 ? 0 : lack / n;
		r->variance[k] = lack < 0 ? 0 : -1 / (deviation * less * n);
	}
	return loss;
}

/* Some rows: how far their views are apart, and all that vicreg does to them. */
static void
vicreg_part(void *context, size_t i, size_t worker)
{
	struct cn_redundancy *r = context;
	const size_t dim = r->dim, half = r->rows * dim;
	const double *q = r->term->parameter, weight = r->term->weight, apart = 2 * q[SIM] / (double)half;

	(void)worker;
	for (size_t row = i * ROWS; row < (i + 1) * ROWS && row < r->rows; row++) {
		const size_t x = row * dim, y = x + half;

		r->share[row] = (double)cn_kernel_distance2(r->z + x, r->z + y, dim);
		for (size_t k = 0; k < dim; k++) {
			const double far = apart * ((double)r->z[x + k] - (double)r->z[y + k]);

			r->dz[x + k] += (float)(weight * (far + q[STD] * r->variance[k] * (double)r->c[x + k] + (double)r->d[x + k]));
			r->dz[y + k] += (float)(weight * (-far + q[STD] * r->variance[dim + k] * (double)r->c[y + k] + (double)r->d[y + k]));
		}
	}
}

static double
vicreg(const struct cn_term *term, struct cn_redundancy *r, size_t rows, const float *z, float *dz)
{
	const double *q = term->parameter;

	begin(r, term, rows, z, dz);
	double loss = q[STD] * spread(r);

	r->divisor = rows > 1 ? (double)rows - 1 : 1;
	r->on = 0;
	r->off = q[COV] / (double)r->dim;
	r->d_left = NULL;
	for (size_t kind = 0; kind < 2; kind++) {
		r->left = r->right = r->c + kind * rows * r->dim;
		r->d_right = r->d + kind * rows * r->dim;
		loss += products(r);
	}
	run(r, cn_pool_parts(rows, ROWS), vicreg_part);
	return loss + q[SIM] * sum(r->share, rows) / (double)(rows * r->dim);
}

/* c to variance 1. */
static void
normalise_part(void *context, size_t i, size_t worker)
{
	struct cn_redundancy *r = context;
	const size_t dim = r->dim;

	(void)worker;
	for (size_t row = i * ROWS; row < (i + 1) * ROWS && row < 2 * r->rows; row++)
		for (size_t k = 0; k < dim; k++)
			r->c[row * dim + k] = (float)((double)r->c[row * dim + k] / sqrt(r->variance[row / r->rows * dim + k] + 1e-5));
}

/* Some dimensions of one kind: d by c becomes that by z, (d - mean of d - c mean of c d) / deviation. */
static void
through_norm(struct cn_redundancy *r, size_t kind, size_t at, size_t n)
{
	const size_t dim = r->dim, begin = kind * r->rows * dim + at, end = begin + r->rows * dim;
	double mean[DIMS] = { 0 }, along[DIMS] = { 0 }, by[DIMS];

	for (size_t row = begin; row < end; row += dim)
		for (size_t k = 0; k < n; k++) {
			mean[k] += (double)r->d[row + k] / (double)r->rows;
			along[k] += (double)r->d[row + k] * (double)r->c[row + k] / (double)r->rows;
		}
	for (size_t k = 0; k < n; k++)
		by[k] = r->term->weight / sqrt(r->variance[kind * dim + at + k] + 1e-5);
	for (size_t row = begin; row < end; row += dim)
		for (size_t k = 0; k < n; k++)
			r->dz[row + k] += (float)(by[k] * ((double)r->d[row + k] - mean[k] - (double)r->c[row + k] * along[k]));
}

static void
barlow_part(void *context, size_t i, size_t worker)
{
	struct cn_redundancy *r = context;

	(void)worker;
	for (size_t kind = 0; kind < 2; kind++)
		through_norm(r, kind, i * DIMS, cn_pool_part_size(r->dim, i, DIMS));
}

static double
barlow(const struct cn_term *term, struct cn_redundancy *r, size_t rows, const float *z, float *dz)
{
	begin(r, term, rows, z, dz);
	run(r, cn_pool_parts(2 * rows, ROWS), normalise_part);
	r->divisor = (double)rows;
	r->on = 1;
	r->off = term->parameter[0];
	r->left = r->c;
	r->right = r->c + rows * r->dim;
	r->d_left = r->d;
	r->d_right = r->d + rows * r->dim;
	const double loss = products(r);

	run(r, cn_pool_parts(r->dim, DIMS), barlow_part);
	return loss;
}

const struct cn_loss cn_redundancy_losses[] = {
	{ .name = "vicreg", .whole = vicreg,
		.parameter = { { "sim", 25, 0, 10000, NULL }, { "std", 25, 0, 10000, NULL }, { "cov", 1, 0, 10000, NULL } } },
	{ .name = "barlow", .whole = barlow, .parameter = { { "lambda", 0.005, 0, 1000, NULL } } },
	{ .name = NULL },
};
