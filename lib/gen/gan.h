/*
 * gan - a generator of negatives and a discriminator that judges them, trained against each other, in the
 * space of unit vectors where a contrastive loss compares.
 *
 * The generator takes an anchor a, its positive p and normal noise n, and moves the anchor:
 *
 *	y = G(a, p, n);  delta = y min(1, R / |y|);  g = (a + delta) / |a + delta|
 *
 * where R is the bound on the latent's norm: with R < 1 no negative is less similar than sqrt(1 - R^2).
 * The discriminator gives a logit D(a, c) for "c is a true hard negative of a".  It is shown a and the unit
 * vector of c's part orthogonal to a: it judges on which side of the anchor c lies, and leaves to the target
 * and the margin how near.  With s = a.c, distance d = sqrt(2 - 2s), and g, g' of two draws of noise, they
 * minimise (means over rows)
 *
 *	L_D = softplus(-D(a, r)) + softplus(D(a, g))
 *	L_G = realism softplus(-D(a, g)) + 10 (s_g - min(target, s_p))^2 + 10 [d_p + margin - d_g]+ - diversity |g - g'|
 *
 * realism: the word of the discriminator, as in DAML (Duan et al. 2018) and NEGCUT (Wang et al. 2021);
 * target: nearness to the anchor without falling onto the positive; margin: farther than the positive by a
 * distance; diversity: NEGCUT's guard against one answer to all noise.  Both use Adam (0.5, 0.9).
 *
 * All draws are keyed by id and epoch, all sums in a fixed order: the same bits on every machine, any pool.
 */
#ifndef CN_GEN_GAN_H
#define CN_GEN_GAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "gen/state.h"

#define CN_GAN_LATENT 16	/* numbers of noise */
#define CN_GAN_DRAWS 2		/* generated vectors per row while training */

struct cn_gan;

struct cn_gan_config {
	size_t dim;		/* of a vector */
	size_t rows;		/* of a round: what it is trained on at once */
	double latent_norm;	/* R; 0 = no bound */
	double margin;		/* 0 = no such term */
	double target, diversity, realism, lr;
	uint64_t seed;
	struct cn_pool *pool;	/* may be NULL; not owned */
};

/* A full round of rows.  Vectors are of unit length, (rows, dim). */
struct cn_gan_round {
	const float *anchor, *positive;
	const float *real;		/* a true negative of each row, */
	const unsigned char *has_real;	/* if this is 1 */
	const uint64_t *id;
	const uint32_t *epoch;
};

/* What was found before the first step of a round's training; means over its draws. */
struct cn_gan_report {
	double accuracy;	/* of the discriminator: mean of its share of right words on true and on generated */
	double d_loss, g_loss;
	double similarity;	/* of generated and anchor */
	double diversity;	/* distance of two draws */
};

struct cn_gan *cn_gan_new(const struct cn_gan_config *config, struct cn_err *err);
void cn_gan_free(struct cn_gan *gan);

/* steps steps of the discriminator and the generator in turn, each with noise of its own. */
void cn_gan_train(struct cn_gan *gan, const struct cn_gan_round *round, unsigned steps, struct cn_gan_report *report);

/* out (rows, draws, dim), of unit length, of anchors, positives (rows, dim) and noise (rows, draws, CN_GAN_LATENT). */
void cn_gan_generate(struct cn_gan *gan, size_t rows, size_t draws, const float *anchor, const float *positive,
	const float *noise, float *out);

/* Both networks and what their optimizers remember. */
void cn_gan_keep(struct cn_gan *gan, struct cn_state *state);

/* The parts of a step, for tests: noise is drawn, then losses and their gradients follow from it and the weights alone. */
enum cn_gan_side { CN_GAN_GENERATOR, CN_GAN_DISCRIMINATOR };
void cn_gan_draw(struct cn_gan *gan, const struct cn_gan_round *round, unsigned step);
double cn_gan_loss(struct cn_gan *gan, enum cn_gan_side side, const struct cn_gan_round *round, struct cn_gan_report *report);
float *cn_gan_weights(struct cn_gan *gan, enum cn_gan_side side, size_t *n);
const float *cn_gan_gradient(const struct cn_gan *gan, enum cn_gan_side side);

#endif
