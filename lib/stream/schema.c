/* schema - the named, typed fields of a stream's rows: built field by field, each checked as it comes. */
#include "stream/schema.h"

#include <stdio.h>
#include <string.h>

#include "stream/limits.h"

#include "base/banned.h"

int
cn_schema_find(const struct cn_schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->n; i++)
		if (strcmp(schema->field[i].name, name) == 0)
			return (int)i;
	return -1;
}

int
cn_schema_find_as(const struct cn_schema *schema, const char *name, enum cn_dtype dtype, unsigned rank)
{
	const int at = cn_schema_find(schema, name);

	return at >= 0 && schema->field[at].dtype == dtype && schema->field[at].shape.rank == rank ? at : -1;
}

static int
check_name(const char *name, struct cn_err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const size_t length = strlen(name);

	if (length == 0 || length > CN_FIELD_NAME || strspn(name, allowed) != length)
		return cn_err_set(err, CN_FAILED, "a field's name has 1 to %d characters of A-Z a-z 0-9 _ . -",
			CN_FIELD_NAME);
	return 0;
}

/* Bytes of one row of this field, or 0 where it is over a limit (never overflows). */
static uint64_t
checked_bytes(enum cn_dtype dtype, const struct cn_shape *shape)
{
	uint64_t bytes = cn_dtype_size(dtype);

	for (unsigned i = 0; i < shape->rank; i++) {
		if (shape->dim[i] == 0 || shape->dim[i] > CN_LIMIT_DIM)
			return 0;
		bytes *= shape->dim[i];	/* at most 2^28 x 2^31 */
		if (bytes > CN_LIMIT_ROW)
			return 0;
	}
	return bytes;
}

static int
check_type(const struct cn_schema *schema, int replaced, const char *name, enum cn_dtype dtype,
	const struct cn_shape *shape, struct cn_err *err)
{
	if (!cn_dtype_known(dtype))
		return cn_err_set(err, CN_FAILED, "field '%s': unknown element type %u", name, (unsigned)dtype);
	if (shape->rank > CN_LIMIT_RANK)
		return cn_err_set(err, CN_FAILED, "field '%s' has %u dimensions, the limit is %u", name,
			shape->rank, (unsigned)CN_LIMIT_RANK);
	uint64_t bytes = checked_bytes(dtype, shape);
	if (bytes == 0)
		return cn_err_set(err, CN_FAILED, "field '%s': each dimension must lie in 1 to %u and a row must not "
			"exceed %u MiB", name, (unsigned)CN_LIMIT_DIM, (unsigned)CN_LIMIT_ROW >> 20);
	for (size_t i = 0; i < schema->n; i++)
		if ((int)i != replaced)
			bytes += cn_field_bytes(&schema->field[i]);
	if (bytes > CN_LIMIT_ROW)
		return cn_err_set(err, CN_FAILED, "with field '%s' a row has %llu bytes, the limit is %u MiB", name,
			(unsigned long long)bytes, (unsigned)CN_LIMIT_ROW >> 20);
	return 0;
}

static void
set_field(struct cn_field *field, const char *name, enum cn_dtype dtype, const struct cn_shape *shape)
{
	struct cn_field fresh = { .dtype = dtype, .shape.rank = shape->rank };

	memcpy(fresh.name, name, strlen(name));
	memcpy(fresh.shape.dim, shape->dim, shape->rank * sizeof(shape->dim[0]));
	*field = fresh;	/* last: name and shape may be the field's own */
}

int
cn_schema_add(struct cn_schema *schema, const char *name, enum cn_dtype dtype, const struct cn_shape *shape,
	struct cn_err *err)
{
	if (check_name(name, err) != 0)
		return -1;
	if (cn_schema_find(schema, name) >= 0)
		return cn_err_set(err, CN_FAILED, "field '%s' is there twice", name);
	if (schema->n >= CN_SCHEMA_FIELDS)
		return cn_err_set(err, CN_FAILED, "more than %d fields", CN_SCHEMA_FIELDS);
	if (check_type(schema, -1, name, dtype, shape, err) != 0)
		return -1;
	set_field(&schema->field[schema->n], name, dtype, shape);
	return (int)schema->n++;
}

