/*
 * vector - one vector per row of a stream, wherever it comes from.
 *
 * They are read from a field that holds vectors (z, pos_z; any number type), or computed from samples
 * (x, pos) by the trunk or the head of an encoder.
 */
#ifndef CN_NN_VECTOR_H
#define CN_NN_VECTOR_H

#include <stddef.h>

#include "base/err.h"
#include "nn/encoder.h"
#include "nn/space.h"
#include "stream/batch.h"
#include "stream/reader.h"
#include "stream/schema.h"

struct cn_vector {
	struct cn_encoder *encoder;	/* NULL: the field holds vectors; not owned */
	enum cn_encoder_layer layer;
	int field;			/* index in the schema; -1 = this stream has none */
	size_t dim;
	const char *file;		/* for messages; not owned */
};

/* Looks for the field of that name: x or pos with an encoder, z or pos_z without.  Refuses, naming the remedy. */
int cn_vector_init(struct cn_vector *vector, const struct cn_schema *schema, const char *file, const char *name,
	struct cn_encoder *encoder, enum cn_encoder_layer layer, struct cn_err *err);

/* Where they lie; of the vectors of a field, reader is the stream that has it. */
struct cn_space cn_vector_space(const struct cn_vector *vector, const struct cn_reader *reader);

/* Vectors (rows of batch, dim) of all rows; refuses numbers that are not finite, by file, field and row. */
int cn_vector_read(const struct cn_vector *vector, const struct cn_batch *batch, float *z, struct cn_err *err);

/* The same, each of unit length, to be compared by cosine. */
int cn_vector_read_unit(const struct cn_vector *vector, const struct cn_batch *batch, float *unit, struct cn_err *err);

#endif
