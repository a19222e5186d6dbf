/* losses: published values, slow twins in double read from the formulas, finite differences, the same bits for any pool. */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/objective.h"
#include "tap.h"
#include "tensor/blas.h"
#include "base/banned.h"

#define DEGREE 0.017453292519943295

enum { DIM = 4, SLOTS = 2, MOST = 24 };

struct setting {
	size_t rows, slots;
	double temperature;
	const int32_t *label;
	float z[MOST * DIM], v[MOST * DIM];	/* views; further negatives, one in each slot */
	uint32_t index[MOST * SLOTS];
	float weight[MOST * SLOTS];
};

/* Cosines in double: of views, and of the views with their row's further negatives. */
struct cosines {
	size_t views, slots;
	double s[MOST][MOST], e[MOST][SLOTS], w[MOST][SLOTS];
	const int32_t *label;
	double temperature;
};

static double
cosine(const float *a, const float *b, size_t dim)
{
	double ab = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < dim; i++) {
		ab += (double)a[i] * (double)b[i];
		aa += (double)a[i] * (double)a[i];
		bb += (double)b[i] * (double)b[i];
	}
	return ab / sqrt(aa * bb);
}

static struct cosines
compare(const struct setting *g, size_t dim)
{
	struct cosines c = { .views = 2 * g->rows, .slots = g->slots, .label = g->label, .temperature = g->temperature };

	for (size_t a = 0; a < c.views; a++) {
		for (size_t k = 0; k < c.views; k++)
			c.s[a][k] = cosine(g->z + a * dim, g->z + k * dim, dim);
		for (size_t j = 0; j < c.slots; j++) {
			const size_t place = a % g->rows * c.slots + j;

			c.e[a][j] = cosine(g->z + a * dim, g->v + g->index[place] * dim, dim);
			c.w[a][j] = (double)g->weight[place];
		}
	}
	return c;
}

static bool
positive(const struct cosines *c, size_t a, size_t k)
{
	if (!c->label || c->label[a] < 0)
		return k == (a + c->views / 2) % c->views;
	return a != k && c->label[a] == c->label[k];
}

static bool
negative(const struct cosines *c, size_t a, size_t k)
{
	return a != k && !positive(c, a, k);
}

static double
distance(double s)
{
	return sqrt(fmax(2 - 2 * s, 0) + 1e-8);
}

/* A loss is a function of the cosines; what a formula holds constant is taken from fixed. */
typedef double twin(const struct cosines *c, const struct cosines *fixed);

static size_t
anchors(const struct cosines *c)
{
	size_t n = 0;

	for (size_t a = 0; a < c->views; a++) {
		bool some = false;

		for (size_t k = 0; k < c->views; k++)
			some |= positive(c, a, k);
		n += some;
	}
	return n;
}

static double
infonce(const struct cosines *c, const struct cosines *fixed)
{
	const double t = c->temperature;
	double loss = 0;

	(void)fixed;
	for (size_t a = 0; a < c->views; a++) {
		double sum = 0;

		for (size_t k = 0; k < c->views; k++)
			sum += a != k ? exp(c->s[a][k] / t) : 0;
		for (size_t j = 0; j < c->slots; j++)
			sum += c->w[a][j] * exp(c->e[a][j] / t);
		loss += log(sum) - c->s[a][(a + c->views / 2) % c->views] / t;
	}
	return loss / (double)c->views;
}

static double
npairs(const struct cosines *c, const struct cosines *fixed)
{
	const double t = c->temperature;
	const size_t half = c->views / 2;
	double loss = 0;

	(void)fixed;
	for (size_t a = 0; a < c->views; a++) {
		double sum = 0;

		for (size_t k = 0; k < c->views; k++)
			sum += (a < half) != (k < half) ? exp(c->s[a][k] / t) : 0;
		for (size_t j = 0; j < c->slots; j++)
			sum += c->w[a][j] * exp(c->e[a][j] / t);
		loss += log(sum) - c->s[a][(a + half) % c->views] / t;
	}
	return loss / (double)c->views;
}

