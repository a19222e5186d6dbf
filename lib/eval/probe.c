/* probe - loss and gradient by matrix products, and L-BFGS (Nocedal & Wright, algorithms 7.4 and 7.5). */
#include "eval/probe.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/blas.h"
#include "base/banned.h"

enum { RUNS = 16, MEMORY = 10, TILE = 256, SEARCH = 20 };

/* The problem: n rows of d numbers, c classes; parameters are W (c, d), then b (c). */
struct problem {
	const struct cn_sample *train;
	size_t c, size;		/* size: of the parameters */
	double strength;
	struct cn_pool *pool;
	const double *at;	/* parameters where the loss is wanted, */
	float *weight;		/* and as floats for the products */
	float *logit;		/* (workers, TILE, c) */
	float *part;		/* (RUNS, size) gradients */
	double loss[RUNS];
};

/* Shifts and scales every column by the training set's mean and deviation. */
static void
standardise(struct cn_sample *train, struct cn_sample *test)
{
	for (size_t j = 0; j < train->d; j++) {
		double sum = 0, square = 0;

		for (size_t i = 0; i < train->n; i++)
			sum += train->z[i * train->d + j];
		const double mean = sum / (double)train->n;
		for (size_t i = 0; i < train->n; i++) {
			const double away = train->z[i * train->d + j] - mean;
			square += away * away;
		}
		const double scale = 1 / (sqrt(square / (double)train->n) + 1e-6);
		for (size_t i = 0; i < train->n; i++)
			train->z[i * train->d + j] = (float)((train->z[i * train->d + j] - mean) * scale);
		for (size_t i = 0; i < test->n; i++)
			test->z[i * test->d + j] = (float)((test->z[i * test->d + j] - mean) * scale);
	}
}

/* logit (m, c) of rows z (m, d). */
static void
classify(const struct problem *p, const float *z, size_t m, float *logit)
{
	const size_t d = p->train->d;

	for (size_t i = 0; i < m; i++)
		memcpy(logit + i * p->c, p->weight + p->c * d, p->c * sizeof(*logit));
	cn_blas_gemm(false, true, m, p->c, d, 1, z, d, p->weight, d, 1, logit, p->c);
}

/* Logits of a row become softmax minus one-hot, in place; returns the loss. */
static double
soften(float *logit, size_t c, int32_t label)
{
	float most = logit[0];
	double sum = 0;

	for (size_t k = 1; k < c; k++)
		most = logit[k] > most ? logit[k] : most;
	const double own = logit[label] - most;
	for (size_t k = 0; k < c; k++) {
		logit[k] = expf(logit[k] - most);
		sum += logit[k];
	}
	for (size_t k = 0; k < c; k++)
		logit[k] = (float)(logit[k] / sum);
	logit[label] -= 1;
	return log(sum) - own;
}

static void
run(void *context, size_t r, size_t worker)
{
	struct problem *p = context;
	const struct cn_sample *train = p->train;
	const size_t from = train->n * r / RUNS, to = train->n * (r + 1) / RUNS, d = train->d;
	float *logit = p->logit + worker * TILE * p->c, *gradient = p->part + r * p->size;

	memset(gradient, 0, p->size * sizeof(*gradient));
	p->loss[r] = 0;
	for (size_t i = from; i < to; i += TILE) {
		const size_t m = to - i < TILE ? to - i : TILE;

		classify(p, train->z + i * d, m, logit);
		for (size_t k = 0; k < m; k++)
			p->loss[r] += soften(logit + k * p->c, p->c, train->label[i + k]);
		cn_blas_gemm(true, false, p->c, d, m, 1, logit, p->c, train->z + i * d, d, 1, gradient, d);
		for (size_t k = 0; k < m; k++)
			for (size_t j = 0; j < p->c; j++)
				gradient[p->c * d + j] += logit[k * p->c + j];
	}
}

/* Loss at w, and its gradient; both divided by the number of rows. */
static double
evaluate(struct problem *p, const double *w, double *gradient)
{
	const size_t weights = p->c * p->train->d;
	const double rows = (double)p->train->n, decay = 1 / (p->strength * rows);
	double loss = 0, norm = 0;

	for (size_t i = 0; i < p->size; i++)
		p->weight[i] = (float)w[i];
	cn_pool_run(p->pool, RUNS, run, p);
	memset(gradient, 0, p->size * sizeof(*gradient));
	for (size_t r = 0; r < RUNS; r++) {
		loss += p->loss[r];
		for (size_t i = 0; i < p->size; i++)
			gradient[i] += p->part[r * p->size + i];
	}
	for (size_t i = 0; i < p->size; i++)
		gradient[i] = gradient[i] / rows + (i < weights ? w[i] * decay : 0);
	for (size_t i = 0; i < weights; i++)
		norm += w[i] * w[i];
	return loss / rows + norm * decay / 2;
}

