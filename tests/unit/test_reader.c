/* reader: a part of a stream leaves its writer while the reader is still at its first chunk. */
#include "stream/reader.h"

#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "stream/writer.h"
#include "tap.h"
#include "base/banned.h"

enum { ROWS = 64, WIDTH = 1 << 16, CHUNK_ROWS = 4 };	/* 4 MB, more than any pipe holds */

/* Who writes. */
struct side {
	char path[32];
	struct cn_batch part;
	struct cn_err err;
};

static void
fill(struct cn_batch *batch, struct cn_err *err)
{
	struct cn_schema schema = { 0 };
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_schema_add(&schema, "x", CN_DTYPE_U8, &(struct cn_shape){ 1, { WIDTH } }, err);
	cn_batch_shape(batch, &schema, ROWS, err);
	cn_rng_key_init(&key, 1, "test");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < (size_t)ROWS * WIDTH; i++)
		((uint8_t *)batch->column[0])[i] = (uint8_t)cn_rng_word(&rng);
}

static void
write_part(void *context)
{
	struct side *side = context;
	const struct cn_writer_config config = { .program = "test", .path = side->path, .level = CN_LEVEL_AUTO, .chunk_rows = CHUNK_ROWS,
		.every = ROWS };
	struct cn_writer *writer = cn_writer_open(&config, &side->part.schema, &side->err);
	struct cn_meta node = { 0 };

	cn_meta_set(&node, "program", "test", &side->err);
	cn_meta_format(cn_writer_meta(writer), "follow.every", "%d", &side->err, ROWS);
	cn_writer_node(writer, &node, &side->err);
	cn_writer_put(writer, &side->part, &side->err);
	cn_writer_finish(writer, &side->err);
	cn_writer_free(writer);
	cn_meta_release(&node);
}

/* The writer comes to its end while no more than the first chunk was taken, and what it wrote is whole. */
static void
check(size_t threads)
{
	struct side side = { 0 };
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(threads, &err);
	struct cn_batch chunk = { 0 };
	char path[32];
	int ends[2];
	size_t rows = 0, other = 0;

	fill(&side.part, &side.err);
	if (pipe(ends) != 0)
		TAP_OK(0, "a pipe");
	snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
	snprintf(side.path, sizeof side.path, "/dev/fd/%d", ends[1]);
	struct cn_task *task = cn_task_start(write_part, &side, &err);
	struct cn_reader *reader = cn_reader_open(&(struct cn_reader_config){ .path = path, .pool = pool }, &err);

	while (cn_reader_next(reader, &chunk, &err) > 0) {
		if (rows == 0) {
			cn_task_wait(task);
			close(ends[1]);
		}
		other += memcmp(chunk.column[0], cn_batch_at(&side.part, 0, rows), chunk.rows * WIDTH) != 0;
		rows += chunk.rows;
	}
	TAP_OK(!err.code && !side.err.code && rows == ROWS && other == 0, "a part leaves its writer at once, %zu threads %s%s", threads,
		err.text, side.err.text);
	cn_batch_release(&chunk);
	cn_batch_release(&side.part);
	cn_reader_free(reader);
	cn_pool_free(pool);
	close(ends[0]);
}

int
main(void)
{
	alarm(60);	/* a writer that waits would wait for ever */
	check(1);
	check(3);
	return tap_done();
}
