/*
 * dense - small matrix products in a fixed order: the same bits on every machine and for any pool.
 *
 * Each number of the result is one sum over k, in order of k from 0, products and sums rounded separately.
 * For networks so small that BLAS would not be much faster, and whose results must not depend on it.
 */
#ifndef CN_GEN_DENSE_H
#define CN_GEN_DENSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"

#define CN_DENSE_LANES 16

/* The next multiple of 16. */
size_t cn_dense_padded(size_t n);

/*
 * C(m,n) = op(A)(m,k) B(k,n); n a multiple of 16; lda, ldb, ldc are row strides as stored.  With transpose, A
 * is stored (k,m).
 */
void cn_dense_multiply(bool transpose, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
	float *c, size_t ldc, struct cn_pool *pool);

#endif
