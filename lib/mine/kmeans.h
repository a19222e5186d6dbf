/*
 * kmeans - rows into clusters around their means, the same bytes for any number of threads.
 *
 * Lloyd's iterations from a keyed start: k-means++ (Arthur and Vassilvitskii 2007) where that costs little,
 * else distinct rows drawn at random.  Every assignment is the exact one by fixed-order scores (tensor/dots.h), ties
 * to the smaller number; most scores are proven needless and not computed (see kmeans.c).  Means are
 * sums of doubles in the order of rows.  A cluster that loses all its rows takes the row that lies worst in its own.
 */
#ifndef CN_MINE_KMEANS_H
#define CN_MINE_KMEANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

enum cn_kmeans_metric {
	CN_KMEANS_COSINE,	/* greatest inner product; rows are of unit length and means are made so */
	CN_KMEANS_EUCLIDEAN,	/* least squared distance */
};

struct cn_kmeans_config {
	size_t clusters;		/* as many as there are rows, at most */
	enum cn_kmeans_metric metric;
	size_t iterations;		/* at most; 0 = 10 */
	size_t points;			/* rows per cluster that means are learned from, at most, drawn by key; 0 = 256 */
	uint64_t seed;
};

struct cn_kmeans {
	enum cn_kmeans_metric metric;
	size_t n, d, clusters;
	float *centroid;	/* (clusters, d) */
	uint32_t *cluster;	/* (n) the nearest centroid of each row */
	size_t *size;		/* (clusters) rows of each; may be 0, where rows are equal or not learned from */
	size_t iterations;	/* done until nothing changed */
};

/* Clusters the rows x (n, d), which must be finite. */
int cn_kmeans_run(struct cn_kmeans *kmeans, const struct cn_kmeans_config *config, const float *x, size_t n, size_t d,
	struct cn_pool *pool, struct cn_err *err);

/* The nearest centroid of each of other rows x (m, d), and its score: inner product, or minus squared distance. */
int cn_kmeans_assign(const struct cn_kmeans *kmeans, const float *x, size_t m, uint32_t *cluster, float *score,
	struct cn_pool *pool, struct cn_err *err);

/* The rows of all clusters, one after the other, ascending in each: those of cluster c are row[start[c]..start[c + 1] - 1]. */
void cn_kmeans_sort(const uint32_t *cluster, size_t n, size_t clusters, size_t *start, uint32_t *row);

void cn_kmeans_release(struct cn_kmeans *kmeans);

#endif
