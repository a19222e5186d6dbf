/*
 * symmetric - factors and eigenvalues of symmetric matrices in double, for measuring: sums in a fixed order, the same
 * bits for any number of threads and on every machine.
 *
 * Work grows with the cube of n: a second for n = 512, a minute for 2048.
 */
#ifndef CN_TENSOR_SYMMETRIC_H
#define CN_TENSOR_SYMMETRIC_H

#include <stddef.h>

#include "base/err.h"
#include "base/pool.h"

/*
 * Rows F (rank, n) with F^T F = A, for a positive semidefinite A (n, n): Cholesky's factor, the greatest diagonal
 * first, until what is left of A is below n times the unit of rounding of its greatest.  factor has room for (n, n).
 * Returns the rank.
 */
size_t cn_symmetric_factor(const double *a, size_t n, double *factor, struct cn_err *err);

/*
 * All eigenvalues of A (n, n), which is overwritten, rising: Householder's reflections make it tridiagonal, and
 * bisection by Sturm's sequence finds each to within the unit of rounding of the greatest.  pool may be NULL.
 */
int cn_symmetric_eigenvalues(double *a, size_t n, double *value, struct cn_pool *pool, struct cn_err *err);

#endif
