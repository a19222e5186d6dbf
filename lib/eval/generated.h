/*
 * generated - made negatives beside real samples: do they look real, are they as various, are they copies?
 *
 * Made ones are neg_z, or, where there is none, what the encoder's head makes of neg.  Real ones are the bank's: what
 * the head makes of x, or, without an encoder, z.  All are compared at unit length.
 */
#ifndef CN_EVAL_GENERATED_H
#define CN_EVAL_GENERATED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/output.h"
#include "base/pool.h"
#include "nn/encoder.h"
#include "stream/reader.h"

enum { CN_GENERATED_ROWS = 8 };		/* on a sheet */

struct cn_generated_config {
	struct cn_encoder *encoder;	/* NULL: vectors as they are; not owned */
	const char *field;		/* neg_z or neg; NULL = neg_z where it is, else neg */
	struct cn_reader *bank;		/* the real ones, read to its end; not owned */
	size_t reach;			/* balls end at this nearest of their own set (eval/manifold.h) */
	double copy;			/* a copy has at least this cosine to a real one */
	uint64_t memory;		/* bound on what is kept of the bank, and of the stream, bytes each; 0 = none */
	struct cn_output *sheet;	/* a picture of the first rows goes there; NULL = none; not owned */
	struct cn_pool *pool;		/* may be NULL; not owned */
};

struct cn_generated_result {
	uint64_t rows, generated, none, real;	/* none: places without a negative */
	double precision, recall, density, coverage, authenticity, copies;	/* eval/manifold.h */
	double frechet;				/* eval/frechet.h */
};

/* Reads both streams to their ends.  0 or -1. */
int cn_generated_measure(const struct cn_generated_config *config, struct cn_reader *in, struct cn_generated_result *result,
	struct cn_err *err);

#endif
