/* dense - four rows by two vectors of columns of the result at a time (by one of 16), held in registers while k runs. */
#include <string.h>

#include "gen/dense.h"
#include "tensor/clones.h"

#include "base/banned.h"

#define LANES CN_DENSE_LANES

enum { PART = 32 };	/* rows of one piece of work */

struct job {
	size_t m, n, k;
	const float *a;
	size_t down, along;	/* strides of op(A) */
	const float *b;
	size_t ldb;
	float *c;
	size_t ldc;
};

size_t
cn_dense_padded(size_t n)
{
	return (n + LANES - 1) / LANES * LANES;
}

/*
 * Rows of the result from first on, at most four.  Where there are fewer the last is reckoned again; loops of a fixed
 * count are what keeps the sums in registers.
 */
#define FOUR_ROWS(BYTES, TARGET) \
TARGET static void \
four_rows_##BYTES(const struct job *job, size_t first, size_t count) \
{ \
	typedef float vector __attribute__((vector_size(BYTES))); \
	enum { VECTORS = BYTES == 64 ? 1 : 2, WIDTH = BYTES / 4 }; \
	const float *a[4]; \
 \
	CN_EACH(r, 4) \
		a[r] = job->a + (first + (r < count ? r : count - 1)) * job->down; \
	for (size_t j = 0; j < job->n; j += VECTORS * WIDTH) { \
		vector sum[4][VECTORS] = { { { 0 } } }; \
 \
		for (size_t k = 0; k < job->k; k++) \
			CN_EACH(v, VECTORS) { \
				vector b; \
 \
				memcpy(&b, job->b + k * job->ldb + j + v * WIDTH, sizeof b); \
				CN_EACH(r, 4) \
					sum[r][v] += a[r][k * job->along] * b; \
			} \
		CN_EACH(r, 4) \
			if (r < count) \
				memcpy(job->c + (first + r) * job->ldc + j, sum[r], sizeof sum[r]); \
	} \
}
CN_WIDTHS(FOUR_ROWS)

static void
part(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t end = i * PART + cn_pool_part_size(job->m, i, PART);

	(void)worker;
	for (size_t row = i * PART; row < end; row += 4)
		CN_WIDEST(four_rows)(job, row, end - row < 4 ? end - row : 4);
}

void
cn_dense_multiply(bool transpose, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
	float *c, size_t ldc, struct cn_pool *pool)
{
	struct job job = { m, n, k, a, transpose ? 1 : lda, transpose ? lda : 1, b, ldb, c, ldc };

	cn_pool_run(pool, cn_pool_parts(m, PART), part, &job);
}
