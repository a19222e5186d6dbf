/*
 * ivf - an inverted file: a bank cut into lists around centroids, of which a query reads the nearest few.
 *
 * Searches by inner product, as cn_topk_select does, but only in the lists whose centroids score best with the
 * query.  Scores are those of cn_kernel_dot, order is (score descending, row ascending), and nothing depends
 * on threads or on the other queries; with all lists read the hits are those of the exact search, to the bit.
 * How many lists are needed for a share of the true neighbours is measured, not guessed (cn_ivf_calibrate).
 *
 *	cn_ivf_build(&ivf, &config, bank, n, d, pool, err);
 *	cn_ivf_calibrate(&ivf, query, m, 32, NULL, &(struct cn_ivf_target){ .recall = 0.95 }, &probes, NULL, pool, err);
 *	cn_ivf_search(&ivf, probes, query, m, 32, &(struct cn_topk_rule){ 0 }, hits, pool, err);
 *	cn_ivf_release(&ivf);
 */
#ifndef CN_MINE_IVF_H
#define CN_MINE_IVF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "tensor/topk.h"

struct cn_ivf_config {
	size_t lists;		/* 0 = 4 times the root of the number of rows; lists without rows are dropped */
	size_t iterations;	/* of k-means; 0 = 10 */
	size_t points;		/* rows per list that k-means learns from, at most; 0 = 256 */
	uint64_t seed;
};

struct cn_ivf {
	size_t n, d, lists, longest;
	float *centroid;	/* (lists, d), of unit length */
	size_t *start;		/* (lists + 1) where each list begins in row and vector */
	uint32_t *row;		/* (n) rows of the bank, ascending in each list */
	float *vector;		/* (n, d) a copy of the bank in this order */
};

/* Cuts the bank (n, d), rows of unit length.  The bank is copied: it is not needed afterwards. */
int cn_ivf_build(struct cn_ivf *ivf, const struct cn_ivf_config *config, const float *bank, size_t n, size_t d,
	struct cn_pool *pool, struct cn_err *err);

/*
 * For each query (m, d) the best k rows of its nearest probes lists (1..lists; more are taken as all) into hits (m, k).
 * rule works as in cn_topk_select, within the rows read: rank and dropped count those alone.
 */
int cn_ivf_search(const struct cn_ivf *ivf, size_t probes, const float *query, size_t m, size_t k,
	const struct cn_topk_rule *rule, struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err);

struct cn_ivf_target {
	double recall;		/* share of the true hits that are to be found, 0..1 */
	size_t sample;		/* queries it is measured on, drawn by key; 0 = 1000 */
	uint64_t seed;
};

/*
 * The fewest probes with which a sample of the queries reaches the target, compared with the exact search.
 * rule may be NULL (every row counts); its dropped is not written.  reached, if given, receives the recall.
 */
int cn_ivf_calibrate(const struct cn_ivf *ivf, const float *query, size_t m, size_t k, const struct cn_topk_rule *rule,
	const struct cn_ivf_target *target, size_t *probes, double *reached, struct cn_pool *pool, struct cn_err *err);

void cn_ivf_release(struct cn_ivf *ivf);

#endif
