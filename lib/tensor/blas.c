/* OpenBLAS with its own threads switched off: how many there are must never change a result. */
#include <assert.h>
#include <cblas.h>
#include <limits.h>

#include "tensor/blas.h"

#include "base/banned.h"

void
cn_blas_begin(void)
{
	openblas_set_num_threads(1);
}

const char *
cn_blas_kernel(void)
{
	return openblas_get_corename();
}

void
cn_blas_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
	const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
	assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
	cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
		(blasint)m, (blasint)n, (blasint)k, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
