/* softmax - losses of the kind -ln(e^positive / sum of e^candidates). */
#include <math.h>

#include "base/rng.h"
#include "loss/anchor.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum set { OTHERS, NEGATIVES, ACROSS };	/* all but the anchor; of these, what is not positive; what is no view of its own kind */

/* Takes out of c what is not in the set. */
static void
mask(const struct cn_anchor *a, enum set set, float *c)
{
	const size_t half = a->views / 2, from = a->self < half ? 0 : half;

	c[a->self] = -INFINITY;
	for (size_t k = a->views; k < a->candidates && a->remembered; k++)
		if (cn_anchor_same(a, k))
			c[k] = -INFINITY;
	if (set == NEGATIVES)
		for (size_t k = 0; k < a->candidates; k++)
			if (cn_anchor_positive(a, k))
				c[k] = -INFINITY;
	if (set == ACROSS)
		for (size_t k = from; k < from + half; k++)
			c[k] = -INFINITY;
}

/*
 * The exponentials of scale s over the set and the further negatives, divided by e^top with top the greatest
 * exponent: in c and d, 0 where nothing is.  Returns their sum.
 */
static double
exponentials(const struct cn_anchor *a, double scale, enum set set, float *c, float *d, double *top)
{
	for (size_t k = 0; k < a->candidates; k++)
		c[k] = (float)scale * a->s[k];
	mask(a, set, c);
	for (size_t j = 0; j < a->slots; j++)
		d[j] = a->constant[j] > -INFINITY ? (float)scale * a->e[j] + a->constant[j] : -INFINITY;

	const float seen = cn_kernel_max(c, a->candidates), further = cn_kernel_max(d, a->slots);
	const float most = seen > further ? seen : further > -INFINITY ? further : 0;

	*top = (double)most;
	cn_kernel_exp(c, a->candidates, most);
	cn_kernel_exp(d, a->slots, most);
	return cn_kernel_sum(c, a->candidates) + cn_kernel_sum(d, a->slots);
}

static void
multiply(const struct cn_anchor *a, double by, float *c, float *d)
{
	const float factor = (float)by;

	for (size_t k = 0; k < a->candidates; k++)
		c[k] *= factor;
	for (size_t j = 0; j < a->slots; j++)
		d[j] *= factor;
}

static double
against(const struct cn_term *t, const struct cn_anchor *a, enum set set, float *c, float *d)
{
	const double scale = 1 / t->temperature;
	double top;
	const double sum = exponentials(a, scale, set, c, d, &top);

	multiply(a, scale / sum, c, d);
	c[a->partner] -= (float)scale;
	return top + cn_rng_log(sum) - scale * (double)a->s[a->partner];
}

static double
infonce(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	return against(t, a, OTHERS, c, d);
}

static double
across(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	return against(t, a, ACROSS, c, d);
}

/* Khosla et al. 2020, the outer sum, without the factor tau / tau_base of their code. */
static double
supcon(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const double scale = 1 / t->temperature;
	double top, mean = 0, positives = 0;
	const double sum = exponentials(a, scale, OTHERS, c, d, &top);

	multiply(a, scale / sum, c, d);
	for (size_t k = 0; k < a->candidates; k++)
		positives += cn_anchor_positive(a, k);
	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k)) {
			mean += scale * (double)a->s[k] / positives;
			c[k] -= (float)(scale / positives);
		}
	return top + cn_rng_log(sum) - mean;
}

/* Goldberger et al. 2004: the probability that a neighbour drawn by e^s is a positive. */
static double
nca(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const double scale = 1 / t->temperature;
	double top, best = -INFINITY, among = 0;
	const double sum = exponentials(a, scale, OTHERS, c, d, &top);

	multiply(a, scale / sum, c, d);
	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k))
			best = scale * (double)a->s[k] > best ? scale * (double)a->s[k] : best;
	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k))
			among += cn_rng_exp(scale * (double)a->s[k] - best);
	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k))
			c[k] -= (float)(scale * cn_rng_exp(scale * (double)a->s[k] - best) / among);
	return top + cn_rng_log(sum) - best - cn_rng_log(among);
}