static double
supcon(const struct cosines *c, const struct cosines *fixed)
{
	const double t = c->temperature;
	double loss = 0;

	(void)fixed;
	for (size_t a = 0; a < c->views; a++) {
		double sum = 0, mean = 0, n = 0;

		for (size_t k = 0; k < c->views; k++) {
			sum += a != k ? exp(c->s[a][k] / t) : 0;
			mean += positive(c, a, k) ? c->s[a][k] / t : 0;
			n += positive(c, a, k);
		}
		for (size_t j = 0; j < c->slots; j++)
			sum += c->w[a][j] * exp(c->e[a][j] / t);
		loss += n > 0 ? log(sum) - mean / n : 0;
	}
	return loss / (double)anchors(c);
}

static double
nca(const struct cosines *c, const struct cosines *fixed)
{
	const double t = c->temperature;
	double loss = 0;

	(void)fixed;
	for (size_t a = 0; a < c->views; a++) {
		double sum = 0, near = 0;

		for (size_t k = 0; k < c->views; k++) {
			sum += a != k ? exp(c->s[a][k] / t) : 0;
			near += positive(c, a, k) ? exp(c->s[a][k] / t) : 0;
		}
		for (size_t j = 0; j < c->slots; j++)
			sum += c->w[a][j] * exp(c->e[a][j] / t);
		loss += near > 0 ? log(sum / near) : 0;
	}
	return loss / (double)anchors(c);
}

static double
decouple(const struct cosines *c, const struct cosines *fixed, double sigma)
{
	const double t = c->temperature;
	const size_t half = c->views / 2;
	double loss = 0, shares = 0;

	for (size_t r = 0; r < half && sigma > 0; r++)
		shares += exp(fixed->s[r][r + half] / sigma);
	for (size_t a = 0; a < c->views; a++) {
		const size_t p = (a + half) % c->views;
		const double weight = sigma > 0 ? 2 - (double)half * exp(fixed->s[a][p] / sigma) / shares : 1;
		double sum = 0;

		for (size_t k = 0; k < c->views; k++)
			sum += a != k && k != p ? exp(c->s[a][k] / t) : 0;
		for (size_t j = 0; j < c->slots; j++)
			sum += c->w[a][j] * exp(c->e[a][j] / t);
		loss += log(sum) - weight * c->s[a][p] / t;
	}
	return loss / (double)c->views;
}

static double
decoupled(const struct cosines *c, const struct cosines *fixed)
{
	return decouple(c, fixed, 0);
}

static double
weighted(const struct cosines *c, const struct cosines *fixed)
{
	return decouple(c, fixed, 0.5);
}

static double
harden(const struct cosines *c, double prior, double beta)
{
	const double t = c->temperature;
	double loss = 0;

	for (size_t a = 0; a < c->views; a++) {
		const size_t p = (a + c->views / 2) % c->views;
		const double pos = exp(c->s[a][p] / t);
		double n = 0, above = 0, below = 0;

		for (size_t k = 0; k < c->views; k++)
			if (a != k && k != p) {
				n++;
				above += exp((1 + beta) * c->s[a][k] / t);
				below += exp(beta * c->s[a][k] / t);
			}
		for (size_t j = 0; j < c->slots; j++) {
			n += c->w[a][j];
			above += c->w[a][j] * exp((1 + beta) * c->e[a][j] / t);
			below += c->w[a][j] * exp(beta * c->e[a][j] / t);
		}
		const double g = fmax((n * above / below - prior * n * pos) / (1 - prior), n * exp(-1 / t));

		loss += -log(pos / (pos + g));
	}
	return loss / (double)c->views;
}

static double
debiased(const struct cosines *c, const struct cosines *fixed)
{
	(void)fixed;
	return harden(c, 0.1, 0);
}

static double
hcl(const struct cosines *c, const struct cosines *fixed)
{
	(void)fixed;
	return harden(c, 0.1, 1);
}

