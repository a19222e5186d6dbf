/*
 * schedule - the learning rate (and Adam's beta1) of each step, as PyTorch computes them.
 *
 * onecycle  torch.optim.lr_scheduler.OneCycleLR with its defaults: two cosine halves, from lr/25 up to lr in
 *           the first 30 % of the steps, then down to lr/250000; beta1 goes 0.95 -> 0.85 -> 0.95.
 * cosine    CosineAnnealingLR to zero: lr (1 + cos(pi step / steps)) / 2, beta1 0.9.
 * constant  lr, beta1 0.9.
 *
 * No libm: the same bits on every machine.
 */
#ifndef CN_NN_SCHEDULE_H
#define CN_NN_SCHEDULE_H

#include <stdint.h>

#define CN_SCHEDULE_CHOICES "onecycle|cosine|constant"

enum cn_schedule_kind { CN_SCHEDULE_ONECYCLE, CN_SCHEDULE_COSINE, CN_SCHEDULE_CONSTANT };

struct cn_schedule {
	enum cn_schedule_kind kind;	/* index in CN_SCHEDULE_CHOICES */
	double lr;			/* the greatest rate */
	uint64_t steps;			/* of the whole training; not needed for constant */
};

/* The rate and beta1 to use in step 0..steps-1 (later steps are given those of the last). */
void cn_schedule_at(const struct cn_schedule *schedule, uint64_t step, double *lr, double *beta1);

#endif
