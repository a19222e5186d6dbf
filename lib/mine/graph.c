/* The graph is made in tiles of exact searches; steps lie in one array, as in any sparse matrix. */
#include <string.h>

#include "base/mem.h"
#include "mine/graph.h"
#include "tensor/topk.h"

#include "base/banned.h"

#define TILE 8192	/* rows whose neighbours are searched at once */

static unsigned
judge_self(void *context, size_t query, uint32_t row)
{
	const size_t *first = context;

	return *first + query == row ? CN_TOPK_ABOVE : 0;
}

/* neighbour (n, k), best first; UINT32_MAX where there are fewer. */
static int
find_neighbours(const float *bank, size_t n, size_t d, size_t k, uint32_t *neighbour, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_topk_hit *hits = cn_mem_array((n < TILE ? n : TILE) * k + 1, sizeof *hits, err);
	size_t first;
	const struct cn_topk_rule rule = { judge_self, &first, NULL, NULL };

	for (first = 0; first < n && !err->code; first += TILE) {
		const size_t rows = n - first < TILE ? n - first : TILE;

		cn_topk_select(bank, n, bank + first * d, rows, d, k, &rule, hits, pool, err);
		for (size_t i = 0; i < rows * k && !err->code; i++)
			neighbour[first * k + i] = hits[i].row;
	}
	cn_mem_free(hits);
	return err->code ? -1 : 0;
}

static bool
is_named(const uint32_t *neighbour, size_t k, uint32_t row)
{
	for (size_t i = 0; i < k && neighbour[i] != UINT32_MAX; i++)
		if (neighbour[i] == row)
			return true;
	return false;
}

/* Visits the steps of a row before those of the next: once to count them, once to write them (edge given). */
static void
lay_steps(struct cn_graph *graph, const uint32_t *neighbour, size_t k, bool both_ways, uint32_t *edge)
{
	size_t *end = graph->start + 1;

	for (size_t i = 0; i < graph->n * k; i++)
		if (neighbour[i] != UINT32_MAX) {
			if (edge)
				edge[end[i / k]] = neighbour[i];
			end[i / k]++;
		}
	for (size_t i = 0; both_ways && i < graph->n * k; i++)
		if (neighbour[i] != UINT32_MAX && !is_named(neighbour + neighbour[i] * k, k, (uint32_t)(i / k))) {
			if (edge)
				edge[end[neighbour[i]]] = (uint32_t)(i / k);
			end[neighbour[i]]++;
		}
}

/* From the numbers of steps to where each row's begin; one place further on, so that laying them ends it right. */
static size_t
add_up(size_t *end, size_t n)
{
	size_t before = 0;

	for (size_t i = 0; i < n; i++) {
		const size_t steps = end[i];

		end[i] = before;
		before += steps;
	}
	return before;
}

int
cn_graph_build(struct cn_graph *graph, const float *bank, size_t n, size_t d, size_t k, bool both_ways,
	struct cn_pool *pool, struct cn_err *err)
{
	uint32_t *neighbour = cn_mem_array(n + 1, (k + 1) * sizeof *neighbour, err);

	*graph = (struct cn_graph){ .n = n, .start = cn_mem_array(n + 1, sizeof *graph->start, err) };
	if (!err->code && find_neighbours(bank, n, d, k, neighbour, pool, err) == 0) {
		lay_steps(graph, neighbour, k, both_ways, NULL);
		graph->edge = cn_mem_array(add_up(graph->start + 1, n) + 1, sizeof *graph->edge, err);
		if (graph->edge)
			lay_steps(graph, neighbour, k, both_ways, graph->edge);
	}
	cn_mem_free(neighbour);
	return err->code ? -1 : 0;
}

void
cn_graph_release(struct cn_graph *graph)
{
	cn_mem_free(graph->start);
	cn_mem_free(graph->edge);
	*graph = (struct cn_graph){ 0 };
}

int
cn_walk_init(struct cn_walk *walk, const struct cn_graph *graph, size_t most, struct cn_err *err)
{
	*walk = (struct cn_walk){ .graph = graph, .most = most < graph->n ? most : graph->n };
	walk->seen = cn_mem_array(graph->n + 1, sizeof *walk->seen, err);
	walk->row = cn_mem_array(walk->most + 1, sizeof *walk->row, err);
	return err->code ? -1 : 0;
}

/* Rows not met before go to the end. */
static size_t
meet(struct cn_walk *walk, size_t met, const uint32_t *row, size_t count)
{
	for (size_t i = 0; i < count && met < walk->most; i++)
		if (walk->seen[row[i]] != walk->number) {
			walk->seen[row[i]] = walk->number;
			walk->row[met++] = row[i];
		}
	return met;
}

size_t
cn_walk_between(struct cn_walk *walk, const uint32_t *from, size_t count, size_t near, size_t far, const uint32_t **row)
{
	const struct cn_graph *graph = walk->graph;
	size_t begin = 0, end, first;	/* rows one step nearer than those now met; the nearest that are wanted */

	if (++walk->number == 0) {	/* numbers came round */
		memset(walk->seen, 0, graph->n * sizeof *walk->seen);
		walk->number = 1;
	}
	end = meet(walk, 0, from, count);
	first = near ? end : 0;
	for (size_t step = 1; step <= far && begin < end; step++) {
		size_t met = end;

		for (size_t i = begin; i < end && met < walk->most; i++) {
			const size_t at = graph->start[walk->row[i]];

			met = meet(walk, met, graph->edge + at, graph->start[walk->row[i] + 1] - at);
		}
		if (step <= near)
			first = step < near ? met : end;
		begin = end;
		end = met;
	}
	*row = walk->row + first;
	return end - first;
}

void
cn_walk_release(struct cn_walk *walk)
{
	cn_mem_free(walk->seen);
	cn_mem_free(walk->row);
	*walk = (struct cn_walk){ 0 };
}
