/* writer - rows re-cut into chunks, packed side by side on the pool, written in order. */
#include "stream/writer.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "base/hush.h"
#include "base/mem.h"
#include "base/output.h"
#include "stream/block.h"
#include "stream/frame.h"
#include "stream/head.h"
#include "stream/limits.h"

#include "base/banned.h"

enum { MOST_JOBS = 64 };

/* A chunk being filled, then packed. */
struct job {
	struct cn_batch batch;
	unsigned char *packed;		/* CHNK frame, then the field frames */
	size_t room, size;
	unsigned char digest[CN_SEAL_BYTES];
	struct cn_err err;
};

struct input {
	struct cn_reader *reader;
	uint16_t node;
};

struct cn_writer {
	struct cn_output *output;
	struct cn_pool *pool;
	char *program;
	int level;
	bool filters, begun;
	struct cn_head head;
	struct cn_meta findings;
	struct cn_secret_key *secret;	/* NULL: unsigned */
	struct cn_wire wire;		/* control frames */

	size_t n_jobs, current;		/* jobs before current are full */
	struct job *job;
	struct cn_block **block;	/* one per thread of the pool */
	uint64_t rows, chunks;		/* put so far; written so far */

	struct cn_index_entry *index;
	size_t index_capacity;
	struct input *input;
	size_t n_inputs, input_capacity;
	int *origin;			/* of all inputs, models too: numbers of nodes, -1 = not known */
	size_t n_origins, origin_capacity;
};

/* ---- opening ---- */

static int
check_chunk(const struct cn_writer *writer, struct cn_err *err)
{
	const size_t row = cn_schema_row_bytes(&writer->head.schema);
	size_t bytes;

	if (row > CN_LIMIT_ROW)
		return cn_err_set(err, CN_FAILED, "%s: a row of %zu bytes is over the limit of %u",
			cn_output_name(writer->output), row, (unsigned)CN_LIMIT_ROW);
	if (!cn_mem_multiply(row, writer->head.chunk_rows, &bytes) || bytes > CN_LIMIT_CHUNK)
		return cn_err_set(err, CN_FAILED, "%s: chunks of %u rows are over the limit of %u bytes; give a smaller "
			"--chunk-rows", cn_output_name(writer->output), writer->head.chunk_rows, (unsigned)CN_LIMIT_CHUNK);
	return 0;
}

static int
make_jobs(struct cn_writer *writer, struct cn_err *err)
{
	const size_t threads = cn_pool_threads(writer->pool);

	writer->n_jobs = threads < MOST_JOBS ? threads : MOST_JOBS;
	writer->job = cn_mem_array(writer->n_jobs, sizeof(*writer->job), err);
	writer->block = cn_mem_array(threads, sizeof(struct cn_block *), err);
	for (size_t i = 0; i < threads && !err->code; i++)
		writer->block[i] = cn_block_new(err);
	for (size_t i = 0; i < writer->n_jobs && !err->code; i++)
		cn_batch_room(&writer->job[i].batch, &writer->head.schema, 0, err);
	return err->code ? -1 : 0;
}

struct cn_writer *
cn_writer_open(const struct cn_writer_config *config, const struct cn_schema *schema, struct cn_err *err)
{
	struct cn_writer *writer = err->code ? NULL : cn_mem_array(1, sizeof(*writer), err);

	if (!writer)
		return NULL;
	writer->pool = config->pool;
	writer->program = cn_mem_string(config->program, err);
	writer->head.schema = *schema;
	writer->head.chunk_rows = config->chunk_rows ? config->chunk_rows : cn_schema_chunk_rows(schema);
	writer->head.rows_hint = config->rows_hint;
	if (config->every % writer->head.chunk_rows)
		writer->head.incompat |= CN_HEAD_VARCHUNK;
	if (config->key && !err->code) {
		writer->secret = cn_mem_array(1, sizeof(*writer->secret), err);
		if (writer->secret)
			cn_seal_read_secret(config->key, writer->secret, err);
	}
	cn_seal_prepare(err);
	if (!err->code)
		writer->output = cn_output_open(config->path, config->force ? CN_OUTPUT_FORCE : 0, err);
	if (!err->code) {
		const bool pipe = cn_output_is_pipe(writer->output);

		writer->level = config->level != CN_LEVEL_AUTO ? config->level : pipe ? -1 : 1;
		writer->filters = writer->level > 0;
	}
	if (err->code || check_chunk(writer, err) || make_jobs(writer, err)) {
		cn_writer_free(writer);
		return NULL;
	}
	return writer;
}

