/* assembly - batches filled with the nearest free rows, and what is done about the rows that are left. */
#include "base/mem.h"
#include "base/rng.h"
#include "mine/assembly.h"
#include "tensor/dots.h"

#include "base/banned.h"

enum { TILE = 512, LOOK = 16384 };	/* rows scored in one go; nearest rows a batch looks at, at most */

#define TRIES ((uint64_t)1 << 27)	/* pairs looked at for the rows that are left, at most: seconds */

struct scored {
	float score;
	uint32_t row;
};

/* Its rows are order[from] to order[from + used - 1]. */
struct places {
	size_t from, size, used;
	size_t near;		/* so many for near rows, the rest for any */
};

/* Free rows in the order of chance. */
struct deck {
	uint32_t *row;
	size_t n;
};

struct work {
	const struct cn_assembly_config *config;
	struct cn_filter *filter;
	size_t n, batches;
	struct places *batch;
	uint32_t *order;
	struct deck near, any;
	bool *placed;		/* (n) */
	struct scored *heap;	/* (n) the free rows by their score with anchor, the best on top */
	uint32_t anchor;
	uint64_t tries;
	size_t next;		/* where the last exchange was found */
	int32_t *closed;	/* labels that are in every batch */
	size_t n_closed, closed_room;
	uint32_t *clashing;	/* (batches) */
};

size_t
cn_assembly_row_bytes(void)
{
	return 2 * sizeof(uint32_t) + sizeof(bool) + sizeof(struct scored);
}

/* Whether two rows may not be together. */
static bool
clash(const struct work *w, uint32_t a, uint32_t b)
{
	const struct cn_bank *bank = w->filter->bank;
	const float most = w->config->max_score;

	if (cn_filter_judge(w->filter, a, b) || cn_filter_judge(w->filter, b, a))
		return true;
	return most < (float)CN_GUARD_OFF &&
		cn_metric_score(w->filter->metric, bank->unit + a * bank->dim, bank->unit + b * bank->dim, bank->dim) > most;
}

static bool
fits(const struct work *w, const struct places *b, uint32_t row)
{
	for (size_t i = 0; i < b->used; i++)
		if (clash(w, row, w->order[b->from + i]))
			return false;
	return true;
}

static void
place(struct work *w, struct places *b, uint32_t row)
{
	w->order[b->from + b->used++] = row;
	w->placed[row] = true;
}

static void
drop_placed(const struct work *w, struct deck *deck)
{
	size_t n = 0;

	for (size_t i = 0; i < deck->n; i++)
		if (!w->placed[deck->row[i]])
			deck->row[n++] = deck->row[i];
	deck->n = n;
}

/* Near rows */

static void
score_tile(void *context, size_t tile, size_t worker)
{
	const struct work *w = context;
	const struct cn_bank *bank = w->filter->bank;
	const uint32_t *row = w->near.row + tile * TILE;
	const size_t n = cn_pool_part_size(w->near.n, tile, TILE);
	const bool distance = w->filter->metric == CN_METRIC_L2;
	const float *anchor = bank->unit + w->anchor * bank->dim, *vector[TILE];
	float score[TILE], *to = score;

	(void)worker;
	for (size_t i = 0; i < n; i++)
		vector[i] = bank->unit + row[i] * bank->dim;
	(distance ? cn_distances2 : cn_dots)(&anchor, 1, vector, n, bank->dim, &to);
	for (size_t i = 0; i < n; i++)
		w->heap[tile * TILE + i] = (struct scored){ distance ? -score[i] : score[i], row[i] };
}

static bool
before(const struct scored *a, const struct scored *b)
{
	return a->score != b->score ? a->score > b->score : a->row < b->row;
}

static void
sift(struct scored *heap, size_t n, size_t at)
{
	const struct scored moving = heap[at];

	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		child += child + 1 < n && before(heap + child + 1, heap + child);
		if (!before(heap + child, &moving))
			break;
		heap[at] = heap[child];
	}
	heap[at] = moving;
}

/* A row by chance and the nearest ones that fit. */
static void
fill_near(struct work *w, struct places *b)
{
	size_t left = w->near.n;

	if (b->near == 0)
		return;
	w->anchor = w->near.row[0];
	place(w, b, w->anchor);
	if (b->near > 1)
		cn_pool_run(w->config->pool, cn_pool_parts(w->near.n, TILE), score_tile, w);
	for (size_t i = left / 2; i-- > 0 && b->near > 1;)
		sift(w->heap, left, i);
	for (size_t looks = 0; left && b->used < b->near && looks <= LOOK; looks++) {	/* one of them is the anchor itself */
		const uint32_t row = w->heap[0].row;

		w->heap[0] = w->heap[--left];
		sift(w->heap, left ? left : 1, 0);
		if (row != w->anchor && fits(w, b, row))
			place(w, b, row);
	}
	drop_placed(w, &w->near);
}

