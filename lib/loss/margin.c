/* margin - losses of pairs and triplets that stop where a margin is kept; d is the distance of unit vectors. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "loss/anchor.h"

#include "base/banned.h"

/* Squared distances get 1e-8 more, so that the root has a slope at 0. */
static double
distance(float s)
{
	const double square = 2 - 2 * (double)s;

	return sqrt((square > 0 ? square : 0) + 1e-8);
}

/* d's derivative by s. */
static double
slope(double d)
{
	return -1 / d;
}

static double
logistic(double x)
{
	const double e = cn_rng_exp(x > 0 ? -x : x);

	return x > 0 ? 1 / (1 + e) : e / (1 + e);
}

static void
nothing(const struct cn_anchor *a, float *c, float *d)
{
	memset(c, 0, a->candidates * sizeof *c);
	if (a->slots)
		memset(d, 0, a->slots * sizeof *d);
}

/* The anchor's negatives in order: candidates, then further negatives; number, cosine and weight of each. */
struct negative {
	size_t at;		/* 0..candidates-1, then candidates + slot */
	float s;
	double weight;
};

static bool
next_negative(const struct cn_anchor *a, size_t *next, struct negative *n)
{
	for (; *next < a->candidates + a->slots; (*next)++) {
		const size_t k = *next, j = k - a->candidates;

		if (k < a->candidates ? cn_anchor_same(a, k) || cn_anchor_positive(a, k) : !(a->constant[j] > -INFINITY))
			continue;
		*n = k < a->candidates ? (struct negative){ k, a->s[k], 1 }
			: (struct negative){ k, a->e[j], cn_rng_exp((double)a->constant[j]) };
		(*next)++;
		return true;
	}
	return false;
}

static void
add(const struct cn_anchor *a, size_t at, double by, float *c, float *d)
{
	if (at < a->candidates)
		c[at] += (float)by;
	else
		d[at - a->candidates] += (float)by;
}

/* Triplets; Schroff et al. 2015, sorted as in pytorch-metric-learning: gap = d(a,n) - d(a,p). */
enum { LABELS, MARGIN, KIND, SOFT, ALL };	/* parameters */
enum kind { EVERY, HARD, SEMIHARD, EASY, BATCH_HARD };

static bool
chosen(const struct cn_term *t, double gap)
{
	switch ((enum kind)(int)t->parameter[KIND]) {
	case HARD:
		return gap <= 0;
	case SEMIHARD:
		return gap > 0 && gap <= t->parameter[MARGIN];
	case EASY:
		return gap > t->parameter[MARGIN];
	default:
		return true;
	}
}

/* The loss of one triplet, and in by how it grows with d(a,p) - d(a,n). */
static double
violation(const struct cn_term *t, double gap, double *by)
{
	const double x = t->parameter[MARGIN] - gap;

	*by = t->parameter[SOFT] > 0 ? logistic(x) : x > 0;
	return t->parameter[SOFT] > 0 ? cn_rng_softplus(x) : x > 0 ? x : 0;
}

/* What a triplet adds; c NULL: only counted.  Returns its loss, and 1 in counted if it takes part in the mean. */
static double
take_triplet(const struct cn_term *t, const struct cn_anchor *a, size_t p, const struct negative *n, double *counted, float *c, float *d)
{
	const double dp = distance(a->s[p]), dn = distance(n->s);
	double by;
	const double loss = violation(t, dn - dp, &by);

	*counted += loss > 0 || t->parameter[ALL] > 0;
	if (c && loss > 0) {
		const double part = n->weight * by / t->total[0];

		add(a, p, part * slope(dp), c, d);
		add(a, n->at, -part * slope(dn), c, d);
	}
	return n->weight * loss;
}

/* The farthest positive with the nearest negative; false when one of them is missing. */
static bool
hardest(const struct cn_anchor *a, size_t *p, struct negative *n)
{
	struct negative other;
	size_t next = 0;
	bool far = false, near = false;

	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k) && (!far || a->s[k] < a->s[*p])) {
			*p = k;
			far = true;
		}
	while (next_negative(a, &next, &other))
		if (!near || other.s > n->s) {
			*n = other;
			near = true;
		}
	n->weight = 1;
	return far && near;
}

