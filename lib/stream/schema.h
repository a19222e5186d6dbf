/* schema - the named, typed fields of a stream's rows.  A plain value: copy it freely. */
#ifndef CN_STREAM_SCHEMA_H
#define CN_STREAM_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#define CN_SCHEMA_FIELDS 256
#define CN_FIELD_NAME 64

struct cn_field {
	char name[CN_FIELD_NAME + 1];
	enum cn_dtype dtype;
	struct cn_shape shape;
};

struct cn_schema {
	size_t n;
	struct cn_field field[CN_SCHEMA_FIELDS];
};

/* The index of a field, or -1. */
int cn_schema_find(const struct cn_schema *schema, const char *name);

/* The same, of a field that must be of this dtype and rank to be of use. */
int cn_schema_find_as(const struct cn_schema *schema, const char *name, enum cn_dtype dtype, unsigned rank);

/* Appends a field; refuses a bad or repeated name, a bad shape, or too many.  Returns its index or -1. */
int cn_schema_add(struct cn_schema *schema, const char *name, enum cn_dtype dtype, const struct cn_shape *shape, struct cn_err *err);

/* As add, or replaces the field of that name in place (new type). */
int cn_schema_put(struct cn_schema *schema, const char *name, enum cn_dtype dtype, const struct cn_shape *shape, struct cn_err *err);

void cn_schema_remove(struct cn_schema *schema, const char *name);

/*
 * The index of a field a step needs, of this dtype (0 = any) and rank (-1 = any); or -1 and a sentence:
 * "FILE: no field 'z' (it has id, x, label); make one with cn-embed".  hint may be NULL.
 */
int cn_schema_need(const struct cn_schema *schema, const char *file, const char *name, unsigned dtype, int rank,
	const char *hint, struct cn_err *err);

size_t cn_field_bytes(const struct cn_field *field);	/* bytes of one row of this field */
size_t cn_schema_row_bytes(const struct cn_schema *schema);
bool cn_schema_equal(const struct cn_schema *a, const struct cn_schema *b);

/* The canonical chunk: largest power of two rows with rows x row bytes <= 1 MiB, in 1..65536. */
uint32_t cn_schema_chunk_rows(const struct cn_schema *schema);

#endif
