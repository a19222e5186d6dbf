/*
 * batch - some rows, column by column: column[f] holds rows x cn_field_bytes(field f) bytes, row-major.
 *
 * A batch belongs to the caller and is refilled by each read.  "= { 0 }" is empty.
 *
 * A batch fresh from a reader is sealed: it carries its verified chunk digest, and a writer that stores
 * it unchanged need not compute it again.  Who writes into the columns of a sealed batch sets sealed to
 * 0; every function here that changes rows does.  (Forgetting it is noticed: the next reader refuses.)
 */
#ifndef CN_STREAM_BATCH_H
#define CN_STREAM_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/schema.h"

struct cn_batch {
	struct cn_schema schema;
	uint64_t first_row;	/* number of the first row in its stream */
	size_t rows;
	size_t capacity;	/* rows that fit */
	unsigned char *column[CN_SCHEMA_FIELDS];	/* owned, 64-byte aligned */
	size_t sealed;		/* digest holds for first_row and exactly so many rows; 0 = none */
	unsigned char digest[32];
};

/* Makes room for rows of this schema (contents are lost, zeroed); sets schema and rows. */
int cn_batch_shape(struct cn_batch *batch, const struct cn_schema *schema, size_t rows, struct cn_err *err);

/* As shape, but the columns hold anything: for who fills them all. */
int cn_batch_room(struct cn_batch *batch, const struct cn_schema *schema, size_t rows, struct cn_err *err);

/* Grows to rows, keeping contents; new rows are zero. */
int cn_batch_grow(struct cn_batch *batch, size_t rows, struct cn_err *err);

/* Row i of field f. */
void *cn_batch_at(const struct cn_batch *batch, int field, size_t row);

/* Appends rows [from, from+n) of src (same schema). */
int cn_batch_append(struct cn_batch *batch, const struct cn_batch *src, size_t from, size_t n, struct cn_err *err);

/* Refuses a NaN or an infinity in a field, by file, field and row (CN_FAILED).  0 or -1. */
int cn_batch_check_finite(const struct cn_batch *batch, int field, const char *file, struct cn_err *err);

void cn_batch_release(struct cn_batch *batch);

#endif
