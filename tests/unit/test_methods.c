/* The methods of cn-gen behind their interface: gradients as finite differences, formulas as slow twins, and what is kept comes back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "gen/hard.h"
#include "gen/method.h"
#include "tensor/kernel.h"

#include "normals.h"
#include "tap.h"

#include "base/banned.h"

enum { DIM = 24, ROWS = 48, MINED = 2, K = 4 };

static float anchor[ROWS * DIM], positive[ROWS * DIM], mined[ROWS * MINED * DIM], pos_score[ROWS], ceiling[ROWS];
static uint64_t ids[ROWS];
static uint32_t epochs[ROWS];
static struct cn_hard hard[ROWS];

/* Anchors around 6 centres, positives near them, mined ones anywhere, some of them none. */
static struct cn_round
make_round(uint32_t number)
{
	static float centre[6 * DIM], noise[2 * ROWS * DIM];
	const struct cn_round round = { .rows = ROWS, .full = ROWS, .dim = DIM, .mined = MINED, .anchor = anchor, .positive = positive,
		.mined_z = mined, .id = ids, .epoch = epochs, .pos_score = pos_score, .ceiling = ceiling, .hard = hard };

	fill_normal(centre, 6 * DIM, 1);
	fill_normal(noise, 2 * ROWS * DIM, 100 + number);
	fill_normal(mined, ROWS * MINED * DIM, 10000 + number);
	for (size_t i = 0; i < ROWS * DIM; i++) {
		anchor[i] = centre[i / DIM % 6 * DIM + i % DIM] + 0.5f * noise[i];
		positive[i] = anchor[i] + 0.3f * noise[ROWS * DIM + i];
	}
	cn_kernel_normalize(anchor, ROWS, DIM);
	cn_kernel_normalize(positive, ROWS, DIM);
	cn_kernel_normalize(mined, ROWS * MINED, DIM);
	for (size_t i = 0; i < ROWS; i++) {
		if (i % 5 == 1)
			memset(mined + i * MINED * DIM, 0, DIM * sizeof *mined);
		ids[i] = i % 40;
		epochs[i] = number;
		pos_score[i] = cn_kernel_dot(anchor + i * DIM, positive + i * DIM, DIM);
		ceiling[i] = pos_score[i] - 0.02f;
	}
	for (size_t i = 0; i < ROWS; i++)
		cn_hard_find(hard + i, &round, i, 8);
	return round;
}

static struct cn_method_config
settings(struct cn_pool *pool)
{
	return (struct cn_method_config){ .dim = DIM, .rows = ROWS, .mined = MINED, .k = K, .seed = 3, .pool = pool, .target = 0.6, .lr = 0.002,
		.steps = 2, .query_share = 0.5, .margin = 0.1, .diversity = 0.2, .realism = 1, .temperature = 0.2, .gan = { .latent_norm = 1 },
		.adversary = { 100, 0.1, 3, 0.9 }, .daml = { 1, 1 }, .hdml = { 2 } };
}

/* What is minimised or climbed as a function of some numbers, with its gradient. */
struct slope {
	double (*loss)(void *self, const struct cn_round *round);
	float *x;
	const float *gradient;
	size_t n;
};