int
cn_schema_put(struct cn_schema *schema, const char *name, enum cn_dtype dtype, const struct cn_shape *shape,
	struct cn_err *err)
{
	const int at = cn_schema_find(schema, name);

	if (at < 0)
		return cn_schema_add(schema, name, dtype, shape, err);
	if (check_type(schema, at, name, dtype, shape, err) != 0)
		return -1;
	set_field(&schema->field[at], name, dtype, shape);
	return at;
}

void
cn_schema_remove(struct cn_schema *schema, const char *name)
{
	const int at = cn_schema_find(schema, name);

	if (at < 0)
		return;
	schema->n--;
	memmove(&schema->field[at], &schema->field[at + 1], (schema->n - (size_t)at) * sizeof(schema->field[0]));
	memset(&schema->field[schema->n], 0, sizeof(schema->field[0]));
}

/* "id, x, label": as many names as fit. */
static void
list_names(const struct cn_schema *schema, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < schema->n; i++) {
		const int n = snprintf(buffer + used, size - used, "%s%s", i > 0 ? ", " : "", schema->field[i].name);

		if (n < 0 || (size_t)n >= size - used) {
			snprintf(buffer + (used < size - 5 ? used : size - 5), 5, " ...");
			return;
		}
		used += (size_t)n;
	}
}

static int
refuse_type(const struct cn_field *field, const char *file, unsigned dtype, int rank, const char *hint,
	struct cn_err *err)
{
	char has[128], want[96] = "";

	if (rank >= 0)
		snprintf(want, sizeof(want), " with %d dimension%s a row", rank, rank == 1 ? "" : "s");
	return cn_err_set(err, CN_FAILED, "%s: field '%s' is %s, but %s%s is needed%s%s", file, field->name,
		cn_shape_text(field->dtype, &field->shape, has, sizeof(has)),
		dtype ? cn_dtype_name((enum cn_dtype)dtype) : "one", want, hint ? "; " : "", hint ? hint : "");
}

int
cn_schema_need(const struct cn_schema *schema, const char *file, const char *name, unsigned dtype, int rank,
	const char *hint, struct cn_err *err)
{
	const int at = cn_schema_find(schema, name);

	if (at < 0) {
		char names[256];

		list_names(schema, names, sizeof(names));
		return cn_err_set(err, CN_FAILED, "%s: no field '%s' (it has %s)%s%s", file, name, names,
			hint ? "; " : "", hint ? hint : "");
	}
	const struct cn_field *field = &schema->field[at];
	if ((dtype && field->dtype != dtype) || (rank >= 0 && field->shape.rank != (unsigned)rank))
		return refuse_type(field, file, dtype, rank, hint, err);
	return at;
}

size_t
cn_field_bytes(const struct cn_field *field)
{
	return cn_shape_count(&field->shape) * cn_dtype_size(field->dtype);
}

size_t
cn_schema_row_bytes(const struct cn_schema *schema)
{
	size_t bytes = 0;

	for (size_t i = 0; i < schema->n; i++)
		bytes += cn_field_bytes(&schema->field[i]);
	return bytes;
}

bool
cn_schema_equal(const struct cn_schema *a, const struct cn_schema *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->field[i].name, b->field[i].name) != 0 || a->field[i].dtype != b->field[i].dtype
		    || !cn_shape_equal(&a->field[i].shape, &b->field[i].shape))
			return false;
	return true;
}

uint32_t
cn_schema_chunk_rows(const struct cn_schema *schema)
{
	const size_t row = cn_schema_row_bytes(schema);
	uint32_t rows = 65536;

	while (rows > 1 && rows * row > (size_t)1 << 20)
		rows /= 2;
	return rows;
}
