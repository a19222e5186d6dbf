/* objective: infonce by published values, a slow twin in double, finite differences, and the same bits for any pool. */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/objective.h"
#include "tap.h"
#include "tensor/blas.h"
#include "base/banned.h"

#define DEGREE 0.017453292519943295

/* A batch with everything: B rows, K slots over n vectors, some masked, some shared. */
struct setting {
	size_t rows, dim, slots, n;
	double temperature;
	float *z, *v, *weight, *logq;
	uint32_t *index;
};

static double
dot(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static void
unit_rows(const float *from, double *to, size_t rows, size_t dim)
{
	for (size_t i = 0; i < rows; i++) {
		for (size_t k = 0; k < dim; k++)
			to[i * dim + k] = (double)from[i * dim + k];
		const double length = sqrt(dot(to + i * dim, to + i * dim, dim));

		for (size_t k = 0; k < dim; k++)
			to[i * dim + k] /= length;
	}
}

/* The slow twin: the formula of the header, read aloud. */
static double
slow_loss(const struct setting *s, struct cn_err *err)
{
	const size_t views = 2 * s->rows;
	double *u = cn_mem_array(views * s->dim, sizeof(double), err);
	double *v = cn_mem_array(s->n * s->dim + 1, sizeof(double), err), total = 0;

	unit_rows(s->z, u, views, s->dim);
	unit_rows(s->v, v, s->n, s->dim);
	for (size_t a = 0; a < views; a++) {
		double sum = 0;

		for (size_t k = 0; k < views; k++)
			if (k != a)
				sum += exp(dot(u + a * s->dim, u + k * s->dim, s->dim) / s->temperature);
		for (size_t j = 0; j < s->slots; j++) {
			const size_t place = a % s->rows * s->slots + j;

			if (s->index[place] != CN_OBJECTIVE_NONE)
				sum += (s->weight ? (double)s->weight[place] : 1) * exp(dot(u + a * s->dim,
					v + s->index[place] * s->dim, s->dim) / s->temperature
					- (s->logq ? (double)s->logq[place] : 0));
		}
		total += log(sum) - dot(u + a * s->dim, u + (a + s->rows) % views * s->dim, s->dim) / s->temperature;
	}
	cn_mem_free(u);
	cn_mem_free(v);
	return total / (double)views;
}

static struct cn_objective_result
fast_loss(const struct setting *s, float *dz, float *dv, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_objective_sizes sizes = { s->rows, s->dim, s->slots, s->n, s->temperature };
	const struct cn_objective_extra extra = { s->slots, s->index, s->weight, s->logq, s->v, s->n, dv ? s->n : 0, dv };
	struct cn_objective *loss = cn_objective_new("infonce", &sizes, pool, err);
	struct cn_objective_result result = { 0 };
	float *own = dz ? NULL : cn_mem_array(2 * s->rows * s->dim, sizeof(float), err);

	const struct cn_objective_batch batch = { s->rows, s->z, NULL, s->slots ? &extra : NULL, dz ? dz : own };

	cn_objective_run(loss, &batch, &result);
	cn_mem_free(own);
	cn_objective_free(loss);
	return result;
}

static void
circle(float *z, const double *degrees, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		z[2 * i] = (float)cos(degrees[i] * DEGREE);
		z[2 * i + 1] = (float)sin(degrees[i] * DEGREE);
	}
}

