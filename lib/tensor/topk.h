/*
 * topk - exact nearest rows by inner product or distance, in an order that never depends on BLAS.
 *
 * A float matrix product gives a shortlist; its error bound makes the shortlist provably complete;
 * the shortlist is scored again with cn_kernel_dot and ordered by (score descending, id ascending).
 */
#ifndef CN_TENSOR_TOPK_H
#define CN_TENSOR_TOPK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

struct cn_topk_hit {
	float score;		/* inner product, fixed-order */
	uint32_t row;		/* row in the bank; UINT32_MAX = none (bank smaller than k) */
};

/*
 * The k rows of bank (n, d) with the greatest inner product with each query row (m, d), best first, into
 * hits (m, k).  Ties go to the smaller row.  Rows for which allow (if given) returns 0 do not count:
 * allow(context, query, row), called from several threads.  Vectors must be finite.
 */
int cn_topk_search(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	int (*allow)(void *context, size_t query, uint32_t row), void *context,
	struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err);

#endif
