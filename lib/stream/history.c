/* history - how a stream was made, as a DAG of nodes that programs share. */
#include "stream/history.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

static bool
same_meta(const struct cn_meta *a, const struct cn_meta *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->pair[i].key, b->pair[i].key) != 0 || a->pair[i].size != b->pair[i].size
		    || memcmp(a->pair[i].value, b->pair[i].value, a->pair[i].size) != 0)
			return false;
	return true;
}

/* The number of an equal node, or -1. */
static int
find_node(const struct cn_history *history, const struct cn_meta *meta, const uint16_t *parent, size_t n_parents)
{
	for (size_t i = 0; i < history->n; i++) {
		const struct cn_node *node = &history->node[i];

		if (node->n_parents == n_parents && memcmp(node->parent, parent, n_parents * sizeof(*parent)) == 0
		    && same_meta(&node->meta, meta))
			return (int)i;
	}
	return -1;
}

int
cn_history_add(struct cn_history *to, const struct cn_meta *meta, const uint16_t *parent, size_t n_parents,
	struct cn_err *err)
{
	void *block = to->node;

	if (to->n >= CN_HISTORY_NODES || n_parents > CN_HISTORY_NODES)
		return cn_err_set(err, CN_FAILED, "the history has more than %d steps; join fewer streams at once",
			CN_HISTORY_NODES);
	if (cn_mem_grow(&block, &to->capacity, to->n + 1, sizeof(*to->node), err) != 0)
		return -1;
	to->node = block;
	struct cn_node *node = &to->node[to->n];
	*node = (struct cn_node){ .n_parents = (uint16_t)n_parents };
	if (n_parents > 0)
		memcpy(node->parent, parent, n_parents * sizeof(*parent));
	if (cn_meta_merge(&node->meta, meta, err) != 0) {
		cn_meta_release(&node->meta);
		return -1;
	}
	return (int)to->n++;
}

int
cn_history_merge(struct cn_history *to, const struct cn_history *from, struct cn_err *err)
{
	uint16_t number[CN_HISTORY_NODES];
	int last = -1;

	for (size_t i = 0; i < from->n; i++) {
		const struct cn_node *node = &from->node[i];
		uint16_t parent[CN_HISTORY_NODES];

		for (size_t k = 0; k < node->n_parents; k++)
			parent[k] = number[node->parent[k]];
		last = find_node(to, &node->meta, parent, node->n_parents);
		if (last < 0)
			last = cn_history_add(to, &node->meta, parent, node->n_parents, err);
		if (last < 0)
			return -1;
		number[i] = (uint16_t)last;
	}
	return last;
}

int
cn_history_copy(struct cn_history *to, const struct cn_history *from, struct cn_err *err)
{
	cn_history_release(to);
	for (size_t i = 0; i < from->n; i++) {
		const struct cn_node *node = &from->node[i];

		if (cn_history_add(to, &node->meta, node->parent, node->n_parents, err) < 0)
			return -1;
	}
	return 0;
}

void
cn_history_release(struct cn_history *history)
{
	for (size_t i = 0; i < history->n; i++)
		cn_meta_release(&history->node[i].meta);
	cn_mem_free(history->node);
	*history = (struct cn_history){ 0 };
}
