/*
 * space - where vectors lie: whose they are, of how many numbers, and of which layer of an encoder, as far as that is known.
 *
 * Only vectors of one space can be compared.  Whoever brings together those of two streams, or of a stream and an
 * encoder, asks here first:
 *
 *	const struct cn_space own = cn_space_of_field(in, "z"), other = cn_space_of_field(bank, "z");
 *
 *	if (cn_space_match(&own, &other, err) < 0)
 *		return -1;
 */
#ifndef CN_NN_SPACE_H
#define CN_NN_SPACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "nn/encoder.h"
#include "stream/reader.h"

struct cn_space {
	const char *file, *field;	/* for messages; not owned; no field = an encoder makes them */
	const char *layer;		/* see nn/origin.h; NULL = not known */
	size_t dim;
};

/* Of a field that the stream has: a vector is what its last axis counts. */
struct cn_space cn_space_of_field(const struct cn_reader *reader, const char *field);

struct cn_space cn_space_of_encoder(const struct cn_encoder *encoder, enum cn_encoder_layer layer);

/* Whether they have one length, and are not known to be of two layers. */
bool cn_space_same(const struct cn_space *a, const struct cn_space *b);

/* Refuses what is not the same, by file, field and remedy; a is of a field, or both are of one encoder.  0 or -1. */
int cn_space_match(const struct cn_space *a, const struct cn_space *b, struct cn_err *err);

/* The same of n spaces, each with each: one of which nothing is known does not hide that two others differ. */
int cn_space_match_all(const struct cn_space *space, size_t n, struct cn_err *err);

#endif