static double
triplets(const struct cn_term *t, const struct cn_anchor *a, double *counted, float *c, float *d)
{
	struct negative n = { 0 };
	double loss = 0;
	size_t p = 0;

	if ((int)t->parameter[KIND] == BATCH_HARD)
		return hardest(a, &p, &n) ? take_triplet(t, a, p, &n, counted, c, d) : 0;
	for (p = 0; p < a->candidates; p++) {
		if (!cn_anchor_positive(a, p))
			continue;
		for (size_t next = 0; next_negative(a, &next, &n);)
			if (chosen(t, distance(n.s) - distance(a->s[p])))
				loss += take_triplet(t, a, p, &n, counted, c, d);
	}
	return loss;
}

static void
count_triplets(const struct cn_term *t, const struct cn_anchor *a, double *total)
{
	triplets(t, a, &total[0], NULL, NULL);
}

static double
triplet(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	double counted = 0;

	nothing(a, c, d);
	return t->total[0] > 0 ? triplets(t, a, &counted, c, d) / t->total[0] : 0;
}

/* Wu et al. 2017: positives nearer than beta - alpha, negatives farther than beta + alpha; mean over the pairs that are not. */
enum { BETA = 1, ALPHA };

static double
pair_margin(const struct cn_term *t, const struct cn_anchor *a, double *counted, float *c, float *d)
{
	const double beta = t->parameter[BETA], alpha = t->parameter[ALPHA];
	struct negative n;
	double loss = 0;

	for (size_t k = 0; k < a->candidates; k++) {
		const double far = distance(a->s[k]), over = far - beta + alpha;

		if (!cn_anchor_positive(a, k) || !(over > 0))
			continue;
		*counted += 1;
		loss += over;
		if (c)
			add(a, k, slope(far) / t->total[0], c, d);
	}
	for (size_t next = 0; next_negative(a, &next, &n);) {
		const double far = distance(n.s), under = beta + alpha - far;

		if (!(under > 0))
			continue;
		*counted += 1;
		loss += n.weight * under;
		if (c)
			add(a, n.at, -n.weight * slope(far) / t->total[0], c, d);
	}
	return loss;
}

static void
count_margin(const struct cn_term *t, const struct cn_anchor *a, double *total)
{
	pair_margin(t, a, &total[0], NULL, NULL);
}

static double
margin(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	double counted = 0;

	nothing(a, c, d);
	return t->total[0] > 0 ? pair_margin(t, a, &counted, c, d) / t->total[0] : 0;
}

/* Hadsell et al. 2006 with distances as they are: positives nearer than pos, negatives farther than neg; each a mean over what is not. */
enum { POS = 1, NEG };

static double
contrast(const struct cn_term *t, const struct cn_anchor *a, double *counted, float *c, float *d)
{
	struct negative n;
	double loss = 0;

	for (size_t k = 0; k < a->candidates; k++) {
		const double far = distance(a->s[k]), over = far - t->parameter[POS];

		if (!cn_anchor_positive(a, k) || !(over > 0))
			continue;
		counted[0] += 1;
		if (c) {
			loss += over / t->total[0];
			add(a, k, slope(far) / t->total[0], c, d);
		}
	}
	for (size_t next = 0; next_negative(a, &next, &n);) {
		const double far = distance(n.s), under = t->parameter[NEG] - far;

		if (!(under > 0))
			continue;
		counted[1] += 1;
		if (c) {
			loss += n.weight * under / t->total[1];
			add(a, n.at, -n.weight * slope(far) / t->total[1], c, d);
		}
	}
	return loss;
}

static void
count_contrast(const struct cn_term *t, const struct cn_anchor *a, double *total)
{
	contrast(t, a, total, NULL, NULL);
}

static double
contrastive(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	double counted[2] = { 0 };

	nothing(a, c, d);
	return contrast(t, a, counted, c, d);
}

/* Wang et al. 2019, with the pairs that its mining keeps when epsilon is not negative. */
enum { MS_ALPHA = 1, MS_BETA, MS_BASE, MS_EPSILON };

struct reach {
	double farthest, nearest;	/* least cosine of a positive, greatest of a negative */
};

static struct reach
reach(const struct cn_anchor *a)
{
	struct reach r = { 2, -2 };
	struct negative n;

	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k) && (double)a->s[k] < r.farthest)
			r.farthest = (double)a->s[k];
	for (size_t next = 0; next_negative(a, &next, &n);)
		if ((double)n.s > r.nearest)
			r.nearest = (double)n.s;
	return r;
}

