/* assembly: batches against a twin that sorts every row for each of them, and what must never be together. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "mine/assembly.h"
#include "tensor/kernel.h"
#include "tap.h"

#include "base/banned.h"

enum { ROWS = 600, DIM = 12, CENTRES = 40 };

static float unit[ROWS * DIM];
static uint64_t ids[ROWS];
static int32_t label[ROWS];
static uint32_t order[ROWS], again[ROWS], twin[ROWS];
static struct cn_bank bank;
static struct cn_anchors anchors;
static struct cn_filter filter;
static struct cn_err err;

/* Rows around centres, in no order. */
static void
make_rows(void)
{
	float centre[CENTRES * DIM];
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 8, "test-assembly");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < CENTRES * DIM; i++)
		centre[i] = cn_rng_normal(&rng);
	for (size_t i = 0; i < ROWS; i++) {
		const size_t c = cn_rng_below(&rng, CENTRES);

		ids[i] = 7 * i + 3;
		for (size_t d = 0; d < DIM; d++)
			unit[i * DIM + d] = centre[c * DIM + d] + 0.4f * cn_rng_normal(&rng);
	}
	cn_kernel_normalize(unit, ROWS, DIM);
}

/* The first n rows, and nothing that may not be together. */
static void
begin(size_t n)
{
	bank = (struct cn_bank){ .rows = n, .dim = DIM, .id = ids, .unit = unit };
	anchors = (struct cn_anchors){ .rows = n, .dim = DIM, .id = ids, .unit = unit };
	filter = (struct cn_filter){ .bank = &bank, .anchors = &anchors, .near = (float)CN_GUARD_OFF };
}

/* Labels 0 to n - 1 in turn. */
static void
give_labels(int32_t n)
{
	for (size_t i = 0; i < ROWS; i++)
		label[i] = (int32_t)i % n;
	bank.label = label;
	anchors.label = label;
}

static struct cn_assembly_config
config(size_t size, const char *words)
{
	struct cn_assembly_config c = { .size = size, .max_score = (float)CN_GUARD_OFF, .seed = 4, .first_row = 1000 };

	cn_mixture_read(&c.mixture, "--schedule", words, &err);
	return c;
}

static float
score(uint32_t a, uint32_t b)
{
	return cn_metric_score(filter.metric, unit + (size_t)a * DIM, unit + (size_t)b * DIM, DIM);
}

static int
apart(const struct cn_assembly_config *c, uint32_t a, uint32_t b)
{
	return ids[a] == ids[b] || (anchors.label && label[a] >= 0 && label[a] == label[b]) || score(a, b) > c->max_score;
}

static uint32_t asked;

static int
by_score(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const float s = score(asked, x), t = score(asked, y);

	return s != t ? (s < t ? 1 : -1) : x < y ? -1 : 1;
}

static void
shuffle(struct cn_rng *rng, uint32_t *number, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		number[i] = i;
	for (uint32_t i = 0; i + 1 < n; i++) {
		const uint32_t at = i + cn_rng_below(rng, n - i), kept = number[i];

		number[i] = number[at];
		number[at] = kept;
	}
}

static size_t
hard_places(const struct cn_assembly_config *c, uint64_t row, size_t size)
{
	uint64_t end;
	size_t part[CN_MIXTURE_PARTS], hard = 0;
	const struct cn_phase *phase = cn_mixture_at(&c->mixture, row, &end);

	cn_mixture_split(phase->share, phase->parts, size, part);
	for (size_t p = 0; p < phase->parts; p++)
		if (phase->strategy[p] == CN_STRATEGY_HARD)
			hard += part[p];
	return hard;
}

/* Takes up to wanted rows of from that are free and may be with those that are there. */
static size_t
take_plainly(const struct cn_assembly_config *c, uint32_t *batch, size_t used, size_t wanted, const uint32_t *from, size_t n, char *gone)
{
	for (size_t i = 0; i < n && used < wanted; i++) {
		size_t j = 0;

		while (j < used && !apart(c, from[i], batch[j]))
			j++;
		if (gone[from[i]] || j < used)
			continue;
		batch[used++] = from[i];
		gone[from[i]] = 1;
	}
	return used;
}

