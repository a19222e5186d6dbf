/*
 * history - how a stream was made: a DAG of nodes, each a program with its options; the last node made
 * this stream.  Parents come before their children.
 */
#ifndef CN_STREAM_HISTORY_H
#define CN_STREAM_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"

#define CN_HISTORY_NODES 256

struct cn_node {
	uint16_t n_parents;
	uint16_t parent[CN_HISTORY_NODES];
	struct cn_meta meta;	/* program, version, option.NAME..., seed, input.N (name as typed), lib.zstd, ... */
};

struct cn_history {
	size_t n, capacity;
	struct cn_node *node;
};

/*
 * Appends a copy of all nodes of from, sharing nodes that are already there (equal meta and parents).
 * Returns the number its last node has now; -1 with err, or without when from is empty.
 */
int cn_history_merge(struct cn_history *to, const struct cn_history *from, struct cn_err *err);

/* Appends the node of this program; parents are numbers merge returned.  Its number, or -1. */
int cn_history_add(struct cn_history *to, const struct cn_meta *meta, const uint16_t *parent, size_t n_parents,
	struct cn_err *err);

int cn_history_copy(struct cn_history *to, const struct cn_history *from, struct cn_err *err);
void cn_history_release(struct cn_history *history);

#endif
