/*
 * daml - a generator of negatives that are hard to the metric yet close to true ones: deep adversarial metric learning
 * (Duan et al. 2018).
 *
 * Of an anchor a, its positive p and a true negative n it makes g = G(a, p, n) / |G(a, p, n)|, and learns to minimise
 * (mean over rows that have a true negative)
 *
 *	L = hardness |g - a|^2  +  realism |g - n|^2  +  violation [ |g - a| - |p - a| - margin ]+
 *
 * the last being zero exactly where g violates the triplet (a, p, g) by the margin.  G has two hidden layers; it uses Adam.
 */
#ifndef CN_GEN_DAML_H
#define CN_GEN_DAML_H

#include <stddef.h>

#include "gen/round.h"

struct cn_daml_config {
	double hardness, violation;	/* weights */
};

/* What was found before the first step of a round; means over its rows. */
struct cn_daml_report {
	double loss, near, true_to, violated;	/* the loss, and its three terms without their weights */
	double similarity;			/* of made and anchor */
};

struct cn_daml;		/* as cn_daml_kind.new returns it */

/* The parts of a step, for tests: true negatives are drawn, then L and its gradient follow from them and the weights alone. */
void cn_daml_draw(struct cn_daml *daml, const struct cn_round *round, unsigned step);
double cn_daml_loss(struct cn_daml *daml, const struct cn_round *round, struct cn_daml_report *report);
float *cn_daml_weights(struct cn_daml *daml, size_t *n);
const float *cn_daml_gradient(const struct cn_daml *daml);

#endif
