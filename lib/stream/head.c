/* head - HEAD, the first frame of a stream, and the metadata that come late. */
#include "stream/head.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/tool.h"
#include "stream/limits.h"

#include "base/banned.h"

enum { FIXED = 48 };	/* bytes of payload before the schema */

static const char magic[8] = "\x89" "CNS\r\n\x1a\n";

/* Bytes of the UTF-8 character that begins here, or 0 (also for forms too long, surrogates, and beyond U+10FFFF). */
static size_t
utf8_size(const unsigned char *text, size_t n)
{
	const unsigned c = text[0];
	const size_t size = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3
		: c >= 0xf0 && c < 0xf5 ? 4 : 0;

	if (size > n)
		return 0;
	for (size_t k = 1; k < size; k++)
		if ((text[k] & 0xc0) != 0x80)
			return 0;
	if (size >= 3) {
		const unsigned pair = c << 8 | text[1];

		if (pair < 0xe0a0 || (pair >= 0xeda0 && pair < 0xee00) || (pair >= 0xf000 && pair < 0xf090)
		    || pair >= 0xf490)
			return 0;
	}
	return size;
}

static bool
is_utf8(const unsigned char *text, size_t n)
{
	while (n > 0) {
		const size_t size = utf8_size(text, n);

		if (size == 0)
			return false;
		text += size;
		n -= size;
	}
	return true;
}

/* ---- writing ---- */

/* File names may be any bytes, a stream's text is UTF-8: a question mark stands for what is not. */
static void
put_text(struct cn_wire *wire, const char *bytes, size_t n, struct cn_err *err)
{
	const unsigned char *text = (const unsigned char *)bytes;

	if (is_utf8(text, n)) {
		cn_wire_put(wire, text, n, err);
		return;
	}
	while (n > 0) {
		const size_t size = utf8_size(text, n), step = size > 0 ? size : 1;

		cn_wire_put(wire, size > 0 ? (const void *)text : "?", step, err);
		text += step;
		n -= step;
	}
}

static void
put_schema(struct cn_wire *wire, const struct cn_schema *schema, struct cn_err *err)
{
	for (size_t i = 0; i < schema->n; i++) {
		const struct cn_field *field = &schema->field[i];
		const size_t length = strlen(field->name);

		cn_wire_u8(wire, (unsigned)length, err);
		cn_wire_put(wire, field->name, length, err);
		cn_wire_u8(wire, field->dtype, err);
		cn_wire_u8(wire, field->shape.rank, err);
		for (unsigned k = 0; k < field->shape.rank; k++)
			cn_wire_u32(wire, field->shape.dim[k], err);
	}
}

static void
put_meta(struct cn_wire *wire, const struct cn_meta *meta, struct cn_err *err)
{
	for (size_t i = 0; i < meta->n; i++) {
		const struct cn_pair *pair = &meta->pair[i];

		cn_wire_u16(wire, (unsigned)strlen(pair->key), err);
		put_text(wire, pair->key, strlen(pair->key), err);
		cn_wire_u32(wire, (uint32_t)pair->size, err);
		put_text(wire, pair->value, pair->size, err);
	}
}

static void
put_history(struct cn_wire *wire, const struct cn_history *history, struct cn_err *err)
{
	cn_wire_u16(wire, (unsigned)history->n, err);
	for (size_t i = 0; i < history->n; i++) {
		const struct cn_node *node = &history->node[i];

		cn_wire_u16(wire, node->n_parents, err);
		for (size_t k = 0; k < node->n_parents; k++)
			cn_wire_u16(wire, node->parent[k], err);
		const size_t at = wire->size;
		cn_wire_u32(wire, 0, err);
		put_meta(wire, &node->meta, err);
		if (!err->code)
			cn_wire_store32(wire->data + at, (uint32_t)(wire->size - at - 4));
	}
}

/* What a reader would refuse is refused here already. */
static int
check_meta(const struct cn_meta *meta, const char *of, struct cn_err *err)
{
	if (meta->n > CN_LIMIT_META)
		return cn_err_set(err, CN_FAILED, "%s has %zu entries, the limit is %u", of, meta->n,
			(unsigned)CN_LIMIT_META);
	for (size_t i = 0; i < meta->n; i++)
		if (meta->pair[i].key[0] == '\0' || strlen(meta->pair[i].key) > CN_LIMIT_KEY)
			return cn_err_set(err, CN_FAILED, "a key of %s has more than %u bytes or none", of,
				(unsigned)CN_LIMIT_KEY);
		else if (meta->pair[i].size > CN_LIMIT_HEAD)
			return cn_err_set(err, CN_FAILED, "entry '%s' of %s exceeds the limit of %u bytes",
				meta->pair[i].key, of, (unsigned)CN_LIMIT_HEAD);
	return 0;
}