static double
multi_similarity(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const double *q = t->parameter, alpha = q[MS_ALPHA], beta = q[MS_BETA], base = q[MS_BASE], epsilon = q[MS_EPSILON];
	const struct reach r = reach(a);
	const bool all = epsilon < 0;
	struct negative n;
	double near = 1, far = 1;	/* in the logarithms */

	nothing(a, c, d);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t k = 0; k < a->candidates; k++) {
			const double s = (double)a->s[k];

			if (!cn_anchor_positive(a, k) || !(all || s - epsilon < r.nearest))
				continue;
			const double e = cn_rng_exp(-alpha * (s - base));

			if (pass == 0)
				far += e;
			else
				add(a, k, -e / far, c, d);
		}
		for (size_t next = 0; next_negative(a, &next, &n);) {
			const double s = (double)n.s;

			if (!(all || s + epsilon > r.farthest))
				continue;
			const double e = n.weight * cn_rng_exp(beta * (s - base));

			if (pass == 0)
				near += e;
			else
				add(a, n.at, e / near, c, d);
		}
	}
	return cn_rng_log(far) / alpha + cn_rng_log(near) / beta;
}

/* Sun et al. 2020: ln(1 + sum over n of e^(gamma [s + m]+ (s - m)) sum over p of e^(gamma [1 + m - s]+ (1 - m - s))), the brackets constant. */
enum { CIRCLE_M = 1, CIRCLE_GAMMA };

struct running {
	double top, sum;		/* sum of e^(x - top) */
};

static void
run_on(struct running *r, double x, double weight)
{
	if (x > r->top) {
		r->sum *= r->top > -INFINITY ? cn_rng_exp(r->top - x) : 0;
		r->top = x;
	}
	r->sum += weight * cn_rng_exp(x - r->top);
}

static double
circle_slope(const struct cn_term *t, double s, bool positive)
{
	const double m = t->parameter[CIRCLE_M], bracket = positive ? 1 + m - s : s + m;

	return (positive ? -1 : 1) * t->parameter[CIRCLE_GAMMA] * (bracket > 0 ? bracket : 0);
}

static double
circle_logit(const struct cn_term *t, double s, bool positive)
{
	const double m = t->parameter[CIRCLE_M];

	return circle_slope(t, s, positive) * (positive ? s - (1 - m) : s - m);
}

static double
circle(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	struct running p = { -INFINITY, 0 }, n = { -INFINITY, 0 };
	struct negative other;

	nothing(a, c, d);
	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k))
			run_on(&p, circle_logit(t, (double)a->s[k], true), 1);
	for (size_t next = 0; next_negative(a, &next, &other);)
		run_on(&n, circle_logit(t, (double)other.s, false), other.weight);
	if (!(p.sum > 0 && n.sum > 0))
		return 0;
	const double x = p.top + cn_rng_log(p.sum) + n.top + cn_rng_log(n.sum), by = logistic(x);

	for (size_t k = 0; k < a->candidates; k++) {
		const double s = (double)a->s[k];

		if (cn_anchor_positive(a, k))
			add(a, k, by * cn_rng_exp(circle_logit(t, s, true) - p.top) / p.sum * circle_slope(t, s, true), c, d);
	}
	for (size_t next = 0; next_negative(a, &next, &other);) {
		const double s = (double)other.s;

		add(a, other.at, by * other.weight * cn_rng_exp(circle_logit(t, s, false) - n.top) / n.sum * circle_slope(t, s, false), c, d);
	}
	return cn_rng_softplus(x);
}

/*
 * Sun et al. 2019 (RotatE): half of -ln sigma(f + gamma) of the positive and of -ln sigma(-f - gamma) of the
 * negatives, f = s / temperature; these weighted by a softmax of alpha f, which is constant.
 */
enum { ADV_GAMMA = 1, ADV_ALPHA };

