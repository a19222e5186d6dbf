/*
 * layout - what is learned of a bank before the first anchor comes: urns, clusters, who is near whom, lists.
 *
 * Each part is made if its config asks for it, from the seed, the same for any number of threads.
 */
#ifndef CN_MINE_LAYOUT_H
#define CN_MINE_LAYOUT_H

#include <stdbool.h>

#include "mine/graph.h"
#include "mine/ivf.h"
#include "mine/kmeans.h"
#include "mine/urn.h"
#include "nn/bank.h"

#define CN_SPANS 16

/* A part of the bank that gets its own share of each row's negatives. */
struct cn_span {
	uint32_t first, rows;
	double share;
};

struct cn_layout_config {
	bool urns;		/* from the weights of the bank to this power */
	double power;
	size_t clusters;	/* 0 = none */
	size_t neighbours;	/* of each row in the graph; 0 = no graph */
	double recall;		/* of inverted files, measured on rows of the bank; 0 = no files */
	size_t probes;		/* lists to read, instead of measuring; 0 = by recall */
	size_t depth;		/* ranks whose recall counts */
	uint64_t seed;
};

struct cn_layout {
	struct cn_urn urn[CN_SPANS];		/* one for each span */
	struct cn_kmeans kmeans;		/* of the whole bank */
	struct cn_graph graph;
	struct cn_ivf ivf[CN_SPANS];
	size_t probes[CN_SPANS];
	double reached[CN_SPANS];		/* the recall that was measured */
};

/* file: by span, for messages. */
int cn_layout_init(struct cn_layout *layout, const struct cn_layout_config *config, const struct cn_bank *bank,
	const struct cn_span *span, size_t spans, const char *const *file, struct cn_pool *pool, struct cn_err *err);

/* For each of n vectors its cluster, or the nearest other one. */
int cn_layout_clusters(const struct cn_layout *layout, const float *unit, size_t n, bool next, uint32_t *cluster,
	struct cn_pool *pool, struct cn_err *err);

void cn_layout_release(struct cn_layout *layout);

#endif
