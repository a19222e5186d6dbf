/* npy - a small parser for the dictionary in the header, which numpy writes as a Python literal. */
#include "data/npy.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>

#include "base/mem.h"
#include "data/spool.h"
#include "data/unpack.h"
#include "base/banned.h"

#define HEADER_LIMIT ((size_t)65536)

static const char *const descr[] = {
	[CN_DTYPE_U8] = "|u1", [CN_DTYPE_I8] = "|i1", [CN_DTYPE_U16] = "<u2", [CN_DTYPE_I16] = "<i2",
	[CN_DTYPE_U32] = "<u4", [CN_DTYPE_I32] = "<i4", [CN_DTYPE_U64] = "<u8", [CN_DTYPE_I64] = "<i8",
	[CN_DTYPE_F16] = "<f2", [CN_DTYPE_BF16] = "<u2", [CN_DTYPE_F32] = "<f4", [CN_DTYPE_F64] = "<f8",
};
#define DTYPES (sizeof descr / sizeof descr[0])

struct part {
	struct cn_unpack *unpack;
	enum cn_dtype dtype, stored;	/* of the field, and in the file */
	uint64_t rows;
	struct cn_shape shape;
};

struct state {
	struct part values, labels;
	unsigned char *scratch;		/* rows as stored, when they are converted */
	size_t capacity;
};