/* The sets of the design's methods.md. */
static void
published(struct cn_err *err)
{
	const double v3[] = { 0, 50, 80, 10, 60, 20 }, flat[8] = { 0 };
	const double p6[4][2] = { { 0, 10 }, { 0, 20 }, { 10, 20 }, { 50, 60 } };
	const double others[4][4] = { { 50, 60, 80, 0 }, { 50, 60, 80, 0 }, { 50, 60, 80, 0 }, { 0, 10, 20, 80 } };
	uint32_t index[4] = { 0, 1, 2, 3 };
	float z[16], v[8];
	struct setting s = { .rows = 3, .dim = 2, .temperature = 0.1, .z = z, .v = v, .index = index };
	double mean = 0, anchors = 0;

	circle(z, v3, 6);
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, 2.132605041472752, 1e-5, "V3 at temperature 0.1");
	s.temperature = 0.5;
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, 1.5122814684954513, 1e-5, "V3 at temperature 0.5");
	circle(z, flat, 8);
	s.rows = 2;
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, log(3), 1e-5, "two equal rows: ln 3");
	s.rows = 4;
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, log(7), 1e-5, "four equal rows: ln 7");
	circle(v, flat, 4);
	s.slots = s.n = 4;
	s.rows = 1;
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, log(5), 1e-5, "four equal further negatives: ln 5");

	s.temperature = 0.1;	/* P6: each unordered positive pair is a row; negatives are the other labels */
	for (int i = 0; i < 4; i++) {
		circle(z, p6[i], 2);
		circle(v, others[i], 4);
		index[3] = i == 3 ? 3 : CN_OBJECTIVE_NONE;
		const double loss = fast_loss(&s, NULL, NULL, NULL, err).loss;

		mean += loss / 4;
		anchors += loss * (i == 3 ? 2 : 1) / 5;	/* label 0: three anchors, each in half of its pairs */
	}
	TAP_NEAR(mean, 0.29814310064393834, 1e-5, "P6: mean over its positive pairs");
	TAP_NEAR(anchors, 0.35294241571744217, 1e-5, "P6: mean over its anchors");
}

/* Logits 2 | 1, 0.5, -1 at temperature 1/4, by vectors in space as far from one view as from the other. */
static void
corrected(struct cn_err *err)
{
	const double want[3] = { 1, 0.5, -1 };
	float z[6] = { (float)cos(30 * DEGREE), 0.5f, 0, (float)cos(30 * DEGREE), -0.5f, 0 }, v[9] = { 0 };
	float logq[3] = { (float)log(0.4), (float)log(0.3), (float)log(0.2) }, weight[3] = { 1 / 0.4f, 1 / 0.3f, 1 / 0.2f };
	uint32_t index[3] = { 0, 1, 2 };
	struct setting s = { 1, 3, 3, 3, 0.25, z, v, NULL, NULL, index };

	for (int j = 0; j < 3; j++) {
		const double x = want[j] * s.temperature / cos(30 * DEGREE);

		v[3 * j] = (float)x;
		v[3 * j + 2] = (float)sqrt(1 - x * x);
	}
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, 0.4951818981, 1e-5, "logQ set, plain");
	s.logq = logq;
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, 1.0689778768, 1e-5, "logQ set, negatives corrected");
	s.logq = NULL;
	s.weight = weight;
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, 1.0689778768, 1e-5, "a weight of 1/Q does the same");
}

static struct setting
draw(size_t rows, size_t dim, size_t slots, size_t n, struct cn_err *err)
{
	struct setting s = { rows, dim, slots, n, 0.3, NULL, NULL, NULL, NULL, NULL };
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 7, "test");
	cn_rng_start(&rng, &key, rows, 0);
	s.z = cn_mem_array(2 * rows * dim, sizeof(float), err);
	s.v = cn_mem_array(n * dim + 1, sizeof(float), err);
	s.weight = cn_mem_array(rows * slots + 1, sizeof(float), err);
	s.logq = cn_mem_array(rows * slots + 1, sizeof(float), err);
	s.index = cn_mem_array(rows * slots + 1, sizeof(uint32_t), err);
	for (size_t i = 0; i < 2 * rows * dim; i++)
		s.z[i] = cn_rng_normal(&rng);
	for (size_t i = 0; i < n * dim; i++)
		s.v[i] = cn_rng_normal(&rng);
	for (size_t i = 0; i < rows * slots; i++) {
		s.weight[i] = i % 11 == 5 ? 0 : cn_rng_range(&rng, 0.2f, 2);
		s.logq[i] = cn_rng_range(&rng, -3, 0);
		s.index[i] = i % 5 == 3 ? CN_OBJECTIVE_NONE : cn_rng_below(&rng, (uint32_t)n);
	}
	return s;
}

static void
drop(struct setting *s)
{
	cn_mem_free(s->z);
	cn_mem_free(s->v);
	cn_mem_free(s->weight);
	cn_mem_free(s->logq);
	cn_mem_free(s->index);
}