/* Rows by chance where no near ones are wanted. */
static void
fill_any(struct work *w, struct places *b)
{
	const size_t wanted = b->size - b->near;

	for (size_t i = 0, found = 0; i < w->any.n && found < wanted; i++)
		if (fits(w, b, w->any.row[i])) {
			place(w, b, w->any.row[i]);
			found++;
		}
	if (wanted)
		drop_placed(w, &w->any);
}

/* Rows that are left */

static const int32_t *
label_of(const struct work *w, uint32_t row)
{
	const int32_t *label = w->filter->anchors->label;

	return label && label[row] >= 0 ? label + row : NULL;
}

static bool
is_closed(const struct work *w, uint32_t row)
{
	const int32_t *label = label_of(w, row);

	for (size_t i = 0; i < w->n_closed && label; i++)
		if (w->closed[i] == *label)
			return true;
	return false;
}

static void
close_label(struct work *w, uint32_t row, struct cn_err *err)
{
	if (cn_mem_grow((void **)&w->closed, &w->closed_room, w->n_closed + 1, sizeof *w->closed, err) == 0)
		w->closed[w->n_closed++] = *label_of(w, row);
}

/* Whether a batch has a row of row's label. */
static bool
has_label(const struct work *w, const struct places *b, uint32_t row)
{
	for (size_t i = 0; i < b->used; i++) {
		const int32_t *label = label_of(w, w->order[b->from + i]);

		if (label && *label == *label_of(w, row))
			return true;
	}
	return false;
}

/* The number of rows of a batch that may not be with row (2: or more), and the place of the last. */
static size_t
clashes(const struct work *w, const struct places *b, uint32_t row, size_t *at)
{
	size_t n = 0;

	for (size_t i = 0; i < b->used && n < 2; i++)
		if (clash(w, row, w->order[b->from + i])) {
			*at = i;
			n++;
		}
	return n;
}

/* Puts row in the place of one that fits into open instead. */
static bool
exchange(struct work *w, struct places *b, struct places *open, uint32_t row)
{
	size_t at = 0;
	const size_t n = clashes(w, b, row, &at);

	w->tries += b->used;
	for (size_t i = n ? at : 0; n < 2 && i < (n ? at + 1 : b->used); i++) {
		uint32_t *other = w->order + b->from + i;

		w->tries += open->used;
		if (!fits(w, open, *other))
			continue;
		place(w, open, *other);
		*other = row;
		w->placed[row] = true;
		return true;
	}
	return false;
}

static bool
exchange_somewhere(struct work *w, struct places *open, uint32_t row, struct cn_err *err)
{
	bool everywhere = label_of(w, row) != NULL;

	for (size_t i = 0; i < w->batches && w->tries < TRIES; i++) {
		const size_t at = (w->next + i) % w->batches;

		if (w->batch + at == open)
			continue;
		if (exchange(w, w->batch + at, open, row)) {
			w->next = at;
			return true;
		}
		everywhere = everywhere && has_label(w, w->batch + at, row);
	}
	if (everywhere && has_label(w, open, row))
		close_label(w, row, err);
	return false;
}

static bool
place_somewhere(struct work *w, struct places *open, uint32_t row)
{
	for (struct places *b = open; b < w->batch + w->batches && w->tries < TRIES; b++) {
		w->tries += b->used;
		if (b->used < b->size && fits(w, b, row)) {
			place(w, b, row);
			return true;
		}
	}
	return false;
}

static void
settle(struct work *w, const struct deck *deck, struct cn_err *err)
{
	struct places *open = w->batch;

	for (size_t i = 0; i < deck->n && !err->code; i++) {
		const uint32_t row = deck->row[i];

		if (w->placed[row])
			continue;
		while (open->used == open->size)
			open++;
		if (is_closed(w, row) || (!place_somewhere(w, open, row) && !exchange_somewhere(w, open, row, err)))
			place(w, open, row);
	}
}

static void
count_batch(void *context, size_t batch, size_t worker)
{
	const struct work *w = context;
	const struct places *b = w->batch + batch;
	const uint32_t *row = w->order + b->from;

	(void)worker;
	w->clashing[batch] = 0;
	for (size_t i = 0; i < b->used; i++) {
		size_t j = 0;

		while (j < b->used && (j == i || !clash(w, row[i], row[j])))
			j++;
		w->clashing[batch] += j < b->used;
	}
}

/* The whole */

static void
shuffle(struct cn_rng *rng, uint32_t *number, size_t n)
{
	for (size_t i = 0; i < n; i++)
		number[i] = (uint32_t)i;
	for (size_t i = 0; i + 1 < n; i++) {
		const size_t at = i + cn_rng_below(rng, (uint32_t)(n - i));
		const uint32_t swapped = number[i];

		number[i] = number[at];
		number[at] = swapped;
	}
}

