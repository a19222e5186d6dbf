/*
 * rounds - the rows of a stream, a fixed number at a time, and what is known of them.
 *
 * Rounds do not depend on the chunks of the input.  Vectors are the head's output of an encoder for x and pos, or
 * the fields z and pos_z; those of negatives that rows came with are taken from neg_z, or computed from neg.
 */
#ifndef CN_GEN_ROUNDS_H
#define CN_GEN_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "gen/round.h"
#include "nn/encoder.h"
#include "nn/space.h"
#include "stream/batch.h"
#include "stream/reader.h"
#include "stream/step.h"

struct cn_rounds;

struct cn_rounds_config {
	size_t rows;			/* of a full round */
	size_t mined, hardest;		/* negatives of the input to use, per row; true vectors of a round to find for each */
	double guard;			/* a row's ceiling lies so much below its positive */
	bool by_value;			/* negatives that rows came with are wanted as samples: those in neg, not those in neg_z */
	struct cn_encoder *encoder;	/* NULL = by fields z and pos_z; not owned */
	struct cn_pool *pool;		/* may be NULL; not owned */
};

/* Checks the fields of the input, which must outlive the rounds. */
struct cn_rounds *cn_rounds_new(const struct cn_rounds_config *config, struct cn_reader *in, struct cn_err *err);
void cn_rounds_free(struct cn_rounds *rounds);

/* Where anchors lie, as what is made of them; and the negatives rows come with that are used. */
struct cn_space cn_rounds_space(const struct cn_rounds *rounds);
size_t cn_rounds_mined(const struct cn_rounds *rounds);

/* The field of an anchor's sample; only with an encoder. */
const struct cn_field *cn_rounds_sample(const struct cn_rounds *rounds);

/* No more than so many rows in all; 0 = no limit. */
void cn_rounds_limit(struct cn_rounds *rounds, uint64_t limit);

/* Rounds end where step has its rows renewed, and there will be none where it says so: see stream/step.h. */
void cn_rounds_follow(struct cn_rounds *rounds, struct cn_step *step);

/* The next round; NULL at the end, and on an error.  Only the last, and with a step the last before it renews, may not be full. */
const struct cn_round *cn_rounds_next(struct cn_rounds *rounds, struct cn_err *err);

/* The rows of the round as they came. */
const struct cn_batch *cn_rounds_batch(const struct cn_rounds *rounds);

#endif