/* (L(x + hv) - L(x - hv)) / 2h along random v against the gradient along v; numbers that are 0 (padding) stay so.  How many are wrong. */
static size_t
compare_slopes(const struct slope *slope, void *self, const struct cn_round *round, float h, double tolerance)
{
	struct cn_err err = { 0 };
	float *kept = cn_mem_array(slope->n, sizeof *kept, &err), *v = cn_mem_array(slope->n, sizeof *v, &err);
	size_t wrong = 0;

	memcpy(kept, slope->x, slope->n * sizeof *kept);
	for (uint64_t trial = 0; trial < 8; trial++) {
		double got = 0, size = 0, up, want;

		fill_normal(v, slope->n, 500 + trial);
		slope->loss(self, round);
		for (size_t i = 0; i < slope->n; i++) {
			v[i] = kept[i] == 0 ? 0 : v[i];
			got += (double)v[i] * (double)slope->gradient[i];
			size += (double)slope->gradient[i] * (double)slope->gradient[i];
		}
		for (size_t i = 0; i < slope->n; i++)
			slope->x[i] = kept[i] + h * v[i];
		up = slope->loss(self, round);
		for (size_t i = 0; i < slope->n; i++)
			slope->x[i] = kept[i] - h * v[i];
		want = (up - slope->loss(self, round)) / (2 * (double)h);
		memcpy(slope->x, kept, slope->n * sizeof *kept);
		if (!(fabs(got - want) <= tolerance * sqrt(size)) || size == 0)
			printf("# got %g, want %g, length %g\n", got, want, sqrt(size));
		wrong += !(fabs(got - want) <= tolerance * sqrt(size)) || size == 0;
	}
	cn_mem_free(kept);
	cn_mem_free(v);
	return wrong;
}

/* What is climbed without a set point, in doubles: the mean over rows of ln sum e^(s / T). */
static double
adversary_climbs(void *self, const struct cn_round *round)
{
	struct cn_adversary_report report;
	size_t stride, n;
	const float *bank = cn_adversary_bank(self, &stride, &n);
	double loss = 0;

	cn_adversary_loss(self, round, &report);
	for (size_t row = 0; row < round->rows; row++) {
		double sum = 0;

		for (size_t i = 0; i < n; i++) {
			double squares = 0, dot = 0;

			for (size_t j = 0; j < DIM; j++) {
				squares += (double)bank[i * stride + j] * (double)bank[i * stride + j];
				dot += (double)bank[i * stride + j] * (double)anchor[row * DIM + j];
			}
			sum += ids[i % ROWS] == ids[row] ? 0 : exp(dot / sqrt(squares) / 0.1);
		}
		loss += log(sum) / (double)round->rows;
	}
	return loss;
}

/* L without a set point, in doubles, of a bank of unit vectors. */
static double
plain_loss(const struct cn_round *round, const float *bank, size_t stride, size_t n, double temperature)
{
	double loss = 0;

	for (size_t row = 0; row < round->rows; row++) {
		const double p = (double)round->pos_score[row] / temperature;
		double sum = exp(p);

		for (size_t i = 0; i < n; i++)
			sum += ids[i % ROWS] == round->id[row] ? 0 : exp((double)cn_kernel_dot(anchor + row * DIM, bank + i * stride, DIM) / temperature);
		loss += (log(sum) - p) / (double)round->rows;
	}
	return loss;
}

/* The greatest difference of a gradient from G in doubles, by the greatest of G. */
static double
turned_slopes(const struct cn_round *round, const float *bank, const float *gradient, size_t stride, size_t n, double temperature, double target)
{
	static double want[ROWS * 4 * DIM], s[ROWS * 4], length[ROWS * 4];
	double most = 0, off = 0;

	memset(want, 0, sizeof want);
	for (size_t row = 0; row < round->rows; row++) {
		const double aim = fmin(target, (double)round->ceiling[row]);
		double sum = 0;

		for (size_t i = 0; i < n; i++) {
			double squares = 0, dot = 0;

			for (size_t j = 0; j < DIM; j++) {
				squares += (double)bank[i * stride + j] * (double)bank[i * stride + j];
				dot += (double)bank[i * stride + j] * (double)anchor[row * DIM + j];
			}
			length[i] = sqrt(squares);
			s[i] = dot / length[i];
		}
		/* the bank began as the positives of rounds of the same ids */
		for (size_t i = 0; i < n; i++)
			sum += ids[i % ROWS] == ids[row] ? 0 : exp(s[i] / temperature);
		for (size_t i = 0; i < n; i++) {
			const double turn = fmax(-1, fmin(1, (aim - s[i]) / 0.1));
			const double p = ids[i % ROWS] == ids[row] ? 0 : exp(s[i] / temperature) / sum;

			for (size_t j = 0; j < DIM; j++)
				want[i * DIM + j] += p * turn * ((double)anchor[row * DIM + j] - s[i] * (double)bank[i * stride + j] / length[i])
					/ (temperature * length[i] * (double)round->rows);
		}
	}
	for (size_t i = 0; i < n * DIM; i++) {
		most = fmax(most, fabs(want[i]));
		off = fmax(off, fabs(want[i] - (double)gradient[i / DIM * stride + i % DIM]));
	}
	return off / most;
}