/* The text behind "'key':" in the dictionary, or NULL. */
static const char *
find(const char *text, const char *key)
{
	char quoted[32];

	snprintf(quoted, sizeof quoted, "'%s'", key);
	const char *at = strstr(text, quoted);
	if (!at)
		return NULL;
	for (at += strlen(quoted); isspace((unsigned char)*at); at++)
		;
	if (*at++ != ':')
		return NULL;
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

static int
parse_dtype(struct part *part, const char *text, struct cn_err *err)
{
	const char *name = cn_unpack_name(part->unpack), *word = find(text, "descr");
	const char quote = word && *word == '\'' ? '\'' : 0;
	const size_t n = quote ? strcspn(word + 1, "'") : 0;

	if (n != 3)
		return cn_err_set(err, CN_FAILED, "%s: not an array of plain numbers", name);
	if (word[1] == '>')
		return cn_err_set(err, CN_FAILED,
			"%s: big-endian numbers; save it again with .astype('<%.2s')", name, word + 2);
	if (!strncmp(word + 1, "|b1", n)) {
		part->stored = CN_DTYPE_U8;
		return 0;
	}
	for (unsigned t = 1; t < DTYPES; t++)
		if (t != CN_DTYPE_BF16 && !strncmp(word + 1, descr[t], n)) {
			part->stored = (enum cn_dtype)t;
			return 0;
		}
	return cn_err_set(err, CN_FAILED, "%s: numbers of type '%.3s' cannot be imported; save it again with .astype('<f4')",
		name, word + 1);
}

static int
parse_shape(struct part *part, const char *text, struct cn_err *err)
{
	const char *name = cn_unpack_name(part->unpack), *at = find(text, "shape");
	uint64_t extent[CN_SHAPE_RANK + 1];
	unsigned n = 0;

	if (!at || *at++ != '(')
		return cn_err_set(err, CN_FAILED, "%s: no shape in the header", name);
	for (;;) {
		while (*at == ' ' || *at == ',')
			at++;
		if (!isdigit((unsigned char)*at))
			break;
		if (n > CN_SHAPE_RANK)
			return cn_err_set(err, CN_FAILED, "%s: more than %d axes", name, CN_SHAPE_RANK + 1);
		for (extent[n] = 0; isdigit((unsigned char)*at); at++) {
			extent[n] = 10 * extent[n] + (uint64_t)(*at - '0');
			if (extent[n] > INT64_MAX / 16)
				return cn_err_set(err, CN_FAILED, "%s: axis %u is too long", name, n);
		}
		n++;
	}
	if (*at != ')')
		return cn_err_set(err, CN_FAILED, "%s: no shape in the header", name);
	if (!n)
		return cn_err_set(err, CN_FAILED, "%s: a single number has no rows", name);
	part->rows = extent[0];
	part->shape.rank = n - 1;
	for (unsigned d = 1; d < n; d++) {
		if (!extent[d] || extent[d] > INT32_MAX)
			return cn_err_set(err, CN_FAILED, "%s: axis %u of %" PRIu64 " is not in 1..%d", name,
				d, extent[d], INT32_MAX);
		part->shape.dim[d - 1] = (uint32_t)extent[d];
	}
	return 0;
}

static int
parse_header(struct part *part, const char *text, struct cn_err *err)
{
	const char *order = find(text, "fortran_order");

	if (!order || (strncmp(order, "False", 5) && strncmp(order, "True", 4)))
		return cn_err_set(err, CN_FAILED, "%s: no fortran_order in the header",
			cn_unpack_name(part->unpack));
	if (*order == 'T')
		return cn_err_set(err, CN_FAILED,
			"%s: columns lie together (fortran_order); save numpy.ascontiguousarray(it)",
			cn_unpack_name(part->unpack));
	if (parse_dtype(part, text, err) || parse_shape(part, text, err))
		return -1;
	part->dtype = part->stored;
	return 0;
}

static int
open_part(struct part *part, const char *path, struct cn_err *err)
{
	unsigned char magic[8], extent[4] = { 0 };

	part->unpack = cn_unpack_open(path, CN_UNPACK_BYTES, err);
	if (!part->unpack || cn_unpack_exactly(part->unpack, magic, sizeof magic, "the npy header", err))
		return -1;
	const char *name = cn_unpack_name(part->unpack);
	if (memcmp(magic, "\x93NUMPY", 6))
		return cn_err_set(err, CN_FAILED, "%s: not a .npy file", name);
	if (magic[6] < 1 || magic[6] > 3)
		return cn_err_set(err, CN_FAILED, "%s: .npy version %u is unknown (1 to 3 are)", name,
			magic[6]);
	if (cn_unpack_exactly(part->unpack, extent, magic[6] == 1 ? 2 : 4, "the npy header", err))
		return -1;
	const size_t size = (size_t)extent[0] | (size_t)extent[1] << 8 | (size_t)extent[2] << 16 | (size_t)extent[3] << 24;
	if (size > HEADER_LIMIT)
		return cn_err_set(err, CN_FAILED, "%s: a header of %zu bytes is over the limit of %zu", name,
			size, HEADER_LIMIT);
	char *text = cn_mem_array(size + 1, 1, err);
	if (text && !cn_unpack_exactly(part->unpack, text, size, "the npy header", err))
		parse_header(part, text, err);
	cn_mem_free(text);
	return err->code ? -1 : 0;
}

/* rows rows of a part into a column, converted where the field wants another type than the file has. */
static int
read_part(struct state *state, struct part *part, void *column, size_t rows, struct cn_err *err)
{
	const size_t count = rows * cn_shape_count(&part->shape), size = cn_dtype_size(part->stored);

	if (part->stored == part->dtype)
		return cn_unpack_exactly(part->unpack, column, count * size, "the rows", err);
	void *block = state->scratch;
	const int failed = cn_mem_grow(&block, &state->capacity, count * size, 1, err);
	state->scratch = block;
	if (failed || cn_unpack_exactly(part->unpack, state->scratch, count * size, "the rows", err))
		return -1;
	if (part->dtype == CN_DTYPE_F32) {
		cn_dtype_to_f32(part->stored, state->scratch, column, count);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		const double value = cn_dtype_get(part->stored, state->scratch, i);
		if (value < INT32_MIN || value > INT32_MAX)
			return cn_err_set(err, CN_FAILED, "%s: label %.0f does not fit 32 bits",
				cn_unpack_name(part->unpack), value);
		((int32_t *)column)[i] = (int32_t)value;
	}
	return 0;
}

static int
read_rows(struct cn_import *import, struct cn_batch *batch, struct cn_err *err)
{
	struct state *state = import->state;
	const bool labelled = state->labels.unpack;

	if (read_part(state, &state->values, batch->column[1], batch->rows, err)
	    || (labelled && read_part(state, &state->labels, batch->column[2], batch->rows, err)))
		return -1;
	if (import->given + batch->rows < import->rows)
		return 0;
	if (labelled && cn_unpack_ended(state->labels.unpack, err))
		return -1;
	return cn_unpack_ended(state->values.unpack, err);
}

static void
close_npy(struct cn_import *import)
{
	struct state *state = import->state;

	cn_unpack_free(state->values.unpack);
	cn_unpack_free(state->labels.unpack);
	cn_mem_free(state->scratch);
	cn_mem_free(state);
}

/* Gives a part its field; a label must be one integer per row. */
static int
add_field(struct cn_import *import, struct part *part, const char *field, struct cn_err *err)
{
	if (!strcmp(field, "label")) {
		if (part->shape.rank || cn_dtype_is_float(part->stored))
			return cn_err_set(err, CN_FAILED, "%s: labels must be one integer per row",
				cn_unpack_name(part->unpack));
		part->dtype = CN_DTYPE_I32;
	}
	if (!strcmp(field, "z") && cn_dtype_is_float(part->stored))
		part->dtype = CN_DTYPE_F32;
	return cn_schema_add(&import->schema, field, part->dtype, &part->shape, err) < 0 ? -1 : 0;
}

int
cn_npy_open(struct cn_import *import, const char *values, const char *labels, const char *field,
	struct cn_err *err)
{
	struct state *state = err->code ? NULL : cn_mem_array(1, sizeof *state, err);

	if (!state)
		return -1;
	*import = (struct cn_import){ .state = state, .close = close_npy };
	if (cn_import_init(import, "npy", err) || open_part(&state->values, values, err))
		return -1;
	struct part *part = &state->values;
	if (!field)
		field = part->shape.rank == 1 && cn_dtype_is_float(part->stored) ? "z" : "x";
	import->rows = part->rows;
	import->read = part->rows ? read_rows : NULL;
	if (add_field(import, part, field, err))
		return -1;
	if (!labels)
		return 0;
	if (open_part(&state->labels, labels, err))
		return -1;
	if (state->labels.rows != part->rows)
		return cn_err_set(err, CN_FAILED, "%s: %" PRIu64 " labels for the %" PRIu64 " rows of %s",
			cn_unpack_name(state->labels.unpack), state->labels.rows, part->rows,
			cn_unpack_name(part->unpack));
	return add_field(import, &state->labels, "label", err);
}

size_t
cn_npy_header(enum cn_dtype dtype, const struct cn_shape *shape, uint64_t rows, char *buffer, size_t size)
{
	char text[512];
	int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%" PRIu64 ",",
		descr[dtype], rows);

	for (unsigned d = 0; d < shape->rank; d++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%s%" PRIu32 "%s", d ? "" : " ",
			shape->dim[d],
			d + 1 < shape->rank ? ", " : "");
	n += snprintf(text + n, sizeof text - (size_t)n, "), }");

	const size_t total = (10 + (size_t)n + 1 + 63) / 64 * 64, behind = total - 10;
	if (total > size)
		return 0;
	memcpy(buffer, "\x93NUMPY\x01\x00", 8);
	buffer[8] = (char)(behind & 255);
	buffer[9] = (char)(behind >> 8);
	memset(buffer + 10, ' ', behind);
	memcpy(buffer + 10, text, (size_t)n);
	buffer[total - 1] = '\n';
	return total;
}

