/* graph: neighbours and distances against scoring everything and stepping through a whole matrix. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "mine/graph.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"
#include "tap.h"

#include "base/banned.h"

enum { ROWS = 400, WIDTH = 12 };

static float bank[ROWS * WIDTH];
static unsigned char near[ROWS][ROWS];		/* near[i][j]: j is one of the k nearest of i */
static unsigned distance[ROWS][ROWS];
static struct cn_rng rng;
static struct cn_err err;

struct scored {
	float score;
	uint32_t row;
};

static int
by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Row i's neighbours in order. */
static size_t
neighbours_plainly(size_t n, size_t k, size_t i, struct scored *all)
{
	size_t found = 0;

	for (size_t j = 0; j < n; j++)
		if (j != i)
			all[found++] = (struct scored){ cn_kernel_dot(bank + i * WIDTH, bank + j * WIDTH, WIDTH), (uint32_t)j };
	qsort(all, found, sizeof *all, by_score);
	return found < k ? found : k;
}

static int
has_plain_edges(const struct cn_graph *graph, size_t k, int both)
{
	static struct scored all[ROWS];
	const size_t n = graph->n;
	int right = graph->start[0] == 0;

	memset(near, 0, sizeof near);
	for (size_t i = 0; i < n; i++) {
		const size_t found = neighbours_plainly(n, k, i, all);

		for (size_t j = 0; j < found; j++) {
			near[i][all[j].row] = 1;
			right &= graph->edge[graph->start[i] + j] == all[j].row;
		}
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = graph->start[i];

		for (size_t j = 0; j < n; j++)
			at += near[i][j];
		for (size_t j = 0; j < n && both; j++)
			if (near[j][i] && !near[i][j])
				right &= graph->edge[at++] == j;
		right &= at == graph->start[i + 1];
	}
	return right;
}

/* Rounds of relaxation until nothing changes. */
static void
distances_plainly(size_t n, int both)
{
	int changed = 1;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			distance[i][j] = i == j ? 0 : 1000;
	while (changed) {
		changed = 0;
		for (size_t i = 0; i < n; i++)
			for (size_t a = 0; a < n; a++)
				for (size_t b = 0; b < n && distance[i][a] < 1000; b++)
					if ((near[a][b] || (both && near[b][a])) && distance[i][a] + 1 < distance[i][b]) {
						distance[i][b] = distance[i][a] + 1;
						changed = 1;
					}
	}
}

/* Every ring of every row holds whom it should, nearer ones first, each once. */
static int
walks_right(const struct cn_graph *graph, struct cn_walk *walk)
{
	int right = 1;

	for (size_t i = 0; i < graph->n; i += 3)
		for (size_t a = 0; a < 7; a++)
			for (size_t b = 0; b < 7; b++) {
				const uint32_t from = (uint32_t)i, *row;
				const size_t rows = cn_walk_between(walk, &from, 1, a, b, &row);
				unsigned char met[ROWS] = { 0 };
				size_t want = 0;

				for (size_t j = 0; j < graph->n; j++)
					want += distance[i][j] >= a && distance[i][j] <= b;
				right &= rows == want;
				for (size_t r = 0; r < rows; r++) {
					right &= distance[i][row[r]] >= a && distance[i][row[r]] <= b && !met[row[r]]++;
					right &= r == 0 || distance[i][row[r]] >= distance[i][row[r - 1]];
				}
			}
	return right;
}

static void
agree(const char *what, size_t n, size_t k, int both)
{
	struct cn_graph graph = { 0 }, again = { 0 };
	struct cn_walk walk = { 0 };
	int same = 1;

	cn_graph_build(&graph, bank, n, WIDTH, k, both, NULL, &err);
	TAP_OK(!err.code && has_plain_edges(&graph, k, both), "%s: steps of every row, in order", what);
	for (size_t threads = 1; threads <= 3; threads++) {
		struct cn_pool *pool = cn_pool_new(threads, &err);

		cn_graph_build(&again, bank, n, WIDTH, k, both, pool, &err);
		same &= !memcmp(again.start, graph.start, (n + 1) * sizeof *graph.start) &&
			!memcmp(again.edge, graph.edge, graph.start[n] * sizeof *graph.edge);
		cn_graph_release(&again);
		cn_pool_free(pool);
	}
	TAP_OK(same, "%s: one, two, three threads, the same bytes", what);
	distances_plainly(n, both);
	cn_walk_init(&walk, &graph, n, &err);
	TAP_OK(!err.code && walks_right(&graph, &walk), "%s: who lies a to b steps away", what);
	walk.number = UINT32_MAX - 20;
	TAP_OK(walks_right(&graph, &walk), "%s: the same when the numbers of walks come round", what);
	cn_walk_release(&walk);
	cn_graph_release(&graph);
}

/* A bounded walk is the beginning of the unbounded one; several starts are as near as the nearest. */
static void
bounds(void)
{
	struct cn_graph graph;
	struct cn_walk walk, small;
	const uint32_t from[] = { 5, 17, 5 }, *row, *begin;
	int right = 1, nearest = 1;

	cn_graph_build(&graph, bank, ROWS, WIDTH, 4, true, NULL, &err);
	cn_walk_init(&walk, &graph, ROWS, &err);
	for (size_t most = 1; most < 60; most++) {
		cn_walk_init(&small, &graph, most, &err);
		const size_t all = cn_walk_between(&walk, from, 3, 1, 4, &row), part = cn_walk_between(&small, from, 3, 1, 4, &begin);
		const size_t left = most > 2 ? most - 2 : 0, want = all < left ? all : left;

		right &= part == want && !memcmp(row, begin, part * sizeof *row);
		cn_walk_release(&small);
	}
	TAP_OK(!err.code && right, "a bounded walk is the beginning of the whole");
	has_plain_edges(&graph, 4, 1);
	distances_plainly(ROWS, 1);
	const size_t rows = cn_walk_between(&walk, from, 3, 2, 2, &row);
	size_t want = 0;

	for (size_t j = 0; j < ROWS; j++)
		want += (distance[5][j] < distance[17][j] ? distance[5][j] : distance[17][j]) == 2;
	for (size_t r = 0; r < rows; r++)
		nearest &= (distance[5][row[r]] < distance[17][row[r]] ? distance[5][row[r]] : distance[17][row[r]]) == 2;
	TAP_OK(rows == want && nearest, "from several rows: steps from the nearest");
	TAP_OK(cn_walk_between(&walk, from, 0, 0, 5, &row) == 0, "from nowhere: nobody");
	cn_walk_release(&walk);
	cn_graph_release(&graph);
}

int
main(void)
{
	struct cn_rng_key key;

	cn_blas_begin();
	cn_rng_key_init(&key, 8, "test-graph");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		bank[i] = cn_rng_normal(&rng);
	cn_kernel_normalize(bank, ROWS, WIDTH);
	agree("one way", 250, 3, 0);
	agree("both ways", 250, 3, 1);
	bounds();
	for (size_t i = 6; i < ROWS; i++)
		memcpy(bank + i * WIDTH, bank + i % 6 * WIDTH, WIDTH * sizeof *bank);
	agree("six distinct rows", 90, 5, 0);
	agree("six distinct rows, both ways", 90, 5, 1);
	agree("fewer rows than neighbours", 4, 9, 1);
	agree("a row alone", 1, 3, 1);
	agree("no rows", 0, 3, 1);
	return tap_done();
}