void
cn_writer_free(struct cn_writer *writer)
{
	if (!writer)
		return;
	for (size_t i = 0; writer->job && i < writer->n_jobs; i++) {
		cn_batch_release(&writer->job[i].batch);
		cn_mem_free(writer->job[i].packed);
	}
	for (size_t i = 0; writer->block && i < cn_pool_threads(writer->pool); i++)
		cn_block_free(writer->block[i]);
	if (writer->secret)
		sodium_memzero(writer->secret, sizeof(*writer->secret));
	cn_mem_free(writer->secret);
	cn_mem_free(writer->job);
	cn_mem_free(writer->block);
	cn_mem_free(writer->index);
	cn_mem_free(writer->input);
	cn_mem_free(writer->origin);
	cn_mem_free(writer->program);
	cn_wire_release(&writer->wire);
	cn_head_release(&writer->head);
	cn_meta_release(&writer->findings);
	cn_output_free(writer->output);
	cn_mem_free(writer);
}

/* ---- what stands in the header ---- */

struct cn_meta *
cn_writer_meta(struct cn_writer *writer)
{
	return &writer->head.meta;
}

struct cn_meta *
cn_writer_findings(struct cn_writer *writer)
{
	return &writer->findings;
}

int
cn_writer_origin(struct cn_writer *writer, const struct cn_history *history, struct cn_err *err)
{
	void *block;

	if (err->code || !writer)
		return -1;
	block = writer->origin;
	if (cn_mem_grow(&block, &writer->origin_capacity, writer->n_origins + 1, sizeof(*writer->origin), err))
		return -1;
	writer->origin = block;
	writer->origin[writer->n_origins++] = cn_history_merge(&writer->head.history, history, err);
	return err->code ? -1 : 0;
}

int
cn_writer_input(struct cn_writer *writer, struct cn_reader *input, struct cn_err *err)
{
	void *block;

	if (err->code || !writer)
		return -1;
	block = writer->input;
	if (cn_mem_grow(&block, &writer->input_capacity, writer->n_inputs + 1, sizeof(*writer->input), err))
		return -1;
	writer->input = block;
	if (cn_writer_origin(writer, cn_reader_history(input), err))
		return -1;
	const int node = writer->origin[writer->n_origins - 1];
	writer->input[writer->n_inputs++] = (struct input){
		.reader = input, .node = node < 0 ? CN_INPUT_NO_NODE : (uint16_t)node,
	};
	return 0;
}

int
cn_writer_node(struct cn_writer *writer, const struct cn_meta *node, struct cn_err *err)
{
	struct cn_meta own = { 0 };

	if (err->code || !writer)
		return -1;
	cn_meta_merge(&own, node, err);
	cn_meta_set(&own, "lib.zstd", cn_block_zstd_version(), err);
	cn_meta_set(&own, "lib.sodium", sodium_version_string(), err);
	cn_history_step(&writer->head.history, &own, writer->origin, writer->n_origins, err);
	cn_meta_release(&own);
	return err->code ? -1 : 0;
}

/* ---- bytes ---- */

/* Writes what wire holds and empties it. */
static int
flush_wire(struct cn_writer *writer, struct cn_err *err)
{
	if (err->code || cn_output_write(writer->output, writer->wire.data, writer->wire.size, err))
		return -1;
	writer->wire.size = 0;
	return 0;
}

static int
begin(struct cn_writer *writer, struct cn_err *err)
{
	if (writer->begun)
		return err->code ? -1 : 0;
	writer->begun = true;
	return cn_head_encode(&writer->head, &writer->wire, err) ? -1 : flush_wire(writer, err);
}

static int
reserve(struct job *job, const struct cn_schema *schema)
{
	size_t need = cn_frame_chunk_size(schema->n);

	for (size_t f = 0; f < schema->n; f++)
		need += cn_block_bound(job->batch.rows * cn_field_bytes(&schema->field[f]));
	if (need <= job->room)
		return 0;
	cn_mem_free(job->packed);
	job->packed = cn_mem_array(need, 1, &job->err);
	job->room = job->packed ? need : 0;
	return job->packed ? 0 : -1;
}