static double
hcl_plain(const struct cosines *c, const struct cosines *fixed)
{
	(void)fixed;
	return harden(c, 0, 1);
}

/* A prior so great that some rows are at the floor. */
static double
hcl_floor(const struct cosines *c, const struct cosines *fixed)
{
	(void)fixed;
	return harden(c, 0.7, 0.5);
}

enum kind { EVERY, HARD, SEMIHARD, EASY };

static double
triple(const struct cosines *c, double margin, enum kind kind, bool soft, bool all)
{
	double loss = 0, n = 0;

	for (size_t a = 0; a < c->views; a++)
		for (size_t p = 0; p < c->views; p++)
			for (size_t k = 0; k < c->views + c->slots && positive(c, a, p); k++) {
				const bool further = k >= c->views;
				const double s = further ? c->e[a][k - c->views] : c->s[a][k], w = further ? c->w[a][k - c->views] : 1;
				const double gap = distance(s) - distance(c->s[a][p]);
				const double x = soft ? log(1 + exp(margin - gap)) : fmax(margin - gap, 0);

				if ((!further && !negative(c, a, k)) || w == 0 || (kind == HARD && gap > 0)
				    || (kind == SEMIHARD && !(gap > 0 && gap <= margin)) || (kind == EASY && gap <= margin))
					continue;
				loss += w * x;
				n += all || x > 0;
			}
	return n > 0 ? loss / n : 0;
}

#define TRIPLET(name, ...) static double name(const struct cosines *c, const struct cosines *fixed) \
{ (void)fixed; return triple(c, __VA_ARGS__); }

TRIPLET(triplet, 0.2, EVERY, false, false)
TRIPLET(triplet_all, 0.5, EVERY, false, true)
TRIPLET(triplet_hard, 0.5, HARD, false, false)
TRIPLET(triplet_semihard, 0.5, SEMIHARD, false, false)
TRIPLET(triplet_easy, 0.1, EASY, true, false)
TRIPLET(triplet_soft, 0, EVERY, true, false)

static double
batch_hard(const struct cosines *c, const struct cosines *fixed)
{
	double loss = 0, n = 0;

	(void)fixed;
	for (size_t a = 0; a < c->views; a++) {
		double far = -1, near = 9;

		for (size_t k = 0; k < c->views; k++) {
			far = positive(c, a, k) ? fmax(far, distance(c->s[a][k])) : far;
			near = negative(c, a, k) ? fmin(near, distance(c->s[a][k])) : near;
		}
		for (size_t j = 0; j < c->slots; j++)
			near = c->w[a][j] > 0 ? fmin(near, distance(c->e[a][j])) : near;
		if (far >= 0 && near < 9) {
			loss += fmax(far - near + 0.5, 0);
			n++;
		}
	}
	return loss / n;
}

/* Sums of the parts of positive and negative pairs that are above 0, and how many. */
struct halves {
	double positive, positives, negative, negatives;
};

static struct halves
halve(const struct cosines *c, double near, double far)
{
	struct halves h = { 0 };

	for (size_t a = 0; a < c->views; a++)
		for (size_t k = 0; k < c->views + c->slots; k++) {
			const bool further = k >= c->views;
			const double d = distance(further ? c->e[a][k - c->views] : c->s[a][k]), w = further ? c->w[a][k - c->views] : 1;

			if (!further && positive(c, a, k) && d > near) {
				h.positive += d - near;
				h.positives++;
			} else if ((further ? w > 0 : negative(c, a, k)) && d < far) {
				h.negative += w * (far - d);
				h.negatives++;
			}
		}
	return h;
}

static double
margin(const struct cosines *c, const struct cosines *fixed)
{
	const struct halves h = halve(c, 1.0, 1.4);

	(void)fixed;
	return (h.positive + h.negative) / (h.positives + h.negatives);
}

