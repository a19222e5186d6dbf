/*
 * spread - how the vectors of a batch lie on the sphere: together where they should be, apart elsewhere.
 *
 * Of the views at unit length, x of rows 0..B-1 and then pos:
 *
 *	alignment	mean over rows of |x - pos|^2
 *	uniformity	ln of the mean of e^(-2 |u - v|^2) over the pairs of views of one kind; the mean of both kinds
 *			(Wang & Isola 2020); 0 if there is one row
 *	rank		(tr C)^2 / tr(C^2), C the covariance of all views: the number of dimensions, if they share the
 *			variance equally, and 1 if all lie on a line (the participation ratio).  0 if tr C, which is 1 less
 *			the mean cosine, is below 1e-4: then nothing is left to tell apart
 *
 * The first two want to be small, the last large.  The same bits for any number of threads.
 */
#ifndef CN_LOSS_SPREAD_H
#define CN_LOSS_SPREAD_H

#include <stddef.h>

#include "base/err.h"
#include "base/pool.h"

struct cn_spread;

struct cn_spread_result {
	double alignment, uniformity, rank;
};

/* rows: the most there will be in a batch. */
struct cn_spread *cn_spread_new(size_t rows, size_t dim, struct cn_pool *pool, struct cn_err *err);

/* z: (2 rows, dim), any length, finite. */
void cn_spread_measure(struct cn_spread *spread, const float *z, size_t rows, struct cn_spread_result *result);

/* The rank alone, of any vectors: z (views, dim), at most twice the rows of a batch. */
double cn_spread_rank(struct cn_spread *spread, const float *z, size_t views);

void cn_spread_free(struct cn_spread *spread);

#endif
