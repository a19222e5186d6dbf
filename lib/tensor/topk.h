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

#define CN_TOPK_REASONS 16

struct cn_topk_hit {
	float score;		/* inner product, fixed-order; 0 where there is none */
	uint32_t row;		/* row in the bank; UINT32_MAX = none (fewer than k rows count) */
	uint32_t rank;		/* how many rows of the whole bank stand before it, those that do not count included */
};

/*
 * The k rows of bank (n, d) with the greatest inner product with each query row (m, d), best first, into
 * hits (m, k).  Ties go to the smaller row.  Rows for which allow (if given) returns 0 do not count:
 * allow(context, query, row), called from several threads, any number of times.  Vectors must be finite.
 */
int cn_topk_search(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	int (*allow)(void *context, size_t query, uint32_t row), void *context,
	struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err);

/*
 * The same search with reasons and ceilings.  judge returns 0 for a row that counts, or 1..15, the reason
 * why it does not.  A row that scores above ceiling[query] does not count for reason CN_TOPK_ABOVE and
 * is not judged.  dropped (m, CN_TOPK_REASONS) receives, by reason, how many rows standing before the
 * k-th hit did not count; of the whole bank, where there are fewer than k hits.
 */
#define CN_TOPK_ABOVE 1

struct cn_topk_rule {
	unsigned (*judge)(void *context, size_t query, uint32_t row);	/* NULL: every row counts */
	void *context;
	const float *ceiling;	/* (m), or NULL */
	uint32_t *dropped;	/* or NULL */
};

int cn_topk_select(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	const struct cn_topk_rule *rule, struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err);

#endif