static double
contrastive(const struct cosines *c, const struct cosines *fixed)
{
	const struct halves h = halve(c, 0, 1);

	(void)fixed;
	return h.positive / h.positives + (h.negatives > 0 ? h.negative / h.negatives : 0);
}

static double
multiply_similar(const struct cosines *c, double epsilon)
{
	double loss = 0;

	for (size_t a = 0; a < c->views; a++) {
		double least = 2, most = -2, near = 1, far = 1;
		bool any = false;

		for (size_t k = 0; k < c->views; k++) {
			least = positive(c, a, k) ? fmin(least, c->s[a][k]) : least;
			most = negative(c, a, k) ? fmax(most, c->s[a][k]) : most;
			any |= positive(c, a, k);
		}
		for (size_t j = 0; j < c->slots; j++)
			most = c->w[a][j] > 0 ? fmax(most, c->e[a][j]) : most;
		for (size_t k = 0; k < c->views; k++) {
			if (positive(c, a, k) && (epsilon < 0 || c->s[a][k] - epsilon < most))
				far += exp(-2 * (c->s[a][k] - 0.5));
			if (negative(c, a, k) && (epsilon < 0 || c->s[a][k] + epsilon > least))
				near += exp(50 * (c->s[a][k] - 0.5));
		}
		for (size_t j = 0; j < c->slots; j++)
			if (c->w[a][j] > 0 && (epsilon < 0 || c->e[a][j] + epsilon > least))
				near += c->w[a][j] * exp(50 * (c->e[a][j] - 0.5));
		loss += any ? log(far) / 2 + log(near) / 50 : 0;
	}
	return loss / (double)anchors(c);
}

static double
multi_similarity(const struct cosines *c, const struct cosines *fixed)
{
	(void)fixed;
	return multiply_similar(c, 0.1);
}

static double
multi_similarity_all(const struct cosines *c, const struct cosines *fixed)
{
	(void)fixed;
	return multiply_similar(c, -1);
}

static double
circle(const struct cosines *c, const struct cosines *fixed)
{
	const double m = 0.25, gamma = 10;
	double loss = 0;

	for (size_t a = 0; a < c->views; a++) {
		double p = 0, n = 0;

		for (size_t k = 0; k < c->views; k++) {
			if (positive(c, a, k))
				p += exp(-gamma * fmax(1 + m - fixed->s[a][k], 0) * (c->s[a][k] - 1 + m));
			if (negative(c, a, k))
				n += exp(gamma * fmax(fixed->s[a][k] + m, 0) * (c->s[a][k] - m));
		}
		for (size_t j = 0; j < c->slots; j++)
			n += c->w[a][j] * exp(gamma * fmax(fixed->e[a][j] + m, 0) * (c->e[a][j] - m));
		loss += p > 0 ? log(1 + n * p) : 0;
	}
	return loss / (double)anchors(c);
}

static double
self_adversarial(const struct cosines *c, const struct cosines *fixed)
{
	const double t = c->temperature, gamma = 0.3, alpha = 0.7;
	double loss = 0;

	for (size_t a = 0; a < c->views; a++) {
		double shares = 0, p = 0, count = 0, n = 0;

		for (size_t k = 0; k < c->views; k++) {
			shares += negative(c, a, k) ? exp(alpha * fixed->s[a][k] / t) : 0;
			count += positive(c, a, k);
			p += positive(c, a, k) ? log(1 + exp(-gamma - c->s[a][k] / t)) : 0;
		}
		for (size_t j = 0; j < c->slots; j++)
			shares += c->w[a][j] * exp(alpha * fixed->e[a][j] / t);
		for (size_t k = 0; k < c->views; k++)
			n += negative(c, a, k) ? exp(alpha * fixed->s[a][k] / t) / shares * log(1 + exp(c->s[a][k] / t + gamma)) : 0;
		for (size_t j = 0; j < c->slots; j++)
			n += c->w[a][j] * exp(alpha * fixed->e[a][j] / t) / shares * log(1 + exp(c->e[a][j] / t + gamma));
		loss += count > 0 ? (p / count + n) / 2 : 0;
	}
	return loss / (double)anchors(c);
}

