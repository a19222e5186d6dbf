/* schedule - learning rate and momentum by step, after torch/optim/lr_scheduler.py of PyTorch 1.13. */
#include "base/rng.h"
#include "nn/schedule.h"

#include "base/banned.h"

/* From start (part 0) to end (part 1) along half a cosine: _annealing_cos. */
static double
anneal(double start, double end, double part)
{
	return end + (start - end) / 2 * (cn_rng_cos2pi(part / 2) + 1);
}

/*
 * Step 0.3 steps - 1 is the summit (in general a fraction, as in PyTorch), step steps - 1 the end.
 * With 3 steps or fewer the summit is at or before step 0 and all steps lie on the way down.
 */
static void
onecycle(const struct cn_schedule *schedule, double step, double *lr, double *momentum)
{
	const double top = schedule->lr, low = top / 25, end = low / 1e4;
	const double summit = 0.3 * (double)schedule->steps - 1, last = (double)schedule->steps - 1;

	if (step <= summit) {
		*lr = anneal(low, top, summit > 0 ? step / summit : 1);
		*momentum = anneal(0.95, 0.85, summit > 0 ? step / summit : 1);
	} else {
		*lr = anneal(top, end, (step - summit) / (last - summit));
		*momentum = anneal(0.85, 0.95, (step - summit) / (last - summit));
	}
}

/* A milestone is reached at the first step that is no earlier, up to a hair for products that are meant to be whole. */
static double
staircase(const struct cn_schedule *schedule, double step, double steps)
{
	double lr = schedule->lr;

	for (size_t i = 0; i < schedule->milestones; i++)
		if (step >= schedule->milestone[i] * steps - 1e-6)
			lr *= schedule->gamma;
	return lr;
}

void
cn_schedule_at(const struct cn_schedule *schedule, uint64_t step, double *lr, double *momentum)
{
	if (step >= schedule->steps && schedule->steps > 0)
		step = schedule->steps - 1;
	const double at = (double)step - (double)schedule->warmup, steps = (double)(schedule->steps - schedule->warmup);

	*lr = schedule->lr;
	*momentum = schedule->momentum;
	if (schedule->kind == CN_SCHEDULE_ONECYCLE)
		onecycle(schedule, (double)step, lr, momentum);
	else if (at < 0)
		*lr = schedule->lr * (double)(step + 1) / (double)schedule->warmup;
	else if (schedule->kind == CN_SCHEDULE_COSINE)
		*lr = anneal(schedule->lr, 0, at / steps);
	else if (schedule->kind == CN_SCHEDULE_LINEAR)
		*lr = schedule->lr * (1 - at / steps);
	else if (schedule->kind == CN_SCHEDULE_STEP)
		*lr = staircase(schedule, at, steps);
}
