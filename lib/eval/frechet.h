/*
 * frechet - how far apart two sets of vectors lie, each taken as the normal distribution of its mean and covariance.
 *
 *	|m - n|^2 + tr(A + B - 2 (A B)^(1/2))
 *
 * for means m, n and covariances A, B (over one less than there are vectors): the squared 2-Wasserstein distance of
 * the two (Dowson & Landau 1982), which Heusel et al. (2017) apply to an encoder's vectors.  With A = F^T F, tr (A B)^(1/2)
 * is the sum of the roots of the eigenvalues of F B F^T; where these should be 0, roots of their rounding are left, which
is 1e-8 of the greatest variance each.  It falls as sets grow: compare sets of equal sizes.
 */
#ifndef CN_EVAL_FRECHET_H
#define CN_EVAL_FRECHET_H

#include <stddef.h>

#include "base/err.h"
#include "base/pool.h"

/* Of a (n, dim) and b (m, dim), both at least two vectors; sums in double, in a fixed order.  pool may be NULL.  0 or -1. */
int cn_frechet_measure(const float *a, size_t n, const float *b, size_t m, size_t dim, struct cn_pool *pool, double *distance,
	struct cn_err *err);

#endif