static void
test_adversary(void)
{
	struct cn_method_config config = settings(NULL);
	struct cn_err err = { 0 };
	struct cn_adversary_report report;
	char told[CN_METHOD_TOLD];
	struct cn_round round = make_round(0);
	size_t stride, filled;

	config.target = 2;	/* out of reach: the loss is InfoNCE itself */
	for (size_t i = 0; i < ROWS; i++)
		ceiling[i] = 2;
	void *self = cn_adversary_kind.new(&config, &err);
	config.steps = 0;
	void *fresh = cn_adversary_kind.new(&config, &err);
	cn_adversary_kind.learn(fresh, &round, told);
	float *bank = cn_adversary_bank(fresh, &stride, &filled);
	TAP_OK(filled == ROWS && memcmp(bank, positive, DIM * sizeof *bank) == 0, "adversary: the bank begins as positives");
	TAP_NEAR(cn_adversary_loss(fresh, &round, &report), plain_loss(&round, bank, stride, filled, 0.1), 1e-5, "adversary: the loss is InfoNCE");
	cn_adversary_kind.free(fresh);
	cn_adversary_kind.learn(self, &round, told);
	bank = cn_adversary_bank(self, &stride, &filled);
	const struct slope slope = { adversary_climbs, bank, cn_adversary_gradient(self), filled * stride };
	TAP_OK(compare_slopes(&slope, self, &round, 0x1p-10f, 0.02) == 0, "adversary: gradient of the bank as finite differences");
	cn_adversary_kind.free(self);

	config = settings(NULL);
	round = make_round(0);
	self = cn_adversary_kind.new(&config, &err);
	for (uint32_t r = 0; r < 4; r++) {
		round = make_round(r);
		cn_adversary_kind.learn(self, &round, told);
	}
	cn_adversary_loss(self, &round, &report);
	bank = cn_adversary_bank(self, &stride, &filled);
	TAP_OK(turned_slopes(&round, bank, cn_adversary_gradient(self), stride, filled, 0.1, 0.6) < 1e-4, "adversary: its slope turns at the target");
	double similarity[2];
	for (int plain = 0; plain < 2; plain++) {
		void *other;

		config.target = plain ? 1 : 0.6;
		other = cn_adversary_kind.new(&config, &err);
		for (uint32_t r = 0; r < 60; r++) {
			round = make_round(r);
			cn_adversary_kind.learn(other, &round, told);
		}
		cn_adversary_loss(other, &round, &report);
		similarity[plain] = report.similarity;
		cn_adversary_kind.free(other);
	}
	TAP_OK(fabs(similarity[0] - 0.6) < 0.1 && similarity[1] > similarity[0] + 0.1,
		"adversary: held at the target (%.3f), beyond it otherwise (%.3f)", similarity[0], similarity[1]);
	cn_adversary_kind.free(self);
}

