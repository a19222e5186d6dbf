/* choose: weights against published vectors, draws against their probabilities, greedy ways against slow twins; mixtures; urns. */
#include <math.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "mine/choose.h"
#include "mine/mixture.h"
#include "mine/urn.h"
#include "tensor/kernel.h"
#include "tap.h"

#include "base/banned.h"

enum { ROWS = 40, DIM = 6 };

static float unit[ROWS * DIM];
static const struct cn_way_config ways = { 0.1, 10, 0.1, 0.5, 1.4, 4, 0.5 };

static void
fill_rows(struct cn_candidate *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		list[i] = (struct cn_candidate){ (uint32_t)i, (uint32_t)i, 1 - (float)i / (float)n, 0 };
}

static void
fill_units(void)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 1, "test-choose");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < ROWS * DIM; i++)
		unit[i] = cn_rng_normal(&rng);
	memcpy(unit + 7 * DIM, unit + 3 * DIM, DIM * sizeof *unit);	/* a row twice */
	cn_kernel_normalize(unit, ROWS, DIM);
}

/* Probabilities from ln of weights. */
static void
normalize(double *weight, size_t n)
{
	const double first = weight[0];
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += exp(weight[i] - first);
	for (size_t i = 0; i < n; i++)
		weight[i] = exp(weight[i] - first) / sum;
}

static int
all_near(const double *got, const double *want, size_t n, double most)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabs(got[i] - want[i]) <= most))
			return 0;
	return 1;
}

/* Vectors of SimANS and of distance weighting, computed from the formulas in float64 elsewhere. */
static void
weights(void)
{
	const float distance[6] = { 0.3f, 0.5f, 0.8f, 1.0f, 1.2f, 1.39f };
	const double sphere[6] = { .25632, .25632, .1602, .12816, .1068, .0922 }, simans[4] = { .32052053, .32052053, .26242001, .09653893 };
	struct cn_candidate list[6] = { { 0, 0, 0.9f, 0 }, { 1, 1, 0.8f, 0 }, { 2, 2, 0.7f, 0 }, { 3, 3, 0.5f, 0 } };
	double weight[6];

	cn_choose_weigh(CN_WAY_SIMANS, &ways, list, 4, 0.75f, DIM, weight);
	normalize(weight, 4);
	TAP_OK(all_near(weight, simans, 4, 1e-6), "simans: a = 10, b = 0.1");
	for (size_t i = 0; i < 6; i++)
		list[i].score = 1 - distance[i] * distance[i] / 2;
	cn_choose_weigh(CN_WAY_DISTANCE, &ways, list, 6, 0, 3, weight);
	normalize(weight, 6);
	TAP_OK(all_near(weight, sphere, 6, 1e-5), "distance: in 3 dimensions");
	cn_choose_weigh(CN_WAY_DISTANCE, &ways, list, 6, 0, 128, weight);
	normalize(weight, 6);
	TAP_OK(fabs(weight[0] - .5) < 1e-6 && fabs(weight[1] - .5) < 1e-6 && fabs(weight[2] / 9e-24 - 1) < 0.06,
		"distance: in 128 dimensions all is at the cutoff");
	list[0].score = 1 - 1.41f * 1.41f / 2;
	list[1].score = 1;
	cn_choose_weigh(CN_WAY_DISTANCE, &ways, list, 2, 0, 3, weight);
	TAP_OK(isinf(weight[0]) && weight[0] < 0 && isfinite(weight[1]), "distance: nothing from farthest on, and distance 0 is no trouble");
}

/* How often each of n is the first of k taken, over many ids; chi-square against p, n - 1 degrees of freedom. */
static double
chi_square(enum cn_way way, struct cn_candidate *like, size_t n, float pos, const double *p)
{
	enum { DRAWS = 20000 };
	uint32_t count[16] = { 0 };
	struct cn_choose_room room = { 0 };
	struct cn_rng_key key;
	struct cn_err err = { 0 };
	double chi2 = 0;

	cn_rng_key_init(&key, 5, "test-draw");
	for (uint64_t id = 0; id < DRAWS; id++) {
		struct cn_candidate list[16];
		struct cn_rng rng;

		memcpy(list, like, n * sizeof *list);
		cn_rng_start(&rng, &key, id, 0);
		cn_choose(way, &ways, list, n, 2, pos, NULL, DIM, &rng, &room, &err);
		count[list[0].row]++;
	}
	cn_choose_release(&room);
	for (size_t i = 0; i < n; i++)
		chi2 += pow(count[i] - DRAWS * p[i], 2) / (DRAWS * p[i]);
	return chi2;
}

