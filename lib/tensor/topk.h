/*
 * topk - exact nearest rows by inner product or distance, in an order that never depends on BLAS.
 *
 * A fast inexact pass gives a shortlist; its error bound makes the shortlist provably complete; the
 * shortlist is scored again with cn_kernel_dot and ordered by (score descending, row ascending).
 *
 *	t = cn_topk_new(&(struct cn_topk_config){ .query = q, .m = m, .d = d, .k = 10, .pool = pool }, &err);
 *	while ((n = next_segment(&rows)) > 0)
 *		cn_topk_feed(t, first, rows, n, &err), first += n;
 *	cn_topk_finish(t, hits, &err);
 *	cn_topk_free(t);
 */
#ifndef CN_TENSOR_TOPK_H
#define CN_TENSOR_TOPK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

struct cn_topk_hit {
	float score;		/* by the metric; 0 where there is none */
	uint32_t row;		/* row in the bank; UINT32_MAX = none (fewer than k rows count) */
	uint32_t rank;		/* how many rows of the whole bank stand before it, those that do not count included */
};

enum cn_topk_metric {
	CN_TOPK_DOT,		/* score = cn_kernel_dot */
	CN_TOPK_L2,		/* score = -cn_kernel_distance2 */
};

enum cn_topk_pass {
	CN_TOPK_FASTEST,
	CN_TOPK_BLAS,		/* floats */
	CN_TOPK_CODED,		/* small integers: this + an enum cn_quantise_isa that the machine has */
};

/* Why a row does not count: judge may give any other reason below CN_TOPK_REASONS. */
#define CN_TOPK_ABOVE 1		/* scores above ceiling[query]; is not judged */
#define CN_TOPK_BELOW 2		/* scores below floor[query], and not above the ceiling; is not judged */
#define CN_TOPK_REASONS 16

/*
 * Which rows count.  judge returns 0 for a row that does, else the reason why it does not; it is called
 * from several threads, any number of times, only for rows of the segment that is being fed.  dropped
 * receives, by reason, how many rows standing before the k-th hit did not count; of the whole bank, where
 * there are fewer than k hits.
 */
struct cn_topk_rule {
	unsigned (*judge)(void *context, size_t query, uint32_t row);	/* NULL: every row counts */
	void *context;
	const float *ceiling;	/* (m), or NULL */
	uint32_t *dropped;	/* (m, CN_TOPK_REASONS), or NULL */
	const float *floor;	/* (m), or NULL */
};

/* Queries and rule stay with the caller until the search is freed. */
struct cn_topk_config {
	const float *query;	/* (m, d), finite */
	size_t m, d, k;
	enum cn_topk_metric metric;
	struct cn_topk_rule rule;
	struct cn_pool *pool;	/* or NULL */
	int pass;		/* the first pass: CN_TOPK_FASTEST, or another one for tests; hits are the same */
};

/*
 * A search through a bank that arrives in segments.  Hits, ranks and what was dropped are the same
 * however the bank is cut.  Holds cn_topk_bytes(k) for each query and a few MB for each thread.
 */
struct cn_topk;

struct cn_topk *cn_topk_new(const struct cn_topk_config *config, struct cn_err *err);
void cn_topk_free(struct cn_topk *topk);	/* accepts NULL */
size_t cn_topk_bytes(size_t k);

/* Rows first_row ... first_row + n - 1 of the bank (n, d), finite; in any order, each row once. */
int cn_topk_feed(struct cn_topk *topk, size_t first_row, const float *bank, size_t n, struct cn_err *err);

/* hits (m, k): for each query the k rows of greatest score, best first, ties to the smaller row. */
int cn_topk_finish(struct cn_topk *topk, struct cn_topk_hit *hits, struct cn_err *err);

/* The same for a bank (n, d) in one piece, by inner product. */
int cn_topk_select(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	const struct cn_topk_rule *rule, struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err);

/* The same with a plain test: rows for which allow (if given) returns 0 do not count. */
int cn_topk_search(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	int (*allow)(void *context, size_t query, uint32_t row), void *context,
	struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err);

#endif