static double
alignment(const struct cosines *c, const struct cosines *fixed)
{
	double loss = 0;

	(void)fixed;
	for (size_t r = 0; r < c->views / 2; r++)
		loss += pow(distance(c->s[r][r + c->views / 2]), 3);
	return loss / (double)(c->views / 2);
}

static double
uniformity(const struct cosines *c, const struct cosines *fixed)
{
	const size_t half = c->views / 2;
	double loss = 0;

	(void)fixed;
	for (size_t from = 0; from < c->views; from += half) {
		double sum = 0, n = 0;

		for (size_t a = from; a < from + half; a++)
			for (size_t k = a + 1; k < from + half; k++) {
				sum += exp(-2 * (2 - 2 * c->s[a][k]));
				n++;
			}
		loss += log(sum / n) / 2;
	}
	return loss;
}

static double
sum(const struct cosines *c, const struct cosines *fixed)
{
	return 0.5 * infonce(c, fixed) + 2 * uniformity(c, fixed) + triplet_all(c, fixed);
}

struct row {
	const char *words;
	twin *twin;
	bool labels;
};

static const struct row rows[] = {
	{ "infonce", infonce, false }, { "npairs", npairs, false }, { "supcon", supcon, true }, { "nca", nca, true },
	{ "decoupled", decoupled, false }, { "decoupled:sigma=0.5", weighted, false },
	{ "debiased", debiased, false }, { "debiased:prior=0", infonce, false },
	{ "hcl", hcl, false }, { "hcl:prior=0", hcl_plain, false }, { "hcl:prior=0,beta=0", infonce, false },
	{ "hcl:prior=0.7,beta=0.5", hcl_floor, false },
	{ "triplet", triplet, false }, { "triplet:labels=yes", triplet, true }, { "triplet:margin=0.5,mean=all", triplet_all, false },
	{ "triplet:labels=yes,margin=0.5,mean=all", triplet_all, true }, { "triplet:labels=yes,margin=0.5,kind=hard", triplet_hard, true },
	{ "triplet:labels=yes,margin=0.5,kind=semihard", triplet_semihard, true },
	{ "triplet:labels=yes,margin=0.1,kind=easy,soft=yes", triplet_easy, true }, { "triplet:margin=0,soft=yes", triplet_soft, false },
	{ "triplet:labels=yes,margin=0.5,kind=batch-hard,mean=all", batch_hard, true },
	{ "triplet:margin=0.5,kind=batch-hard,mean=all", batch_hard, false },
	{ "margin", margin, false }, { "margin:labels=yes", margin, true },
	{ "contrastive", contrastive, false }, { "contrastive:labels=yes", contrastive, true },
	{ "multi-similarity", multi_similarity, false }, { "multi-similarity:labels=yes", multi_similarity, true },
	{ "multi-similarity:labels=yes,epsilon=-1", multi_similarity_all, true },
	{ "circle:m=0.25,gamma=10", circle, false }, { "circle:labels=yes,m=0.25,gamma=10", circle, true },
	{ "self-adversarial:gamma=0.3,alpha=0.7", self_adversarial, false },
	{ "self-adversarial:labels=yes,gamma=0.3,alpha=0.7", self_adversarial, true },
	{ "alignment:alpha=3", alignment, false }, { "uniformity", uniformity, false },
	{ "0.5*infonce + 2*uniformity+triplet:margin=0.5,mean=all", sum, false },
};

static double
fast(const char *words, const struct setting *g, size_t dim, float *dz, float *dv, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_objective_sizes sizes = { g->rows, dim, g->slots, g->rows * g->slots, g->temperature };
	const size_t n = g->rows * g->slots;
	const struct cn_objective_extra extra = { g->slots, g->index, g->weight, NULL, g->v, n, dv ? n : 0, dv };
	float own[MOST * DIM];
	const struct cn_objective_batch batch = { g->rows, g->z, g->label, g->slots ? &extra : NULL, dz ? dz : own };
	struct cn_objective *o = cn_objective_new(words, &sizes, pool, err);
	struct cn_objective_result result = { 0 };

	if (o)
		cn_objective_run(o, &batch, &result);
	cn_objective_free(o);
	return result.loss;
}

