/* optimizer: weights follow PyTorch's, and those of lars and lamb a double-precision twin, whatever the threads. */
#include <string.h>

#include "base/mem.h"
#include "nn/optimizer.h"
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
follow_onecycle(struct cn_err *err)
{
	const struct cn_schedule schedule = { .kind = CN_SCHEDULE_ONECYCLE, .lr = 1e-2, .steps = 8 };
	const struct cn_optimizer_config config = { .kind = CN_OPTIMIZER_ADAM, .beta2 = 0.999, .weight_decay = 0.1 };
	const struct cn_optimizer_part all = { 0, 3, true };
	struct cn_optimizer_rates rates = { .scale = 1 };
	struct cn_optimizer *adam = cn_optimizer_new(&config, &all, 1, err);
	float p[3] = { 0.5f, -1.25f, 2.0f };

	for (int i = 0; i < 8; i++) {
		const float g[3] = { 0.3f * (float)(i + 1), -0.2f + 0.1f * (float)i, 1e-9f * (float)(i - 3) };

		cn_schedule_at(&schedule, (uint64_t)i, &rates.lr, &rates.momentum);
		cn_optimizer_step(adam, &rates, p, g, NULL);
		for (int k = 0; k < 3; k++)
			TAP_NEAR(p[k], want[i][k], 1e-6, "parameter follows PyTorch");
	}
	cn_optimizer_free(adam);
}

struct course {
	const char *name;
	struct cn_optimizer_config config;
	double want[6][4];
};

/*
 * Two tensors, the second without decay: [0.5, -1.25, 2.0] with the gradients above, [0.75] with 0.05 (i - 2);
 * lr 1e-2, momentum 0.9, weight decay 0.1.  From PyTorch 1.13.1; lars and lamb from numpy in double, by the formulas
 * in nn/optimizer.h.
 */
static const struct course courses[] = {
	{ "adamw", { CN_OPTIMIZER_ADAMW, 0.999, 0.1, 0, false }, {
		{ 0.489500016, -1.23874998, 2.0003078, 0.75999999 }, { 0.479358703, -1.22818947, 2.00027871, 0.769321799 },
		{ 0.469299346, -1.21975553, 1.99986565, 0.776527584 }, { 0.459225953, -1.21552396, 1.99901891, 0.779539347 },
		{ 0.449094355, -1.21579134, 1.99769354, 0.778056443 }, { 0.43888095, -1.21909833, 1.99586117, 0.773533583 } } },
	{ "sgd", { CN_OPTIMIZER_SGD, 0, 0.1, 0, false }, {
		{ 0.496499985, -1.24675, 1.99800003, 0.750999987 }, { 0.48685348, -1.24157822, 1.99420202, 0.752399981 },
		{ 0.468684763, -1.23568201, 1.98878956, 0.753659964 }, { 0.439864248, -1.23013973, 1.98192966, 0.754293978 },
		{ 0.398485929, -1.22592163, 1.97377372, 0.753864586 }, { 0.34284696, -1.22389936, 1.96445966, 0.751978099 } } },
	{ "sgd, nesterov", { CN_OPTIMIZER_SGD, 0, 0.1, 0, true }, {
		{ 0.493349999, -1.24382496, 1.99619997, 0.751900017 }, { 0.478177637, -1.23692918, 1.99078715, 0.753660023 },
		{ 0.452357978, -1.23039222, 1.98392975, 0.754794002 }, { 0.413991183, -1.22518444, 1.97578037, 0.754864573 },
		{ 0.36138159, -1.22217703, 1.96647739, 0.75347811 }, { 0.293018937, -1.2221508, 1.9561466, 0.750280321 } } },
	{ "adagrad", { CN_OPTIMIZER_ADAGRAD, 0, 0.1, 0, false }, {
		{ 0.49000001, -1.24000001, 1.99000001, 0.75999999 }, { 0.481198341, -1.23432505, 1.98294663, 0.764472127 },
		{ 0.47330454, -1.23134041, 1.97719646, 0.764472127 }, { 0.466101229, -1.23078191, 1.97222257, 0.760389626 },
		{ 0.459439784, -1.23260772, 1.96777809, 0.754065096 }, { 0.453216404, -1.2364763, 1.96372437, 0.747182608 } } },
	{ "lars", { CN_OPTIMIZER_LARS, 0, 0.1, 0.01, false }, {
		{ 0.499859748, -1.24986977, 1.99991986, 0.751 }, { 0.499549033, -1.2496887, 1.99979096, 0.7524 },
		{ 0.499068711, -1.24949933, 1.99963271, 0.75366 }, { 0.49842797, -1.24932475, 1.99945694, 0.754294 },
		{ 0.497638404, -1.24917793, 1.99927128, 0.7538646 }, { 0.496712049, -1.24906622, 1.99908086, 0.75197814 } } },
	{ "lamb", { CN_OPTIMIZER_LAMB, 0.999, 0.1, 0, false }, {
		{ 0.483683063, -1.23251759, 1.99693848, 0.7599999 }, { 0.467235833, -1.2153908, 1.99373801, 0.769321578 },
		{ 0.449189229, -1.200265, 1.9901915, 0.776527242 }, { 0.427707085, -1.19126464, 1.98596799, 0.779538968 },
		{ 0.404605229, -1.19193168, 1.98144354, 0.778056087 }, { 0.382669177, -1.19911696, 1.97717343, 0.773533291 } } },
};

