/* writer: what it writes the reader gives back, whatever the threads and pieces; every cut and flipped bit is seen. */
#include "stream/writer.h"

#include <stdbool.h>
#include <unistd.h>

#include "stream/table.h"
#include "tap.h"
#include "base/banned.h"

enum { ROWS = 37 };
static char path[] = "/tmp/cn-writer-XXXXXX";

static void
fill(struct cn_batch *batch, struct cn_err *err)
{
	struct cn_schema schema = { 0 };

	cn_schema_add(&schema, "id", CN_DTYPE_U64, &(struct cn_shape){ 0 }, err);
	cn_schema_add(&schema, "x", CN_DTYPE_U8, &(struct cn_shape){ 3, { 2, 2, 3 } }, err);
	cn_schema_add(&schema, "z", CN_DTYPE_F32, &(struct cn_shape){ 1, { 3 } }, err);
	cn_batch_shape(batch, &schema, ROWS, err);
	for (size_t i = 0; i < ROWS; i++) {
		const uint64_t id = 1000 + i;
		memcpy(cn_batch_at(batch, 0, i), &id, sizeof id);
		for (size_t k = 0; k < 12; k++)
			((uint8_t *)cn_batch_at(batch, 1, i))[k] = (uint8_t)(i * k);
		for (size_t k = 0; k < 3; k++)
			((float *)cn_batch_at(batch, 2, i))[k] = (float)i / (float)(k + 1);
	}
}

/* Writes all rows, step at a time. */
static void
put(const struct cn_batch *all, size_t threads, size_t step, int level, struct cn_err *err)
{
	struct cn_pool *pool = cn_pool_new(threads, err);
	const struct cn_writer_config config = {
		.program = "test", .path = path, .level = level, .chunk_rows = 8, .pool = pool,
	};
	struct cn_writer *writer = cn_writer_open(&config, &all->schema, err);
	struct cn_meta node = { 0 };
	struct cn_batch some = { 0 };

	cn_meta_set(&node, "program", "test", err);
	cn_meta_set(cn_writer_meta(writer), "label.names", "a\nb", err);
	cn_writer_node(writer, &node, err);
	for (size_t i = 0; i < all->rows && !err->code; i += step) {
		cn_batch_shape(&some, &all->schema, 0, err);
		cn_batch_append(&some, all, i, all->rows - i < step ? all->rows - i : step, err);
		cn_writer_put(writer, &some, err);
	}
	cn_writer_finish(writer, err);
	cn_batch_release(&some);
	cn_meta_release(&node);
	cn_writer_free(writer);
	cn_pool_free(pool);
}

/* Reads everything; end may be NULL. */
static struct cn_batch
get(size_t threads, struct cn_reader_end *end, struct cn_err *err)
{
	struct cn_pool *pool = cn_pool_new(threads, &(struct cn_err){ 0 });
	struct cn_reader *reader = cn_reader_open(&(struct cn_reader_config){ .path = path, .pool = pool }, err);
	struct cn_batch table = { 0 };

	cn_table_read(&table, reader, NULL, err);
	if (end && cn_reader_end(reader))
		*end = *cn_reader_end(reader);
	cn_reader_free(reader);
	cn_pool_free(pool);
	return table;
}

static bool
equal(const struct cn_batch *a, const struct cn_batch *b)
{
	bool same = a->rows == b->rows && cn_schema_equal(&a->schema, &b->schema);

	for (size_t f = 0; same && f < a->schema.n; f++)
		same = !memcmp(a->column[f], b->column[f], a->rows * cn_field_bytes(&a->schema.field[f]));
	return same;
}

static size_t
load(unsigned char *bytes, size_t size)
{
	FILE *f = fopen(path, "rb");
	const size_t n = fread(bytes, 1, size, f);

	fclose(f);
	return n;
}

static void
store(const unsigned char *bytes, size_t size)
{
	FILE *f = fopen(path, "wb");

	fwrite(bytes, 1, size, f);
	fclose(f);
}

/* Every truncation is incomplete; every flipped bit is refused or changes nothing. */
static void
hurt(const struct cn_batch *all, unsigned char *bytes, size_t n)
{
	size_t bad = 0, harmless = 0;

	for (size_t cut = 0; cut < n; cut++) {
		struct cn_err err = { 0 };
		store(bytes, cut);
		struct cn_batch got = get(1, NULL, &err);
		bad += err.code != CN_INCOMPLETE;
		cn_batch_release(&got);
	}
	TAP_OK(!bad, "each of %zu truncations is incomplete", n);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		struct cn_err err = { 0 };
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		store(bytes, n);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		struct cn_batch got = get(1, NULL, &err);
		bad += !err.code && !equal(&got, all);
		harmless += !err.code;
		cn_batch_release(&got);
	}
	TAP_OK(!bad, "each of %zu flipped bits is refused, or harmless (%zu)", 8 * n, harmless);
}

int
main(void)
{
	static unsigned char first[1 << 16], other[1 << 16];
	struct cn_err err = { 0 };
	struct cn_batch all = { 0 };
	struct cn_reader_end one = { 0 }, two = { 0 };

	close(mkstemp(path));
	fill(&all, &err);
	put(&all, 1, 37, CN_LEVEL_AUTO, &err);
	const size_t n = load(first, sizeof first);
	struct cn_batch got = get(1, &one, &err);
	TAP_OK(!err.code && equal(&got, &all) && one.rows == ROWS && one.chunks == 5, "rows come back %s", err.text);
	cn_batch_release(&got);
	got = get(3, NULL, &err);
	TAP_OK(!err.code && equal(&got, &all), "with threads too %s", err.text);
	cn_batch_release(&got);
	put(&all, 3, 5, CN_LEVEL_AUTO, &err);
	TAP_OK(load(other, sizeof other) == n && !memcmp(first, other, n), "threads and pieces change no byte");
	put(&all, 2, 9, 19, &err);
	got = get(1, &two, &err);
	TAP_OK(!err.code && equal(&got, &all) && !memcmp(one.data_root, two.data_root, 32)
		&& !memcmp(one.stream_root, two.stream_root, 32), "another level leaves the roots alone %s", err.text);
	cn_batch_release(&got);

	memcpy(other, first, n);
	memcpy(other + n, first, n);
	store(other, 2 * n);
	got = get(1, NULL, &err);
	TAP_OK(err.code == CN_FAILED && strstr(err.text, "cn-cat"), "two streams in a row are refused: %s", err.text);
	cn_batch_release(&got);
	hurt(&all, first, n);
	cn_batch_release(&all);
	unlink(path);
	return tap_done();
}
