/* reader - chunks decoded and checked ahead of their use, handed out in order. */
#include "stream/reader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stream/block.h"
#include "stream/intake.h"

#include "base/banned.h"

enum {
	MOST_WORKERS = 16,
	MOST_AHEAD = 256,		/* chunks of a part, */
	MOST_AHEAD_BYTES = 1 << 28,	/* and bytes, that are read ahead of their use */
};

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_READY };

/* One chunk on its way: read by one worker at a time, in order; decoded by that worker beside the others. */
struct slot {
	enum slot_state state;
	int result;		/* as cn_reader_next: 1 rows, 0 end, -1 err */
	struct cn_batch batch;
	struct cn_err err;
};

struct worker {
	struct cn_reader *reader;
	struct cn_parcel parcel;
	struct cn_block *block;
	struct cn_task *task;
};

struct cn_reader {
	struct cn_intake *intake;
	char *typed;
	uint64_t rows_hint;
	uint64_t rows;			/* handed out */
	uint64_t skip;			/* rows before this one are passed over */
	bool ended;
	struct cn_reader_end end;

	size_t n_workers, n_slots;	/* 0 workers: everything happens in cn_reader_next, with what the first one has */
	struct worker worker[MOST_WORKERS];
	struct slot *slot;		/* a ring */
	bool running;
	pthread_mutex_t lock;		/* guards what follows, and the states of slots */
	pthread_cond_t changed;
	bool reading, stop, closed;	/* a worker is at the input; all shall end; the input has ended */
	uint64_t filled, taken;		/* slots by number, modulo n_slots */
};

/* ---- one chunk ---- */

static int
decode(const struct worker *worker, struct cn_batch *batch, struct cn_err *err)
{
	struct cn_reader *reader = worker->reader;
	const struct cn_parcel *parcel = &worker->parcel;
	const struct cn_schema *schema = &cn_intake_head(reader->intake)->schema;
	const struct cn_chunk *chunk = &parcel->chunk;
	const unsigned char *packed = parcel->packed;
	char place[400];

	cn_intake_place(reader->intake, parcel, place, sizeof(place));
	if (cn_batch_room(batch, schema, chunk->rows, err) != 0)
		return -1;
	for (size_t f = 0; f < schema->n; f++) {
		const struct cn_chunk_part *part = &chunk->part[f];

		if (cn_block_decode(worker->block, part->filter, &schema->field[f], packed, part->packed, batch->column[f],
				(size_t)part->raw, place, err) != 0)
			return -1;
		packed += part->packed;
	}
	cn_frame_chunk_digest(schema, chunk->first_row, chunk->rows, batch->column, batch->digest);
	if (memcmp(batch->digest, chunk->digest, CN_SEAL_BYTES) != 0)
		return cn_err_set(err, CN_INTEGRITY, "%s: its digest does not match", place);
	batch->first_row = chunk->first_row;
	batch->sealed = chunk->rows;
	return 1;
}

/* ---- workers ---- */

/* Waits for a turn at the input with a free slot; NULL when it is time to end.  Called locked. */
static struct slot *
claim(struct cn_reader *reader)
{
	for (;;) {
		struct slot *slot = &reader->slot[reader->filled % reader->n_slots];

		if (reader->stop || reader->closed)
			return NULL;
		if (!reader->reading && slot->state == SLOT_FREE) {
			slot->state = SLOT_BUSY;
			reader->filled++;
			reader->reading = true;
			return slot;
		}
		pthread_cond_wait(&reader->changed, &reader->lock);
	}
}

static void
work(void *context)
{
	struct worker *self = context;
	struct cn_reader *reader = self->reader;
	struct slot *slot;

	pthread_mutex_lock(&reader->lock);
	while ((slot = claim(reader)) != NULL) {
		pthread_mutex_unlock(&reader->lock);
		slot->err.code = CN_OK;
		slot->result = cn_intake_next(reader->intake, &self->parcel, &slot->err);
		pthread_mutex_lock(&reader->lock);
		reader->reading = false;
		reader->closed = slot->result <= 0;
		pthread_cond_broadcast(&reader->changed);
		pthread_mutex_unlock(&reader->lock);
		if (slot->result > 0)
			slot->result = decode(self, &slot->batch, &slot->err);
		pthread_mutex_lock(&reader->lock);
		slot->state = SLOT_READY;
		pthread_cond_broadcast(&reader->changed);
	}
	pthread_mutex_unlock(&reader->lock);
}