static double
self_adversarial(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const double scale = 1 / t->temperature, gamma = t->parameter[ADV_GAMMA], alpha = t->parameter[ADV_ALPHA];
	struct running share = { -INFINITY, 0 };
	struct negative n;
	double loss = 0, positives = 0;

	nothing(a, c, d);
	for (size_t next = 0; next_negative(a, &next, &n);)
		run_on(&share, alpha * scale * (double)n.s, n.weight);
	for (size_t k = 0; k < a->candidates; k++)
		positives += cn_anchor_positive(a, k);
	for (size_t k = 0; k < a->candidates; k++) {
		const double x = -(scale * (double)a->s[k] + gamma);

		if (!cn_anchor_positive(a, k))
			continue;
		loss += cn_rng_softplus(x) / positives / 2;
		add(a, k, -scale * logistic(x) / positives / 2, c, d);
	}
	for (size_t next = 0; next_negative(a, &next, &n);) {
		const double x = scale * (double)n.s + gamma;
		const double w = n.weight * cn_rng_exp(alpha * scale * (double)n.s - share.top) / share.sum;

		loss += w * cn_rng_softplus(x) / 2;
		add(a, n.at, w * scale * logistic(x) / 2, c, d);
	}
	return loss;
}

/* Wang & Isola 2020: |x - y|^alpha of partners. */
static double
alignment(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const double alpha = t->parameter[0], far = distance(a->s[a->partner]);
	const double loss = cn_rng_exp(alpha * cn_rng_log(far));

	nothing(a, c, d);
	c[a->partner] = (float)(alpha * loss / far * slope(far));
	return loss;
}

/* The same: ln of the mean of e^(-t |x - y|^2) over the pairs of views of one kind; mean of both kinds. */
static double
repel(const struct cn_term *t, const struct cn_anchor *a, size_t k)
{
	return cn_rng_exp(t->parameter[0] * (2 * (double)a->s[k] - 2));
}

static void
count_uniformity(const struct cn_term *t, const struct cn_anchor *a, double *total)
{
	const size_t half = a->views / 2, kind = a->self >= half;

	for (size_t k = kind * half; k < (kind + 1) * half; k++)
		if (k != a->self)
			total[kind] += repel(t, a, k);
}

static double
uniformity(const struct cn_term *t, const struct cn_anchor *a, float *c, float *d)
{
	const size_t half = a->views / 2, kind = a->self >= half;
	const double pairs = (double)half * (double)(half - 1), sum = t->total[kind];

	nothing(a, c, d);
	for (size_t k = kind * half; k < (kind + 1) * half; k++)
		if (k != a->self)
			c[k] = (float)(t->parameter[0] * repel(t, a, k) / sum);
	return pairs > 0 ? cn_rng_log(sum / pairs) / (2 * (double)half) : 0;
}

#define LABELLED { "labels", 0, 0, 1, "no|yes" }

const struct cn_loss cn_margin_losses[] = {
	{ .name = "triplet", .run = triplet, .tally = count_triplets,
		.parameter = { LABELLED, { "margin", 0.2, 0, 100, NULL }, { "kind", 0, 0, 4, "all|hard|semihard|easy|batch-hard" },
			{ "soft", 0, 0, 1, "no|yes" }, { "mean", 0, 0, 1, "nonzero|all" } } },
	{ .name = "margin", .run = margin, .tally = count_margin,
		.parameter = { LABELLED, { "beta", 1.2, 0, 2, NULL }, { "alpha", 0.2, 0, 2, NULL } } },
	{ .name = "contrastive", .run = contrastive, .tally = count_contrast,
		.parameter = { LABELLED, { "pos", 0, 0, 2, NULL }, { "neg", 1, 0, 2, NULL } } },
	{ .name = "multi-similarity", .run = multi_similarity,
		.parameter = { LABELLED, { "alpha", 2, 0.001, 1000, NULL }, { "beta", 50, 0.001, 1000, NULL },
			{ "base", 0.5, -1, 1, NULL }, { "epsilon", 0.1, -1, 2, NULL } } },
	{ .name = "circle", .run = circle,
		.parameter = { LABELLED, { "m", 0.4, -1, 2, NULL }, { "gamma", 80, 0.001, 10000, NULL } } },
	{ .name = "self-adversarial", .run = self_adversarial,
		.parameter = { LABELLED, { "gamma", 0, -1000, 1000, NULL }, { "alpha", 1, 0, 1000, NULL } } },
	{ .name = "alignment", .run = alignment, .parameter = { { "alpha", 2, 0.1, 10, NULL } } },
	{ .name = "uniformity", .run = uniformity, .tally = count_uniformity,
		.parameter = { { "t", 2, 0.001, 100, NULL } } },
	{ .name = NULL },
};
