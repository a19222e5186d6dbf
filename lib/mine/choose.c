/* Weights and noise in doubles by cn_rng_exp and cn_rng_log: the same choice on every machine. */
#include <math.h>

#include "base/mem.h"
#include "mine/choose.h"
#include "tensor/kernel.h"

#include "base/banned.h"

bool
cn_way_draws(enum cn_way way)
{
	return way >= CN_WAY_RANDOM && way <= CN_WAY_STRATA;
}

bool
cn_way_compares(enum cn_way way)
{
	return way >= CN_WAY_MMR;
}

/* -ln q(d) of two points on the unit sphere in dim dimensions. */
static double
weigh_distance(const struct cn_way_config *config, double score, size_t dim)
{
	const double n = (double)dim, apart = sqrt(score < 1 ? 2 - 2 * score : 0);
	const double d = apart < config->nearest ? config->nearest : apart;

	if (d >= config->farthest || d >= 2)
		return -INFINITY;
	return (2 - n) * cn_rng_log(d) - (n - 3) / 2 * cn_rng_log(1 - d * d / 4);
}

void
cn_choose_weigh(enum cn_way way, const struct cn_way_config *config, const struct cn_candidate *list, size_t n,
	float pos_score, size_t dim, double *weight)
{
	for (size_t i = 0; i < n; i++) {
		const double s = (double)list[i].score, off = s - (double)pos_score - config->simans_b;

		/* around a positive that is not known (NaN) all are alike */
		weight[i] = way == CN_WAY_SIMANS && off != off ? 0 : way == CN_WAY_SOFTMAX ? s / config->temperature :
			way == CN_WAY_SIMANS ? -config->simans_a * off * off :
			way == CN_WAY_DISTANCE ? weigh_distance(config, s, dim) : 0;
	}
}

static void
swap(struct cn_candidate *list, size_t i, size_t j)
{
	const struct cn_candidate t = list[i];

	list[i] = list[j];
	list[j] = t;
}

/* ln of the sum of e^w over those that can be drawn; -INFINITY if there are none. */
static double
log_total(const double *weight, size_t n)
{
	double top = -INFINITY, sum = 0;

	for (size_t i = 0; i < n; i++)
		top = weight[i] > top ? weight[i] : top;
	for (size_t i = 0; i < n; i++)
		if (weight[i] > -INFINITY)
			sum += cn_rng_exp(weight[i] - top);
	return top > -INFINITY ? top + cn_rng_log(sum) : top;
}

/* The k greatest of weight + noise, greatest first: selection by hand, since k is small beside n. */
static size_t
draw(struct cn_candidate *list, double *weight, size_t n, size_t k, struct cn_rng *rng)
{
	const double total = log_total(weight, n);
	size_t taken = 0;

	for (size_t i = 0; i < n; i++) {
		const double noise = (double)cn_rng_gumbel(rng);

		list[i].logq = (float)(weight[i] - total);
		weight[i] += noise;
	}
	for (; taken < k && taken < n; taken++) {
		size_t best = taken;

		for (size_t i = taken + 1; i < n; i++)
			if (weight[i] > weight[best])
				best = i;
		if (!(weight[best] > -INFINITY))
			break;
		swap(list, taken, best);

		const double t = weight[taken];

		weight[taken] = weight[best];
		weight[best] = t;
	}
	return taken;
}

/* Deals from each part in turn; a part that is used up is passed over.  at: (n) the list in order. */
static size_t
deal_strata(struct cn_candidate *list, size_t n, size_t k, size_t strata, struct cn_rng *rng, uint32_t *at, struct cn_candidate *out)
{
	const size_t parts = strata < n ? strata : n;
	size_t taken = 0, round = 0;

	for (size_t i = 0; i < n; i++)
		at[i] = (uint32_t)i;
	for (; taken < k && taken < n; round++)
		for (size_t p = 0; p < parts && taken < k; p++) {
			const size_t from = n * p / parts, end = n * (p + 1) / parts, next = from + round;

			if (next >= end)
				continue;

			const size_t pick = next + cn_rng_below(rng, (uint32_t)(end - next));
			const uint32_t t = at[pick];

			at[pick] = at[next];
			at[next] = t;
			out[taken] = list[t];
			out[taken++].logq = (float)-(cn_rng_log((double)parts) + cn_rng_log((double)(end - from)));
		}
	for (size_t i = 0; i < taken; i++)
		list[i] = out[i];
	return taken;
}