/* Greatest difference between the gradient and central differences of the slow twin. */
static double
worst(const struct setting *s, float *x, const float *gradient, size_t n, struct cn_err *err)
{
	double greatest = 0;

	for (size_t i = 0; i < n; i++) {
		const float middle = x[i], step = 1e-3f;

		x[i] = middle + step;
		const double right = slow_loss(s, err), h = (double)x[i];
		x[i] = middle - step;
		const double left = slow_loss(s, err), width = h - (double)x[i];
		x[i] = middle;
		greatest = fmax(greatest, fabs((right - left) / width - (double)gradient[i]));
	}
	return greatest;
}

static void
differences(size_t rows, size_t dim, size_t slots, size_t n, struct cn_err *err)
{
	struct setting s = draw(rows, dim, slots, n, err);
	float *dz = cn_mem_array(2 * rows * dim, sizeof(float), err), *dv = cn_mem_array(n * dim + 1, sizeof(float), err);
	const double loss = fast_loss(&s, dz, dv, NULL, err).loss;
	double size = 0;

	TAP_NEAR(loss, slow_loss(&s, err), 2e-6, "the slow twin agrees");
	TAP_OK(worst(&s, s.z, dz, 2 * rows * dim, err) < 2e-5, "%zu rows, %zu slots: gradient of the views", rows, slots);
	TAP_OK(worst(&s, s.v, dv, n * dim, err) < 2e-5, "%zu rows, %zu slots: gradient of the negatives", rows, slots);
	for (size_t i = 0; i < n * dim; i++)
		size = fmax(size, fabs((double)dv[i]));
	TAP_OK(size > 1e-3 || n == 0, "further negatives are pushed");
	drop(&s);
	cn_mem_free(dz);
	cn_mem_free(dv);
}

/* Of mined samples and constant vectors (neg_z) behind them, the samples alone get a gradient: the same as of all. */
static void
constants(struct cn_err *err)
{
	struct setting s = draw(5, 6, 4, 7, err);
	const struct cn_objective_sizes sizes = { s.rows, s.dim, s.slots, s.n, s.temperature };
	float dz[2][60], dv[2][42];
	struct cn_objective_result r[2];

	for (int i = 0; i < 2; i++) {
		struct cn_objective *loss = cn_objective_new("infonce", &sizes, NULL, err);
		const struct cn_objective_extra extra = { s.slots, s.index, s.weight, s.logq, s.v, s.n, i ? 3 : 7, dv[i] };
		const struct cn_objective_batch batch = { s.rows, s.z, NULL, &extra, dz[i] };

		for (size_t k = 0; k < 42; k++)
			dv[i][k] = 77;
		cn_objective_run(loss, &batch, &r[i]);
		cn_objective_free(loss);
	}
	TAP_OK(memcmp(dv[0], dv[1], 18 * sizeof(float)) == 0, "samples before constant vectors have the same gradient");
	TAP_OK(dv[1][18] == 77 && dv[1][41] == 77, "constant vectors have none");
	TAP_OK(r[0].loss == r[1].loss && memcmp(dz[0], dz[1], sizeof(dz[0])) == 0, "but count in the loss all the same");
	drop(&s);
}

/* x and pos may change places. */
static void
swapped(struct cn_err *err)
{
	struct setting s = draw(6, 5, 3, 4, err);
	float other[60], *kept = s.z;
	const double loss = fast_loss(&s, NULL, NULL, NULL, err).loss;

	memcpy(other, s.z + 30, 30 * sizeof(float));
	memcpy(other + 30, s.z, 30 * sizeof(float));
	s.z = other;
	TAP_NEAR(fast_loss(&s, NULL, NULL, NULL, err).loss, loss, 1e-6, "views may change places");
	s.z = kept;
	drop(&s);
}

