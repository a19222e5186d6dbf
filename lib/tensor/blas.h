/*
 * blas - the only door to OpenBLAS.
 *
 * cn_blas_begin sets OpenBLAS to one thread (our own threads divide the work) and must be called
 * once before any other call.  Row-major throughout.  Results have the same bits for the same
 * arguments on one kernel (cn_blas_kernel names it), not across machines.
 */
#ifndef CN_TENSOR_BLAS_H
#define CN_TENSOR_BLAS_H

#include <stdbool.h>
#include <stddef.h>

void cn_blas_begin(void);
const char *cn_blas_kernel(void);	/* "SkylakeX" */

/* C(m,n) = alpha op(A)(m,k) op(B)(k,n) + beta C; lda, ldb, ldc are row strides as stored. */
void cn_blas_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
	const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);

#endif
