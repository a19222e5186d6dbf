/*
 * generator - what cn-gen does to a stream: every row leaves with K negatives made for it.
 *
 * Rows are taken in rounds of a fixed number.  A method that learns does so from a round when it is full, then the
 * round's negatives are made; so the result depends neither on the chunks of the input nor on threads.
 *
 * Fields added: neg_z f32 [K,D] of unit length, neg_score f32 [K], neg_rule u8 [K]; by a method that draws from among
 * given vectors neg_logq f32 [K], unless negatives that rows came with stay, whose that is.
 */
#ifndef CN_GEN_GENERATOR_H
#define CN_GEN_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/output.h"
#include "base/tool.h"
#include "gen/method.h"
#include "gen/rounds.h"
#include "stream/reader.h"
#include "stream/schema.h"
#include "stream/step.h"
#include "stream/writer.h"

struct cn_generator_config {
	const struct cn_method_kind *kind;
	struct cn_method_config method;		/* dim, rows, mined and pool are set here */
	struct cn_rounds_config rounds;
	uint64_t warmup;			/* rows that get mixed ones while a method learns */
	bool freeze;				/* make negatives by what was learned before, and learn nothing */
	bool replace;				/* leave out the negatives that rows come with */
	struct cn_output *log;			/* NULL = none; not owned */
};

struct cn_generator;

/* Checks the fields of the input, which must outlive the generator. */
struct cn_generator *cn_generator_new(const struct cn_generator_config *config, struct cn_reader *in, struct cn_err *err);

const struct cn_schema *cn_generator_schema(const struct cn_generator *generator);

/* All rows of the input, or limit of them if that is not 0. */
int cn_generator_run(struct cn_generator *generator, struct cn_writer *out, uint64_t limit, struct cn_progress *progress,
	struct cn_err *err);

/*
 * What was learned, into weights that are empty, or back from those of a file, path; settings are those that must be the same
 * for it to be of use.  0 or -1; on an error nothing is to be used.
 */
int cn_generator_keep(struct cn_generator *generator, const struct cn_meta *settings, struct cn_weights *weights, struct cn_err *err);
int cn_generator_take_back(struct cn_generator *generator, const struct cn_meta *settings, const char *path, struct cn_err *err);

/*
 * What is made is sent by cn_step_flush, and the encoder gets other weights by cn_step_renew, when step says so; the state of the
 * generator goes on.  Before cn_generator_run.
 */
void cn_generator_follow(struct cn_generator *generator, struct cn_step *step);

/* How many negatives each rule made so far. */
const uint64_t *cn_generator_counts(const struct cn_generator *generator);

/* From how many rounds it learned so far. */
uint64_t cn_generator_learned(const struct cn_generator *generator);

void cn_generator_free(struct cn_generator *generator);

#endif