/* Rows go to a spool, because their number stands in front of them and a stream tells it last. */
static uint64_t
spool_rows(struct cn_reader *in, int field, uint64_t left, struct cn_spool *spool, struct cn_err *err)
{
	const size_t bytes = cn_field_bytes(&cn_reader_schema(in)->field[field]);
	uint64_t rows = 0;
	struct cn_batch batch = { 0 };

	while (left && cn_reader_next(in, &batch, err) > 0) {
		const size_t n = batch.rows < left ? batch.rows : (size_t)left;
		if (cn_spool_append(spool, batch.column[field], n * bytes, err))
			break;
		rows += n;
		left -= n;
	}
	cn_batch_release(&batch);
	return rows;
}

static void
copy_spool(const struct cn_spool *spool, struct cn_output *out, struct cn_err *err)
{
	const size_t piece = (size_t)1 << 20;
	unsigned char *buffer = cn_mem_array(piece, 1, err);

	for (uint64_t at = 0; at < cn_spool_size(spool) && !err->code;) {
		const uint64_t left = cn_spool_size(spool) - at;
		const size_t n = left < piece ? (size_t)left : piece;
		if (!cn_spool_read(spool, at, buffer, n, err))
			cn_output_write(out, buffer, n, err);
		at += n;
	}
	cn_mem_free(buffer);
}

int
cn_npy_write(struct cn_reader *in, int field, uint64_t rows, struct cn_output *out, struct cn_err *err)
{
	char header[1024];
	struct cn_spool *spool = cn_spool_new(err);

	if (spool) {
		const struct cn_field *about = &cn_reader_schema(in)->field[field];
		rows = spool_rows(in, field, rows, spool, err);
		const size_t n = cn_npy_header(about->dtype, &about->shape, rows, header, sizeof header);
		if (!err->code && !cn_output_write(out, header, n, err))
			copy_spool(spool, out, err);
	}
	cn_spool_free(spool);
	return err->code ? -1 : 0;
}