/* One chunk, on one thread: the CHNK frame and its columns, packed, into job->packed. */
static void
pack(void *context, size_t i, size_t worker)
{
	const struct cn_writer *writer = context;
	struct job *job = &writer->job[i];
	const struct cn_schema *schema = &writer->head.schema;
	struct cn_chunk chunk = { .first_row = job->batch.first_row, .rows = (uint32_t)job->batch.rows };

	if (reserve(job, schema))
		return;
	job->size = cn_frame_chunk_size(schema->n);
	for (size_t f = 0; f < schema->n; f++) {
		const struct cn_field *field = &schema->field[f];
		const enum cn_filter filter = writer->filters ? cn_filter_choose(field) : CN_FILTER_NONE;
		const size_t raw = job->batch.rows * cn_field_bytes(field);
		const size_t n = cn_block_encode(writer->block[worker], writer->level, filter, field,
			job->batch.column[f], raw, job->packed + job->size, &job->err);

		if (job->err.code)
			return;
		chunk.part[f] = (struct cn_chunk_part){ .filter = (uint8_t)filter, .packed = (uint32_t)n, .raw = raw };
		job->size += n;
	}
	if (job->batch.sealed == job->batch.rows)
		memcpy(chunk.digest, job->batch.digest, sizeof(chunk.digest));
	else
		cn_frame_chunk_digest(schema, chunk.first_row, chunk.rows, job->batch.column, chunk.digest);
	memcpy(job->digest, chunk.digest, sizeof(job->digest));
	cn_frame_chunk_store(&chunk, schema->n, job->packed);
}

static int
write_job(struct cn_writer *writer, struct job *job, struct cn_err *err)
{
	void *block = writer->index;

	if (job->err.code)
		return cn_err_set(err, job->err.code, "%s", job->err.text);
	if (cn_mem_grow(&block, &writer->index_capacity, writer->chunks + 1, sizeof(*writer->index), err))
		return -1;
	writer->index = block;
	struct cn_index_entry *entry = &writer->index[writer->chunks];
	entry->offset = cn_output_offset(writer->output);
	entry->rows = (uint32_t)job->batch.rows;
	memcpy(entry->digest, job->digest, sizeof(entry->digest));
	cn_roots_chunk(&writer->head.roots, job->digest);
	writer->chunks++;
	return cn_output_write(writer->output, job->packed, job->size, err);
}

/* Packs and writes the first n jobs, which then are empty. */
static int
flush_jobs(struct cn_writer *writer, size_t n, struct cn_err *err)
{
	if (begin(writer, err))
		return -1;
	cn_pool_run(writer->pool, n, pack, writer);
	for (size_t i = 0; i < n; i++) {
		if (write_job(writer, &writer->job[i], err))
			return -1;
		writer->job[i].batch.rows = 0;
	}
	writer->current = 0;
	return 0;
}

int
cn_writer_put(struct cn_writer *writer, const struct cn_batch *batch, struct cn_err *err)
{
	size_t from = 0;

	if (err->code || !writer)
		return -1;
	while (from < batch->rows) {
		struct cn_batch *chunk = &writer->job[writer->current].batch;
		const size_t room = writer->head.chunk_rows - chunk->rows;
		const size_t n = batch->rows - from < room ? batch->rows - from : room;
		const bool whole = chunk->rows == 0 && n == batch->rows && batch->sealed == n && batch->first_row == writer->rows;

		if (chunk->rows == 0)
			chunk->first_row = writer->rows;
		if (cn_batch_append(chunk, batch, from, n, err))
			return -1;
		if (whole) {	/* as it was read: its digest still holds */
			chunk->sealed = n;
			memcpy(chunk->digest, batch->digest, sizeof(chunk->digest));
		}
		from += n;
		writer->rows += n;
		if (chunk->rows == writer->head.chunk_rows && ++writer->current == writer->n_jobs
		    && flush_jobs(writer, writer->n_jobs, err))
			return -1;
	}
	return 0;
}

int
cn_writer_flush(struct cn_writer *writer, struct cn_err *err)
{
	if (err->code || !writer)
		return -1;
	return flush_jobs(writer, writer->current + (writer->job[writer->current].batch.rows > 0), err);
}

uint64_t
cn_writer_rows(const struct cn_writer *writer)
{
	return writer ? writer->rows : 0;
}

/* ---- the end ---- */

static int
write_index(struct cn_writer *writer, struct cn_err *err)
{
	unsigned char bytes[CN_INDEX_BYTES];

	for (uint64_t from = 0; from < writer->chunks && !err->code; from += CN_LIMIT_INDEX) {
		const uint64_t left = writer->chunks - from, n = left < CN_LIMIT_INDEX ? left : CN_LIMIT_INDEX;
		const size_t frame = cn_wire_frame(&writer->wire, "iNDX", err);

		cn_wire_u64(&writer->wire, n, err);
		for (uint64_t i = 0; i < n; i++) {
			cn_frame_index_store(&writer->index[from + i], bytes);
			cn_wire_put(&writer->wire, bytes, sizeof(bytes), err);
		}
		cn_wire_frame_end(&writer->wire, frame);
		flush_wire(writer, err);
	}
	return err->code ? -1 : 0;
}

