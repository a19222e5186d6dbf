/* frame - the control frames after HEAD, to and from bytes. */
#include "stream/frame.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "stream/block.h"
#include "stream/filters.h"
#include "stream/head.h"
#include "stream/limits.h"

#include "base/banned.h"

enum { CHUNK_FIXED = 56, PART_BYTES = 16, INPUT_BYTES = 44, SIGNATURE_BYTES = 104 };

static int
corrupt(const char *place, const char *what, struct cn_err *err)
{
	return cn_err_set(err, CN_FAILED, "%s: corrupt: %s", place, what);
}

/* ---- CHNK ---- */

size_t
cn_frame_chunk_size(size_t n_fields)
{
	return CN_FRAME_HEADER + CHUNK_FIXED + PART_BYTES * n_fields;
}

void
cn_frame_chunk_store(const struct cn_chunk *chunk, size_t n_fields, unsigned char *at)
{
	memset(at, 0, cn_frame_chunk_size(n_fields));
	cn_wire_store32(at, CN_FRAME_MAGIC);
	cn_wire_store32(at + 4, (uint32_t)cn_frame_chunk_size(n_fields) - CN_FRAME_HEADER);
	memcpy(at + 8, "CHNK", 4);
	cn_wire_store64(at + 16, chunk->first_row);
	cn_wire_store32(at + 24, chunk->rows);
	cn_wire_store32(at + 28, (uint32_t)n_fields);	/* u16 number, u16 0 */
	memcpy(at + 32, chunk->digest, CN_SEAL_BYTES);
	at += CN_FRAME_HEADER + CHUNK_FIXED;
	for (size_t f = 0; f < n_fields; f++, at += PART_BYTES) {
		at[0] = chunk->part[f].filter;
		cn_wire_store32(at + 4, chunk->part[f].packed);
		cn_wire_store64(at + 8, chunk->part[f].raw);
	}
}

static int
parse_part(struct cn_chunk_part *part, const struct cn_field *field, uint32_t rows, struct cn_cursor *cursor,
	const char *place, struct cn_err *err)
{
	part->filter = (uint8_t)cn_cursor_u8(cursor);
	const unsigned reserved = cn_cursor_u8(cursor) | cn_cursor_u16(cursor);
	part->packed = cn_cursor_u32(cursor);
	part->raw = cn_cursor_u64(cursor);
	if (!cn_filter_allowed(part->filter, field))
		return cn_err_set(err, CN_FAILED, "%s: field '%s' uses filter %u, which cannot be read here", place,
			field->name, part->filter);
	if (reserved)
		return corrupt(place, "reserved bytes are not zero", err);
	if (part->raw != (uint64_t)rows * cn_field_bytes(field))
		return cn_err_set(err, CN_FAILED, "%s: corrupt: field '%s': expected %llu bytes, got %llu", place,
			field->name, (unsigned long long)rows * cn_field_bytes(field),
			(unsigned long long)part->raw);
	if (part->packed > cn_block_bound((size_t)part->raw))
		return cn_err_set(err, CN_FAILED, "%s: corrupt: field '%s' claims %u bytes, more than zstd can need", place,
			field->name, (unsigned)part->packed);
	return 0;
}

int
cn_frame_chunk_parse(struct cn_chunk *chunk, const struct cn_schema *schema, const unsigned char *payload,
	size_t size, const char *place, struct cn_err *err)
{
	struct cn_cursor cursor = { .at = payload, .left = size };

	if (size != cn_frame_chunk_size(schema->n) - CN_FRAME_HEADER)
		return corrupt(place, "CHNK has a bad length", err);
	cn_cursor_take(&cursor, 8);
	chunk->first_row = cn_cursor_u64(&cursor);
	chunk->rows = cn_cursor_u32(&cursor);
	const unsigned n_fields = cn_cursor_u16(&cursor), reserved = cn_cursor_u16(&cursor);
	cn_cursor_copy(&cursor, chunk->digest, CN_SEAL_BYTES);
	if (n_fields != schema->n || reserved)
		return corrupt(place, "CHNK has another number of fields than the stream", err);
	if (chunk->rows == 0 || chunk->rows > CN_LIMIT_CHUNK_ROWS)
		return corrupt(place, "its rows do not lie in 1 to 1048576", err);
	if ((uint64_t)chunk->rows * cn_schema_row_bytes(schema) > CN_LIMIT_CHUNK)
		return cn_err_set(err, CN_FAILED, "%s: %u rows exceed the limit of %u MiB for a chunk; write it with a smaller "
			"--chunk-rows", place, (unsigned)chunk->rows, (unsigned)CN_LIMIT_CHUNK >> 20);
	for (size_t f = 0; f < schema->n; f++)
		if (parse_part(&chunk->part[f], &schema->field[f], chunk->rows, &cursor, place, err) != 0)
			return -1;
	return 0;
}

