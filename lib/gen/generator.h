/*
 * generator - what cn-gen does to a stream: every row leaves with K negatives made for it.
 *
 * Rows are taken in rounds of a fixed number.  The networks of the gan method learn from a round when it is
 * full, then the round's negatives are made; so the result depends neither on the chunks of the input nor on
 * threads.  Vectors are the head's output of an encoder for x and pos, or the fields z and pos_z.
 *
 * Fields added: neg_z f32 [K,D] of unit length, neg_score f32 [K], neg_rule u8 [K].
 */
#ifndef CN_GEN_GENERATOR_H
#define CN_GEN_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/output.h"
#include "base/pool.h"
#include "base/tool.h"
#include "gen/gan.h"
#include "nn/encoder.h"
#include "stream/reader.h"
#include "stream/schema.h"
#include "stream/writer.h"

/* Order is that of the option's choices. */
enum cn_generator_method { CN_GENERATOR_GAN, CN_GENERATOR_MIX };

/* How a negative came about: neg_rule. */
enum cn_generator_rule {
	CN_GENERATED_NONE,
	CN_GENERATED_NOISE,	/* random direction */
	CN_GENERATED_MIXED,	/* of two hard ones */
	CN_GENERATED_QUERY,	/* of a hard one and the anchor */
	CN_GENERATED_GAN,	/* by the generator, at the first draw */
	CN_GENERATED_AGAIN,	/* at a later draw, earlier ones were above the guard */
	CN_GENERATED_PUSHED,	/* all draws were above the guard, the last was turned away */
	CN_GENERATED_RULES,
};

#define CN_GENERATOR_RULES "none noise mixed query generated again pushed"

struct cn_generator_config {
	enum cn_generator_method method;
	size_t k, round, mined, hardest;	/* mined: negatives of the input to use, per row; hardest: of a round */
	uint64_t warmup;			/* rows that get mixed ones while the networks learn */
	unsigned steps;				/* of training, per round */
	double query_share;			/* of the mixed negatives that are mixed with the anchor */
	double guard;				/* nothing above the positive's similarity minus this */
	bool replace;				/* leave out the negatives that rows come with */
	struct cn_gan_config gan;		/* dim and rows are set here */
	uint64_t seed;
	struct cn_encoder *encoder;		/* NULL = by fields z and pos_z; not owned */
	struct cn_output *log;			/* NULL = none; not owned */
	struct cn_pool *pool;			/* may be NULL; not owned */
};

struct cn_generator;

/* Checks the fields of the input, which must outlive the generator. */
struct cn_generator *cn_generator_new(const struct cn_generator_config *config, struct cn_reader *in, struct cn_err *err);

const struct cn_schema *cn_generator_schema(const struct cn_generator *generator);

/* All rows of the input, or limit of them if that is not 0. */
int cn_generator_run(struct cn_generator *generator, struct cn_writer *out, uint64_t limit, struct cn_progress *progress,
	struct cn_err *err);

/* How many negatives each rule made so far. */
const uint64_t *cn_generator_counts(const struct cn_generator *generator);

void cn_generator_free(struct cn_generator *generator);

#endif