static void
draw(struct setting *g, size_t count, size_t slots, uint64_t number)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 11, "losses");
	cn_rng_start(&rng, &key, number, 0);
	*g = (struct setting){ .rows = count, .slots = slots, .temperature = 0.4 };
	for (size_t i = 0; i < MOST * DIM; i++) {
		g->z[i] = cn_rng_normal(&rng);
		g->v[i] = cn_rng_normal(&rng);
	}
	for (size_t i = 0; i < count * slots; i++) {
		g->index[i] = (uint32_t)i;
		g->weight[i] = i % 5 == 2 ? 0 : cn_rng_range(&rng, 0.3f, 2);
	}
}

/* Greatest difference between the gradient and central differences of the twin. */
static double
worst(const struct row *row, struct setting *g, float *x, const float *gradient, size_t n)
{
	const struct cosines fixed = compare(g, DIM);
	double greatest = 0;

	for (size_t i = 0; i < n; i++) {
		const float middle = x[i], step = 1e-4f;

		x[i] = middle + step;
		const struct cosines right = compare(g, DIM);
		const double h = (double)x[i], up = row->twin(&right, &fixed);
		x[i] = middle - step;
		const struct cosines left = compare(g, DIM);
		const double width = h - (double)x[i], down = row->twin(&left, &fixed);
		x[i] = middle;
		greatest = fmax(greatest, fabs((up - down) / width - (double)gradient[i]));
	}
	return greatest;
}

static double
largest(const float *x, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)x[i]));
	return most;
}

/* Labels of the views: some rows without, one alone. */
static const int32_t labels[12] = { 0, 1, 0, 2, -1, 1, 0, 1, 0, 2, -1, 1 };

static void
differences(const struct row *row, size_t slots, struct cn_err *err)
{
	struct setting g;
	float dz[MOST * DIM], dv[MOST * DIM] = { 0 };

	draw(&g, 6, slots, slots);
	g.label = row->labels ? labels : NULL;
	const struct cosines c = compare(&g, DIM);
	const double loss = fast(row->words, &g, DIM, dz, slots ? dv : NULL, NULL, err), want = row->twin(&c, &c);

	TAP_OK(fabs(loss - want) < 2e-6 * fmax(1, fabs(want)), "%s, %zu slots: the twin agrees", row->words, slots);
	TAP_OK(worst(row, &g, g.z, dz, 12 * DIM) < 5e-5 * fmax(1, largest(dz, 12 * DIM)), "%s, %zu slots: gradient of the views", row->words, slots);
	TAP_OK(largest(dz, 12 * DIM) > 1e-3, "%s: there is a gradient", row->words);
	if (slots)
		TAP_OK(worst(row, &g, g.v, dv, 6 * slots * DIM) < 5e-5 * fmax(1, largest(dv, 12 * DIM)), "%s: gradient of the further negatives",
			row->words);
}

static void
place(float *z, const double *degrees, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		z[2 * i] = (float)cos(degrees[i] * DEGREE);
		z[2 * i + 1] = (float)sin(degrees[i] * DEGREE);
	}
}

