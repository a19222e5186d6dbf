/* npy - a small parser for the dictionary in the header, which numpy writes as a Python literal. */
#include "data/npy.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>

#include "base/mem.h"
#include "data/arrays.h"
#include "data/spool.h"
#include "base/banned.h"

#define HEADER_LIMIT ((size_t)65536)

static const char *const descr[] = {
	[CN_DTYPE_U8] = "|u1", [CN_DTYPE_I8] = "|i1", [CN_DTYPE_U16] = "<u2", [CN_DTYPE_I16] = "<i2",
	[CN_DTYPE_U32] = "<u4", [CN_DTYPE_I32] = "<i4", [CN_DTYPE_U64] = "<u8", [CN_DTYPE_I64] = "<i8",
	[CN_DTYPE_F16] = "<f2", [CN_DTYPE_BF16] = "<u2", [CN_DTYPE_F32] = "<f4", [CN_DTYPE_F64] = "<f8",
};
#define DTYPES (sizeof descr / sizeof descr[0])

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
parse_dtype(struct cn_array *array, const char *text, struct cn_err *err)
{
	const char *name = cn_unpack_name(array->unpack), *word = find(text, "descr");
	const char quote = word && *word == '\'' ? '\'' : 0;
	const size_t n = quote ? strcspn(word + 1, "'") : 0;

	if (n != 3)
		return cn_err_set(err, CN_FAILED, "%s: not an array of plain numbers", name);
	if (word[1] == '>')
		return cn_err_set(err, CN_FAILED,
			"%s: big-endian numbers; save it again with .astype('<%.2s')", name, word + 2);
	if (!strncmp(word + 1, "|b1", n)) {
		array->stored = CN_DTYPE_U8;
		return 0;
	}
	for (unsigned t = 1; t < DTYPES; t++)
		if (t != CN_DTYPE_BF16 && !strncmp(word + 1, descr[t], n)) {
			array->stored = (enum cn_dtype)t;
			return 0;
		}
	return cn_err_set(err, CN_FAILED, "%s: numbers of type '%.3s' cannot be imported; save it again with .astype('<f4')",
		name, word + 1);
}

static int
parse_shape(struct cn_array *array, const char *text, struct cn_err *err)
{
	const char *name = cn_unpack_name(array->unpack), *at = find(text, "shape");
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
	array->rows = extent[0];
	array->shape.rank = n - 1;
	for (unsigned d = 1; d < n; d++) {
		if (!extent[d] || extent[d] > INT32_MAX)
			return cn_err_set(err, CN_FAILED, "%s: axis %u of %" PRIu64 " is not in 1..%d", name,
				d, extent[d], INT32_MAX);
		array->shape.dim[d - 1] = (uint32_t)extent[d];
	}
	return 0;
}

static int
parse_header(struct cn_array *array, const char *text, struct cn_err *err)
{
	const char *order = find(text, "fortran_order");

	if (!order || (strncmp(order, "False", 5) && strncmp(order, "True", 4)))
		return cn_err_set(err, CN_FAILED, "%s: no fortran_order in the header",
			cn_unpack_name(array->unpack));
	if (*order == 'T')
		return cn_err_set(err, CN_FAILED,
			"%s: columns lie together (fortran_order); save numpy.ascontiguousarray(it)",
			cn_unpack_name(array->unpack));
	return parse_dtype(array, text, err) || parse_shape(array, text, err) ? -1 : 0;
}

static int
parse(struct cn_array *array, struct cn_err *err)
{
	const char *name = cn_unpack_name(array->unpack);
	unsigned char magic[8], extent[4] = { 0 };

	if (cn_unpack_exactly(array->unpack, magic, sizeof magic, "the npy header", err))
		return -1;
	if (memcmp(magic, "\x93NUMPY", 6))
		return cn_err_set(err, CN_FAILED, "%s: not a .npy file", name);
	if (magic[6] < 1 || magic[6] > 3)
		return cn_err_set(err, CN_FAILED, "%s: .npy version %u is unknown (1 to 3 are)", name,
			magic[6]);
	if (cn_unpack_exactly(array->unpack, extent, magic[6] == 1 ? 2 : 4, "the npy header", err))
		return -1;
	const size_t size = (size_t)extent[0] | (size_t)extent[1] << 8 | (size_t)extent[2] << 16 | (size_t)extent[3] << 24;
	if (size > HEADER_LIMIT)
		return cn_err_set(err, CN_FAILED, "%s: a header of %zu bytes is over the limit of %zu", name,
			size, HEADER_LIMIT);
	char *text = cn_mem_array(size + 1, 1, err);
	if (text && !cn_unpack_exactly(array->unpack, text, size, "the npy header", err))
		parse_header(array, text, err);
	cn_mem_free(text);
	return err->code ? -1 : 0;
}

int
cn_npy_open(struct cn_import *import, const char *values, const char *labels, const char *field,
	struct cn_err *err)
{
	struct cn_array *array = cn_arrays_open(import, "npy", parse, values, err);

	if (!array)
		return -1;
	if (!field)
		field = array->shape.rank == 1 && cn_dtype_is_float(array->stored) ? "z" : "x";
	if (cn_arrays_field(import, array, field, err))
		return -1;
	return labels ? cn_arrays_labels(import, parse, labels, err) : 0;
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
