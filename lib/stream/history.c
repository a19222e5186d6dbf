/* history - how a stream was made, as a DAG of nodes that programs share. */
#include "stream/history.h"

#include <stdio.h>
#include <stdlib.h>
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
cn_history_step(struct cn_history *to, const struct cn_meta *meta, const int *origin, size_t n, struct cn_err *err)
{
	uint16_t parent[CN_HISTORY_NODES];
	struct cn_meta own = { 0 };
	size_t parents = 0;
	char key[32];

	cn_meta_merge(&own, meta, err);
	for (size_t i = 0; i < n && !err->code; i++) {
		size_t at = 0;

		while (at < parents && parent[at] != origin[i])
			at++;
		if (origin[i] >= 0 && at == parents)
			parent[parents++] = (uint16_t)origin[i];
		if (origin[i] >= 0 && at == i)
			continue;
		snprintf(key, sizeof(key), "parent.%zu", i + 1);
		cn_meta_format(&own, key, "%zu", err, origin[i] >= 0 ? at + 1 : 0);
	}
	const int number = err->code ? -1 : cn_history_add(to, &own, parent, parents, err);
	cn_meta_release(&own);
	return number;
}

static const char *
numbered(const struct cn_node *node, const char *key, size_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%s.%zu", key, number);
	return cn_meta_get(&node->meta, text);
}

const char *
cn_node_input(const struct cn_node *node, size_t number)
{
	return numbered(node, "input", number);
}

bool
cn_node_option_reads(const char *key)
{
	static const char *const option[] = { "bank", "guide", "known", "model", "init" };
	const char *dot = strchr(key, '.');
	const size_t length = dot && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] == '\0' ? (size_t)(dot - key) : strlen(key);

	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++)
		if (strlen(option[i]) == length && !memcmp(key, option[i], length))
			return true;
	return false;
}

bool
cn_node_by_option(const struct cn_node *node, size_t number)
{
	const char *input = cn_node_input(node, number);

	for (size_t i = 0; i < node->meta.n && number > 1 && input; i++) {
		const struct cn_pair *pair = node->meta.pair + i;

		if (!strncmp(pair->key, "option.", 7) && cn_node_option_reads(pair->key + 7) && !strcmp(pair->value, input))
			return true;
	}
	return false;
}

int
cn_node_maker(const struct cn_node *node, size_t number)
{
	const char *noted = numbered(node, "parent", number);
	const size_t at = noted ? (size_t)strtoul(noted, NULL, 10) : number;

	return at > 0 && at <= node->n_parents ? node->parent[at - 1] : -1;
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