void
cn_frame_chunk_digest(const struct cn_schema *schema, uint64_t first_row, uint32_t rows, unsigned char *const *column,
	unsigned char digest[CN_SEAL_BYTES])
{
	struct cn_seal seal;
	unsigned char number[12];

	cn_wire_store64(number, first_row);
	cn_wire_store32(number + 8, rows);
	cn_seal_begin(&seal, "chnk");
	cn_seal_add(&seal, number, sizeof(number));
	for (size_t f = 0; f < schema->n; f++)
		cn_seal_add(&seal, column[f], rows * cn_field_bytes(&schema->field[f]));
	cn_seal_end(&seal, digest);
}

/* ---- iNDX ---- */

void
cn_frame_index_store(const struct cn_index_entry *entry, unsigned char at[CN_INDEX_BYTES])
{
	cn_wire_store64(at, entry->offset);
	cn_wire_store32(at + 8, entry->rows);
	cn_wire_store32(at + 12, 0);
	memcpy(at + 16, entry->digest, CN_SEAL_BYTES);
}

bool
cn_frame_index_load(struct cn_index_entry *entry, const unsigned char at[CN_INDEX_BYTES])
{
	entry->offset = cn_wire_load64(at);
	entry->rows = cn_wire_load32(at + 8);
	memcpy(entry->digest, at + 16, CN_SEAL_BYTES);
	return cn_wire_load32(at + 12) == 0;
}

/* ---- TAIL ---- */

static void
put_signature(const struct cn_signature *signature, struct cn_wire *wire, struct cn_err *err)
{
	cn_wire_put(wire, signature->id, sizeof(signature->id), err);
	cn_wire_put(wire, signature->key, sizeof(signature->key), err);
	cn_wire_put(wire, signature->bytes, sizeof(signature->bytes), err);
}

int
cn_frame_tail_put(struct cn_tail *tail, struct cn_roots *roots, const struct cn_secret_key *secret, struct cn_wire *wire,
	struct cn_err *err)
{
	const size_t frame = cn_wire_frame(wire, "TAIL", err);

	cn_wire_u64(wire, tail->rows, err);
	cn_wire_u64(wire, tail->chunks, err);
	cn_wire_put(wire, roots->data, CN_SEAL_BYTES, err);
	cn_wire_u16(wire, (unsigned)tail->n_inputs, err);
	for (size_t i = 0; i < tail->n_inputs; i++) {
		cn_wire_u16(wire, tail->input[i].node, err);
		cn_wire_u16(wire, tail->input[i].state, err);
		cn_wire_u64(wire, tail->input[i].rows_read, err);
		cn_wire_put(wire, tail->input[i].stream_root, CN_SEAL_BYTES, err);
	}
	cn_wire_u32(wire, tail->status, err);
	if (err->code)
		return -1;
	cn_roots_control(roots, wire->data + frame + CN_FRAME_HEADER, wire->size - frame - CN_FRAME_HEADER);
	cn_wire_put(wire, roots->stream, CN_SEAL_BYTES, err);
	cn_wire_u16(wire, secret ? 1 : 0, err);
	if (secret) {
		struct cn_signature signature;

		cn_seal_sign(secret, roots->stream, &signature);
		put_signature(&signature, wire, err);
	}
	cn_wire_u64(wire, tail->offset, err);
	cn_wire_u64(wire, tail->index_offset, err);
	cn_wire_u32(wire, (uint32_t)(wire->size - frame + 8), err);
	cn_wire_put(wire, "CNSE", 4, err);
	cn_wire_frame_end(wire, frame);
	return err->code ? -1 : 0;
}

static int
parse_inputs(struct cn_tail *tail, struct cn_cursor *cursor, const char *place, struct cn_err *err)
{
	tail->n_inputs = cn_cursor_u16(cursor);
	if (tail->n_inputs > CN_LIMIT_INPUTS || tail->n_inputs * INPUT_BYTES > cursor->left) {
		tail->n_inputs = 0;
		return corrupt(place, "TAIL names more inputs than it holds", err);
	}
	tail->input = cn_mem_array(tail->n_inputs + 1, sizeof(*tail->input), err);
	if (!tail->input)
		return -1;
	for (size_t i = 0; i < tail->n_inputs; i++) {
		struct cn_tail_input *input = &tail->input[i];

		input->node = (uint16_t)cn_cursor_u16(cursor);
		input->state = (uint16_t)cn_cursor_u16(cursor);
		input->rows_read = cn_cursor_u64(cursor);
		cn_cursor_copy(cursor, input->stream_root, CN_SEAL_BYTES);
		if (input->state > CN_INPUT_UNVERIFIED)
			return corrupt(place, "TAIL has an unknown input state", err);
	}
	return 0;
}

