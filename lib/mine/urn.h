/* urn - draws with replacement in proportion to weights, each in constant time (Walker's alias method, after Vose). */
#ifndef CN_MINE_URN_H
#define CN_MINE_URN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

struct cn_urn {
	size_t n;
	double *keep;		/* (n) chance to stay with a slot */
	uint32_t *alias;	/* (n) where to go else */
	double *log_p;		/* (n) ln of each probability; -INFINITY for weight 0 */
};

/* Probabilities proportional to weight^power; weights are finite, none below 0, not all 0. */
int cn_urn_init(struct cn_urn *urn, const float *weight, size_t n, double power, struct cn_err *err);

uint32_t cn_urn_draw(const struct cn_urn *urn, struct cn_rng *rng);
void cn_urn_release(struct cn_urn *urn);

#endif
