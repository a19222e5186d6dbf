/*
 * history - how a stream was made: a DAG of nodes, each a program with its options; the last node made
 * this stream.  Parents come before their children.
 */
#ifndef CN_STREAM_HISTORY_H
#define CN_STREAM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"

#define CN_HISTORY_NODES 256

struct cn_node {
	uint16_t n_parents;
	uint16_t parent[CN_HISTORY_NODES];
	/* program, version, option.NAME..., seed, input.N (name as typed), parent.N (see cn_history_step), lib.zstd, ... */
	struct cn_meta meta;
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

/*
 * Appends the node of a program whose input N has origin[N - 1], a number merge returned, or -1.  Each parent is named
 * once; where that of input N is not the N-th, parent.N tells which it is, counted from 1, or 0 for none.
 */
int cn_history_step(struct cn_history *to, const struct cn_meta *meta, const int *origin, size_t n, struct cn_err *err);

/* Input number (from 1) of a node, as typed, or NULL behind the last: first the operands, then banks and models. */
const char *cn_node_input(const struct cn_node *node, size_t number);

/* True if an option's value is the name of an input: bank, guide.2 (of a repeated option), known, model, init. */
bool cn_node_option_reads(const char *key);

/* True if that input was named by an option (--bank), which says so itself, and not as an operand. */
bool cn_node_by_option(const struct cn_node *node, size_t number);

/* The node that made that input, or -1 where it is not known. */
int cn_node_maker(const struct cn_node *node, size_t number);

int cn_history_copy(struct cn_history *to, const struct cn_history *from, struct cn_err *err);
void cn_history_release(struct cn_history *history);

#endif
