/* batch - some rows, column by column. */
#include "stream/batch.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

/* Which columns belong to the batch depends on its schema; forget all, keep nothing. */
static void
drop_columns(struct cn_batch *batch)
{
	for (size_t f = 0; f < CN_SCHEMA_FIELDS; f++) {
		cn_mem_free(batch->column[f]);
		batch->column[f] = NULL;
	}
	batch->capacity = 0;
	batch->rows = 0;
}

static int
make_columns(struct cn_batch *batch, size_t capacity, struct cn_err *err)
{
	for (size_t f = 0; f < batch->schema.n; f++) {
		batch->column[f] = cn_mem_array(capacity, cn_field_bytes(&batch->schema.field[f]), err);
		if (!batch->column[f]) {
			drop_columns(batch);
			return -1;
		}
	}
	batch->capacity = capacity;
	return 0;
}

int
cn_batch_room(struct cn_batch *batch, const struct cn_schema *schema, size_t rows, struct cn_err *err)
{
	batch->sealed = 0;
	if (rows > batch->capacity || !cn_schema_equal(&batch->schema, schema)) {
		drop_columns(batch);
		if (&batch->schema != schema)
			batch->schema = *schema;
		if (make_columns(batch, rows > 0 ? rows : 1, err) != 0)
			return -1;
	}
	batch->rows = rows;
	return 0;
}

int
cn_batch_shape(struct cn_batch *batch, const struct cn_schema *schema, size_t rows, struct cn_err *err)
{
	if (cn_batch_room(batch, schema, rows, err) != 0)
		return -1;
	for (size_t f = 0; f < schema->n; f++)
		memset(batch->column[f], 0, rows * cn_field_bytes(&schema->field[f]));
	return 0;
}

/* Moves the columns into blocks of this many rows. */
static int
enlarge(struct cn_batch *batch, size_t capacity, struct cn_err *err)
{
	struct cn_batch larger = { .schema = batch->schema };

	if (make_columns(&larger, capacity, err) != 0)
		return -1;
	for (size_t f = 0; f < batch->schema.n; f++) {
		const size_t bytes = batch->rows * cn_field_bytes(&batch->schema.field[f]);

		if (bytes > 0)
			memcpy(larger.column[f], batch->column[f], bytes);
		cn_mem_free(batch->column[f]);
		batch->column[f] = larger.column[f];
	}
	batch->capacity = capacity;
	return 0;
}

/* Room for rows, by at least half again: appending costs one copy on average. */
static int
reserve(struct cn_batch *batch, size_t rows, struct cn_err *err)
{
	batch->sealed = 0;
	if (rows <= batch->capacity)
		return 0;
	return enlarge(batch, rows / 2 > batch->capacity ? rows : rows + batch->capacity / 2, err);
}

int
cn_batch_grow(struct cn_batch *batch, size_t rows, struct cn_err *err)
{
	if (reserve(batch, rows, err) != 0)
		return -1;
	for (size_t f = 0; f < batch->schema.n && rows > batch->rows; f++) {
		const size_t bytes = cn_field_bytes(&batch->schema.field[f]);

		memset(batch->column[f] + batch->rows * bytes, 0, (rows - batch->rows) * bytes);
	}
	batch->rows = rows;
	return 0;
}

void *
cn_batch_at(const struct cn_batch *batch, int field, size_t row)
{
	assert(field >= 0 && (size_t)field < batch->schema.n);
	return batch->column[field] + row * cn_field_bytes(&batch->schema.field[field]);
}

int
cn_batch_append(struct cn_batch *batch, const struct cn_batch *src, size_t from, size_t n, struct cn_err *err)
{
	const size_t at = batch->rows;

	assert(from + n <= src->rows);
	if (batch->schema.n == 0)
		batch->schema = src->schema;
	assert(cn_schema_equal(&batch->schema, &src->schema));
	if (reserve(batch, at + n, err) != 0)
		return -1;
	batch->rows = at + n;
	for (size_t f = 0; f < src->schema.n && n > 0; f++)
		memcpy(cn_batch_at(batch, (int)f, at), cn_batch_at(src, (int)f, from),
			n * cn_field_bytes(&src->schema.field[f]));
	return 0;
}

int
cn_batch_check_finite(const struct cn_batch *batch, int field, const char *file, struct cn_err *err)
{
	const struct cn_field *f = &batch->schema.field[field];
	const size_t count = cn_shape_count(&f->shape), all = count * batch->rows;
	const size_t at = cn_dtype_find_nonfinite(f->dtype, batch->column[field], all);

	if (at == all)
		return 0;
	return cn_err_set(err, CN_FAILED, "%s: NaN or infinity in field '%s' of row %llu; mend what made it, or leave the row out with cn-cat",
		file, f->name, (unsigned long long)(batch->first_row + at / count));
}

void
cn_batch_release(struct cn_batch *batch)
{
	const struct cn_batch empty = { 0 };

	drop_columns(batch);
	*batch = empty;
}
