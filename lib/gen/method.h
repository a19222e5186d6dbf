/*
 * method - one way of making negatives; all are told and asked the same.
 *
 * A method is given a round and makes k negatives for each of its rows.  One that learns is first shown every full
 * round.  What there is of each method, its word, what it tells of its learning, and what it does, is one row; the
 * rows are with their code.
 *
 *	void *self = kind->new(&config, &err);
 *	for each round: if (kind->learn && round full) kind->learn(self, round, told);  kind->make(self, round, 0, rows, &made);
 *	kind->free(self);
 *
 * Draws are keyed by id and epoch and sums have a fixed order: the same bits on every machine, any pool.
 */
#ifndef CN_GEN_METHOD_H
#define CN_GEN_METHOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "gen/adversary.h"
#include "gen/daml.h"
#include "gen/gan.h"
#include "gen/gradient.h"
#include "gen/hdml.h"
#include "gen/made.h"
#include "gen/round.h"
#include "gen/select.h"
#include "gen/state.h"

/* Order is that of the table. */
#define CN_METHOD_CHOICES "gan|adversary|daml|hdml|select|mix|gradient"
#define CN_METHOD_LEARNERS "gan, adversary, daml, hdml, select"	/* those that learn */

enum { CN_METHOD_TOLD = 512 };	/* bytes that what a method tells has room in */

/* What methods may be set to; each looks at what concerns it. */
struct cn_method_config {
	size_t dim, rows, mined, k;	/* of a vector; of a full round; negatives each row comes with, and is to get */
	uint64_t seed;
	struct cn_pool *pool;		/* may be NULL; not owned */
	double target;			/* the similarity to the anchor that is aimed at */
	double lr;			/* of networks */
	unsigned steps;			/* of learning, per round */
	bool by_value;			/* negatives are samples, and vectors are what this encoder makes of them (not owned): */
	struct cn_encoder *encoder;
	enum cn_dtype dtype;		/* of a sample */
	struct cn_shape shape;
	struct cn_gradient_config gradient;	/* what the above does not say */
	double query_share;		/* mix: of the negatives that are mixed with the anchor */
	double margin, diversity, realism;	/* gan, daml, select: see there */
	double temperature;		/* hdml, select: of the contrast between a row's positive and the others */
	struct cn_gan_config gan;	/* what the above does not say */
	struct cn_adversary_config adversary;
	struct cn_daml_config daml;
	struct cn_hdml_config hdml;
};

/* A row of the table. */
struct cn_method_kind {
	const char *word;
	bool by_value;			/* makes samples, not only vectors */
	bool draws;			/* from among given vectors, so that each has a probability: logq */
	const char *columns;		/* names of the numbers that learn tells, tabs between */
	void *(*new)(const struct cn_method_config *config, struct cn_err *err);
	void (*free)(void *self);
	/* Learns from a full round; writes into told, of CN_METHOD_TOLD bytes, how things stood before: the columns.  NULL: learns nothing. */
	void (*learn)(void *self, const struct cn_round *round, char *told);
	/* Fills the rows [from, to) of made, all of their k. */
	void (*make)(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made);
	/* All that it has learned, to or from a state; NULL as learn is. */
	void (*keep)(void *self, struct cn_state *state);
};

extern const struct cn_method_kind cn_gan_kind, cn_adversary_kind, cn_daml_kind, cn_hdml_kind, cn_select_kind, cn_mix_kind,
	cn_gradient_kind;

/* True ones of the round as they are: what by value stands in for mixed ones. */
extern const struct cn_method_kind cn_basis_kind;

/* The method of a choice. */
const struct cn_method_kind *cn_method_kind(int choice);

#endif