static int
check(const struct cn_head *head, struct cn_err *err)
{
	check_meta(&head->meta, "the metadata", err);
	for (size_t i = 0; i < head->history.n; i++)
		check_meta(&head->history.node[i].meta, "the history", err);
	if (head->schema.n == 0)
		return cn_err_set(err, CN_FAILED, "a stream needs at least one field");
	return err->code ? -1 : 0;
}

int
cn_head_encode(struct cn_head *head, struct cn_wire *wire, struct cn_err *err)
{
	unsigned char digest[CN_SEAL_BYTES];

	if (err->code || check(head, err) != 0)
		return -1;
	const size_t frame = cn_wire_frame(wire, magic, err);
	wire->size -= err->code ? 0 : 8;	/* the magic takes the place of type and flags */
	cn_wire_put(wire, magic, sizeof(magic), err);
	cn_wire_u16(wire, CN_HEAD_MAJOR, err);
	cn_wire_u16(wire, 0, err);
	cn_wire_u32(wire, head->incompat, err);
	cn_wire_u32(wire, head->compat, err);
	cn_wire_u32(wire, head->chunk_rows, err);
	cn_wire_u64(wire, head->rows_hint, err);
	cn_wire_u16(wire, (unsigned)head->schema.n, err);
	cn_wire_u16(wire, (unsigned)head->meta.n, err);
	const size_t lengths = wire->size;
	cn_wire_put(wire, "\0\0\0\0\0\0\0\0\0\0\0", 12, err);
	const size_t schema = wire->size;
	put_schema(wire, &head->schema, err);
	const size_t meta = wire->size;
	put_meta(wire, &head->meta, err);
	const size_t history = wire->size;
	put_history(wire, &head->history, err);
	if (err->code)
		return -1;
	if (wire->size - frame - 8 + CN_SEAL_BYTES > CN_LIMIT_HEAD)
		return cn_err_set(err, CN_FAILED, "schema, metadata and history exceed the limit of %u bytes",
			(unsigned)CN_LIMIT_HEAD);
	cn_wire_store32(wire->data + lengths, (uint32_t)(meta - schema));
	cn_wire_store32(wire->data + lengths + 4, (uint32_t)(history - meta));
	cn_wire_store32(wire->data + lengths + 8, (uint32_t)(wire->size - history));
	cn_seal_hash("head", wire->data + frame + 8, wire->size - frame - 8, digest);
	cn_roots_start(&head->roots, wire->data + schema, meta - schema, digest);
	cn_wire_put(wire, digest, sizeof(digest), err);
	cn_wire_frame_end(wire, frame);
	cn_wire_put(wire, CN_HEAD_SENTINEL, sizeof(CN_HEAD_SENTINEL) - 1, err);
	return err->code ? -1 : 0;
}

int
cn_head_findings_encode(const struct cn_meta *meta, struct cn_roots *roots, struct cn_wire *wire, struct cn_err *err)
{
	if (err->code || meta->n == 0 || check_meta(meta, "the metadata", err) != 0)
		return err->code ? -1 : 0;
	const size_t frame = cn_wire_frame(wire, "mETA", err);

	put_meta(wire, meta, err);
	cn_wire_frame_end(wire, frame);
	if (err->code)
		return -1;
	if (wire->size - frame - 8 > CN_LIMIT_CONTROL)
		return cn_err_set(err, CN_FAILED, "metadata exceed the limit of %u bytes", (unsigned)CN_LIMIT_CONTROL);
	cn_roots_control(roots, wire->data + frame + 8, wire->size - frame - 8);
	return 0;
}

/* ---- reading ---- */

static int
corrupt_frame(const char *name, const char *frame, const char *what, struct cn_err *err)
{
	return cn_err_set(err, CN_FAILED, "%s: corrupt %s: %s", name, frame, what);
}

static int
corrupt(const char *name, const char *what, struct cn_err *err)
{
	return corrupt_frame(name, "HEAD", what, err);
}

