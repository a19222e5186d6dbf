/*
 * schedule - the learning rate (and the momentum, Adam's beta1) of each step, as PyTorch computes them.
 *
 * onecycle  torch.optim.lr_scheduler.OneCycleLR with its defaults: two cosine halves, from lr/25 up to lr in
 *           the first 30 % of the steps, then down to lr/250000; the momentum goes 0.95 -> 0.85 -> 0.95.
 * cosine    CosineAnnealingLR to zero: lr (1 + cos(pi step / steps)) / 2.
 * constant  lr.
 * linear    LinearLR from lr to zero: lr (1 - step / steps).
 * step      MultiStepLR: lr times gamma for each milestone (a part of the steps, 0 to 1) that has been reached.
 *
 * All but onecycle may begin with a warm-up: warmup steps from lr / warmup, growing by as much, to lr; the steps
 * that follow then count from 0 up to steps - warmup.
 *
 * No libm: the same bits on every machine.
 */
#ifndef CN_NN_SCHEDULE_H
#define CN_NN_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#define CN_SCHEDULE_CHOICES "onecycle|cosine|constant|linear|step"

enum cn_schedule_kind {
	CN_SCHEDULE_ONECYCLE, CN_SCHEDULE_COSINE, CN_SCHEDULE_CONSTANT, CN_SCHEDULE_LINEAR, CN_SCHEDULE_STEP
};

struct cn_schedule {
	enum cn_schedule_kind kind;	/* index in CN_SCHEDULE_CHOICES */
	double lr;			/* the greatest rate */
	double momentum;		/* of all steps but onecycle's */
	uint64_t steps;			/* of the whole training; not needed for constant */
	uint64_t warmup;		/* of these, at the start */
	double milestone[8], gamma;	/* of step */
	size_t milestones;
};

/* The rate and momentum to use in step 0..steps-1 (later steps are given those of the last). */
void cn_schedule_at(const struct cn_schedule *schedule, uint64_t step, double *lr, double *momentum);

#endif
