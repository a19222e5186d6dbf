/* dense - four rows by sixteen columns of the result at a time, held in registers while k runs. */
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

/* Rows first..first+3 of the result. */
CN_CLONES static void
four_rows(const struct job *job, size_t first)
{
	const float *a = job->a + first * job->down;
	const size_t down = job->down;

	for (size_t j = 0; j < job->n; j += LANES) {
		float s0 __attribute__((vector_size(4 * LANES))) = { 0 }, s1 __attribute__((vector_size(4 * LANES))) = { 0 };
		float s2 __attribute__((vector_size(4 * LANES))) = { 0 }, s3 __attribute__((vector_size(4 * LANES))) = { 0 };
		float *c = job->c + first * job->ldc + j;

		for (size_t k = 0; k < job->k; k++) {
			const float *at = a + k * job->along;
			float b __attribute__((vector_size(4 * LANES)));

			memcpy(&b, job->b + k * job->ldb + j, sizeof b);
			s0 += at[0] * b;
			s1 += at[down] * b;
			s2 += at[2 * down] * b;
			s3 += at[3 * down] * b;
		}
		memcpy(c, &s0, sizeof s0);
		memcpy(c + job->ldc, &s1, sizeof s1);
		memcpy(c + 2 * job->ldc, &s2, sizeof s2);
		memcpy(c + 3 * job->ldc, &s3, sizeof s3);
	}
}

CN_CLONES static void
one_row(const struct job *job, size_t row)
{
	const float *a = job->a + row * job->down;

	for (size_t j = 0; j < job->n; j += LANES) {
		float sum __attribute__((vector_size(4 * LANES))) = { 0 };

		for (size_t k = 0; k < job->k; k++) {
			float b __attribute__((vector_size(4 * LANES)));

			memcpy(&b, job->b + k * job->ldb + j, sizeof b);
			sum += a[k * job->along] * b;
		}
		memcpy(job->c + row * job->ldc + j, &sum, sizeof sum);
	}
}

static void
part(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t end = i * PART + cn_pool_part_size(job->m, i, PART);
	size_t row = i * PART;

	(void)worker;
	for (; row + 4 <= end; row += 4)
		four_rows(job, row);
	for (; row < end; row++)
		one_row(job, row);
}

void
cn_dense_multiply(bool transpose, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
	float *c, size_t ldc, struct cn_pool *pool)
{
	struct job job = { m, n, k, a, transpose ? 1 : lda, transpose ? lda : 1, b, ldb, c, ldc };

	cn_pool_run(pool, cn_pool_parts(m, PART), part, &job);
}