/* What became of the inputs.  An input of which rows were not used has been stopped early. */
static int
note_inputs(const struct cn_writer *writer, struct cn_tail *tail, struct cn_err *err)
{
	tail->n_inputs = writer->n_inputs;
	tail->input = cn_mem_array(writer->n_inputs + 1, sizeof(*tail->input), err);
	for (size_t i = 0; i < writer->n_inputs && !err->code; i++) {
		const struct cn_reader *reader = writer->input[i].reader;
		const struct cn_reader_end *end = cn_reader_end(reader);
		struct cn_tail_input *input = &tail->input[i];

		input->node = writer->input[i].node;
		input->rows_read = cn_reader_rows(reader);
		input->state = cn_reader_sought(reader) ? CN_INPUT_UNVERIFIED
			: end && end->rows == input->rows_read ? CN_INPUT_WHOLE : CN_INPUT_PARTIAL;
		if (input->state == CN_INPUT_WHOLE)
			memcpy(input->stream_root, end->stream_root, sizeof(input->stream_root));
		if (input->state == CN_INPUT_PARTIAL)
			tail->status |= CN_TAIL_STOPPED;
		if (end)
			tail->status |= end->status & CN_TAIL_SALVAGED;
	}
	return err->code ? -1 : 0;
}

static int
write_tail(struct cn_writer *writer, struct cn_err *err)
{
	struct cn_tail tail = { .rows = writer->rows, .chunks = writer->chunks };

	tail.index_offset = writer->chunks ? cn_output_offset(writer->output) : 0;
	write_index(writer, err);
	if (cn_head_findings_encode(&writer->findings, &writer->head.roots, &writer->wire, err) == 0)
		flush_wire(writer, err);
	tail.offset = cn_output_offset(writer->output);
	if (!err->code && !note_inputs(writer, &tail, err)
	    && !cn_frame_tail_put(&tail, &writer->head.roots, writer->secret, &writer->wire, err))
		flush_wire(writer, err);
	cn_frame_tail_release(&tail);
	return err->code ? -1 : 0;
}

/* What to tell downstream: our own failure, unless it is that of whoever failed before us. */
static struct cn_abort
cause_of(const char *program, const struct cn_err *why)
{
	struct cn_abort cause = { .code = (uint32_t)why->code };

	snprintf(cause.program, sizeof(cause.program), "%s", program);
	snprintf(cause.message, sizeof(cause.message), "%s", why->text);
	return cause;
}

static void
write_abort(struct cn_writer *writer, const struct cn_err *why)
{
	struct cn_abort cause = cause_of(writer->program, why);
	struct cn_err err = { 0 };
	sigset_t before;

	for (size_t i = 0; i < writer->n_inputs; i++)
		if (cn_reader_abort(writer->input[i].reader)) {
			cause = *cn_reader_abort(writer->input[i].reader);
			break;
		}
	cn_hush_begin(&before);	/* who fails says so, also when its reader has gone */
	if (!begin(writer, &err)) {
		cn_frame_abort_put(&cause, &writer->wire, &err);
		flush_wire(writer, &err);
	}
	cn_hush_end(&before);
}

void
cn_writer_refuse(const char *program, const char *path, const struct cn_reader *input, const struct cn_err *why)
{
	const struct cn_abort *earlier = cn_reader_abort(input), cause = earlier ? *earlier : cause_of(program, why);
	struct cn_err err = { 0 };
	struct cn_wire wire = { 0 };
	sigset_t before;

	if (path && strcmp(path, "-") != 0)
		return;
	struct cn_output *output = cn_output_open(NULL, 0, &err);
	if (output && cn_output_is_pipe(output)) {
		cn_hush_begin(&before);
		cn_frame_abort_put(&cause, &wire, &err);
		if (!err.code)
			cn_output_write(output, wire.data, wire.size, &err);
		cn_hush_end(&before);
	}
	cn_wire_release(&wire);
	cn_output_free(output);
}

void
cn_writer_refuse_usage(const char *program, const char *path, const struct cn_err *why)
{
	cn_writer_refuse(program, path, NULL, why);
}

int
cn_writer_finish(struct cn_writer *writer, struct cn_err *err)
{
	if (!writer)
		return -1;
	if (cn_writer_flush(writer, err) == 0)
		write_tail(writer, err);
	if (err->code) {
		writer->wire.size = 0;
		write_abort(writer, err);
		return -1;
	}
	return cn_output_finish(writer->output, err);
}
