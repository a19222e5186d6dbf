/* schedule: rates and momenta equal PyTorch's, step by step. */
#include "nn/schedule.h"
#include "tap.h"
#include "base/banned.h"

struct want {
	uint64_t step;
	double lr, momentum;
};

/*
 * From PyTorch 1.13.1: o = Adam([p], 2e-3); s = OneCycleLR(o, 2e-3, total_steps=N), printing
 * o.param_groups[0]['lr'] and ['betas'][0] with %.17g before each o.step(); s.step().
 */
static const struct want ten[] = {
	{ 0, 7.9999999999999993e-05, 0.94999999999999996 },
	{ 1, 0.0010400000000000001, 0.89999999999999991 },
	{ 2, 0.002, 0.84999999999999998 },
	{ 3, 0.0019009692640269472, 0.85495155660487898 },
	{ 4, 0.0016234913078995261, 0.86882550990706331 },
	{ 5, 0.0012225240438725783, 0.88887395330218422 },
	{ 6, 0.00077748395612742152, 0.91112604669781572 },
	{ 7, 0.00037651669210047396, 0.93117449009293662 },
	{ 8, 9.9038735973052571e-05, 0.94504844339512095 },
	{ 9, 8.0000000000000005e-09, 0.94999999999999996 },
};
static const struct want many[] = {	/* N = 390 */
	{ 0, 7.9999999999999993e-05, 0.94999999999999996 },
	{ 1, 8.0352045225647343e-05, 0.94998166431116415 },
	{ 50, 0.00083362837739741681, 0.91074852201055112 },
	{ 115, 0.0019996479547743527, 0.85001833568883578 },
	{ 116, 0.002, 0.84999999999999998 },
	{ 117, 0.0019999337878140906, 0.85000331062253798 },
	{ 200, 0.0015680664744721687, 0.87159676266344221 },
	{ 388, 7.4212185909303606e-08, 0.94999668937746196 },
	{ 389, 8.0000000000000005e-09, 0.94999999999999996 },
};
static const struct want three[] = {
	{ 0, 0.0019888308709018233, 0.85055845868874358 },
	{ 1, 0.00092527420533395006, 0.90373650467932121 },
	{ 2, 8.0000000000000005e-09, 0.94999999999999996 },
};
static const struct want four[] = {
	{ 0, 7.9999999999999993e-05, 0.94999999999999996 },
	{ 1, 0.0016234913078995259, 0.86882550990706331 },
	{ 2, 0.0005661219964173984, 0.9216941869558779 },
	{ 3, 8.0000000000000005e-09, 0.94999999999999996 },
};
/* CosineAnnealingLR(o, 10) in the same way; Adam's own beta1 stays. */
static const struct want half[] = {
	{ 0, 0.002, 0.9 }, { 1, 0.0019510565162951536, 0.9 }, { 3, 0.0015877852522924731, 0.9 },
	{ 5, 0.001, 0.9 }, { 8, 0.00019098300562505268, 0.9 }, { 9, 4.894348370484647e-05, 0.9 },
};

/* MultiStepLR(o, [6, 8], 0.1), LinearLR(o, 1, 0, 10), and LinearLR(o, 1/4, 1, 3) followed by CosineAnnealingLR(o, 6) at step 4. */
static const struct want stairs[] = {
	{ 0, 2e-3, 0.9 }, { 5, 2e-3, 0.9 }, { 6, 2e-4, 0.9 }, { 7, 2e-4, 0.9 }, { 8, 2e-5, 0.9 }, { 9, 2e-5, 0.9 },
};
static const struct want line[] = { { 0, 2e-3, 0.9 }, { 1, 1.8e-3, 0.9 }, { 7, 6e-4, 0.9 }, { 9, 2e-4, 0.9 } };
static const struct want warm[] = {
	{ 0, 5e-4, 0.9 }, { 1, 1e-3, 0.9 }, { 2, 1.5e-3, 0.9 }, { 3, 2e-3, 0.9 }, { 4, 2e-3, 0.9 },
	{ 5, 0.0018660254037844389, 0.9 }, { 7, 1e-3, 0.9 }, { 9, 0.0001339745962155613, 0.9 },
};
/* Warmed up for 5 of 15 steps, the parts are those of the 10 that follow. */
static const struct want late[] = { { 0, 4e-4, 0.9 }, { 10, 2e-3, 0.9 }, { 11, 2e-4, 0.9 }, { 13, 2e-5, 0.9 } };

static void
follow_from(struct cn_schedule schedule, const struct want *want, size_t n)
{
	char name[64];

	schedule.lr = 2e-3;
	schedule.momentum = 0.9;
	for (size_t i = 0; i < n; i++) {
		double lr, momentum;

		cn_schedule_at(&schedule, want[i].step, &lr, &momentum);
		snprintf(name, sizeof(name), "kind %d, step %d of %d", (int)schedule.kind, (int)want[i].step, (int)schedule.steps);
		TAP_NEAR(lr, want[i].lr, 1e-9, name);
		TAP_NEAR(momentum, want[i].momentum, 1e-12, name);
	}
}

static void
follow(enum cn_schedule_kind kind, uint64_t steps, const struct want *want, size_t n)
{
	follow_from((struct cn_schedule){ .kind = kind, .steps = steps }, want, n);
}

int
main(void)
{
	const struct want same[] = { { 0, 2e-3, 0.9 }, { 7, 2e-3, 0.9 }, { 1000, 2e-3, 0.9 } };
	const struct want past[] = { { 10, 8e-09, 0.95 }, { 1000, 8e-09, 0.95 } };

	follow(CN_SCHEDULE_ONECYCLE, 10, ten, sizeof(ten) / sizeof(*ten));
	follow(CN_SCHEDULE_ONECYCLE, 390, many, sizeof(many) / sizeof(*many));
	follow(CN_SCHEDULE_ONECYCLE, 3, three, sizeof(three) / sizeof(*three));
	follow(CN_SCHEDULE_ONECYCLE, 4, four, sizeof(four) / sizeof(*four));
	follow(CN_SCHEDULE_ONECYCLE, 10, past, 2);
	follow(CN_SCHEDULE_COSINE, 10, half, sizeof(half) / sizeof(*half));
	follow(CN_SCHEDULE_CONSTANT, 0, same, 3);
	follow(CN_SCHEDULE_ONECYCLE, 1, &(struct want){ 0, 8e-09, 0.95 }, 1);
	follow(CN_SCHEDULE_LINEAR, 10, line, 4);
	follow_from((struct cn_schedule){ .kind = CN_SCHEDULE_COSINE, .steps = 10, .warmup = 4 }, warm, 8);
	follow_from((struct cn_schedule){ .kind = CN_SCHEDULE_STEP, .steps = 10, .milestone = { 0.6, 0.8 }, .milestones = 2, .gamma = 0.1 },
		stairs, 6);
	follow_from((struct cn_schedule){ .kind = CN_SCHEDULE_STEP, .steps = 15, .warmup = 5, .milestone = { 0.6, 0.8 },
		.milestones = 2, .gamma = 0.1 }, late, 4);
	return tap_done();
}