/* scale: the gradient is given divided by it. */
static void
follow(const struct course *course, double scale, struct cn_err *err)
{
	const struct cn_optimizer_part part[2] = { { 0, 3, true }, { 3, 1, false } };
	const struct cn_optimizer_rates rates = { .lr = 1e-2, .momentum = 0.9, .scale = scale };
	struct cn_optimizer *o = cn_optimizer_new(&course->config, part, 2, err);
	float p[4] = { 0.5f, -1.25f, 2.0f, 0.75f };

	for (int i = 0; i < 6; i++) {
		const double g[4] = { 0.3 * (i + 1), -0.2 + 0.1 * i, 1e-9 * (i - 3), 0.05 * (i - 2) };
		float scaled[4];

		for (int k = 0; k < 4; k++)
			scaled[k] = (float)(g[k] / scale);
		cn_optimizer_step(o, &rates, p, scaled, NULL);
		for (int k = 0; k < 4; k++)
			TAP_NEAR(p[k], course->want[i][k], 2e-6, course->name);
	}
	cn_optimizer_free(o);
}

/* No gradient and no weight may divide by zero. */
static void
stand_still(enum cn_optimizer_kind kind, struct cn_err *err)
{
	const struct cn_optimizer_config config = { .kind = kind, .beta2 = 0.999, .trust = 0.01 };
	const struct cn_optimizer_part part[2] = { { 0, 2, true }, { 2, 2, true } };
	const struct cn_optimizer_rates rates = { .lr = 0, .momentum = 0.9, .scale = 1 };
	struct cn_optimizer *o = cn_optimizer_new(&config, part, 2, err);
	float p[4] = { 0, 0, 1, -2 };
	const float g[4] = { 0 }, same[4] = { 0, 0, 1, -2 };

	cn_optimizer_step(o, &rates, p, g, NULL);
	cn_optimizer_step(o, &rates, p, g, NULL);
	TAP_OK(memcmp(p, same, sizeof p) == 0, "zeros stay where they are");
	cn_optimizer_free(o);
}

static void
same_bits(enum cn_optimizer_kind kind, struct cn_err *err)
{
	enum { N = 50001 };
	const struct cn_optimizer_config config = { .kind = kind, .beta2 = 0.999, .weight_decay = 1e-6, .trust = 0.01 };
	const struct cn_optimizer_part part[3] = { { 0, 20000, true }, { 20000, 1, false }, { 20001, N - 20001, true } };
	const struct cn_optimizer_rates rates = { 1e-3, 0.9, 1 };
	struct cn_pool *pool[2] = { NULL, cn_pool_new(3, err) };
	float *p[2], *g = cn_mem_array(N, sizeof(float), err);

	for (int i = 0; i < N; i++)
		g[i] = (float)(i % 101 - 50) / 37;
	for (int run = 0; run < 2; run++) {
		struct cn_optimizer *o = cn_optimizer_new(&config, part, 3, err);

		p[run] = cn_mem_array(N, sizeof(float), err);
		for (int i = 0; i < N; i++)
			p[run][i] = (float)(i % 7) / 7;
		for (int step = 0; step < 3; step++)
			cn_optimizer_step(o, &rates, p[run], g, pool[run]);
		cn_optimizer_free(o);
	}
	TAP_OK(memcmp(p[0], p[1], N * sizeof(float)) == 0, "one thread and three: same bits");
	TAP_OK(p[0][20000] != (float)(20000 % 7) / 7, "a tensor of one number moves");
	for (int run = 0; run < 2; run++)
		cn_mem_free(p[run]);
	cn_mem_free(g);
	cn_pool_free(pool[1]);
}

int
main(void)
{
	struct cn_err err = { 0 };

	follow_onecycle(&err);
	for (size_t i = 0; i < sizeof courses / sizeof *courses; i++) {
		follow(&courses[i], 1, &err);
		follow(&courses[i], 0.125, &err);
	}
	for (int kind = CN_OPTIMIZER_ADAM; kind <= CN_OPTIMIZER_ADAGRAD; kind++) {
		stand_still((enum cn_optimizer_kind)kind, &err);
		same_bits((enum cn_optimizer_kind)kind, &err);
	}
	TAP_OK(err.code == 0, "no error");
	return tap_done();
}