/* The sets P6 (pytorch-metric-learning's own) and V3 of the design's methods.md. */
static void
published(struct cn_err *err)
{
	static const struct {
		const char *words;
		double temperature, want;
	} p6[] = {
		{ "supcon", 0.1, 0.7200604450816727 },
		{ "triplet:labels=yes,mean=all", 1, 0.0021797460 }, { "triplet:labels=yes", 1, 0.0283366976 },
		{ "triplet:labels=yes,margin=0.5,mean=all", 1, 0.0496926724 }, { "triplet:labels=yes,margin=0.5", 1, 0.1845727831 },
		{ "triplet:labels=yes,kind=hard", 1, 0 }, { "triplet:labels=yes,kind=semihard", 1, 0.0283366976 },
		{ "triplet:labels=yes,kind=batch-hard,mean=all", 1, 0.0113346791 },
		{ "triplet:labels=yes,margin=0.5,kind=batch-hard,mean=all", 1, 0.1630813245 },
		{ "triplet:labels=yes,margin=1,kind=batch-hard,mean=all", 1, 0.6611355643 },
	}, v3[] = {
		{ "infonce", 0.1, 2.132605041472752 }, { "infonce", 0.5, 1.5122814684954513 },
		{ "infonce:temperature=0.5", 0.1, 1.5122814684954513 },
		{ "debiased:prior=0.1", 0.5, 1.4892026013110933 }, { "hcl:prior=0.1,beta=1", 0.5, 1.6128721402 },
		{ "hcl:prior=0,beta=1", 0.5, 1.6218940349 }, { "decoupled", 0.1, 1.5980023043 },
	};
	static const int32_t label[6] = { 0, 0, 0, 1, 1, 2 };
	const double six[] = { 0, 10, 20, 50, 60, 80 }, three[] = { 0, 50, 80, 10, 60, 20 };
	struct setting g = { .rows = 3, .label = label };

	place(g.z, six, 6);
	for (size_t i = 0; i < sizeof p6 / sizeof *p6; i++) {
		g.temperature = p6[i].temperature;
		const double loss = fast(p6[i].words, &g, 2, NULL, NULL, NULL, err);

		TAP_OK(fabs(loss - p6[i].want) < 1e-5 * fmax(p6[i].want, 0.1), "P6, %s: %.9f", p6[i].words, p6[i].want);
	}
	place(g.z, three, 6);
	g.label = NULL;
	for (size_t i = 0; i < sizeof v3 / sizeof *v3; i++) {
		g.temperature = v3[i].temperature;
		TAP_NEAR(fast(v3[i].words, &g, 2, NULL, NULL, NULL, err), v3[i].want, 1e-5, v3[i].words);
	}
}

/* RotatE's set of methods.md: gamma 9, distances 7.5 and 8, 9.5, 12, 6; as cosines, at temperature 1/40. */
static void
rotated(struct cn_err *err)
{
	const double far[4] = { 8, 9.5, 12, 6 }, t = 0.025;
	const struct cn_objective_sizes sizes = { 1, 3, 4, 4, t };
	float z[6], v[12], dz[6];
	uint32_t index[4] = { 0, 1, 2, 3 };
	const struct cn_objective_extra extra = { 4, index, NULL, NULL, v, 4, 0, NULL };
	const struct cn_objective_batch batch = { 1, z, NULL, &extra, dz };
	struct cn_objective_result r;
	/* cosine of the partners -7.5 t; both as far from every negative, which lie in the plane between and beside them */
	const double half = acos(-7.5 * t) / 2;

	z[0] = (float)cos(half), z[1] = (float)sin(half), z[2] = 0;
	z[3] = (float)cos(half), z[4] = (float)-sin(half), z[5] = 0;
	for (int j = 0; j < 4; j++) {
		const double x = -far[j] * t / cos(half);

		v[3 * j] = (float)x, v[3 * j + 1] = 0, v[3 * j + 2] = (float)sqrt(1 - x * x);
	}
	for (int alpha = 0; alpha < 2; alpha++) {
		struct cn_objective *o = cn_objective_new(alpha ? "self-adversarial:gamma=9,alpha=1" : "self-adversarial:gamma=9,alpha=0",
			&sizes, NULL, err);

		cn_objective_run(o, &batch, &r);
		TAP_NEAR(r.loss, alpha ? 1.4880022863 : 0.7112708108, 1e-5, "RotatE's set");
		cn_objective_free(o);
	}
}

