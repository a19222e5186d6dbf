/* perturb - vectors disturbed: normal noise, then numbers set to zero, as cn_plan_config says. */
#ifndef CN_AUGMENT_PERTURB_H
#define CN_AUGMENT_PERTURB_H

#include <stddef.h>
#include <stdint.h>

#include "augment/plan.h"

/* The view of from (n) by (id, epoch) alone, into to (n). */
void cn_perturb_view(const struct cn_plan_config *config, const struct cn_plan_keys *keys, enum cn_view_side side,
	uint64_t id, uint32_t epoch, const float *from, float *to, size_t n);

#endif
