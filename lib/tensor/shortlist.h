/*
 * shortlist - which rows of a bank may be among the best k of some queries, and their scores; the inside of topk.
 *
 * The bank is walked in slabs, these in tiles.  A first pass values all rows of a tile for some queries;
 * whatever may still belong to the best k of a query, by the bounds of bound.h, is noted in its list.  What
 * is still there after the slab, or does not fit the list, is scored again with cn_kernel_dot: what is
 * passed over cannot be among the best k in fixed order.
 *
 * There are two first passes.  Products of small integers (quantise.h) are several times as fast as
 * those of floats by BLAS, but their bounds are wider: more rows are scored again in vain.  So integers
 * are used where the machine has instructions for them and there are enough queries to pay for quantising
 * the bank; and where scoring rows of a tile in vain took longer than integers save (a row is taken for
 * as much as 6000 products of floats), BLAS values the rest of that tile and the next fifteen for
 * these queries, then integers are tried again.
 */
#ifndef CN_TENSOR_SHORTLIST_H
#define CN_TENSOR_SHORTLIST_H

#include <stdbool.h>

#include "tensor/bound.h"
#include "tensor/quantise.h"
#include "tensor/topk.h"
#include "tensor/toplist.h"

#define CN_SHORTLIST_TILE 1024	/* rows that are valued together; a multiple of two panels */
#define CN_SHORTLIST_TILES 128	/* of a slab, at most */

struct cn_shortlist_worker {
	float *value;			/* (queries of a part, rows of a tile) */
	int32_t *start;			/* (queries of a group, panels of a tile): what products start from */
	uint32_t *scratch;		/* for cutting lists */
	size_t scratch_room;
	size_t vain;			/* rows scored again that did not matter */
	size_t resolved;		/* lists that were too full to wait for the end of the slab */
	struct cn_err err;
};

/* The part of the bank that is being searched. */
struct cn_slab {
	const float *bank;
	size_t first, n;		/* its first row's number, its rows */
	double reach[CN_SHORTLIST_TILES];	/* per tile: the greatest squared length of a row */
	float *half;			/* (rows) cn_bound_half */
	uint8_t *code;			/* (panels, CN_QUANTISE_PANEL * width) */
	float *scale;			/* (rows) */
	struct cn_quantise_spread *spread;	/* (panels) */
	size_t half_room, code_room, scale_room, spread_room;
};

struct cn_shortlist {
	const float *query;		/* (m, d) */
	size_t m, d, k;
	size_t part;			/* queries that are searched for together */
	size_t slab_rows;		/* of a slab, at most */
	enum cn_bound_metric metric;
	struct cn_topk_rule rule;
	struct cn_pool *pool;
	bool coded;			/* integers are used */
	enum cn_quantise_isa isa;
	size_t width;			/* cn_quantise_width(d) */
	double *size;			/* (m) squared lengths of the queries */
	struct cn_quantise_query *coded_query;	/* (m) */
	int8_t *code;			/* (groups, CN_QUANTISE_GROUP * width) */
	uint8_t *rest;			/* (parts) tiles for which integers are not tried */
	struct cn_toplist *list;	/* (m) */
	struct cn_toplist_entry *entry;	/* (m, cn_toplist_capacity(k)) */
	uint32_t *above;		/* (m) rows over the ceiling, which are not in the lists */
	struct cn_shortlist_worker *worker;	/* (threads) */
	struct cn_slab slab;
};

int cn_shortlist_init(struct cn_shortlist *s, const struct cn_topk_config *config, struct cn_err *err);
void cn_shortlist_release(struct cn_shortlist *s);

/* Walks a slab of at most slab_rows rows; afterwards all entries of all lists are exact. */
int cn_shortlist_walk(struct cn_shortlist *s, const float *bank, size_t first_row, size_t n, struct cn_err *err);

/* The list of a query, sorted; NULL if there is no memory, which check tells. */
struct cn_toplist *cn_shortlist_settle(struct cn_shortlist *s, size_t query, size_t worker);

/* What went wrong in the workers. */
int cn_shortlist_check(const struct cn_shortlist *s, struct cn_err *err);

#endif