static double
dot(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

struct lbfgs {
	double *w, *g, *trial, *trial_g, *direction;
	double *s, *y;		/* (MEMORY, size) */
	double rho[MEMORY];
	size_t kept, next;
};

/* direction = -H g by the two loops. */
static void
descend(struct lbfgs *b, size_t n)
{
	double alpha[MEMORY];

	for (size_t i = 0; i < n; i++)
		b->direction[i] = -b->g[i];
	for (size_t k = 0; k < b->kept; k++) {
		const size_t at = (b->next + MEMORY - 1 - k) % MEMORY;
		alpha[at] = b->rho[at] * dot(b->s + at * n, b->direction, n);
		for (size_t i = 0; i < n; i++)
			b->direction[i] -= alpha[at] * b->y[at * n + i];
	}
	if (b->kept) {
		const size_t last = (b->next + MEMORY - 1) % MEMORY;
		const double scale = 1 / (b->rho[last] * dot(b->y + last * n, b->y + last * n, n));
		for (size_t i = 0; i < n; i++)
			b->direction[i] *= scale;
	}
	for (size_t k = b->kept; k-- > 0;) {
		const size_t at = (b->next + MEMORY - 1 - k) % MEMORY;
		const double beta = b->rho[at] * dot(b->y + at * n, b->direction, n);
		for (size_t i = 0; i < n; i++)
			b->direction[i] += (alpha[at] - beta) * b->s[at * n + i];
	}
}

/* Halves the step until the loss has fallen enough (Armijo); false when it never does. */
static bool
search(struct problem *p, struct lbfgs *b, double *loss)
{
	const double slope = dot(b->g, b->direction, p->size);
	double step = b->kept ? 1 : 1 / (1 + sqrt(dot(b->g, b->g, p->size)));

	for (int tries = 0; tries < SEARCH; tries++, step /= 2) {
		for (size_t i = 0; i < p->size; i++)
			b->trial[i] = b->w[i] + step * b->direction[i];
		const double there = evaluate(p, b->trial, b->trial_g);
		if (there <= *loss + 1e-4 * step * slope) {
			*loss = there;
			return true;
		}
	}
	return false;
}

/* Remembers the step taken, if it curves the right way, and goes there. */
static void
advance(struct lbfgs *b, size_t n)
{
	double *s = b->s + b->next * n, *y = b->y + b->next * n;

	for (size_t i = 0; i < n; i++) {
		s[i] = b->trial[i] - b->w[i];
		y[i] = b->trial_g[i] - b->g[i];
		b->w[i] = b->trial[i];
		b->g[i] = b->trial_g[i];
	}
	const double curvature = dot(s, y, n);
	if (curvature <= 1e-12 * dot(y, y, n))
		return;
	b->rho[b->next] = 1 / curvature;
	b->next = (b->next + 1) % MEMORY;
	b->kept += b->kept < MEMORY;
}

static size_t
minimise(struct problem *p, struct lbfgs *b, size_t iterations, double *loss)
{
	size_t done = 0;

	*loss = evaluate(p, b->w, b->g);
	for (; done < iterations; done++) {
		double steepest = 0;
		for (size_t i = 0; i < p->size; i++)
			steepest = fabs(b->g[i]) > steepest ? fabs(b->g[i]) : steepest;
		const double before = *loss;
		if (steepest < 1e-6)
			break;
		descend(b, p->size);
		if (!search(p, b, loss))
			break;
		advance(b, p->size);
		if (before - *loss < 1e-9 * (1 + before))
			break;
	}
	for (size_t i = 0; i < p->size; i++)
		p->weight[i] = (float)b->w[i];
	return done;
}

static double
score(const struct problem *p, const struct cn_sample *set)
{
	size_t right = 0;

	for (size_t i = 0; i < set->n; i += TILE) {
		const size_t m = set->n - i < TILE ? set->n - i : TILE;

		classify(p, set->z + i * set->d, m, p->logit);
		for (size_t k = 0; k < m; k++) {
			size_t best = 0;
			for (size_t j = 1; j < p->c; j++)
				if (p->logit[k * p->c + j] > p->logit[k * p->c + best])
					best = j;
			right += (int32_t)best == set->label[i + k];
		}
	}
	return (double)right / (double)set->n;
}

int
cn_probe_measure(struct cn_sample *train, struct cn_sample *test, const struct cn_probe_config *config,
	struct cn_pool *pool, struct cn_probe_result *result, struct cn_err *err)
{
	const size_t c = (size_t)train->classes, size = c * (train->d + 1);
	struct problem p = { .train = train, .c = c, .size = size, .strength = config->strength, .pool = pool };
	double *memory = cn_mem_array(size, (5 + 2 * MEMORY) * sizeof(*memory), err);

	p.weight = cn_mem_array(size, sizeof(*p.weight), err);
	p.logit = cn_mem_array(cn_pool_threads(pool) * TILE, c * sizeof(*p.logit), err);
	p.part = cn_mem_array(size, RUNS * sizeof(*p.part), err);
	if (!err->code) {
		struct lbfgs b = { memory, memory + size, memory + 2 * size, memory + 3 * size, memory + 4 * size,
			memory + 5 * size, memory + (5 + MEMORY) * size, { 0 }, 0, 0 };

		standardise(train, test);
		result->iterations = minimise(&p, &b, config->iterations, &result->loss);
		result->accuracy = score(&p, test);
		result->train_accuracy = score(&p, train);
	}
	cn_mem_free(memory);
	cn_mem_free(p.weight);
	cn_mem_free(p.logit);
	cn_mem_free(p.part);
	return err->code ? -1 : 0;
}
