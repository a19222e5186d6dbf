/*
 * adversary - a bank of negatives that learn to be hard for the anchors that pass, after AdCo (Hu et al. 2021).
 *
 * The bank W is (size, dim); a negative is n = W_n / |W_n|.  It is filled by the first positives that pass.  With s = q.n,
 * p the positive, and t_q the similarity aimed at for the anchor q (the target, or the row's ceiling if that is less), the bank
 * climbs what negatives add to the InfoNCE loss of a round of Q anchors, but for a slope that turns at the target:
 *
 *	L = mean over q of ln( e^(q.p / T) + sum over n of e^(s / T) ) - q.p / T
 *	G_n = 1/Q sum over q of P(n|q) h'(s) (q - s n) / (T |W_n|),    P the softmax of s / T over the bank
 *	h'(s) = (t_q - s) / 0.1, within -1 and 1
 *	V <- momentum V + G - 1e-4 W;    W <- W + lr V
 *
 * As long as every s is 0.1 below its target, G is the gradient of L but that each anchor's part is divided by the share of the
 * negatives in its softmax: without that, an anchor whose positive is far ahead would not count, and negatives that lie too far
 * away would stay there.  No lr G_n is longer than (1 - momentum) / 20 of W_n: banks far smaller than AdCo's 65,536 would otherwise
 * leap.  A row's negatives are those of the greatest h(s): the most similar ones, as far as they are not beyond the target.
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

/* The parts of a step, for tests: L and G, before it is shortened, follow from round and bank alone. */
double cn_adversary_loss(struct cn_adversary *adversary, const struct cn_round *round, struct cn_adversary_report *report);
float *cn_adversary_bank(struct cn_adversary *adversary, size_t *stride, size_t *filled);
const float *cn_adversary_gradient(const struct cn_adversary *adversary);

#endif