static void
stop_workers(struct cn_reader *reader)
{
	if (!reader->running)
		return;
	pthread_mutex_lock(&reader->lock);
	reader->stop = true;
	pthread_cond_broadcast(&reader->changed);
	pthread_mutex_unlock(&reader->lock);
	cn_source_cancel(cn_intake_source(reader->intake));
	for (size_t i = 0; i < reader->n_workers; i++)
		if (reader->worker[i].task)
			cn_task_wait(reader->worker[i].task);
	cn_source_resume(cn_intake_source(reader->intake));
	for (size_t i = 0; i < reader->n_workers; i++)
		reader->worker[i].task = NULL;
	for (size_t i = 0; i < reader->n_slots; i++)
		reader->slot[i].state = SLOT_FREE;
	reader->running = reader->stop = reader->closed = reader->reading = false;
	reader->filled = reader->taken = 0;
}

/* Threads start with the first row asked for, so that a seek before it costs nothing. */
static int
start_workers(struct cn_reader *reader, struct cn_err *err)
{
	reader->running = true;
	for (size_t i = 0; i < reader->n_workers; i++) {
		struct worker *worker = &reader->worker[i];

		worker->task = worker->block ? cn_task_start(work, worker, err) : NULL;
		if (!worker->task)
			return -1;
	}
	return 0;
}

/* ---- the interface ---- */

/*
 * Chunks of a part.  Who makes a stream in parts begins with the next one when this one has left it, and shall not have to wait
 * until it is used up, too: it is read ahead, but for what is too large.
 */
static size_t
part_chunks(const struct cn_reader *reader)
{
	const uint64_t rows = cn_reader_part(reader), chunk_rows = cn_reader_chunk_rows(reader);
	const uint64_t most = rows < chunk_rows ? rows : chunk_rows, bytes = most * cn_schema_row_bytes(cn_reader_schema(reader));

	if (rows == 0 || cn_reader_alarm(reader) < 0)
		return 0;
	const uint64_t chunks = (rows - 1) / chunk_rows + 1, fit = MOST_AHEAD_BYTES / bytes;
	const uint64_t ahead = chunks < fit ? chunks : fit;

	return ahead < MOST_AHEAD ? (size_t)ahead : MOST_AHEAD;
}

/* Slots are one more than the workers: while the caller is at one chunk, every worker has another. */
static int
make_slots(struct cn_reader *reader, size_t threads, struct cn_err *err)
{
	const size_t ahead = part_chunks(reader), most = threads < MOST_WORKERS ? threads : MOST_WORKERS;

	reader->n_workers = most > 1 || ahead ? most : 0;
	reader->n_slots = reader->n_workers + ahead + 1;
	reader->slot = cn_mem_array(reader->n_slots, sizeof(*reader->slot), err);
	if (!reader->slot)
		reader->n_slots = 0;
	for (size_t i = 0; i == 0 || i < reader->n_workers; i++) {
		reader->worker[i].reader = reader;
		reader->worker[i].block = cn_block_new(err);
	}
	return err->code ? -1 : 0;
}

struct cn_reader *
cn_reader_open(const struct cn_reader_config *config, struct cn_err *err)
{
	struct cn_reader *reader = err->code ? NULL : cn_mem_array(1, sizeof(*reader), err);

	if (!reader) {
		cn_source_free(config->source);
		return NULL;
	}
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->changed, NULL);
	reader->typed = cn_mem_string(config->path ? config->path : "-", err);
	struct cn_source *source = config->source || err->code ? config->source : cn_source_open(config->path, err);
	reader->intake = cn_intake_open(source, config->verify_key, err);
	if (!err->code && make_slots(reader, cn_pool_threads(config->pool), err) == 0)
		reader->rows_hint = cn_intake_rows_hint(reader->intake);
	return reader;	/* also after an error: a writer may want to pass on the cause */
}

void
cn_reader_free(struct cn_reader *reader)
{
	if (!reader)
		return;
	stop_workers(reader);
	for (size_t i = 0; i < MOST_WORKERS; i++) {
		cn_mem_free(reader->worker[i].parcel.packed);
		cn_block_free(reader->worker[i].block);
	}
	for (size_t i = 0; i < reader->n_slots; i++)
		cn_batch_release(&reader->slot[i].batch);
	cn_mem_free(reader->slot);
	cn_intake_free(reader->intake);
	cn_mem_free(reader->typed);
	pthread_cond_destroy(&reader->changed);
	pthread_mutex_destroy(&reader->lock);
	cn_mem_free(reader);
}