/* Yeh et al. 2022: the positive is left out of the denominator; weighted by von Mises-Fisher (DCLW) if asked. */
static double
decoupled(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const double scale = 1 / t->temperature;
	const double weight = t->parameter[0] > 0 ? 2 - (double)(a->views / 2) * a->partner_share : 1;
	double top;
	const double sum = exponentials(a, scale, NEGATIVES, c, d, &top);

	if (!(sum > 0))
		return 0;	/* and c and d are 0 */
	multiply(a, scale / sum, c, d);
	c[a->partner] = (float)(-scale * weight);
	return top + cn_rng_log(sum) - weight * scale * (double)a->s[a->partner];
}

/* How many negatives there are, a further one counting by its weight (as if drawn so often). */
static double
count_negatives(const struct cn_anchor *a)
{
	double n = 0;

	for (size_t k = 0; k < a->candidates; k++)
		n += !cn_anchor_same(a, k) && !cn_anchor_positive(a, k);
	for (size_t j = 0; j < a->slots; j++)
		n += cn_rng_exp((double)a->constant[j]);
	return n;
}

/*
 * Robinson et al. 2021 with beta; Chuang et al. 2020 with beta 0: of N negatives the part prior is taken for
 * positives.  R = N sum e^((1+beta) l) / sum e^(beta l) stands for the sum over the negatives,
 * G = max((R - prior N e^p) / (1 - prior), N e^(-1/temperature)); the loss is ln(1 + G / e^p).
 */
static double
debiased(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const double scale = 1 / t->temperature, prior = t->parameter[0], beta = t->parameter[1];
	const double p = scale * (double)a->s[a->partner], n = count_negatives(a);
	float *b = a->scratch, *bd = a->scratch + a->candidates;
	double top, low;

	const double sum = exponentials(a, (1 + beta) * scale, NEGATIVES, c, d, &top);
	const double under = exponentials(a, beta * scale, NEGATIVES, b, bd, &low);
	if (!(n > 0))
		return 0;	/* and c and d are 0 */
	const double log_n = cn_rng_log(n), log_r = log_n + top + cn_rng_log(sum) - low - cn_rng_log(under);
	/* all times e^-m, so that nothing overflows */
	const double m = log_r > p ? log_r : p, r = cn_rng_exp(log_r - m), mine = prior * n * cn_rng_exp(p - m);
	const double raw = (r - mine) / (1 - prior), least = cn_rng_exp(log_n - scale - m);
	const bool floored = raw < least;
	const double g = floored ? least : raw, whole = cn_rng_exp(p - m) + g;
	/* by ln R and by p, through ln G; then by each similarity */
	const double by_r = floored ? 0 : r / (1 - prior) / whole;
	const double by_p = -g / whole - (floored ? 0 : mine / (1 - prior) / whole);

	for (size_t k = 0; k < a->candidates; k++)
		c[k] = (float)(by_r * scale * ((1 + beta) / sum * (double)c[k] - beta / under * (double)b[k]));
	for (size_t j = 0; j < a->slots; j++)
		d[j] = (float)(by_r * scale * ((1 + beta) / sum * (double)d[j] - beta / under * (double)bd[j]));
	c[a->partner] = (float)(scale * by_p);
	return m + cn_rng_log(whole) - p;
}

const struct cn_loss cn_softmax_losses[] = {
	{ .name = "infonce", .run = infonce },
	{ .name = "npairs", .run = across },
	{ .name = "supcon", .run = supcon, .needs_labels = true },
	{ .name = "nca", .run = nca, .needs_labels = true },
	{ .name = "decoupled", .run = decoupled, .shares = true, .parameter = { { "sigma", 0, 0, 100, NULL } } },
	{ .name = "debiased", .run = debiased, .parameter = { { "prior", 0.1, 0, 0.99, NULL } } },
	{ .name = "hcl", .run = debiased, .parameter = { { "prior", 0.1, 0, 0.99, NULL }, { "beta", 1, 0, 1000, NULL } } },
	{ .name = NULL },
};
