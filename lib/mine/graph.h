/*
 * graph - the k nearest rows of every row of a bank, and who is how many steps away.
 *
 * Neighbours are exact (cn_topk_select), best first, a row never its own.  A step leads from a row to its
 * neighbours, or, in a graph of both ways, also to those whose neighbour it is.  Walks are breadth
 * first; each thread needs a walk of its own.
 *
 *	cn_graph_build(&graph, bank, n, d, 10, true, pool, err);
 *	cn_walk_init(&walk, &graph, 1000, err);
 *	size_t rows = cn_walk_between(&walk, &anchor, 1, 2, 3, &row);	two or three steps from anchor: row[0..rows - 1]
 */
#ifndef CN_MINE_GRAPH_H
#define CN_MINE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

struct cn_graph {
	size_t n;
	size_t *start;		/* (n + 1) */
	uint32_t *edge;		/* steps from row i: edge[start[i]..start[i + 1] - 1] */
};

/* Finds the k nearest by inner product; both_ways adds, behind those of each row, the rows that named it, ascending. */
int cn_graph_build(struct cn_graph *graph, const float *bank, size_t n, size_t d, size_t k, bool both_ways,
	struct cn_pool *pool, struct cn_err *err);

void cn_graph_release(struct cn_graph *graph);

/* A thread's place to walk in; memory is 4 bytes for each row of the graph and of most. */
struct cn_walk {
	const struct cn_graph *graph;
	size_t most;
	uint32_t *seen;		/* (n) the number of the walk that last met the row */
	uint32_t *row;		/* (most) rows in the order they were met */
	uint32_t number;
};

/* Walks meet most rows, those they start from included, and then stop.  graph must outlive the walk. */
int cn_walk_init(struct cn_walk *walk, const struct cn_graph *graph, size_t most, struct cn_err *err);

/*
 * The rows that lie near..far steps from the nearest of the starting rows from (count), by steps, then in the order
 * they were met.  Returns how many, and where in *row: it stays as it is until the next walk.
 */
size_t cn_walk_between(struct cn_walk *walk, const uint32_t *from, size_t count, size_t near, size_t far, const uint32_t **row);

void cn_walk_release(struct cn_walk *walk);

#endif