static void
test_hdml(void)
{
	double most = 0;
	int ordered = 1, limits = 1;
	float out[DIM], nearer[DIM];

	make_round(0);
	for (size_t row = 0; row < ROWS; row++) {
		const float *a = anchor + row * DIM, *p = positive + row * DIM, *n = hard[row].vector[0];
		const double near = sqrt((double)cn_kernel_distance2(p, a, DIM)), far = sqrt((double)cn_kernel_distance2(n, a, DIM));

		for (double average = 0.5; average < 9; average *= 2) {
			const double kept = exp(-2 / average), l = far > near ? (near + (far - near) * kept) / far : 1;
			double v[DIM], norm = 0;

			for (size_t j = 0; j < DIM; j++) {
				v[j] = (double)a[j] + l * ((double)n[j] - (double)a[j]);
				norm += v[j] * v[j];
			}
			cn_hdml_move(a, p, n, DIM, kept, out);
			for (size_t j = 0; j < DIM; j++)
				most = fmax(most, fabs(v[j] / sqrt(norm) - (double)out[j]));
		}
		cn_hdml_move(a, p, n, DIM, 1, out);
		for (size_t j = 0; j < DIM; j++)
			limits = limits && fabsf(out[j] - n[j]) < 1e-5f;
		cn_hdml_move(a, p, n, DIM, 0, nearer);
		ordered = ordered && cn_kernel_dot(a, nearer, DIM) >= cn_kernel_dot(a, out, DIM) - 1e-6f;
		cn_hdml_move(a, n, p, DIM, 0.5, out);
		for (size_t j = 0; j < DIM; j++)
			limits = limits && fabsf(out[j] - p[j]) < 1e-5f;
	}
	TAP_OK(most < 1e-5, "hdml: as the formula");
	TAP_OK(limits, "hdml: nothing moves while the loss is large, nor what is nearer than the positive");
	TAP_OK(ordered, "hdml: none moves away");
}

/* J and what is left of the way, as told, against doubles. */
static void
test_average(void)
{
	struct cn_method_config config = settings(NULL);
	struct cn_err err = { 0 };
	char told[CN_METHOD_TOLD];
	double average = 0, loss = 0, got[3] = { 0 };
	void *self = cn_hdml_kind.new(&config, &err);

	for (uint32_t r = 0; r < 3; r++) {
		const struct cn_round round = make_round(r);

		loss = 0;
		for (size_t i = 0; i < ROWS; i++) {
			double sum = 1;

			for (size_t j = 0; j < ROWS; j++)
				if (ids[j] != ids[i])
					sum += exp(((double)cn_kernel_dot(anchor + i * DIM, positive + j * DIM, DIM) - (double)pos_score[i]) / 0.2);
			loss += log(sum) / ROWS;
		}
		average = r ? 0.9 * average + 0.1 * loss : loss;
		cn_hdml_kind.learn(self, &round, told);
	}
	sscanf(told, "%lf\t%lf\t%lf", got, got + 1, got + 2);
	TAP_NEAR(got[0], loss, 1e-5, "hdml: the loss is InfoNCE against other ids");
	TAP_NEAR(got[1], average, 1e-5, "hdml: its running mean");
	TAP_NEAR(got[2], exp(-2 / average), 1e-4, "hdml: what is left of the way follows from it");
	cn_hdml_kind.free(self);
}

static double
daml_loss(void *self, const struct cn_round *round)
{
	struct cn_daml_report report;

	return cn_daml_loss(self, round, &report);
}

/* The report after some rounds, with these weights. */
static struct cn_daml_report
train_daml(double hardness, double violation, double realism)
{
	struct cn_method_config config = settings(NULL);
	struct cn_daml_report report;
	struct cn_err err = { 0 };
	char told[CN_METHOD_TOLD];
	struct cn_round round = make_round(0);

	config.realism = realism;
	config.daml = (struct cn_daml_config){ hardness, violation };
	void *self = cn_daml_kind.new(&config, &err);
	for (uint32_t r = 0; r < 80; r++) {
		round = make_round(r);
		cn_daml_kind.learn(self, &round, told);
	}
	cn_daml_loss(self, &round, &report);
	cn_daml_kind.free(self);
	return report;
}

