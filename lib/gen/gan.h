/*
 * gan - a generator of negatives and a discriminator that judges them, trained against each other, in the
 * space of unit vectors where a contrastive loss compares.
 *
 * The generator takes an anchor a, its positive p and normal noise n, and moves the anchor:
 *
 *	y = G(a, p, n);  delta = y min(1, R / |y|);  g = (a + delta) / |a + delta|
 *
 * where R is the bound on the latent's norm: with R < 1 no negative is less similar than sqrt(1 - R^2).
 * The discriminator gives a logit D(a, c) for "c is a true hard negative of a".  It is shown a and u, the unit
 * vector of c's part orthogonal to a: it judges on which side of the anchor c lies, and leaves to the target
 * and the margin how near.  With s = a.c, distances d = sqrt(2 - 2s), r a true negative, and g, g' made by two draws of
 * noise n, n', they minimise (means over rows)
 *
 *	L_D = pay(-D(a, r)) + pay(D(a, g)) + penalty (|dD/du| - 1)^2
 *	L_G = realism ask(D(a, g)) + 10 (s_g - min(target, s_p))^2 + 10 [d_p + margin - d_g]+ + 10 [apart - |g - p|]+
 *	      - (diversity + seeking sqrt(32) / |n - n'|) |g - g'|
 *
 *	nonsaturating	pay(x) = softplus(x)	ask(x) = softplus(-x)	Goodfellow et al. 2014
 *	hinge		pay(x) = [1 + x]+	ask(x) = -x		Lim & Ye 2017
 *	wasserstein	pay(x) = x		ask(x) = -x		Gulrajani et al. 2017
 *
 * The penalty is of wasserstein alone, at random points between u of r and u of g: there D, of which only differences count,
 * is to climb by about 1 in a unit of u.
 *
 * realism: the word of the discriminator, as in DAML (Duan et al. 2018) and NEGCUT (Wang et al. 2021);
 * target: nearness to the anchor without falling onto the positive; margin: farther than the positive by a
 * distance; apart: off the positive itself; diversity: NEGCUT's guard against one answer to all noise; seeking: the ratio of
 * mode-seeking GANs (Mao et al. 2019), which asks less of draws whose noise is alike (the factor is 1 on average).
 * Both use Adam (0.5, 0.9), the critic of wasserstein and its generator Adam (0, 0.9).
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
#include "gen/mover.h"
#include "gen/state.h"

#define CN_GAN_LATENT CN_MOVER_LATENT	/* numbers of noise */
#define CN_GAN_DRAWS 2		/* generated vectors per row while training */

struct cn_gan;

/* Order is that of the option's choices. */
enum cn_gan_game { CN_GAN_NONSATURATING, CN_GAN_HINGE, CN_GAN_WASSERSTEIN };

#define CN_GAN_GAMES "nonsaturating|hinge|wasserstein"

struct cn_gan_config {
	size_t dim;		/* of a vector */
	size_t rows;		/* of a round: what it is trained on at once */
	double latent_norm;	/* R; 0 = no bound */
	double margin;		/* 0 = no such term */
	double apart;		/* 0 = no such term */
	double target, diversity, seeking, realism, lr;
	enum cn_gan_game game;
	double penalty;		/* wasserstein's */
	double input_margin;	/* in input space, see gen/mover.h */
	struct cn_encoder *encoder;	/* in input space, for samples of this type; NULL = in embedding space; not owned */
	enum cn_dtype dtype;
	struct cn_shape shape;
	unsigned critic;	/* steps of the discriminator to one of the generator; 0 = 5 with wasserstein and 1 otherwise */
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
	const unsigned char *x, *pos;	/* in input space: (rows) samples, as in a stream */
	const float *ceiling;		/* (rows) the greatest similarity to the anchor the guard lets pass; NULL = no guard */
};

/* What was found before the first step of a round's training; means over its draws. */
struct cn_gan_report {
	double d_loss, g_loss;
	double d_real, d_made;	/* the discriminator's share of right words on true ones and on made ones */
	double similarity;	/* of made and anchor */
	double pos_made;	/* of made and positive */
	double pos_similarity;	/* of positive and anchor */
	double diversity;	/* distance of two draws */
	double rejected;	/* share of draws above the guard's ceiling */
	double violating;	/* share of draws nearer to the anchor than the positive and the margin allow */
};

/* A report as a line of tab-separated values without its end, below a line of names. */
#define CN_GAN_COLUMNS \
	"d_loss\tg_loss\td_real\td_made\tsimilarity\tpos_made\tpos_similarity\tdiversity\trejected\tviolating"
void cn_gan_report_text(const struct cn_gan_report *report, char *text, size_t size);

struct cn_gan *cn_gan_new(const struct cn_gan_config *config, struct cn_err *err);
void cn_gan_free(struct cn_gan *gan);

/* steps steps of the generator, each after those of the discriminator, which have noise of their own. */
void cn_gan_train(struct cn_gan *gan, const struct cn_gan_round *round, unsigned steps, struct cn_gan_report *report);

/* out (rows, draws, dim), of unit length, of anchors, positives (rows, dim) and noise (rows, draws, CN_GAN_LATENT). */
void cn_gan_generate(struct cn_gan *gan, size_t rows, size_t draws, const float *anchor, const float *positive,
	const float *noise, float *out);

/* The same in general: rows and their draws; in input space, samples too. */
void cn_gan_generate_rows(struct cn_gan *gan, const struct cn_mover_rows *rows, size_t n, float *out, unsigned char *sample);

/* Both networks and what their optimizers remember. */
void cn_gan_keep(struct cn_gan *gan, struct cn_state *state);

/* The parts of a step, for tests: noise is drawn, then losses and their gradients follow from it and the weights alone. */
enum cn_gan_side { CN_GAN_GENERATOR, CN_GAN_DISCRIMINATOR };
void cn_gan_draw(struct cn_gan *gan, const struct cn_gan_round *round, unsigned step);
double cn_gan_loss(struct cn_gan *gan, enum cn_gan_side side, const struct cn_gan_round *round, struct cn_gan_report *report);
float *cn_gan_weights(struct cn_gan *gan, enum cn_gan_side side, size_t *n);
const float *cn_gan_gradient(const struct cn_gan *gan, enum cn_gan_side side);

#endif
