/* epochs - chunks are kept as they were read; an order is a list of (chunk, row). */
#include <stdlib.h>

#include "augment/epochs.h"
#include "base/mem.h"

#include "base/banned.h"

struct place {
	uint64_t rank, id;
	uint32_t chunk, row;
};

struct held {
	struct cn_batch *chunk;
	size_t n, room;
	uint64_t rows, bytes;
	struct place *order;	/* (rows) */
};

bool
cn_epochs_hold(const struct cn_epochs_config *config)
{
	return config->shuffle || config->epochs > 1;
}

static int
refuse_memory(const struct cn_epochs_config *config, const struct cn_reader *in, uint64_t need, struct cn_err *err)
{
	return cn_err_set(err, CN_FAILED, "%s: holding its rows takes %s%llu KiB, more than --memory allows (%llu KiB); raise it, "
		"or use --epochs 1 without --shuffle, which holds nothing", cn_reader_name(in),
		cn_reader_rows_hint(in) ? "" : "at least ", (unsigned long long)((need + 1023) >> 10),
		(unsigned long long)(config->memory >> 10));
}

/* Bytes of memory a row takes: its fields and its place in the order. */
static uint64_t
row_cost(const struct cn_reader *in)
{
	return cn_schema_row_bytes(cn_reader_schema(in)) + sizeof(struct place);
}

/* The chunk moves into the list; the reader gets a fresh batch for the next. */
static int
keep(struct held *held, struct cn_batch *batch, struct cn_err *err)
{
	if (cn_mem_grow((void **)&held->chunk, &held->room, held->n + 1, sizeof *held->chunk, err) < 0)
		return -1;
	held->chunk[held->n++] = *batch;
	held->rows += batch->rows;
	*batch = (struct cn_batch){ 0 };
	return 0;
}

static int
hold(struct held *held, const struct cn_epochs_config *config, struct cn_reader *in, struct cn_err *err)
{
	const uint64_t cost = row_cost(in), hint = cn_reader_rows_hint(in);
	struct cn_batch batch = { 0 };

	if (hint > config->memory / cost)
		return refuse_memory(config, in, hint * cost, err);
	while (cn_reader_next(in, &batch, err) > 0) {
		if (held->rows + batch.rows > config->memory / cost)
			refuse_memory(config, in, (held->rows + batch.rows) * cost, err);
		else if (batch.rows && keep(held, &batch, err) == 0)
			continue;
		if (err->code)
			break;
	}
	cn_batch_release(&batch);
	return err->code ? -1 : 0;
}

static int
compare(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->chunk != b->chunk)
		return a->chunk < b->chunk ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* The order of one epoch, from the stream's own. */
static void
arrange(struct held *held, const struct cn_epochs_config *config, const struct cn_augmenter *augmenter,
	const struct cn_rng_key *key, uint32_t epoch)
{
	struct place *to = held->order;

	for (size_t c = 0; c < held->n; c++)
		for (size_t r = 0; r < held->chunk[c].rows; r++, to++) {
			const uint64_t id = cn_augmenter_id(augmenter, held->chunk + c, r);

			*to = (struct place){ config->shuffle ? cn_rng_rank(key, id, epoch) : 0, id, (uint32_t)c, (uint32_t)r };
		}
	if (config->shuffle)
		qsort(held->order, held->rows, sizeof *held->order, compare);
}

struct sink {
	struct cn_augmenter *augmenter;
	struct cn_writer *out;
	struct cn_progress *progress;
	struct cn_origin *origin;	/* (block) */
	size_t block;
	uint64_t left;			/* rows that may still be written */
	struct cn_batch batch;
};

static int
emit(struct sink *sink, const struct held *held, uint32_t epoch, struct cn_err *err)
{
	for (uint64_t at = 0; at < held->rows && sink->left && !err->code;) {
		size_t n = sink->block;

		n = n < held->rows - at ? n : (size_t)(held->rows - at);
		n = n < sink->left ? n : (size_t)sink->left;
		for (size_t i = 0; i < n; i++) {
			const struct place *place = held->order + at + i;

			sink->origin[i] = (struct cn_origin){ held->chunk + place->chunk, place->row, epoch };
		}
		if (cn_augmenter_make(sink->augmenter, sink->origin, n, &sink->batch, err) < 0 ||
		    cn_writer_put(sink->out, &sink->batch, err) < 0)
			return -1;
		cn_progress_add(sink->progress, n);
		sink->left -= n;
		at += n;
	}
	return err->code ? -1 : 0;
}

int
cn_epochs_run(const struct cn_epochs_config *config, struct cn_augmenter *augmenter, struct cn_reader *in,
	struct cn_writer *out, struct cn_progress *progress, struct cn_err *err)
{
	struct sink sink = { .augmenter = augmenter, .out = out, .progress = progress, .left = config->rows ? config->rows : UINT64_MAX };
	struct held held = { 0 };
	struct cn_rng_key key;

	if (err->code)
		return -1;
	if (config->epochs > 1 && cn_augmenter_has_epoch(augmenter))
		return cn_err_set(err, CN_FAILED, "%s: rows have an epoch already; use --epochs 1, which keeps it, "
			"or drop field 'epoch' with cn-cat", cn_reader_name(in));
	cn_rng_key_init(&key, config->seed, "augment.shuffle");
	if (hold(&held, config, in, err) == 0 && held.rows) {
		sink.block = 4 * (size_t)cn_schema_chunk_rows(cn_augmenter_schema(augmenter));
		sink.block = sink.block < held.rows ? sink.block : (size_t)held.rows;
		sink.origin = cn_mem_array(sink.block, sizeof *sink.origin, err);
		held.order = cn_mem_array(held.rows, sizeof *held.order, err);
		for (uint32_t e = 0; e < config->epochs && sink.left && !err->code; e++) {
			arrange(&held, config, augmenter, &key, e);
			emit(&sink, &held, e, err);
		}
	}
	for (size_t c = 0; c < held.n; c++)
		cn_batch_release(held.chunk + c);
	cn_mem_free(held.chunk);
	cn_mem_free(held.order);
	cn_mem_free(sink.origin);
	cn_batch_release(&sink.batch);
	return err->code ? -1 : 0;
}