static void
chances(void)
{
	struct cn_candidate list[12];
	double p[12], strata[8] = { .125, .125, .125, .125, .125, .125, .125, .125 };
	const enum cn_way way[] = { CN_WAY_RANDOM, CN_WAY_SOFTMAX, CN_WAY_SIMANS };

	fill_rows(list, 12);
	for (size_t i = 0; i < 12; i++)
		list[i].score *= 0.3f;
	for (size_t i = 0; i < 3; i++) {
		cn_choose_weigh(way[i], &ways, list, 12, 0.1f, DIM, p);
		normalize(p, 12);
		const double chi2 = chi_square(way[i], list, 12, 0.1f, p);

		TAP_OK(chi2 < 31.3, "way %d: drawn as often as it should (chi2 %.1f, 11 degrees of freedom)", (int)way[i], chi2);
	}
	/* The first of strata comes from the first quarter. */
	fill_rows(list, 8);
	strata[0] = strata[1] = 0.5;
	for (size_t i = 2; i < 8; i++)
		strata[i] = 1e-30;
	TAP_OK(chi_square(CN_WAY_STRATA, list, 8, 0, strata) < 10.9, "strata: uniform within the first part");
}

static void
logs(void)
{
	struct cn_choose_room room = { 0 };
	struct cn_candidate list[12];
	struct cn_rng_key key;
	struct cn_rng rng;
	struct cn_err err = { 0 };
	double sum = 0;
	size_t n, part[4] = { 0 };

	cn_rng_key_init(&key, 5, "test-draw");
	cn_rng_start(&rng, &key, 9, 0);
	fill_rows(list, 12);
	n = cn_choose(CN_WAY_SOFTMAX, &ways, list, 12, 12, 0, NULL, DIM, &rng, &room, &err);
	for (size_t i = 0; i < n; i++)
		sum += exp((double)list[i].logq);
	TAP_OK(n == 12 && fabs(sum - 1) < 1e-6, "softmax: probabilities of all candidates add up to 1");
	fill_rows(list, 12);
	n = cn_choose(CN_WAY_STRATA, &ways, list, 12, 8, 0, NULL, DIM, &rng, &room, &err);
	for (size_t i = 0; i < n; i++)
		part[list[i].row / 3]++;
	TAP_OK(n == 8 && part[0] == 2 && part[1] == 2 && part[2] == 2 && part[3] == 2 && fabs(exp((double)list[0].logq) - 1.0 / 12) < 1e-6,
		"strata: as many from each part");
	fill_rows(list, 3);
	TAP_OK(cn_choose(CN_WAY_STRATA, &ways, list, 3, 8, 0, NULL, DIM, &rng, &room, &err) == 3, "strata: all there are, once each");
	TAP_OK(cn_choose(CN_WAY_TOP, &ways, list, 3, 8, 0, NULL, DIM, &rng, &room, &err) == 3 && list[0].logq == 0, "top: all there are");
	TAP_OK(cn_choose(CN_WAY_DPP, &ways, list, 0, 8, 0, unit, DIM, &rng, &room, &err) == 0 && !err.code, "nothing from nothing");
	cn_choose_release(&room);
}

static double
cosine(uint32_t a, uint32_t b)
{
	return (double)cn_kernel_dot(unit + a * DIM, unit + b * DIM, DIM);
}

/* ln det of the kernel of the rows taken, by elimination in full. */
static double
log_volume(const struct cn_candidate *taken, size_t n, double top)
{
	double m[ROWS][ROWS], sum = 0;
	const double pull = (1 - ways.diversity) / (2 * ways.diversity);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			m[i][j] = exp(pull * ((double)taken[i].score - top)) * exp(pull * ((double)taken[j].score - top)) *
				cosine(taken[i].row, taken[j].row);
	for (size_t i = 0; i < n; i++) {
		if (m[i][i] < 1e-12)
			return -INFINITY;
		sum += log(m[i][i]);
		for (size_t r = i + 1; r < n; r++)
			for (size_t c = n; c-- > i;)
				m[r][c] -= m[r][i] / m[i][i] * m[i][c];
	}
	return sum;
}

/* What a slow twin thinks of taking candidate c after the n taken. */
static double
merit(enum cn_way way, struct cn_candidate *taken, size_t n, struct cn_candidate c)
{
	double worst = n ? -1 : 0;

	if (way == CN_WAY_DPP) {
		taken[n] = c;
		return log_volume(taken, n + 1, 1);
	}
	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, cosine(taken[i].row, c.row));
	return (1 - ways.diversity) * (double)c.score - ways.diversity * worst;
}

static void
greedy(enum cn_way way, const char *name)
{
	struct cn_choose_room room = { 0 };
	struct cn_candidate list[ROWS], taken[ROWS];
	struct cn_rng rng = { 0 };
	struct cn_err err = { 0 };
	int right = 1, twice = 0;
	size_t n;

	fill_rows(list, ROWS);
	n = cn_choose(way, &ways, list, ROWS, 5, 0, unit, DIM, &rng, &room, &err);
	for (size_t step = 0; step < n; step++) {
		const double own = merit(way, taken, step, list[step]);

		for (uint32_t row = 0; row < ROWS; row++) {
			struct cn_candidate c = { row, row, 1 - (float)row / ROWS, 0 };
			int there = 0;

			for (size_t i = 0; i < step; i++)
				there |= list[i].row == row;
			right &= there || merit(way, taken, step, c) <= own + 1e-9;
			twice += there && list[step].row == row;
		}
		taken[step] = list[step];
	}
	TAP_OK(right && n == 5 && !twice, "%s: at each step none was better", name);
	fill_rows(list, ROWS);
	n = cn_choose(way, &ways, list, ROWS, ROWS, 0, unit, DIM, &rng, &room, &err);
	TAP_OK(way == CN_WAY_DPP ? n <= DIM : n == ROWS, "%s: %zu of 40 rows in 6 dimensions", name, n);
	cn_choose_release(&room);
}

