/* adam: parameters follow PyTorch's through eight steps of a one-cycle, whatever the threads. */
#include <string.h>

#include "base/mem.h"
#include "nn/adam.h"
#include "nn/schedule.h"
#include "tap.h"
#include "base/banned.h"

/*
 * From PyTorch 1.13.1: p = [0.5, -1.25, 2.0]; Adam([p], 1e-2, weight_decay=0.1); OneCycleLR(o, 1e-2, total_steps=8);
 * step i has gradient [0.3(i+1), -0.2+0.1i, 1e-9(i-3)]; the parameters after it, printed with %.9g.
 */
static const double want[8][3] = {
	{ 0.499599993, -1.24960005, 1.99960005 }, { 0.493168771, -1.24438286, 1.99376464 },
	{ 0.484862149, -1.23844194, 1.98619044 }, { 0.477036208, -1.23376918, 1.97886705 },
	{ 0.470971197, -1.23116028, 1.97298276 }, { 0.467401445, -1.23033607, 1.96935773 },
	{ 0.466293514, -1.23029315, 1.96817541 }, { 0.466293454, -1.23029315, 1.96817529 },
};

static void
follow_torch(struct cn_err *err)
{
	const struct cn_schedule schedule = { .kind = CN_SCHEDULE_ONECYCLE, .lr = 1e-2, .steps = 8 };
	struct cn_adam_rates rates = { .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1 };
	struct cn_adam *adam = cn_adam_new(3, err);
	float p[3] = { 0.5f, -1.25f, 2.0f };

	for (int i = 0; i < 8; i++) {
		const float g[3] = { 0.3f * (float)(i + 1), -0.2f + 0.1f * (float)i, 1e-9f * (float)(i - 3) };

		cn_schedule_at(&schedule, (uint64_t)i, &rates.lr, &rates.beta1);
		cn_adam_step(adam, &rates, p, g, NULL);
		for (int k = 0; k < 3; k++)
			TAP_NEAR(p[k], want[i][k], 1e-6, "parameter follows PyTorch");
	}
	cn_adam_free(adam);
}

static void
same_bits(struct cn_err *err)
{
	enum { N = 50001 };
	const struct cn_adam_rates rates = { 1e-3, 0.9, 0.999, 1e-8, 1e-6 };
	struct cn_pool *pool[2] = { NULL, cn_pool_new(3, err) };
	float *p[2], *g = cn_mem_array(N, sizeof(float), err);

	for (int i = 0; i < N; i++)
		g[i] = (float)(i % 101 - 50) / 37;
	for (int run = 0; run < 2; run++) {
		struct cn_adam *adam = cn_adam_new(N, err);

		p[run] = cn_mem_array(N, sizeof(float), err);
		for (int step = 0; step < 3; step++)
			cn_adam_step(adam, &rates, p[run], g, pool[run]);
		cn_adam_free(adam);
	}
	TAP_OK(memcmp(p[0], p[1], N * sizeof(float)) == 0, "one thread and three: same bits");
	TAP_NEAR(p[0][0], 3e-3, 1e-4, "a steady gradient moves by the rate");
	for (int run = 0; run < 2; run++)
		cn_mem_free(p[run]);
	cn_mem_free(g);
	cn_pool_free(pool[1]);
}

int
main(void)
{
	struct cn_err err = { 0 };

	follow_torch(&err);
	same_bits(&err);
	TAP_OK(err.code == 0, "no error");
	return tap_done();
}
