/* idx - reading values and labels side by side. */
#include "data/idx.h"

#include <inttypes.h>

#include "base/mem.h"
#include "data/unpack.h"
#include "base/banned.h"

/* One idx file, behind its header. */
struct part {
	struct cn_unpack *unpack;
	enum cn_dtype dtype;
	uint32_t rows;
	struct cn_shape shape;	/* of one row */
};

struct state {
	struct part values, labels;
	unsigned char *scratch;	/* labels of one batch as stored */
	size_t capacity;
};

static int
read_dtype(const struct part *part, unsigned char type, struct cn_err *err)
{
	switch (type) {
	case 0x08: return CN_DTYPE_U8;
	case 0x09: return CN_DTYPE_I8;
	case 0x0b: return CN_DTYPE_I16;
	case 0x0c: return CN_DTYPE_I32;
	case 0x0d: return CN_DTYPE_F32;
	case 0x0e: return CN_DTYPE_F64;
	default: return cn_err_set(err, CN_FAILED, "%s: unknown idx type 0x%02x",
		cn_unpack_name(part->unpack), type);
	}
}

static int
open_part(struct part *part, const char *path, struct cn_err *err)
{
	unsigned char magic[4], extent[4];

	part->unpack = cn_unpack_open(path, CN_UNPACK_BYTES, err);
	if (!part->unpack || cn_unpack_exactly(part->unpack, magic, sizeof magic, "the idx header", err))
		return -1;
	const char *name = cn_unpack_name(part->unpack);
	if (magic[0] || magic[1])
		return cn_err_set(err, CN_FAILED, "%s: not an idx file (it begins with %02x %02x)", name,
			magic[0], magic[1]);
	const int dtype = read_dtype(part, magic[2], err);
	if (dtype < 0)
		return -1;
	part->dtype = (enum cn_dtype)dtype;
	if (magic[3] < 1 || magic[3] > CN_SHAPE_RANK)
		return cn_err_set(err, CN_FAILED, "%s: %u extents, 1 to %d are possible", name, magic[3],
			CN_SHAPE_RANK);
	for (unsigned d = 0; d < magic[3]; d++) {
		if (cn_unpack_exactly(part->unpack, extent, sizeof extent, "the idx header", err))
			return -1;
		const uint32_t value = (uint32_t)extent[0] << 24 | (uint32_t)extent[1] << 16 | (uint32_t)extent[2] << 8 | extent[3];
		if (!value || value > INT32_MAX)
			return cn_err_set(err, CN_FAILED, "%s: extent %u of %" PRIu32 " is not in 1..%d",
				name, d, value, INT32_MAX);
		if (d)
			part->shape.dim[part->shape.rank++] = value;
		else
			part->rows = value;
	}
	return 0;
}

/* Big-endian elements into this machine's little-endian order. */
static void
turn_bytes(unsigned char *array, size_t n, size_t size)
{
	for (size_t i = 0; size > 1 && i < n; i++, array += size)
		for (size_t a = 0, b = size - 1; a < b; a++, b--) {
			const unsigned char keep = array[a];
			array[a] = array[b];
			array[b] = keep;
		}
}

static int
read_part(struct part *part, void *to, size_t rows, struct cn_err *err)
{
	const size_t count = cn_shape_count(&part->shape), size = cn_dtype_size(part->dtype);

	if (cn_unpack_exactly(part->unpack, to, rows * count * size, "the rows", err))
		return -1;
	turn_bytes(to, rows * count, size);
	return 0;
}

static int
read_rows(struct cn_import *import, struct cn_batch *batch, struct cn_err *err)
{
	struct state *state = import->state;
	const int label = cn_schema_find(&batch->schema, "label");

	if (read_part(&state->values, batch->column[1], batch->rows, err))
		return -1;
	if (label >= 0) {
		void *block = state->scratch;
		const int failed = cn_mem_grow(&block, &state->capacity, batch->rows, 8, err);
		state->scratch = block;
		if (failed || read_part(&state->labels, state->scratch, batch->rows, err))
			return -1;
		for (size_t i = 0; i < batch->rows; i++) {
			const int32_t value = (int32_t)cn_dtype_get(state->labels.dtype, state->scratch, i);
			memcpy(cn_batch_at(batch, label, i), &value, sizeof value);
		}
	}
	if (import->given + batch->rows < import->rows)
		return 0;
	if (label >= 0 && cn_unpack_ended(state->labels.unpack, err))
		return -1;
	return cn_unpack_ended(state->values.unpack, err);
}

static void
close_idx(struct cn_import *import)
{
	struct state *state = import->state;

	cn_unpack_free(state->values.unpack);
	cn_unpack_free(state->labels.unpack);
	cn_mem_free(state->scratch);
	cn_mem_free(state);
}

static int
open_labels(struct cn_import *import, struct state *state, const char *path, struct cn_err *err)
{
	static const struct cn_shape scalar = { 0 };
	const struct part *labels = &state->labels;

	if (open_part(&state->labels, path, err))
		return -1;
	const char *name = cn_unpack_name(labels->unpack);
	if (labels->shape.rank || cn_dtype_is_float(labels->dtype))
		return cn_err_set(err, CN_FAILED, "%s: labels must be one integer per row", name);
	if (labels->rows != state->values.rows)
		return cn_err_set(err, CN_FAILED, "%s: %" PRIu32 " labels for the %" PRIu32 " rows of %s",
			name, labels->rows,
			state->values.rows, cn_unpack_name(state->values.unpack));
	return cn_schema_add(&import->schema, "label", CN_DTYPE_I32, &scalar, err) < 0 ? -1 : 0;
}

int
cn_idx_open(struct cn_import *import, const char *values, const char *labels, struct cn_err *err)
{
	struct state *state = err->code ? NULL : cn_mem_array(1, sizeof *state, err);

	if (!state)
		return -1;
	*import = (struct cn_import){ .state = state, .read = read_rows, .close = close_idx };
	if (cn_import_init(import, "idx", err) || open_part(&state->values, values, err))
		return -1;
	struct cn_shape x = state->values.shape;
	if (x.rank == 2 && state->values.dtype == CN_DTYPE_U8)
		x.dim[x.rank++] = 1;
	import->rows = state->values.rows;
	if (cn_schema_add(&import->schema, "x", state->values.dtype, &x, err) < 0)
		return -1;
	return labels ? open_labels(import, state, labels, err) : 0;
}