static int
get_field(struct cn_cursor *cursor, struct cn_schema *schema, const char *name, struct cn_err *err)
{
	char text[CN_FIELD_NAME + 1] = "";
	struct cn_shape shape = { 0 };
	struct cn_err why = { 0 };
	const unsigned length = cn_cursor_u8(cursor);

	if (length == 0 || length > CN_FIELD_NAME)
		return corrupt(name, "a field's name has a bad length", err);
	cn_cursor_copy(cursor, text, length);
	const unsigned dtype = cn_cursor_u8(cursor);
	shape.rank = cn_cursor_u8(cursor);
	if (shape.rank > CN_SHAPE_RANK)
		return corrupt(name, "a field has more than 8 dimensions", err);
	for (unsigned k = 0; k < shape.rank; k++)
		shape.dim[k] = cn_cursor_u32(cursor);
	if (cursor->bad || strlen(text) != length)
		return corrupt(name, "the schema is cut short", err);
	if (cn_schema_add(schema, text, (enum cn_dtype)dtype, &shape, &why) < 0)
		return corrupt(name, why.text, err);
	return 0;
}

static int
get_pair(struct cn_cursor *cursor, struct cn_meta *meta, const char *name, const char *frame, struct cn_err *err)
{
	char key[CN_LIMIT_KEY + 1] = "";
	const size_t key_size = cn_cursor_u16(cursor);

	if (key_size == 0 || key_size > CN_LIMIT_KEY)
		return corrupt_frame(name, frame, "a metadata key has a bad length", err);
	cn_cursor_copy(cursor, key, key_size);
	const size_t size = cn_cursor_u32(cursor);
	const unsigned char *value = cn_cursor_take(cursor, size);
	if (!value)
		return corrupt_frame(name, frame, "metadata is cut short", err);
	if (strlen(key) != key_size || !is_utf8((const unsigned char *)key, key_size) || !is_utf8(value, size))
		return corrupt_frame(name, frame, "metadata is not UTF-8", err);
	if (meta->n > 0 && strcmp(meta->pair[meta->n - 1].key, key) >= 0)
		return corrupt_frame(name, frame, "metadata keys are not in order", err);
	if (key[key_size - 1] == '!')
		return cn_err_set(err, CN_FAILED, "%s: needs metadata '%s' understood, which cn-tools %s does not", name,
			cn_head_printable(key), CN_VERSION);
	return cn_meta_set_bytes(meta, key, value, size, err);
}

/* Up to the end of the list. */
static int
get_pairs(struct cn_cursor *list, struct cn_meta *meta, const char *name, const char *frame, struct cn_err *err)
{
	while (list->left > 0 && get_pair(list, meta, name, frame, err) == 0)
		if (meta->n > CN_LIMIT_META)
			corrupt_frame(name, frame, "a list has more than 4096 entries", err);
	return err->code ? -1 : 0;
}

int
cn_head_findings_decode(struct cn_meta *meta, const unsigned char *payload, size_t size, const char *place, struct cn_err *err)
{
	struct cn_cursor list = { .at = payload + 8, .left = size - 8 };

	return get_pairs(&list, meta, place, "mETA", err);
}

static int
get_node(struct cn_cursor *cursor, struct cn_history *history, const char *name, struct cn_err *err)
{
	uint16_t parent[CN_HISTORY_NODES];
	struct cn_meta meta = { 0 };
	const size_t n_parents = cn_cursor_u16(cursor);

	if (n_parents > history->n)
		return corrupt(name, "a step of the history has more parents than there are", err);
	for (size_t k = 0; k < n_parents; k++) {
		parent[k] = (uint16_t)cn_cursor_u16(cursor);
		if (parent[k] >= history->n)
			return corrupt(name, "a step of the history comes before its parent", err);
	}
	struct cn_cursor list = { .left = cn_cursor_u32(cursor) };
	list.at = cn_cursor_take(cursor, list.left);
	if (!list.at)
		return corrupt(name, "the history is cut short", err);
	if (get_pairs(&list, &meta, name, "HEAD", err) == 0)
		cn_history_add(history, &meta, parent, n_parents, err);
	cn_meta_release(&meta);
	return err->code ? -1 : 0;
}

