/*
 * adversary - a bank of negatives that learn to be hard for the anchors that pass, after AdCo (Hu et al. 2021).
 *
 * The bank W is (size, dim); a negative is n = W_n / |W_n|.  It is filled by the first positives that pass.  With s = q.n,
 * p the positive, and t_q the similarity aimed at for the anchor q (the target, or the row's ceiling if that is less), the bank
 * climbs the InfoNCE loss of a round of Q anchors,
 *
 *	L = mean over q of ln( e^(q.p / T) + sum over n of e^(h(s) / T) ) - q.p / T,    h'(s) = (t_q - s) / 0.1, within -1 and 1
 *	dL / dW_n = 1/Q sum over q of P(n|q) h'(s) (q - s n) / (T |W_n|),    P the softmax whose sum is above
 *	V <- momentum V + dL/dW - 1e-4 W;    W <- W + lr V
 *
 * h(s) is s up to 0.1 below the target, from where on it bends, to fall beyond the target: without that set point the bank
 * becomes far too hard.  A row's negatives are the most probable ones, those of the greatest h(s).
 */
#ifndef CN_GEN_ADVERSARY_H
#define CN_GEN_ADVERSARY_H

#include <stddef.h>
#include <stdint.h>

#include "gen/round.h"

#define CN_ADVERSARY_MOST 65536	/* negatives in a bank */

struct cn_adversary_config {
	size_t size;			/* negatives in the bank */
	double temperature, lr, momentum;
};

/* What was found before the first step of a round. */
struct cn_adversary_report {
	double loss;
	double similarity;	/* of anchors and negatives, weighted by P */
	double used;		/* e to the entropy of the mean of P over anchors, by the negatives there are: 1 if all matter alike */
};

struct cn_adversary;		/* as cn_adversary_kind.new returns it */

/* The parts of a step, for tests: L and its gradient follow from round and bank alone. */
double cn_adversary_loss(struct cn_adversary *adversary, const struct cn_round *round, struct cn_adversary_report *report);
float *cn_adversary_bank(struct cn_adversary *adversary, size_t *stride, size_t *filled);
const float *cn_adversary_gradient(const struct cn_adversary *adversary);

#endif