static void
test_daml(void)
{
	struct cn_method_config config = settings(NULL);
	struct cn_err err = { 0 };
	char told[CN_METHOD_TOLD];
	const struct cn_round round = make_round(0);
	size_t n, stride_wrong = 0;

	for (int which = 0; which < 3; which++) {
		config.daml = (struct cn_daml_config){ which == 0, which == 1 };
		config.realism = which == 2;
		void *self = cn_daml_kind.new(&config, &err);
		cn_daml_kind.learn(self, &round, told);
		cn_daml_draw(self, &round, 5);
		const float *gradient = cn_daml_gradient(self);
		float *weights = cn_daml_weights(self, &n);
		const struct slope slope = { daml_loss, weights, gradient, n };
		stride_wrong += compare_slopes(&slope, self, &round, 0x1p-12f, 0.05);
		cn_daml_kind.free(self);
	}
	TAP_OK(stride_wrong == 0, "daml: gradient of each term as finite differences");
	const struct cn_daml_report both = train_daml(1, 1, 1), real = train_daml(0, 0, 1), rash = train_daml(0, 8, 1);
	TAP_OK(both.near < real.near - 0.1 && real.true_to < both.true_to - 0.1,
		"daml: hardness brings nearer to the anchor (%.3f, without %.3f)", both.near, real.near);
	TAP_OK(rash.violated < real.violated - 0.1, "daml: the margin comes to be violated (short of it by %.3f, without %.3f)",
		rash.violated, real.violated);
}

static double
select_loss(void *self, const struct cn_round *round)
{
	struct cn_select_report report;

	return cn_select_loss(self, round, &report);
}

#define WIDE 2.0	/* a diversity that weighs as much as the reward */

/* L as it is expected over draws, for a baseline of 0. */
static double
expected_loss(void *self, const struct cn_round *round)
{
	struct cn_select_report report;

	cn_select_loss(self, round, &report);
	return -report.reward - 0.1 * WIDE * report.entropy;
}

/* The mean gradient of many draws against the slope of the expected reward, along random directions. */
static void
test_reinforce(void)
{
	enum { TIMES = 400 };
	struct cn_method_config config = settings(NULL);
	struct cn_err err = { 0 };
	const struct cn_round round = make_round(0);
	config.diversity = WIDE;
	void *self = cn_select_kind.new(&config, &err);
	size_t n;
	float *weights = cn_select_weights(self, &n), *mean = cn_mem_array(n, sizeof *mean, &err);
	const float *gradient = cn_select_gradient(self);

	*cn_select_baseline(self) = 0.2;	/* whatever it is, nothing changes on average */
	for (unsigned t = 0; t < TIMES; t++) {
		cn_select_draw(self, &round, t);
		select_loss(self, &round);
		for (size_t i = 0; i < n; i++)
			mean[i] += gradient[i] / TIMES;
	}
	const struct slope slope = { expected_loss, weights, mean, n };
	TAP_OK(compare_slopes(&slope, self, &round, 0x1p-8f, 0.2) == 0, "select: REINFORCE follows the expected reward on average");
	cn_mem_free(mean);
	cn_select_kind.free(self);
}

static struct cn_select_report
train_select(double diversity, double target, uint32_t rounds)
{
	struct cn_method_config config = settings(NULL);
	struct cn_select_report report;
	struct cn_err err = { 0 };
	char told[CN_METHOD_TOLD];
	struct cn_round round = make_round(0);

	config.diversity = diversity;
	config.target = target;
	void *self = cn_select_kind.new(&config, &err);
	for (uint32_t r = 0; r < rounds; r++) {
		round = make_round(r);
		cn_select_kind.learn(self, &round, told);
	}
	round = make_round(1000);
	cn_select_draw(self, &round, 0);
	cn_select_loss(self, &round, &report);
	cn_select_kind.free(self);
	return report;
}