static int
get_parts(struct cn_head *head, struct cn_cursor part[3], unsigned n_fields, unsigned n_meta, const char *name,
	struct cn_err *err)
{
	if (n_fields == 0 || n_fields > CN_LIMIT_FIELDS)
		return corrupt(name, "the number of fields does not lie in 1 to 256", err);
	if (n_meta > CN_LIMIT_META)
		return corrupt(name, "more than 4096 metadata keys", err);
	for (unsigned i = 0; i < n_fields; i++)
		if (get_field(&part[0], &head->schema, name, err) != 0)
			return -1;
	for (unsigned i = 0; i < n_meta; i++)
		if (get_pair(&part[1], &head->meta, name, "HEAD", err) != 0)
			return -1;
	const unsigned n_nodes = cn_cursor_u16(&part[2]);
	if (n_nodes > CN_LIMIT_NODES)
		return corrupt(name, "the history has more than 256 steps", err);
	for (unsigned i = 0; i < n_nodes; i++)
		if (get_node(&part[2], &head->history, name, err) != 0)
			return -1;
	for (int i = 0; i < 3; i++)
		if (part[i].bad || part[i].left > 0)
			return corrupt(name, "its lengths do not agree", err);
	return 0;
}

/* Versions and features first, so that a newer stream is called newer rather than corrupt. */
static int
check_version(const struct cn_head *head, const char *name, struct cn_err *err)
{
	const uint32_t unknown = head->incompat & ~CN_HEAD_VARCHUNK;

	if (head->major != CN_HEAD_MAJOR)
		return cn_err_set(err, CN_FAILED, "%s: is version %u of the format, cn-tools %s reads version %d", name,
			head->major, CN_VERSION, CN_HEAD_MAJOR);
	if (unknown)
		return cn_err_set(err, CN_FAILED, "%s: uses feature bits 0x%x, which cn-tools %s does not know", name,
			(unsigned)unknown, CN_VERSION);
	if (head->chunk_rows == 0 || head->chunk_rows > CN_LIMIT_CHUNK_ROWS)
		return corrupt(name, "the rows of a chunk do not lie in 1 to 1048576", err);
	return 0;
}

int
cn_head_decode(struct cn_head *head, const unsigned char *payload, size_t size, const char *name, struct cn_err *err)
{
	struct cn_cursor cursor = { .at = payload, .left = size }, part[3] = { { 0 } };
	unsigned char digest[CN_SEAL_BYTES];

	if (size < FIXED + 2 + CN_SEAL_BYTES || memcmp(payload, magic, sizeof(magic)) != 0)
		return corrupt(name, "it is too short", err);
	cn_seal_hash("head", payload, size - CN_SEAL_BYTES, digest);
	if (memcmp(digest, payload + size - CN_SEAL_BYTES, CN_SEAL_BYTES) != 0)
		return cn_err_set(err, CN_INTEGRITY, "%s: corrupt HEAD: its digest does not match", name);
	cn_cursor_take(&cursor, sizeof(magic));
	head->major = cn_cursor_u16(&cursor);
	head->minor = cn_cursor_u16(&cursor);
	head->incompat = cn_cursor_u32(&cursor);
	head->compat = cn_cursor_u32(&cursor);
	head->chunk_rows = cn_cursor_u32(&cursor);
	head->rows_hint = cn_cursor_u64(&cursor);
	const unsigned n_fields = cn_cursor_u16(&cursor), n_meta = cn_cursor_u16(&cursor);
	for (int i = 0; i < 3; i++)
		part[i].left = cn_cursor_u32(&cursor);
	if (check_version(head, name, err) != 0)
		return -1;
	for (int i = 0; i < 3; i++)
		part[i].at = cn_cursor_take(&cursor, part[i].left);
	if (cursor.bad || cursor.left != CN_SEAL_BYTES)
		return corrupt(name, "its lengths do not agree", err);
	cn_roots_start(&head->roots, part[0].at, part[0].left, digest);
	return get_parts(head, part, n_fields, n_meta, name, err);
}

void
cn_head_release(struct cn_head *head)
{
	cn_meta_release(&head->meta);
	cn_history_release(&head->history);
	head->schema.n = 0;
}

char *
cn_head_printable(char *text)
{
	unsigned char *at = (unsigned char *)text;

	for (size_t left = strlen(text), size; left > 0; at += size, left -= size) {
		const size_t known = utf8_size(at, left);
		const bool control = at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && left > 1 && at[1] < 0xa0);

		size = known > 0 ? known : 1;
		if (known == 0 || control)
			memset(at, '?', size);
	}
	return text;
}