/* The order, as long as no row is left that has no place; the number of rows without one. */
static size_t
order_plainly(const struct cn_assembly_config *c)
{
	const uint32_t n = (uint32_t)bank.rows, batches = (uint32_t)((n + c->size - 1) / c->size);
	uint32_t deck[ROWS], turn[ROWS], sorted[ROWS];
	char gone[ROWS] = { 0 };
	size_t near = 0, left = n;
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, c->seed, "mine-assemble");
	cn_rng_start(&rng, &key, c->first_row, 0);
	shuffle(&rng, deck, n);
	shuffle(&rng, turn, batches);
	for (size_t b = 0; b < batches; b++)
		near += hard_places(c, c->first_row + b * c->size, n - b * c->size < c->size ? n - b * c->size : c->size);
	for (size_t t = 0; t < batches; t++) {
		uint32_t *batch = twin + turn[t] * c->size;
		const size_t from = turn[t] * c->size, size = n - from < c->size ? n - from : c->size;
		const size_t hard = hard_places(c, c->first_row + from, size);
		size_t used = take_plainly(c, batch, 0, hard > 0, deck, near, gone);

		if (hard) {
			memcpy(sorted, deck, near * sizeof *sorted);
			asked = batch[0];
			qsort(sorted, near, sizeof *sorted, by_score);
			used = take_plainly(c, batch, used, hard, sorted, near, gone);
		}
		used = take_plainly(c, batch, used, used + size - hard, deck + near, n - near, gone);
		left -= used;
	}
	return left;
}

static int
is_permutation(const uint32_t *number, size_t n)
{
	char seen[ROWS] = { 0 };
	int whole = 1;

	for (size_t i = 0; i < n; i++) {
		whole &= number[i] < n && !seen[number[i]];
		seen[number[i] < n ? number[i] : 0] = 1;
	}
	return whole;
}

/* Rows in a batch with one they may not be with. */
static uint64_t
clashing_plainly(const struct cn_assembly_config *c)
{
	uint64_t found = 0;

	for (size_t i = 0; i < bank.rows; i++)
		for (size_t j = i / c->size * c->size; j < (i / c->size + 1) * c->size && j < bank.rows; j++)
			if (i != j && apart(c, order[i], order[j])) {
				found++;
				break;
			}
	return found;
}

static void
agrees(const char *name, size_t n, size_t size, const char *words, enum cn_metric metric, float max_score)
{
	struct cn_assembly_config c = config(size, words);
	size_t left;

	begin(n);
	filter.metric = metric;
	c.max_score = max_score;
	left = order_plainly(&c);
	const uint64_t clashing = cn_assembly_order(&c, &filter, order, &err);
	TAP_OK(!err.code && left == 0 && clashing == 0 && memcmp(order, twin, n * sizeof *order) == 0, "%s: as by sorting all for each batch", name);
	TAP_OK(is_permutation(order, n), "%s: every row once", name);
}

/* What is asked for where it is possible, and told where it is not. */
static void
keeps_apart(const char *name, size_t n, size_t size, int32_t labels, int possible)
{
	const struct cn_assembly_config c = config(size, "0 hard:0.7 random:0.3");
	uint64_t clashing;

	begin(n);
	give_labels(labels);
	clashing = cn_assembly_order(&c, &filter, order, &err);
	TAP_OK(!err.code && is_permutation(order, n), "%s: every row once", name);
	TAP_OK(clashing == clashing_plainly(&c) && (clashing == 0) == possible, "%s: %s", name, possible ? "none are together" : "those together are counted");
}

/* Few rows are nearer than 0.9, all but a few nearer than -0.5. */
static void
ceiling(void)
{
	struct cn_assembly_config c = config(6, "0 hard");

	begin(ROWS);
	for (int strict = 0; strict <= 1; strict++) {
		c.max_score = strict ? -0.5f : 0.9f;
		const uint64_t clashing = cn_assembly_order(&c, &filter, order, &err);

		TAP_OK(!err.code && is_permutation(order, ROWS) && clashing == clashing_plainly(&c) && (clashing > 0) == strict,
			"a ceiling of %g: %s", (double)c.max_score, strict ? "those above it are counted" : "no two rows above it are together");
	}
}

