/*
 * objective - what training minimises: a weighted sum of contrastive losses of a batch, and its gradient.
 *
 * It is given in words: losses joined by "+", each "[weight*]name[:key=value,...]", as
 * "hcl:beta=1,prior=0.1 + 0.1*uniformity"; cn-train(1) describes them.  The key temperature, which every loss
 * has, stands in for the one told apart.
 *
 * A batch has B rows and 2B views: view a < B is row a's x, view a + B its pos.  With u the vectors at unit
 * length, a loss is a mean over anchors a of a function of the cosines u_a . u_k and u_a . v_j.  The v_j are the
 * further negatives of a's row (mined, generated), at unit length: they belong to the row, so they are met by both of
 * its views and by no other.  Their weights w_j (1 unless given) and logq_j (0 unless given; the logarithm of the
 * probability of having been drawn) are constants; in the exponent of infonce, for one, stands
 * u_a . v_j / temperature + ln w_j - logq_j.  infonce (NT-Xent; SimCLR, Chen et al. 2020), with p the other view of a's row:
 *
 *	loss_a = ln( sum over k != a of e^s_ak  +  sum over j of w_j e^(u_a . v_j / temperature - logq_j) ) - s_ap
 *
 * Losses of the dimensions (vicreg, barlow; loss/redundancy.h) see the anchors' vectors as they are, and no further negatives.
 *
 * Targets t_k (of a momentum encoder, or in front of a predictor) may stand for the views as candidates: u_a . t_k in place
 * of u_a . u_k, with nothing learned through them.  What is remembered of batches before (loss/memory.h) are further
 * candidates of every anchor, negatives unless of its label; what was made of the anchor's own sample is left out.
 *
 * The matrix of anchors and candidates is never held, only some rows of it.  Tiles, sums and products have an order that does not
 * depend on the pool: the same bits for any number of threads.
 */
#ifndef CN_LOSS_OBJECTIVE_H
#define CN_LOSS_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "loss/memory.h"

#define CN_OBJECTIVE_NONE UINT32_MAX

struct cn_objective;

/* The greatest sizes it will be run with; see cn_objective_run. */
struct cn_objective_sizes {
	size_t rows;		/* B */
	size_t dim;		/* width of a vector */
	size_t slots;		/* further negatives of one row, 0 = none */
	size_t vectors;		/* distinct further negatives */
	double temperature;	/* of losses that do not name one */
	bool targets;		/* anchors will be compared with targets */
	size_t memory;		/* vectors remembered of batches before, 0 = none */
};

/* The further negatives of a batch: slots refer to vectors, so a vector used by many rows is encoded once. */
struct cn_objective_extra {
	size_t slots;
	const uint32_t *index;	/* (rows, slots): the vector in each slot, CN_OBJECTIVE_NONE = none */
	const float *weight;	/* (rows, slots) >= 0, or NULL; 0 = none */
	const float *logq;	/* (rows, slots), or NULL */
	const float *z;		/* (n, dim), any length */
	size_t n;
	size_t n_gradient;	/* the first so many of z get a gradient, */
	float *dz;		/* (n_gradient, dim), written here */
};

/* A batch; its arrays are the caller's. */
struct cn_objective_batch {
	size_t rows;
	const float *z;			/* (2 rows, dim), any length */
	const int32_t *label;		/* (2 rows), of each view, negative = unknown; NULL = no labels */
	const struct cn_objective_extra *extra;	/* NULL = none */
	float *dz;			/* (2 rows, dim): the gradient is written here */
	const float *target;		/* (2 rows, dim), any length: constant stand-ins for the views as candidates; NULL = themselves */
	const struct cn_memory *memory;	/* NULL = nothing is remembered */
	const uint64_t *id;		/* (rows) of the samples, to leave out what is remembered of them; or NULL */
};

/* Means over the views of the batch; similarities are cosines. */
struct cn_objective_result {
	double loss;
	double positive;	/* similarity of partners */
	double negative;	/* similarity to views of other rows; 0 if there are none */
	double extra;		/* similarity to further negatives; 0 if there are none */
	double accuracy;	/* part of the views more similar to their partner than to any negative */
};

/* A word that is not understood is a CN_USAGE error that names it. */
struct cn_objective *cn_objective_new(const char *words, const struct cn_objective_sizes *sizes, struct cn_pool *pool,
	struct cn_err *err);

/* Checks the words alone.  0 or -1. */
int cn_objective_check(const char *words, struct cn_err *err);

bool cn_objective_labelled(const struct cn_objective *objective);	/* needs labels */
bool cn_objective_compares(const struct cn_objective *objective);	/* some loss is one of cosines, not all of the dimensions */

/*
 * The loss of a batch and its gradient.  Input must be finite, and the squares of vectors' lengths, too (the result is not
 * finite otherwise).  Vectors shorter than 1e-12 are divided by 1e-12, as PyTorch does.
 */
void cn_objective_run(struct cn_objective *objective, const struct cn_objective_batch *batch,
	struct cn_objective_result *result);

void cn_objective_free(struct cn_objective *objective);

#endif