static int
parse_signatures(struct cn_tail *tail, struct cn_cursor *cursor, const char *place, struct cn_err *err)
{
	tail->n_signatures = cn_cursor_u16(cursor);
	if (tail->n_signatures > CN_LIMIT_SIGNATURES || tail->n_signatures * SIGNATURE_BYTES > cursor->left) {
		tail->n_signatures = 0;
		return corrupt(place, "TAIL names more signatures than it holds", err);
	}
	tail->signature = cn_mem_array(tail->n_signatures + 1, sizeof(*tail->signature), err);
	if (!tail->signature)
		return -1;
	for (size_t i = 0; i < tail->n_signatures; i++) {
		cn_cursor_copy(cursor, tail->signature[i].id, 8);
		cn_cursor_copy(cursor, tail->signature[i].key, 32);
		cn_cursor_copy(cursor, tail->signature[i].bytes, 64);
	}
	return 0;
}

int
cn_frame_tail_parse(struct cn_tail *tail, const unsigned char *payload, size_t size, const char *place,
	struct cn_err *err)
{
	struct cn_cursor cursor = { .at = payload, .left = size };

	cn_cursor_take(&cursor, 8);
	tail->rows = cn_cursor_u64(&cursor);
	tail->chunks = cn_cursor_u64(&cursor);
	cn_cursor_copy(&cursor, tail->data_root, CN_SEAL_BYTES);
	if (parse_inputs(tail, &cursor, place, err) != 0)
		return -1;
	tail->status = cn_cursor_u32(&cursor);
	tail->hashed = size - cursor.left;
	cn_cursor_copy(&cursor, tail->stream_root, CN_SEAL_BYTES);
	if (parse_signatures(tail, &cursor, place, err) != 0)
		return -1;
	tail->offset = cn_cursor_u64(&cursor);
	tail->index_offset = cn_cursor_u64(&cursor);
	const uint32_t whole = cn_cursor_u32(&cursor);
	const unsigned char *end = cn_cursor_take(&cursor, 4);
	if (cursor.bad || cursor.left > 0 || whole != size + CN_FRAME_HEADER || memcmp(end, "CNSE", 4) != 0)
		return corrupt(place, "TAIL has a bad length", err);
	if (tail->status & ~(uint32_t)(CN_TAIL_SALVAGED | CN_TAIL_STOPPED))
		return corrupt(place, "TAIL has unknown status bits", err);
	return 0;
}

void
cn_frame_tail_release(struct cn_tail *tail)
{
	cn_mem_free(tail->input);
	cn_mem_free(tail->signature);
	*tail = (struct cn_tail){ 0 };
}

/* ---- ABRT ---- */

void
cn_frame_abort_put(const struct cn_abort *cause, struct cn_wire *wire, struct cn_err *err)
{
	const size_t frame = cn_wire_frame(wire, "ABRT", err);

	cn_wire_u32(wire, cause->code, err);
	cn_wire_u16(wire, (unsigned)strlen(cause->program), err);
	cn_wire_put(wire, cause->program, strlen(cause->program), err);
	cn_wire_u16(wire, (unsigned)strlen(cause->message), err);
	cn_wire_put(wire, cause->message, strlen(cause->message), err);
	cn_wire_frame_end(wire, frame);
}

/* As much of a text as fits; control bytes become '?'. */
static void
get_text(struct cn_cursor *cursor, char *to, size_t size)
{
	const size_t n = cn_cursor_u16(cursor);
	const unsigned char *text = cn_cursor_take(cursor, n);

	memset(to, 0, size);
	if (text && n > 0)
		memcpy(to, text, n < size - 1 ? n : size - 1);
	cn_head_printable(to);
}

int
cn_frame_abort_parse(struct cn_abort *cause, const unsigned char *payload, size_t size, const char *place,
	struct cn_err *err)
{
	struct cn_cursor cursor = { .at = payload, .left = size };

	cn_cursor_take(&cursor, 8);
	cause->code = cn_cursor_u32(&cursor);
	get_text(&cursor, cause->program, sizeof(cause->program));
	get_text(&cursor, cause->message, sizeof(cause->message));
	if (cursor.bad || cursor.left > 0)
		return corrupt(place, "ABRT has a bad length", err);
	return 0;
}