static void
note_end(struct cn_reader *reader)
{
	const struct cn_tail *tail = cn_intake_tail(reader->intake);
	struct cn_reader_end *end = &reader->end;

	end->rows = tail->rows;
	end->chunks = tail->chunks;
	end->status = tail->status;
	end->signatures = tail->n_signatures;
	end->verified = cn_intake_verified(reader->intake);
	memcpy(end->data_root, tail->data_root, CN_SEAL_BYTES);
	memcpy(end->stream_root, tail->stream_root, CN_SEAL_BYTES);
	reader->ended = true;
}

/* The caller's columns go back into the ring as room for a later chunk. */
static void
swap(struct cn_batch *a, struct cn_batch *b)
{
	const struct cn_batch c = *a;

	*a = *b;
	*b = c;
}

static int
next_here(struct cn_reader *reader, struct cn_batch *batch, struct cn_err *err)
{
	struct worker *worker = &reader->worker[0];
	const int result = cn_intake_next(reader->intake, &worker->parcel, err);

	return result > 0 ? decode(worker, batch, err) : result;
}

static int
next_ahead(struct cn_reader *reader, struct cn_batch *batch, struct cn_err *err)
{
	struct slot *slot = &reader->slot[reader->taken % reader->n_slots];

	if (!reader->running && start_workers(reader, err) != 0)
		return -1;
	pthread_mutex_lock(&reader->lock);
	while (slot->state != SLOT_READY)
		pthread_cond_wait(&reader->changed, &reader->lock);
	pthread_mutex_unlock(&reader->lock);
	const int result = slot->result;
	if (result <= 0) {
		if (result < 0)
			cn_err_set(err, slot->err.code, "%s", slot->err.text);
		return result;	/* the slot stays: nothing comes after it */
	}
	swap(&slot->batch, batch);
	pthread_mutex_lock(&reader->lock);
	slot->state = SLOT_FREE;
	reader->taken++;
	pthread_cond_broadcast(&reader->changed);
	pthread_mutex_unlock(&reader->lock);
	return 1;
}

/* The error of the worker that has come to the end of the input, if one has; otherwise the workers shall end. */
static bool
end_found(struct cn_reader *reader, struct cn_err *err)
{
	pthread_mutex_lock(&reader->lock);
	while (reader->reading)
		pthread_cond_wait(&reader->changed, &reader->lock);
	reader->stop = !reader->closed;
	pthread_cond_broadcast(&reader->changed);
	const struct slot *last = &reader->slot[(reader->filled + reader->n_slots - 1) % reader->n_slots];
	while (reader->closed && last->state != SLOT_READY)
		pthread_cond_wait(&reader->changed, &reader->lock);
	const bool found = reader->closed && last->result < 0;
	pthread_mutex_unlock(&reader->lock);
	if (found)
		cn_err_set(err, last->err.code, "%s", last->err.text);
	return found;
}

/* Goes to where the stream breaks off: what is between is no use to anybody. */
static int
find_cut(struct cn_reader *reader, struct cn_err *err)
{
	struct cn_parcel parcel = { 0 };

	if (reader->running && end_found(reader, err))
		return -1;
	stop_workers(reader);
	while (cn_intake_next(reader->intake, &parcel, err) > 0)
		;
	cn_mem_free(parcel.packed);
	return err->code ? -1 : cn_err_set(err, CN_INCOMPLETE, "%s: upstream was cut short", cn_reader_name(reader));
}

int
cn_reader_check(struct cn_reader *reader, struct cn_err *err)
{
	if (err->code || !reader)
		return -1;
	return !reader->ended && cn_reader_cut(reader) ? find_cut(reader, err) : 0;
}

int
cn_reader_next(struct cn_reader *reader, struct cn_batch *batch, struct cn_err *err)
{
	int result;

	if (cn_reader_check(reader, err) != 0)
		return -1;
	if (reader->ended)
		return 0;
	do {
		result = reader->n_workers > 0 ? next_ahead(reader, batch, err) : next_here(reader, batch, err);
	} while (result > 0 && batch->first_row + batch->rows <= reader->skip);
	if (result > 0)
		reader->rows += batch->rows;
	else if (result == 0)
		note_end(reader);
	return result;
}