static void
test_select(void)
{
	struct cn_method_config config = settings(NULL);
	struct cn_err err = { 0 };
	char told[CN_METHOD_TOLD];
	const struct cn_round round = make_round(0);
	void *self = cn_select_kind.new(&config, &err);
	size_t n;

	cn_select_kind.learn(self, &round, told);
	cn_select_draw(self, &round, 5);
	float *weights = cn_select_weights(self, &n);
	const struct slope slope = { select_loss, weights, cn_select_gradient(self), n };
	TAP_OK(compare_slopes(&slope, self, &round, 0x1p-10f, 0.05) == 0, "select: gradient of a step as finite differences");
	cn_select_kind.free(self);
	const struct cn_select_report fresh = train_select(0, 0.9, 0), learned = train_select(0, 0.9, 150), low = train_select(0, 0, 150),
		usual = train_select(0.2, 0.9, 150), wide = train_select(20, 0.9, 150);
	TAP_OK(learned.reward > fresh.reward + 0.05, "select: learns what is rewarded, also for rows it has not seen (%.3f, at first %.3f)",
		learned.reward, fresh.reward);
	TAP_OK(usual.reward > fresh.reward + 0.05, "select: also with the bonus of the option's default (%.3f)", usual.reward);
	TAP_OK(low.similarity < learned.similarity - 0.1, "select: a lower target is a lower similarity (%.3f, %.3f)", low.similarity, learned.similarity);
	TAP_OK(wide.entropy > learned.entropy + 0.3, "select: diversity keeps the choice wide (%.3f, without %.3f)", wide.entropy, learned.entropy);
}

/* Draws of the first row of many epochs: how often each candidate comes first, against e^logq. */
static void
test_chances(void)
{
	enum { TIMES = 3000 };
	struct cn_method_config config = settings(NULL);
	struct cn_err err = { 0 };
	static float vector[ROWS * K * DIM], logq[ROWS * K], first[64 * DIM];
	static uint8_t rule[ROWS * K];
	const struct cn_made made = { K, DIM, vector, rule, logq };
	const struct cn_round round = make_round(0);
	double chance[64], seen[64] = { 0 }, most = 0;
	size_t kinds = 0;
	int apart = 1;
	void *self = cn_select_kind.new(&config, &err);

	for (uint32_t t = 0; t < TIMES; t++) {
		size_t i = 0;

		epochs[0] = t;
		cn_select_kind.make(self, &round, 0, 1, &made);
		while (i < kinds && memcmp(first + i * DIM, vector, DIM * sizeof *vector) != 0)
			i++;
		if (i == kinds && kinds < 64)
			memcpy(first + kinds++ * DIM, vector, DIM * sizeof *vector);
		chance[i] = exp((double)logq[0]);
		seen[i]++;
		for (size_t a = 0; a < K; a++)
			for (size_t b = 0; b < a; b++)
				apart = apart && memcmp(vector + a * DIM, vector + b * DIM, DIM * sizeof *vector) != 0;
	}
	for (size_t i = 0; i < kinds; i++)
		most = fmax(most, fabs(seen[i] / TIMES - chance[i]) / sqrt(chance[i] / TIMES));
	TAP_OK(kinds > 8 && most < 4.5, "select: each of %zu candidates comes first as often as its logq says (%.2f sigma)", kinds, most);
	TAP_OK(apart, "select: none comes twice");
	cn_select_kind.free(self);
}

/* Trains some rounds and makes the negatives of a last one. */
static void
play(const struct cn_method_kind *kind, void *self, uint32_t from, uint32_t to, float *vector)
{
	static uint8_t rule[ROWS * K];
	static float logq[ROWS * K];
	const struct cn_made made = { K, DIM, vector, rule, logq };
	char told[CN_METHOD_TOLD];

	for (uint32_t r = from; r < to; r++) {
		const struct cn_round round = make_round(r);

		if (kind->learn)
			kind->learn(self, &round, told);
		kind->make(self, &round, 0, ROWS, &made);
	}
}

