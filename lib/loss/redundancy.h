/*
 * redundancy - losses of the dimensions of a batch rather than of its pairs: their variances and products.
 *
 * They see the views z as they are, not at unit length, x of rows 0..B-1 and then pos, and take no notice of further
 * negatives.  With x and y the two kinds, each dimension's mean over the rows taken out:
 *
 *	vicreg	sim mean (z_x - z_y)^2 + std/2 (h(x) + h(y)) + cov (o(x) + o(y)) (Bardes et al. 2022), where h is the mean
 *		over dimensions of max(0, 1 - sqrt(var + 1e-4)), o the sum of squared covariances of different
 *		dimensions / dim; var and covariances with B - 1
 *	barlow	sum (1 - c_ii)^2 + lambda sum of c_ij^2, i other than j (Zbontar et al. 2021), where c = x^T y / B, each
 *		dimension divided by sqrt(var + 1e-5); var with B
 *
 * The products of dimensions are held for some of them at a time: 32 MB, or 128 rows of dim numbers if these are more.
 * Sums, pieces and products have an order that does not depend on the pool: the same bits for any number of threads.
 */
#ifndef CN_LOSS_REDUNDANCY_H
#define CN_LOSS_REDUNDANCY_H

#include <stddef.h>

#include "base/err.h"
#include "base/pool.h"

/* What they need to compute in; one serves all terms, one after the other. */
struct cn_redundancy;

/* rows: the most there will be in a batch. */
struct cn_redundancy *cn_redundancy_new(size_t rows, size_t dim, struct cn_pool *pool, struct cn_err *err);
void cn_redundancy_free(struct cn_redundancy *redundancy);

#endif
