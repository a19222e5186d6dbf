/*
 * infonce - the contrastive loss NT-Xent (SimCLR, Chen et al. 2020) with further negatives, and its gradient.
 *
 * A batch has B rows and 2B views: view a < B is row a's x, view a + B its pos.  With u the vectors at unit
 * length, p the partner of a (the other view of its row) and s_ak = u_a . u_k / temperature,
 *
 *	loss_a = ln( sum over k != a of e^s_ak  +  sum over j of w_j e^(u_a . v_j / temperature - logq_j) ) - s_ap
 *
 * and the loss is the mean over all 2B views.  The v_j are the row's further negatives (mined, generated)
 * at unit length.  They belong to the row, so they enter the denominators of both of its views; they never
 * enter those of other rows.  w_j (1 unless given) and logq_j (0 unless given; the logarithm of the
 * probability of having been drawn) are constants: no gradient goes into them.
 *
 * The 2B x 2B matrix is never held: tiles of 64 anchors are computed twice.  Tiles, sums and products have
 * an order that does not depend on the pool: the same bits for any number of threads.
 */
#ifndef CN_LOSS_INFONCE_H
#define CN_LOSS_INFONCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

#define CN_INFONCE_NONE UINT32_MAX

struct cn_infonce;

/* The greatest sizes it will be run with; see cn_infonce_run. */
struct cn_infonce_config {
	size_t rows;		/* B */
	size_t dim;		/* width of a vector */
	size_t slots;		/* further negatives of one row, 0 = none */
	size_t vectors;		/* distinct further negatives */
	double temperature;
};

/* The further negatives of a batch: slots refer to vectors, so a vector used by many rows is encoded once. */
struct cn_infonce_extra {
	size_t slots;
	const uint32_t *index;	/* (rows, slots): the vector in each slot, CN_INFONCE_NONE = none */
	const float *weight;	/* (rows, slots) >= 0, or NULL; 0 = none */
	const float *logq;	/* (rows, slots), or NULL */
	const float *z;		/* (n, dim), any length */
	size_t n;
	size_t n_gradient;	/* the first so many of z get a gradient, */
	float *dz;		/* (n_gradient, dim), written here */
};

/* Means over the views of the batch; similarities are cosines. */
struct cn_infonce_result {
	double loss;
	double positive;	/* similarity of partners */
	double negative;	/* similarity to views of other rows; 0 if there are none */
	double extra;		/* similarity to further negatives; 0 if there are none */
	double accuracy;	/* part of the views more similar to their partner than to any negative */
};

struct cn_infonce *cn_infonce_new(const struct cn_infonce_config *config, struct cn_pool *pool, struct cn_err *err);

/*
 * Loss of z (2 rows, dim) and its gradient dz (2 rows, dim); extra may be NULL.  Input must be finite (the
 * result is not finite otherwise).  Vectors shorter than 1e-12 are divided by 1e-12, as PyTorch does.
 */
void cn_infonce_run(struct cn_infonce *loss, const float *z, size_t rows, const struct cn_infonce_extra *extra, float *dz,
	struct cn_infonce_result *result);

void cn_infonce_free(struct cn_infonce *loss);

#endif