static void
apart(void)
{
	struct cn_choose_room room = { 0 };
	struct cn_candidate list[ROWS];
	struct cn_rng rng = { 0 };
	struct cn_err err = { 0 };
	size_t n, next = 0;
	int right = 1;

	fill_rows(list, ROWS);
	n = cn_choose(CN_WAY_APART, &ways, list, ROWS, ROWS, 0, unit, DIM, &rng, &room, &err);
	for (uint32_t row = 0; row < ROWS; row++) {
		int free = 1;

		for (size_t i = 0; i < next; i++)
			free &= 1 - cosine(list[i].row, row) >= ways.diversity;
		if (next < n && list[next].row == row)
			right &= free, next++;
		else
			right &= !free;
	}
	TAP_OK(right && next == n && n > 1, "apart: in order, whatever is far enough from those before");
	cn_choose_release(&room);
}

static void
mixtures(void)
{
	struct cn_mixture m;
	struct cn_err err = { 0 };
	size_t count[3];
	uint64_t end;

	TAP_OK(cn_mixture_read(&m, "--mix", "random:0.5 hard:0.25 simans", &err) == 0 && m.phases == 1 && m.phase[0].parts == 3 &&
		m.phase[0].strategy[2] == CN_STRATEGY_SIMANS && m.phase[0].share[1] == 0.25 && m.phase[0].share[2] == 1, "a mixture is read");
	TAP_OK(cn_mixture_read(&m, "--schedule", "0 random; 500 random hard:3;1000 hard", &err) == 0 && m.phases == 3, "a schedule is read");
	TAP_OK(cn_mixture_at(&m, 499, &end) == m.phase && end == 500 && cn_mixture_at(&m, 500, &end) == m.phase + 1 && end == 1000 &&
		cn_mixture_at(&m, 5000, &end) == m.phase + 2 && end == UINT64_MAX, "rows find their phase");
	TAP_OK(cn_mixture_has(&m, CN_STRATEGY_HARD) && !cn_mixture_has(&m, CN_STRATEGY_EASY), "and strategies are found");
	cn_mixture_split((const double[]){ 0.5, 0.5 }, 2, 5, count);
	TAP_OK(count[0] == 3 && count[1] == 2, "ties of the largest remainder go to the first");
	cn_mixture_split((const double[]){ 1, 1, 8 }, 3, 4, count);
	TAP_OK(count[0] == 1 && count[1] == 0 && count[2] == 3, "shares are weights");

	static const char *const wrong[] = { "", "hard:", "hard:-1", "hard:0", "hard:1x", "nearest", "5 hard", "0 hard; 0 easy", "0 hard;;", "hard:nan",
		"7x hard", "random hard semihard easy softmax simans distance strata diverse" };

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct cn_err refused = { 0 };

		TAP_OK(cn_mixture_read(&m, "--mix", wrong[i], &refused) < 0 && refused.code == CN_USAGE && strstr(refused.text, "--mix"),
			"'%s' is refused", wrong[i]);
	}
}

static void
urns(void)
{
	const float weight[8] = { 1, 16, 0, 81, 1, 256, 16, 1 };
	const double p[8] = { 1, 4, 0, 9, 1, 16, 4, 1 };
	uint32_t count[8] = { 0 };
	struct cn_rng_key key;
	struct cn_rng rng;
	struct cn_urn urn;
	struct cn_err err = { 0 };
	double chi2 = 0;

	cn_rng_key_init(&key, 5, "test-urn");
	cn_rng_start(&rng, &key, 0, 0);
	cn_urn_init(&urn, weight, 8, 0.5, &err);
	for (size_t i = 0; i < 36000; i++)
		count[cn_urn_draw(&urn, &rng)]++;
	for (size_t i = 0; i < 8; i++)
		if (p[i] > 0)
			chi2 += pow(count[i] - 1000 * p[i], 2) / (1000 * p[i]);
	TAP_OK(chi2 < 22.5 && count[2] == 0, "urn: in proportion to the root of the weight (chi2 %.1f, 6 degrees of freedom)", chi2);
	TAP_OK(fabs(exp(urn.log_p[5]) - 16.0 / 36) < 1e-12 && isinf(urn.log_p[2]), "urn: and says so");
	cn_urn_release(&urn);
}

int
main(void)
{
	fill_units();
	weights();
	chances();
	logs();
	greedy(CN_WAY_MMR, "mmr");
	greedy(CN_WAY_DPP, "dpp");
	apart();
	mixtures();
	urns();
	return tap_done();
}
