/*
 * Every truncation and every flip of a single bit of small streams: refused, or without effect on what is read.
 * Read from the beginning, and from a row in the middle by the index.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream/reader.h"
#include "stream/seal.h"

#include "tap.h"

#include "base/banned.h"

enum { LARGEST = 8192 };

/* All that a program may learn from a stream, as one digest. */
struct content {
	enum cn_status status;
	unsigned char digest[CN_SEAL_BYTES];
};

static void
add_meta(struct cn_seal *seal, const struct cn_meta *meta)
{
	cn_seal_add(seal, &meta->n, sizeof meta->n);
	for (size_t i = 0; i < meta->n; i++) {
		cn_seal_add(seal, meta->pair[i].key, strlen(meta->pair[i].key) + 1);
		cn_seal_add(seal, meta->pair[i].value, meta->pair[i].size);
	}
}

static void
add_head(struct cn_seal *seal, const struct cn_reader *reader)
{
	const struct cn_schema *schema = cn_reader_schema(reader);
	const struct cn_history *history = cn_reader_history(reader);
	const uint32_t chunk_rows = cn_reader_chunk_rows(reader);

	cn_seal_add(seal, &chunk_rows, sizeof chunk_rows);
	for (size_t f = 0; f < schema->n; f++) {
		const struct cn_field *field = schema->field + f;

		cn_seal_add(seal, field->name, strlen(field->name) + 1);
		cn_seal_add(seal, &field->dtype, sizeof field->dtype);
		cn_seal_add(seal, field->shape.dim, field->shape.rank * sizeof *field->shape.dim);
	}
	add_meta(seal, cn_reader_meta(reader));
	for (size_t i = 0; i < history->n; i++) {
		cn_seal_add(seal, history->node[i].parent, history->node[i].n_parents * sizeof *history->node[i].parent);
		add_meta(seal, &history->node[i].meta);
	}
}

/* From row on; roots only where all was read. */
static struct content
read_stream(const char *path, uint64_t row)
{
	const struct cn_reader_config config = { .path = path };
	struct content content = { .status = CN_OK };
	struct cn_batch batch = { 0 };
	struct cn_seal seal;
	struct cn_err err = { 0 };
	struct cn_reader *reader = cn_reader_open(&config, &err);

	cn_seal_begin(&seal, "test");
	if (reader && !err.code)
		add_head(&seal, reader);
	if (row > 0)
		cn_reader_seek(reader, row, &err);
	while (cn_reader_next(reader, &batch, &err) > 0)
		for (size_t f = 0; f < batch.schema.n; f++)
			cn_seal_add(&seal, batch.column[f], batch.rows * cn_field_bytes(&batch.schema.field[f]));
	const struct cn_reader_end *end = cn_reader_end(reader);
	if (end && row == 0) {
		cn_seal_add(&seal, end->data_root, sizeof end->data_root);
		cn_seal_add(&seal, end->stream_root, sizeof end->stream_root);
		cn_seal_add(&seal, &end->status, sizeof end->status);
	}
	content.status = err.code;
	cn_seal_end(&seal, content.digest);
	cn_batch_release(&batch);
	cn_reader_free(reader);
	return content;
}

static bool
same(const struct content *a, const struct content *b)
{
	return a->status == CN_OK && memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

struct sample {
	const char *name;
	unsigned char bytes[LARGEST];
	size_t n;
	char path[64];		/* of the copy that is damaged */
	int fd;
};

static bool
load(struct sample *s)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "formats/vectors/valid/%s.cns", s->name);
	file = fopen(path, "rb");
	s->n = file ? fread(s->bytes, 1, sizeof s->bytes, file) : 0;
	if (file)
		fclose(file);
	snprintf(s->path, sizeof s->path, "/tmp/cn-flips-XXXXXX");
	s->fd = mkstemp(s->path);
	return s->n > 0 && s->n < LARGEST && s->fd >= 0 && pwrite(s->fd, s->bytes, s->n, 0) == (ssize_t)s->n;
}

static void
truncate_all(struct sample *s)
{
	size_t other = 0, sought = 0;

	for (size_t n = s->n; n-- > 0;) {
		if (ftruncate(s->fd, (off_t)n) != 0)
			other++;
		other += read_stream(s->path, 0).status != CN_INCOMPLETE;
		sought += read_stream(s->path, 5).status != CN_INCOMPLETE;
	}
	TAP_OK(other == 0, "%s: all %zu truncations are incomplete streams, not %zu", s->name, s->n, other);
	TAP_OK(sought == 0, "%s: and when a row in the middle is sought", s->name);
	TAP_OK(pwrite(s->fd, s->bytes, s->n, 0) == (ssize_t)s->n, "%s: whole again", s->name);
}

static void
flip_all(struct sample *s, uint64_t row)
{
	const struct content right = read_stream(s->path, row);
	size_t count[5] = { 0 }, undetected = 0;

	TAP_OK(right.status == CN_OK, "%s: right as it is, from row %d", s->name, (int)row);
	for (size_t bit = 0; bit < 8 * s->n; bit++) {
		const unsigned char flipped = (unsigned char)(s->bytes[bit / 8] ^ 1u << bit % 8);
		struct content now;

		undetected += pwrite(s->fd, &flipped, 1, (off_t)(bit / 8)) != 1;
		now = read_stream(s->path, row);
		undetected += now.status == CN_OK ? !same(&now, &right) : now.status == CN_USAGE || now.status > CN_INTEGRITY;
		count[now.status < 5 ? now.status : 0]++;
		undetected += pwrite(s->fd, s->bytes + bit / 8, 1, (off_t)(bit / 8)) != 1;
	}
	printf("# %s from row %d: %zu bits: no effect %zu, corrupt %zu, incomplete %zu, integrity %zu\n", s->name, (int)row, 8 * s->n,
		count[CN_OK], count[CN_FAILED], count[CN_INCOMPLETE], count[CN_INTEGRITY]);
	TAP_OK(undetected == 0, "%s: %zu flips change what is read", s->name, undetected);
	TAP_OK(row > 0 || count[CN_OK] < s->n, "%s: few have no effect", s->name);
}

int
main(void)
{
	static const char *const names[] = { "0003-two-chunks", "0012-unknown-ancillary-frames", "0020-signed", "0101-mined" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct sample s = { .name = names[i] };

		if (!load(&s)) {
			TAP_OK(false, "%s: can be copied", s.name);
			continue;
		}
		truncate_all(&s);
		flip_all(&s, 0);
		flip_all(&s, 5);
		close(s.fd);
		unlink(s.path);
	}
	return tap_done();
}