/* How many of a batch's places are for near rows. */
static size_t
near_places(const struct cn_assembly_config *c, uint64_t row, size_t size)
{
	uint64_t end;
	size_t of_part[CN_MIXTURE_PARTS], near = 0;
	const struct cn_phase *phase = cn_mixture_at(&c->mixture, row, &end);

	cn_mixture_split(phase->share, phase->parts, size, of_part);
	for (size_t p = 0; p < phase->parts; p++)
		near += phase->strategy[p] == CN_STRATEGY_HARD ? of_part[p] : 0;
	return near;
}

static int
prepare(struct work *w, struct cn_err *err)
{
	w->batch = cn_mem_array(w->batches, sizeof *w->batch, err);
	w->near.row = cn_mem_array(w->n, sizeof *w->near.row, err);
	w->placed = cn_mem_array(w->n, sizeof *w->placed, err);
	w->heap = cn_mem_array(w->n, sizeof *w->heap, err);
	w->clashing = cn_mem_array(w->batches, sizeof *w->clashing, err);
	for (size_t b = 0, from = 0; b < w->batches && !err->code; b++, from += w->config->size) {
		const size_t size = cn_pool_part_size(w->n, b, w->config->size);

		w->batch[b] = (struct places){ from, size, 0, near_places(w->config, w->config->first_row + from, size) };
		w->near.n += w->batch[b].near;
	}
	w->any = (struct deck){ w->near.row ? w->near.row + w->near.n : NULL, w->n - w->near.n };
	return err->code ? -1 : 0;
}

static void
assemble(struct work *w, struct cn_err *err)
{
	uint32_t *turn = cn_mem_array(w->batches, sizeof *turn, err);
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, w->config->seed, "mine-assemble");
	cn_rng_start(&rng, &key, w->config->first_row, 0);
	if (err->code)
		return;
	shuffle(&rng, w->near.row, w->n);
	shuffle(&rng, turn, w->batches);
	for (size_t i = 0; i < w->batches; i++) {
		fill_near(w, w->batch + turn[i]);
		fill_any(w, w->batch + turn[i]);
	}
	settle(w, &w->near, err);
	settle(w, &w->any, err);
	cn_mem_free(turn);
}

uint64_t
cn_assembly_order(const struct cn_assembly_config *config, struct cn_filter *filter, uint32_t *order, struct cn_err *err)
{
	const size_t n = filter->bank->rows;
	struct work w = { .config = config, .filter = filter, .n = n, .batches = cn_pool_parts(n, config->size), .order = order };
	uint64_t clashing = 0;

	if (!err->code && prepare(&w, err) == 0)
		assemble(&w, err);
	if (!err->code)
		cn_pool_run(config->pool, w.batches, count_batch, &w);
	for (size_t b = 0; b < w.batches && !err->code; b++)
		clashing += w.clashing[b];
	cn_mem_free(w.batch);
	cn_mem_free(w.near.row);
	cn_mem_free(w.placed);
	cn_mem_free(w.heap);
	cn_mem_free(w.closed);
	cn_mem_free(w.clashing);
	return err->code ? UINT64_MAX : clashing;
}

/* Over all pairs of a batch, from sums of its vectors alone. */
static double
sum_batch(const struct cn_bank *bank, enum cn_metric metric, const uint32_t *order, size_t from, size_t n, double *sum)
{
	double squares = 0, square = 0;

	for (size_t d = 0; d < bank->dim; d++)
		sum[d] = 0;
	for (size_t i = from; i < from + n; i++) {
		const float *x = bank->unit + (order ? order[i] : i) * bank->dim;

		for (size_t d = 0; d < bank->dim; d++) {
			sum[d] += (double)x[d];
			squares += (double)x[d] * (double)x[d];
		}
	}
	for (size_t d = 0; d < bank->dim; d++)
		square += sum[d] * sum[d];
	return metric == CN_METRIC_L2 ? square - (double)n * squares : (square - squares) / 2;
}

int
cn_assembly_measure(const struct cn_bank *bank, enum cn_metric metric, const uint32_t *order, size_t size,
	struct cn_assembly_hardness *hardness, struct cn_err *err)
{
	double *sum = cn_mem_array(bank->dim, sizeof *sum, err);

	for (size_t b = 0; b < cn_pool_parts(bank->rows, size) && sum; b++) {
		const size_t n = cn_pool_part_size(bank->rows, b, size);

		hardness->sum += sum_batch(bank, metric, order, b * size, n, sum);
		hardness->pairs += n * (n - 1) / 2;
	}
	cn_mem_free(sum);
	return sum ? 0 : -1;
}