static void
hardness(void)
{
	const struct cn_assembly_config c = config(10, "0 hard");
	struct cn_assembly_hardness before = { 0 }, after = { 0 };

	for (enum cn_metric metric = CN_METRIC_COSINE; metric <= CN_METRIC_L2; metric++) {
		double sum = 0;
		uint64_t pairs = 0;

		before = after = (struct cn_assembly_hardness){ 0 };
		begin(ROWS - 3);
		filter.metric = metric;
		cn_assembly_order(&c, &filter, order, &err);
		cn_assembly_measure(&bank, metric, NULL, c.size, &before, &err);
		cn_assembly_measure(&bank, metric, order, c.size, &after, &err);
		for (size_t i = 0; i < bank.rows; i++)
			for (size_t j = i + 1; j < (i / c.size + 1) * c.size && j < bank.rows; j++, pairs++)
				sum += (double)score(order[i], order[j]);
		TAP_OK(after.pairs == pairs && before.pairs == pairs, "hardness: all pairs count");
		TAP_NEAR(after.sum, sum, 1e-5, "hardness: the sum over them");
		TAP_OK(after.sum - before.sum > 0.3 * (double)pairs, "hardness: batches are near (%.3f, before %.3f)", after.sum / (double)pairs,
			before.sum / (double)pairs);
	}
}

static void
threads(void)
{
	struct cn_assembly_config c = config(16, "0 hard:0.8 random:0.2");
	struct cn_pool *pool = cn_pool_new(3, &err);

	begin(ROWS);
	give_labels(50);
	cn_assembly_order(&c, &filter, order, &err);
	c.pool = pool;
	cn_assembly_order(&c, &filter, again, &err);
	TAP_OK(!err.code && memcmp(order, again, sizeof order) == 0, "threads: the same order");
	c.seed++;
	cn_assembly_order(&c, &filter, again, &err);
	TAP_OK(!err.code && memcmp(order, again, sizeof order) != 0, "seed: another order");
	cn_pool_free(pool);
}

/* Rows of one id lie around each other, as augmented copies do. */
static void
copies(void)
{
	const struct cn_assembly_config c = config(12, "0 hard");

	begin(ROWS);
	for (size_t i = 0; i < ROWS; i++)
		ids[i] = i / 5;
	for (size_t i = 0; i < ROWS; i++)
		memcpy(unit + i * DIM, unit + i / 5 * 5 * DIM, DIM * sizeof *unit);
	const uint64_t clashing = cn_assembly_order(&c, &filter, order, &err);
	TAP_OK(!err.code && is_permutation(order, ROWS) && clashing == 0 && clashing_plainly(&c) == 0, "copies of a row are never together");
}

int
main(void)
{
	make_rows();
	agrees("hard", ROWS, 8, "0 hard", CN_METRIC_COSINE, (float)CN_GUARD_OFF);
	agrees("random", ROWS, 8, "0 random", CN_METRIC_COSINE, (float)CN_GUARD_OFF);
	agrees("mixed", ROWS, 20, "0 hard:0.6 random:0.4", CN_METRIC_COSINE, (float)CN_GUARD_OFF);
	agrees("a schedule", ROWS, 16, "0 random; 1200 hard:0.5 random:0.5; 1400 hard", CN_METRIC_COSINE, (float)CN_GUARD_OFF);
	agrees("a short last batch", ROWS - 5, 16, "0 hard", CN_METRIC_COSINE, (float)CN_GUARD_OFF);
	agrees("by distance", ROWS, 16, "0 hard", CN_METRIC_L2, (float)CN_GUARD_OFF);
	agrees("by inner product", ROWS, 16, "0 hard:0.9 random:0.1", CN_METRIC_DOT, (float)CN_GUARD_OFF);
	agrees("more than a tile of copies", ROWS, 300, "0 hard", CN_METRIC_COSINE, (float)CN_GUARD_OFF);
	agrees("one batch", 7, 100, "0 hard", CN_METRIC_COSINE, (float)CN_GUARD_OFF);
	keeps_apart("many labels", ROWS, 10, 75, 1);
	keeps_apart("just enough labels", ROWS, 10, 10, 1);
	keeps_apart("just enough labels, large batches", ROWS, 60, 60, 1);
	keeps_apart("too few labels", ROWS, 10, 6, 0);
	ceiling();
	hardness();
	threads();
	copies();
	return tap_done();
}