/* Every method: the same bits on one thread and three, all below the ceiling and of unit length. */
static void
test_same(int choice)
{
	static float vector[2][ROWS * K * DIM];
	const struct cn_method_kind *kind = cn_method_kind(choice);
	size_t wrong = 0;

	for (size_t t = 0; t < 2; t++) {
		struct cn_err err = { 0 };
		struct cn_pool *pool = cn_pool_new(1 + 2 * t, &err);
		const struct cn_method_config config = settings(pool);
		void *self = kind->new(&config, &err);

		play(kind, self, 0, 5, vector[t]);
		kind->free(self);
		cn_pool_free(pool);
	}
	TAP_OK(memcmp(vector[0], vector[1], sizeof vector[0]) == 0, "%s: the same bits on one thread and three", kind->word);
	for (size_t i = 0; i < ROWS * K; i++) {
		const float *v = vector[0] + i * DIM;

		wrong += cn_kernel_dot(anchor + i / K * DIM, v, DIM) > ceiling[i / K] || fabsf(cn_kernel_dot(v, v, DIM) - 1) > 1e-5f;
	}
	TAP_OK(wrong == 0, "%s: of unit length, and none above the ceiling", kind->word);
}

/* What was kept after three rounds goes on to the same negatives after five; what belongs to another is refused. */
static void
test_kept(int choice)
{
	static float vector[2][ROWS * K * DIM];
	const struct cn_method_kind *kind = cn_method_kind(choice);
	struct cn_method_config config = settings(NULL);
	struct cn_err err = { 0 };
	struct cn_weights weights = { 0 };

	if (!kind->keep)
		return;
	void *self = kind->new(&config, &err), *other = kind->new(&config, &err);
	play(kind, self, 0, 3, vector[0]);
	kind->keep(self, &(struct cn_state){ &weights, false, NULL, &err });
	play(kind, self, 3, 5, vector[0]);
	kind->keep(other, &(struct cn_state){ &weights, true, "kept", &err });
	play(kind, other, 3, 5, vector[1]);
	TAP_OK(!err.code && memcmp(vector[0], vector[1], sizeof vector[0]) == 0, "%s: goes on from a state as if it had never stopped", kind->word);
	memcpy(vector[1], vector[0], sizeof vector[0]);
	kind->free(other);
	other = kind->new(&config, &err);
	play(kind, other, 3, 5, vector[1]);
	TAP_OK(memcmp(vector[0], vector[1], sizeof vector[0]) != 0, "%s: without it, something is missing", kind->word);
	weights.tensor[0].shape = (struct cn_shape){ 1, { 3 } };
	kind->keep(other, &(struct cn_state){ &weights, true, "kept", &err });
	TAP_OK(err.code == CN_FAILED && strstr(err.text, "kept: "), "%s: a tensor of another shape is refused", kind->word);
	cn_weights_release(&weights);
	kind->free(self);
	kind->free(other);
}

int
main(void)
{
	const char *choice = CN_METHOD_CHOICES;
	int n = 0, agree = 1;

	for (; *choice; choice += strcspn(choice, "|"), choice += *choice == '|', n++)
		agree = agree && strncmp(choice, cn_method_kind(n)->word, strcspn(choice, "|")) == 0;
	TAP_OK(agree, "method: the table is in the order of the choices");
	for (int i = 0; i < n; i++)
		TAP_OK(cn_opt_lists(CN_METHOD_LEARNERS, cn_method_kind(i)->word) == (cn_method_kind(i)->learn != NULL),
			"%s: is a learner if it learns", cn_method_kind(i)->word);
	test_adversary();
	test_hdml();
	test_average();
	test_daml();
	test_select();
	test_reinforce();
	test_chances();
	for (int i = 0; i < n; i++)
		if (!cn_method_kind(i)->by_value) {	/* those want an encoder: test_gan.c */
			test_same(i);
			test_kept(i);
		}
	return tap_done();
}