int
cn_reader_seek(struct cn_reader *reader, uint64_t row, struct cn_err *err)
{
	if (err->code || !reader)
		return -1;
	const bool started = reader->running || reader->rows > 0 || reader->ended;
	if (cn_source_seekable(cn_intake_source(reader->intake))) {
		stop_workers(reader);
		const int found = cn_intake_seek(reader->intake, row, err);
		if (found != 0) {
			reader->ended = false;
			reader->skip = 0;
			return found > 0 ? 0 : -1;
		}
	}
	if (started)
		return cn_err_set(err, CN_FAILED, "%s: cannot go back in a stream without index; write it to a file with "
			"cn-cat", cn_reader_name(reader));
	reader->skip = row;
	return 0;
}

void
cn_reader_give_back(struct cn_reader *reader, uint64_t rows)
{
	if (reader)
		reader->rows -= rows < reader->rows ? rows : reader->rows;
}

int
cn_reader_finish(struct cn_reader *reader, struct cn_err *err)
{
	struct cn_batch batch = { 0 };
	const uint64_t rows = reader ? reader->rows : 0;
	int result;

	while ((result = cn_reader_next(reader, &batch, err)) > 0)
		;
	cn_batch_release(&batch);
	if (reader)
		reader->rows = rows;
	return result;
}

/* ---- what is known about it ---- */

bool
cn_reader_cut(const struct cn_reader *reader)
{
	return reader && reader->intake && cn_intake_cut(reader->intake);
}

int
cn_reader_alarm(const struct cn_reader *reader)
{
	return reader && reader->intake ? cn_source_left(cn_intake_source(reader->intake)) : -1;
}

static const struct cn_schema no_schema;
static const struct cn_meta no_meta;
static const struct cn_history no_history;

static const struct cn_head *
head_of(const struct cn_reader *reader)
{
	return reader && reader->intake ? cn_intake_head(reader->intake) : NULL;
}

const struct cn_schema *
cn_reader_schema(const struct cn_reader *reader)
{
	return head_of(reader) ? &head_of(reader)->schema : &no_schema;
}

const struct cn_meta *
cn_reader_meta(const struct cn_reader *reader)
{
	return head_of(reader) ? &head_of(reader)->meta : &no_meta;
}

const struct cn_meta *
cn_reader_findings(const struct cn_reader *reader)
{
	return reader && reader->ended ? cn_intake_findings(reader->intake) : &no_meta;
}

const struct cn_history *
cn_reader_history(const struct cn_reader *reader)
{
	return head_of(reader) ? &head_of(reader)->history : &no_history;
}

const char *
cn_reader_name(const struct cn_reader *reader)
{
	const char *typed = cn_reader_typed(reader);

	return strcmp(typed, "-") == 0 ? "standard input" : typed;
}

const char *
cn_reader_typed(const struct cn_reader *reader)
{
	return reader && reader->typed ? reader->typed : "-";
}

uint64_t
cn_reader_rows_hint(const struct cn_reader *reader)
{
	return reader ? reader->rows_hint : 0;
}

uint64_t
cn_reader_rows_promised(const struct cn_reader *reader)
{
	return head_of(reader) ? head_of(reader)->rows_hint : 0;
}

uint32_t
cn_reader_chunk_rows(const struct cn_reader *reader)
{
	return head_of(reader) ? head_of(reader)->chunk_rows : 0;
}

uint64_t
cn_reader_part(const struct cn_reader *reader)
{
	const char *rows = cn_meta_get(cn_reader_meta(reader), "follow.every");

	return rows ? strtoull(rows, NULL, 10) : 0;
}

uint64_t
cn_reader_rows(const struct cn_reader *reader)
{
	return reader ? reader->rows : 0;
}

bool
cn_reader_sought(const struct cn_reader *reader)
{
	return reader && reader->intake && !cn_intake_whole(reader->intake);
}

const struct cn_reader_end *
cn_reader_end(const struct cn_reader *reader)
{
	return reader && reader->ended ? &reader->end : NULL;
}

const struct cn_abort *
cn_reader_abort(const struct cn_reader *reader)
{
	return reader && reader->intake ? cn_intake_abort(reader->intake) : NULL;
}