static void
same_bits(const char *words, struct cn_pool *pool, struct cn_err *err)
{
	enum { B = 150, D = 24 };
	float *z = cn_mem_array(2 * B * D, sizeof(float), err), *dz[2];
	int32_t label[2 * B];
	struct cn_objective_result r[2];
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 3, "bits");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < 2 * B * D; i++)
		z[i] = cn_rng_normal(&rng);
	for (size_t i = 0; i < 2 * B; i++)
		label[i] = (int32_t)(i % B % 7) - 1;
	for (int i = 0; i < 2; i++) {
		const struct cn_objective_sizes sizes = { B, D, 0, 0, 0.01 };
		struct cn_objective *o = cn_objective_new(words, &sizes, i ? pool : NULL, err);

		dz[i] = cn_mem_array(2 * B * D, sizeof(float), err);
		const struct cn_objective_batch batch = { B, z, label, NULL, dz[i] };

		cn_objective_run(o, &batch, &r[i]);
		cn_objective_free(o);
	}
	TAP_OK(memcmp(dz[0], dz[1], 2 * B * D * sizeof(float)) == 0 && memcmp(&r[0], &r[1], sizeof *r) == 0, "%s: one thread and three, same bits",
		words);
	TAP_OK(isfinite(r[0].loss) && isfinite(largest(dz[0], 2 * B * D)), "%s: finite at temperature 0.01", words);
	for (int i = 0; i < 2; i++)
		cn_mem_free(dz[i]);
	cn_mem_free(z);
}

/* Vectors of one direction, and opposite ones: nothing divides by 0. */
static void
degenerate(const char *words, struct cn_err *err)
{
	struct setting g = { .rows = 3, .temperature = 0.01 };
	float dz[MOST * DIM];

	for (int far = 0; far < 2; far++) {
		for (size_t i = 0; i < 6 * DIM; i++)
			g.z[i] = far && i >= 3 * DIM ? -1 : 1;
		TAP_OK(isfinite(fast(words, &g, DIM, dz, NULL, NULL, err)) && isfinite(largest(dz, 6 * DIM)), "%s: finite where all is %s", words,
			far ? "opposite" : "equal");
	}
}

static void
refusals(void)
{
	static const char *const wrong[][2] = {
		{ "", "no loss ''" }, { "nosuch", "no loss 'nosuch'; there are infonce, npairs" },
		{ "hc", "self-adversarial, alignment, uniformity" },
		{ "infonce +", "no loss ''" }, { "hcl:gamma=1", "has no 'gamma'" },
		{ "hcl:beta", "needs a value" }, { "hcl:beta=", "from 0 to 1000, not ''" }, { "hcl:beta=x", "not 'x'" },
		{ "hcl:beta=nan", "not 'nan'" }, { "hcl:prior=1", "from 0 to 0.99, not '1'" }, { "x*infonce", "'x' is no weight" },
		{ "-1*infonce", "'-1' is no weight" }, { "*infonce", "is no weight" },
		{ "triplet:kind=worst", "one of all|hard|semihard|easy|batch-hard" },
		{ "infonce:temperature=0", "from 0.001 to 100" },
		{ "infonce+infonce+infonce+infonce+infonce+infonce+infonce+infonce+infonce", "at most 8" },
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct cn_err err = { 0 };
		const int status = cn_objective_check(wrong[i][0], &err);

		TAP_OK(status != 0 && strstr(err.text, wrong[i][1]), "'%s' is refused: %s", wrong[i][0], err.text);
	}
}

int
main(void)
{
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(3, &err);

	cn_blas_begin();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		differences(&rows[i], 0, &err);
		differences(&rows[i], SLOTS, &err);
		same_bits(rows[i].words, pool, &err);
		degenerate(rows[i].words, &err);
	}
	published(&err);
	rotated(&err);
	refusals();
	TAP_OK(err.code == 0, "no error");
	cn_pool_free(pool);
	return tap_done();
}