/* worst[i]: the greatest cosine of candidate i with one taken. */
static size_t
take_marginal(struct cn_candidate *list, size_t n, size_t k, double x, const float *unit, size_t dim, double *worst)
{
	size_t taken = 0;

	for (size_t i = 0; i < n; i++)
		worst[i] = 0;
	for (; taken < k && taken < n; taken++) {
		size_t best = taken;

		for (size_t i = taken; i < n; i++) {
			if (taken) {
				const double c = (double)cn_kernel_dot(unit + (size_t)list[i].row * dim,
					unit + (size_t)list[taken - 1].row * dim, dim);

				worst[i] = taken == 1 || c > worst[i] ? c : worst[i];
			}
			if ((1 - x) * (double)list[i].score - x * worst[i] > (1 - x) * (double)list[best].score - x * worst[best])
				best = i;
		}
		swap(list, taken, best);
		worst[best] = worst[taken];
	}
	return taken;
}

static size_t
take_apart(struct cn_candidate *list, size_t n, size_t k, double x, const float *unit, size_t dim)
{
	size_t taken = 0;

	for (size_t i = 0; i < n && taken < k; i++) {
		size_t j = 0;

		while (j < taken && 1 - (double)cn_kernel_dot(unit + (size_t)list[i].row * dim, unit + (size_t)list[j].row * dim, dim) >= x)
			j++;
		if (j == taken)
			list[taken++] = list[i];
	}
	return taken;
}

/*
 * Cholesky by rows, one per candidate taken: gain[i] is what the determinant grows by with candidate i,
 * factor (k, n) the rows of the triangle.  Ends where a candidate adds
 * no more than what cosines in floats are off.
 */
static size_t
take_volume(struct cn_candidate *list, size_t n, size_t k, double x, const float *unit, size_t dim, double *gain, double *factor)
{
	const double pull = (1 - x) / (2 * x);
	double *quality = gain + n;
	size_t taken = 0;

	for (size_t i = 0; i < n; i++) {
		quality[i] = cn_rng_exp(pull * (double)(list[i].score - list[0].score));
		gain[i] = quality[i] * quality[i];
	}
	for (; taken < k && taken < n; taken++) {
		size_t best = taken;
		double *row = factor + taken * n;

		for (size_t i = taken + 1; i < n; i++)
			if (gain[i] > gain[best])
				best = i;
		if (gain[best] <= 1e-6 * quality[best] * quality[best])
			break;
		swap(list, taken, best);
		for (size_t r = 0; r < taken + 2; r++) {	/* the candidate's column moves with it */
			double *line = r < taken ? factor + r * n : r == taken ? gain : quality;
			const double t = line[taken];

			line[taken] = line[best];
			line[best] = t;
		}
		for (size_t i = taken + 1; i < n; i++) {
			double rest = quality[i] * quality[taken] * (double)cn_kernel_dot(unit + (size_t)list[i].row * dim,
				unit + (size_t)list[taken].row * dim, dim);

			for (size_t r = 0; r < taken; r++)
				rest -= factor[r * n + taken] * factor[r * n + i];
			row[i] = rest / sqrt(gain[taken]);
			gain[i] -= row[i] * row[i];
		}
	}
	return taken;
}

size_t
cn_choose(enum cn_way way, const struct cn_way_config *config, struct cn_candidate *list, size_t n, size_t k,
	float pos_score, const float *unit, size_t dim, struct cn_rng *rng, struct cn_choose_room *room, struct cn_err *err)
{
	const size_t held = sizeof(struct cn_candidate) / sizeof(double);	/* 2: a candidate in doubles */
	const size_t reals = way == CN_WAY_DPP ? n * (k + 2) : way == CN_WAY_STRATA ? n * held : n;

	for (size_t i = 0; i < n; i++)
		list[i].logq = 0;
	if (way == CN_WAY_TOP)
		return k < n ? k : n;
	if (cn_mem_grow((void **)&room->real, &room->reals, reals, sizeof *room->real, err) < 0 ||
	    cn_mem_grow((void **)&room->whole, &room->wholes, n, sizeof *room->whole, err) < 0)
		return 0;
	switch (way) {
	case CN_WAY_STRATA:
		return deal_strata(list, n, k, config->strata, rng, room->whole, (struct cn_candidate *)(void *)room->real);
	case CN_WAY_MMR:
		return take_marginal(list, n, k, config->diversity, unit, dim, room->real);
	case CN_WAY_APART:
		return take_apart(list, n, k, config->diversity, unit, dim);
	case CN_WAY_DPP:
		return take_volume(list, n, k, config->diversity, unit, dim, room->real, room->real + 2 * n);
	default:
		cn_choose_weigh(way, config, list, n, pos_score, dim, room->real);
		return draw(list, room->real, n, k, rng);
	}
}

void
cn_choose_release(struct cn_choose_room *room)
{
	cn_mem_free(room->real);
	cn_mem_free(room->whole);
	*room = (struct cn_choose_room){ 0 };
}
