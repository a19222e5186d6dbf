/* arrays - values and labels, read side by side. */
#include "data/arrays.h"

#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "base/banned.h"

struct state {
	struct cn_array values, labels;
	void *scratch;		/* rows as stored, when they are converted */
	size_t capacity;
};

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
read_stored(const struct cn_array *array, void *to, size_t count, struct cn_err *err)
{
	const size_t size = cn_dtype_size(array->stored);

	if (cn_unpack_exactly(array->unpack, to, count * size, "the rows", err))
		return -1;
	if (array->big_endian)
		turn_bytes(to, count, size);
	return 0;
}

static int
to_labels(const struct cn_array *array, const void *from, int32_t *to, size_t count, uint64_t row, struct cn_err *err)
{
	for (size_t i = 0; i < count; i++) {
		const double value = cn_dtype_get(array->stored, from, i);
		char exact[32];

		if (value >= INT32_MIN && value <= INT32_MAX) {
			to[i] = (int32_t)value;
			continue;
		}
		if (array->stored == CN_DTYPE_U64)
			snprintf(exact, sizeof exact, "%" PRIu64, ((const uint64_t *)from)[i]);
		else if (array->stored == CN_DTYPE_I64)	/* a double would round it */
			snprintf(exact, sizeof exact, "%" PRId64, ((const int64_t *)from)[i]);
		else
			snprintf(exact, sizeof exact, "%.0f", value);
		return cn_err_set(err, CN_FAILED, "%s: row %" PRIu64 ": label %s does not fit 32 bits; number the classes from 0",
			cn_unpack_name(array->unpack), row + i, exact);
	}
	return 0;
}

/* What is not a number in the file may pass; a number that would no longer be one may not. */
static int
to_floats(const struct cn_array *array, const void *from, float *to, size_t count, uint64_t row, struct cn_err *err)
{
	cn_dtype_to_f32(array->stored, from, to, count);
	if (array->stored != CN_DTYPE_F64)
		return 0;
	for (size_t i = 0; i < count; i++) {
		const double value = ((const double *)from)[i];

		if (isinf(to[i]) && !isinf(value))
			return cn_err_set(err, CN_FAILED, "%s: row %" PRIu64 ": %g does not fit f32; scale the values, or keep f64 "
				"with --field x", cn_unpack_name(array->unpack), row + i / cn_shape_count(&array->shape), value);
	}
	return 0;
}

/* rows rows, the first of them number row, into a column, converted where the field wants another type than the file has. */
static int
read_column(struct state *state, const struct cn_array *array, void *column, uint64_t row, size_t rows, struct cn_err *err)
{
	const size_t count = rows * cn_shape_count(&array->shape);

	if (array->stored == array->dtype)
		return read_stored(array, column, count, err);
	if (cn_mem_grow(&state->scratch, &state->capacity, count, cn_dtype_size(array->stored), err)
	    || read_stored(array, state->scratch, count, err))
		return -1;
	if (array->dtype == CN_DTYPE_I32)
		return to_labels(array, state->scratch, column, count, row, err);
	return to_floats(array, state->scratch, column, count, row, err);
}

static int
read_rows(struct cn_import *import, struct cn_batch *batch, struct cn_err *err)
{
	struct state *state = import->state;
	const bool labelled = state->labels.unpack;

	if (read_column(state, &state->values, batch->column[1], batch->first_row, batch->rows, err)
	    || (labelled && read_column(state, &state->labels, batch->column[2], batch->first_row, batch->rows, err)))
		return -1;
	if (import->given + batch->rows < import->rows)
		return 0;
	if (labelled && cn_unpack_ended(state->labels.unpack, err))
		return -1;
	return cn_unpack_ended(state->values.unpack, err);
}

static void
close_arrays(struct cn_import *import)
{
	struct state *state = import->state;

	cn_unpack_free(state->values.unpack);
	cn_unpack_free(state->labels.unpack);
	cn_mem_free(state->scratch);
	cn_mem_free(state);
}

static int
open_array(struct cn_array *array, int (*parse)(struct cn_array *, struct cn_err *), const char *path, struct cn_err *err)
{
	array->unpack = cn_unpack_open(path, CN_UNPACK_BYTES, err);
	if (!array->unpack || parse(array, err))
		return -1;
	array->dtype = array->stored;
	return array->rows ? 0 : cn_unpack_ended(array->unpack, err);	/* nobody will come to the end of no rows */
}

struct cn_array *
cn_arrays_open(struct cn_import *import, const char *format, int (*parse)(struct cn_array *, struct cn_err *), const char *path,
	struct cn_err *err)
{
	struct state *state = err->code ? NULL : cn_mem_array(1, sizeof *state, err);

	if (!state)
		return NULL;
	*import = (struct cn_import){ .state = state, .close = close_arrays };
	if (cn_import_init(import, format, err) || open_array(&state->values, parse, path, err))
		return NULL;
	import->rows = state->values.rows;
	import->read = import->rows ? read_rows : NULL;
	return &state->values;
}

int
cn_arrays_field(struct cn_import *import, struct cn_array *array, const char *field, struct cn_err *err)
{
	if (!strcmp(field, "label")) {
		if (array->shape.rank || cn_dtype_is_float(array->stored))
			return cn_err_set(err, CN_FAILED, "%s: labels must be one integer per row", cn_unpack_name(array->unpack));
		array->dtype = CN_DTYPE_I32;
	}
	if (!strcmp(field, "z") && cn_dtype_is_float(array->stored))
		array->dtype = CN_DTYPE_F32;
	return cn_schema_add(&import->schema, field, array->dtype, &array->shape, err) < 0 ? -1 : 0;
}

int
cn_arrays_labels(struct cn_import *import, int (*parse)(struct cn_array *, struct cn_err *), const char *path, struct cn_err *err)
{
	struct state *state = import->state;
	const struct cn_array *values = &state->values;
	struct cn_array *labels = &state->labels;

	if (open_array(labels, parse, path, err))
		return -1;
	if (labels->rows != values->rows)
		return cn_err_set(err, CN_FAILED, "%s: %" PRIu64 " labels for the %" PRIu64 " rows of %s",
			cn_unpack_name(labels->unpack), labels->rows, values->rows, cn_unpack_name(values->unpack));
	return cn_arrays_field(import, labels, "label", err);
}
