/* frechet - moments of both sets, and the trace of a root through a factor of one of them. */
#include "eval/frechet.h"

#include <math.h>

#include "base/mem.h"
#include "tensor/symmetric.h"
#include "base/banned.h"

enum { ROWS = 16 };	/* of a matrix, that one part of the pool's work takes */

struct moments {
	const float *z;		/* (n, dim) */
	size_t n, dim;
	double *mean;		/* (dim) */
	double *covariance;	/* (dim, dim) */
	double *centred;	/* per worker: (dim) */
};

/* Rows of the covariance, from the diagonal on. */
static void
covariance_part(void *context, size_t part, size_t worker)
{
	const struct moments *m = context;
	const size_t dim = m->dim, first = part * ROWS, end = first + cn_pool_part_size(dim, part, ROWS);
	double *x = m->centred + worker * dim;

	for (size_t row = 0; row < m->n; row++) {
		for (size_t j = first; j < dim; j++)
			x[j] = (double)m->z[row * dim + j] - m->mean[j];
		for (size_t i = first; i < end; i++)
			for (size_t j = i; j < dim; j++)
				m->covariance[i * dim + j] += x[i] * x[j];
	}
}

static void
measure_moments(struct moments *m, struct cn_pool *pool)
{
	const size_t dim = m->dim;

	for (size_t row = 0; row < m->n; row++)
		for (size_t j = 0; j < dim; j++)
			m->mean[j] += (double)m->z[row * dim + j];
	for (size_t j = 0; j < dim; j++)
		m->mean[j] /= (double)m->n;
	cn_pool_run(pool, cn_pool_parts(dim, ROWS), covariance_part, m);
	for (size_t i = 0; i < dim; i++)
		for (size_t j = i; j < dim; j++)
			m->covariance[j * dim + i] = m->covariance[i * dim + j] /= (double)(m->n - 1);
}

static struct moments *
find_moments(const float *z, size_t n, size_t dim, struct cn_pool *pool, struct cn_err *err)
{
	struct moments *m = err->code ? NULL : cn_mem_array(1, sizeof *m, err);

	if (!m)
		return NULL;
	*m = (struct moments){ .z = z, .n = n, .dim = dim };
	m->mean = cn_mem_array(dim, sizeof(double), err);
	m->covariance = cn_mem_array(dim, dim * sizeof(double), err);
	m->centred = cn_mem_array(cn_pool_threads(pool), dim * sizeof(double), err);
	if (!err->code)
		measure_moments(m, pool);
	return m;
}

static void
free_moments(struct moments *m)
{
	if (!m)
		return;
	cn_mem_free(m->mean);
	cn_mem_free(m->covariance);
	cn_mem_free(m->centred);
	cn_mem_free(m);
}

/* C (rows, n) = A (rows, k) B^T, B (n, k). */
struct product {
	const double *a, *b;
	double *c;
	size_t rows, n, k;
};

static void
product_part(void *context, size_t part, size_t worker)
{
	const struct product *p = context;
	const size_t end = part * ROWS + cn_pool_part_size(p->rows, part, ROWS);

	(void)worker;
	for (size_t i = part * ROWS; i < end; i++)
		for (size_t j = 0; j < p->n; j++) {
			double sum = 0;

			for (size_t s = 0; s < p->k; s++)
				sum += p->a[i * p->k + s] * p->b[j * p->k + s];
			p->c[i * p->n + j] = sum;
		}
}

static void
multiply(struct product p, struct cn_pool *pool)
{
	cn_pool_run(pool, cn_pool_parts(p.rows, ROWS), product_part, &p);
}

/* tr (A B)^(1/2) for covariances (n, n). */
static double
root_trace(const double *a, const double *b, size_t n, struct cn_pool *pool, struct cn_err *err)
{
	double *factor = cn_mem_array(n, n * sizeof(double), err), *half = cn_mem_array(n, n * sizeof(double), err);
	double *whole = cn_mem_array(n, n * sizeof(double), err), *value = cn_mem_array(n, sizeof(double), err), sum = 0;

	const size_t rank = cn_symmetric_factor(a, n, factor, err);

	if (rank > 0) {
		multiply((struct product){ factor, b, half, rank, n, n }, pool);	/* F B, as B is symmetric */
		multiply((struct product){ half, factor, whole, rank, rank, n }, pool);	/* F B F^T */
		cn_symmetric_eigenvalues(whole, rank, value, pool, err);
		for (size_t i = 0; i < rank && !err->code; i++)
			sum += value[i] > 0 ? sqrt(value[i]) : 0;
	}
	cn_mem_free(factor);
	cn_mem_free(half);
	cn_mem_free(whole);
	cn_mem_free(value);
	return sum;
}

int
cn_frechet_measure(const float *a, size_t n, const float *b, size_t m, size_t dim, struct cn_pool *pool, double *distance,
	struct cn_err *err)
{
	struct moments *one = find_moments(a, n, dim, pool, err), *other = find_moments(b, m, dim, pool, err);
	double sum = 0;

	if (!err->code)
		sum = -2 * root_trace(one->covariance, other->covariance, dim, pool, err);
	for (size_t j = 0; j < dim && !err->code; j++) {
		const double apart = one->mean[j] - other->mean[j];

		sum += apart * apart + one->covariance[j * dim + j] + other->covariance[j * dim + j];
	}
	free_moments(one);
	free_moments(other);
	*distance = sum > 0 ? sum : 0;	/* rounding may leave equal sets a little below */
	return err->code ? -1 : 0;
}
