/*
 * select - a generator that learns which of a row's true vectors to take, by reward: after IRGAN (Wang et al. 2017) and KBGAN
 * (Cai & Wang 2018).
 *
 * A row's candidates c are the negatives it came with and the positives of the round's other ids, below its ceiling.  With
 * anchor a, positive p, temperature T and a network G with one hidden layer, the generator's distribution is
 *
 *	P(c) = softmax over candidates of (a + G(a)).c / T
 *
 * The encoder is the discriminator.  Its word is the probability that it would take c for the positive, were c as similar as
 * h = s up to t and 2t - s beyond, s = a.c, t the target or the ceiling if that is less:
 *
 *	r(c) = 1 / (1 + e^((a.p - h) / T))
 *
 * A step draws some candidates C of each row by P and follows REINFORCE, with the entropy H of P as a bonus (mean over rows):
 *
 *	L = - mean over C of (r(C) - b) ln P(C) - diversity/10 H;    b the running mean of rewards, a tenth of each new step
 *
 * (The rewards of a row's candidates differ by a tenth or so: a bonus of more than that would be all that is learned.)
 * Negatives are drawn by P without replacement (the greatest of ln P + Gumbel noise); neg_logq is ln P.
 */
#ifndef CN_GEN_SELECT_H
#define CN_GEN_SELECT_H

#include <stddef.h>

#include "gen/round.h"

#define CN_SELECT_DRAWS 8	/* of a row, in a step */

/* What was found before the first step of a round; means over its rows. */
struct cn_select_report {
	double reward, entropy, similarity;	/* expected under P */
};

struct cn_select;	/* as cn_select_kind.new returns it */

/* The parts of a step, for tests: candidates are drawn by P, then L and its gradient follow from them, b and the weights alone. */
void cn_select_draw(struct cn_select *select, const struct cn_round *round, unsigned step);
double cn_select_loss(struct cn_select *select, const struct cn_round *round, struct cn_select_report *report);
double *cn_select_baseline(struct cn_select *select);
float *cn_select_weights(struct cn_select *select, size_t *n);
const float *cn_select_gradient(const struct cn_select *select);

#endif
