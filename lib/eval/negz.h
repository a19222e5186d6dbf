/*
 * negz - the negatives of a stream as vectors: neg_z, or, where there is none, what the encoder's head makes of neg.
 */
#ifndef CN_EVAL_NEGZ_H
#define CN_EVAL_NEGZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nn/encoder.h"
#include "nn/space.h"
#include "stream/reader.h"

struct cn_negz {
	struct cn_reader *in;		/* not owned */
	struct cn_encoder *encoder;	/* not owned; NULL: neg is of no use */
	const char *field;		/* where to look, not owned; NULL: neg_z, else neg */
	int neg_z, neg, neg_id;		/* fields; -1 = none.  Of neg_z and neg at most one; neg_id tells which of neg are none */
	size_t k, dim;			/* negatives of a row, numbers of each */
};

/* Looks for them in field, or (NULL) in neg_z where it is, else in neg; a stream without has neither neg_z nor neg. */
void cn_negz_find(struct cn_negz *negz, struct cn_reader *in, struct cn_encoder *encoder, const char *field);

/* Refuses negatives that the encoder was not trained on, or none at all.  0 or -1. */
int cn_negz_need(const struct cn_negz *negz, struct cn_err *err);

/* The space they lie in: which vectors they can be compared with. */
struct cn_space cn_negz_space(const struct cn_negz *negz);

/* Vectors (rows of batch, k, dim), of any length; refuses what is not finite.  0 or -1. */
int cn_negz_read(const struct cn_negz *negz, const struct cn_batch *batch, float *z, struct cn_err *err);

/* Whether a place, row k + j, has a negative; z is that of cn_negz_read, of unit length or not. */
bool cn_negz_there(const struct cn_negz *negz, const struct cn_batch *batch, const float *z, size_t place);

/* A hash of what is in that place of the stream: equal bytes, equal hash. */
uint64_t cn_negz_content(const struct cn_negz *negz, const struct cn_batch *batch, size_t place);

#endif