/* Masked slots do nothing at all; constants among the negatives are left without a gradient. */
static void
masks(struct cn_err *err)
{
	struct setting s = draw(5, 8, 3, 6, err), bare = s;
	float dz[80], again[80];

	for (size_t i = 0; i < 15; i++)
		s.index[i] = i % 2 ? CN_OBJECTIVE_NONE : s.index[i], s.weight[i] = i % 2 ? 1 : 0;
	bare.slots = 0;
	const struct cn_objective_result masked = fast_loss(&s, dz, NULL, NULL, err);
	const struct cn_objective_result none = fast_loss(&bare, again, NULL, NULL, err);

	TAP_OK(masked.loss == none.loss && memcmp(dz, again, sizeof(dz)) == 0, "masked slots change no bit");
	TAP_OK(masked.extra == 0 && masked.negative == none.negative, "masked slots have no similarity");
	drop(&s);
}

static void
means(struct cn_err *err)
{
	float z[8] = { 1, 0, 0, 1, 1, 0, 0, -1 }, v[2] = { 0.6f, 0.8f };
	uint32_t index[2] = { 0, CN_OBJECTIVE_NONE };
	struct setting s = { 2, 2, 1, 1, 0.5, z, v, NULL, NULL, index };
	const struct cn_objective_result r = fast_loss(&s, NULL, NULL, NULL, err);

	TAP_OK(fabs(r.positive) < 1e-6, "mean positive similarity of 1 and -1");
	TAP_OK(fabs(r.negative) < 1e-6, "mean negative similarity");
	TAP_NEAR(r.extra, 0.3, 1e-5, "mean similarity of further negatives");
	TAP_NEAR(r.accuracy, 0.5, 0, "the row of opposite views is wrong");
}

static void
same_bits(struct cn_err *err)
{
	struct setting s = draw(150, 64, 4, 211, err);
	struct cn_pool *pool = cn_pool_new(3, err);
	float *dz[2], *dv[2];
	struct cn_objective_result r[2];

	for (int i = 0; i < 2; i++) {
		dz[i] = cn_mem_array(300 * 64, sizeof(float), err);
		dv[i] = cn_mem_array(211 * 64, sizeof(float), err);
		r[i] = fast_loss(&s, dz[i], dv[i], i ? pool : NULL, err);
	}
	TAP_OK(memcmp(dz[0], dz[1], 300 * 64 * sizeof(float)) == 0, "one thread and three: same gradient of the views");
	TAP_OK(memcmp(dv[0], dv[1], 211 * 64 * sizeof(float)) == 0, "one thread and three: same gradient of the negatives");
	TAP_OK(memcmp(&r[0], &r[1], sizeof(*r)) == 0, "one thread and three: same result");
	TAP_NEAR(r[0].loss, slow_loss(&s, err), 2e-6, "the slow twin agrees on several tiles");
	for (int i = 0; i < 2; i++) {
		cn_mem_free(dz[i]);
		cn_mem_free(dv[i]);
	}
	drop(&s);
	cn_pool_free(pool);
}

static void
extremes(struct cn_err *err)
{
	struct setting s = draw(4, 8, 2, 3, err);
	float dz[64];

	s.temperature = 0.005;
	for (size_t i = 0; i < 64; i++)
		s.z[i] *= i % 2 ? 1e-6f : 1e6f;
	TAP_NEAR(fast_loss(&s, dz, NULL, NULL, err).loss, slow_loss(&s, err), 1e-5, "a very low temperature");
	memset(s.z, 0, 8 * sizeof(float));
	const struct cn_objective_result zero = fast_loss(&s, dz, NULL, NULL, err);

	TAP_OK(isfinite(zero.loss), "a zero vector gives a finite loss");
	s.z[20] = NAN;
	TAP_OK(!isfinite(fast_loss(&s, dz, NULL, NULL, err).loss), "NaN in gives NaN out");
	drop(&s);
}

int
main(void)
{
	struct cn_err err = { 0 };

	cn_blas_begin();
	published(&err);
	corrected(&err);
	differences(3, 4, 0, 0, &err);
	differences(5, 6, 4, 7, &err);
	differences(40, 3, 2, 5, &err);
	constants(&err);
	swapped(&err);
	masks(&err);
	means(&err);
	same_bits(&err);
	extremes(&err);
	TAP_OK(err.code == 0, "no error");
	return tap_done();
}
