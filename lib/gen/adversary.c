/* adversary - see the header for what is climbed; here are products, softmax and slopes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/adversary.h"
#include "gen/dense.h"
#include "gen/method.h"
#include "tensor/kernel.h"

#include "base/banned.h"

#define BEND 0.1f	/* how far around the target the slope turns */
#define DECAY 1e-4f
#define LEAP 0.05f	/* of its length, that a negative moves in a step at most */
#define NEVER (-1e30f)	/* in place of h for what is no negative of a row */

struct cn_adversary {
	struct cn_method_config config;
	struct cn_rng_key key;
	size_t size, wide, filled;	/* of the bank; negatives and numbers of a vector padded to lanes are tall and wide */
	size_t tall;
	float *bank, *velocity, *slope;	/* (size, wide); slope: G */
	float *unit, *turned;		/* the bank at unit length (size, wide), and transposed (dim, tall) */
	uint64_t *origin;		/* (size) the id whose positive each began as */
	float *length;			/* (size) */
	float *anchor;			/* (rows, wide) */
	float *score, *part;		/* (rows, tall) s, and P, later P h'; h where negatives are chosen */
	double *loss, *near;		/* (rows) terms of a mean */
	double *mean;			/* (size) P over the rows */
};

static void
end(void *self)
{
	struct cn_adversary *a = self;

	if (!a)
		return;
	void *const block[] = { a->bank, a->velocity, a->slope, a->unit, a->turned, a->origin, a->length, a->anchor, a->score, a->part,
		a->loss, a->near, a->mean };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_mem_free(a);
}

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	struct cn_adversary *a = err->code ? NULL : cn_mem_array(1, sizeof *a, err);

	if (!a)
		return NULL;
	a->config = *config;
	cn_rng_key_init(&a->key, config->seed, "gen.adversary");
	a->size = config->adversary.size;
	a->wide = cn_dense_padded(config->dim);
	a->tall = cn_dense_padded(a->size);
	a->bank = cn_mem_array(a->size, a->wide * sizeof(float), err);
	a->velocity = cn_mem_array(a->size, a->wide * sizeof(float), err);
	a->slope = cn_mem_array(a->size, a->wide * sizeof(float), err);
	a->unit = cn_mem_array(a->size, a->wide * sizeof(float), err);
	a->turned = cn_mem_array(config->dim, a->tall * sizeof(float), err);
	a->origin = cn_mem_array(a->size, sizeof *a->origin, err);
	a->length = cn_mem_array(a->size, sizeof *a->length, err);
	a->anchor = cn_mem_array(config->rows, a->wide * sizeof(float), err);
	a->score = cn_mem_array(config->rows, a->tall * sizeof(float), err);
	a->part = cn_mem_array(config->rows, a->tall * sizeof(float), err);
	a->loss = cn_mem_array(config->rows, sizeof *a->loss, err);
	a->near = cn_mem_array(config->rows, sizeof *a->near, err);
	a->mean = cn_mem_array(a->size, sizeof *a->mean, err);
	if (!err->code)
		return a;
	end(a);
	return NULL;
}

float *
cn_adversary_bank(struct cn_adversary *a, size_t *stride, size_t *filled)
{
	*stride = a->wide;
	*filled = a->filled;
	return a->bank;
}

const float *
cn_adversary_gradient(const struct cn_adversary *a)
{
	return a->slope;
}

/* What is still empty becomes the round's positives. */
static void
fill(struct cn_adversary *a, const struct cn_round *round)
{
	for (size_t i = 0; i < round->rows && a->filled < a->size; i++, a->filled++) {
		memcpy(a->bank + a->filled * a->wide, round->positive + i * round->dim, round->dim * sizeof *a->bank);
		a->origin[a->filled] = round->id[i];
	}
}

/* h' and h. */
static float
lean(float s, float target)
{
	const float slope = (target - s) / BEND;

	return slope > 1 ? 1 : slope < -1 ? -1 : slope;
}

static float
bend(float s, float target)
{
	const float off = target - s;

	if (off >= BEND)
		return s;
	return off > -BEND ? target - BEND / 2 - off * off / (2 * BEND) : target + off;
}

/* s of every row and negative: unit vectors of the bank, and their products with the anchors. */
static void
compare(struct cn_adversary *a, const struct cn_round *round)
{
	const size_t dim = round->dim;

	for (size_t n = 0; n < a->filled; n++) {
		const float *w = a->bank + n * a->wide;
		float *unit = a->unit + n * a->wide;

		a->length[n] = sqrtf(cn_kernel_dot(w, w, dim));
		a->length[n] = a->length[n] > 1e-12f ? a->length[n] : 1e-12f;
		for (size_t j = 0; j < dim; j++)
			a->turned[j * a->tall + n] = unit[j] = w[j] / a->length[n];
	}
	cn_dense_multiply(false, round->rows, a->tall, dim, round->anchor, dim, a->turned, a->tall, a->score, a->tall, a->config.pool);
}

/* A round in work, for the pool. */
struct job {
	struct cn_adversary *a;
	const struct cn_round *round;
	const struct cn_made *made;
	size_t from;
};

/* Whether a negative began as a positive of the row's own id. */
static bool
own(const struct cn_adversary *a, const struct cn_round *round, size_t row, size_t n)
{
	return a->origin[n] == round->id[row];
}

/* P of a row, its loss, and how near what it is about lies. */
static void
weigh_row(void *context, size_t row, size_t worker)
{
	const struct job *job = context;
	struct cn_adversary *a = job->a;
	const double temperature = a->config.adversary.temperature, positive = (double)job->round->pos_score[row];
	const float *s = a->score + row * a->tall;
	float *p = a->part + row * a->tall, top;
	double sum, near = 0;

	(void)worker;
	for (size_t n = 0; n < a->filled; n++)
		p[n] = own(a, job->round, row, n) ? NEVER : s[n];
	top = cn_kernel_max(p, a->filled);
	for (size_t n = 0; n < a->filled; n++)
		p[n] = (p[n] - top) / (float)temperature;
	cn_kernel_exp(p, a->filled, 0);
	sum = top > NEVER ? cn_kernel_sum(p, a->filled) : 0;
	for (size_t n = 0; n < a->filled; n++) {
		p[n] = sum > 0 ? p[n] / (float)sum : 0;
		near += (double)p[n] * (double)s[n];
	}
	a->loss[row] = sum > 0 ? cn_rng_softplus((double)top / temperature + cn_rng_log(sum) - positive / temperature) : 0;
	a->near[row] = near;
}

/* Sums over rows: of the loss, of what is near and how much of it there is, and of P for each negative. */
static void
report_on(struct cn_adversary *a, const struct cn_round *round, struct cn_adversary_report *report)
{
	double total = 0, near = 0, loss = 0, entropy = 0;

	memset(a->mean, 0, a->filled * sizeof *a->mean);
	for (size_t row = 0; row < round->rows; row++) {
		for (size_t n = 0; n < a->filled; n++)
			a->mean[n] += (double)a->part[row * a->tall + n];
		loss += a->loss[row];
		near += a->near[row];
	}
	for (size_t n = 0; n < a->filled; n++)
		total += a->mean[n];
	for (size_t n = 0; n < a->filled; n++)
		if (a->mean[n] > 0)
			entropy -= a->mean[n] / total * cn_rng_log(a->mean[n] / total);
	report->loss = loss / (double)round->rows;
	report->similarity = total > 0 ? near / total : 0;
	report->used = a->filled ? cn_rng_exp(entropy) / (double)a->filled : 0;
}

/* P becomes P h'. */
static void
lean_row(void *context, size_t row, size_t worker)
{
	const struct job *job = context;
	struct cn_adversary *a = job->a;
	const float *s = a->score + row * a->tall, target = cn_round_aim(job->round, row, a->config.target);

	(void)worker;
	for (size_t n = 0; n < a->filled; n++)
		a->part[row * a->tall + n] *= lean(s[n], target);
}

/* From sum over q of P h' q to G_n: what is left across n, by its length. */
static void
slope_of(struct cn_adversary *a, size_t dim, size_t rows)
{
	for (size_t n = 0; n < a->filled; n++) {
		const float *unit = a->unit + n * a->wide;
		float *slope = a->slope + n * a->wide;
		const float along = cn_kernel_dot(unit, slope, dim);
		const float share = (float)(1 / (a->config.adversary.temperature * (double)rows)) / a->length[n];

		for (size_t j = 0; j < dim; j++)
			slope[j] = share * (slope[j] - along * unit[j]);
	}
}

double
cn_adversary_loss(struct cn_adversary *a, const struct cn_round *round, struct cn_adversary_report *report)
{
	struct job job = { a, round, NULL, 0 };

	compare(a, round);
	cn_pool_run(a->config.pool, round->rows, weigh_row, &job);
	report_on(a, round, report);
	cn_pool_run(a->config.pool, round->rows, lean_row, &job);
	for (size_t row = 0; row < round->rows; row++)
		memcpy(a->anchor + row * a->wide, round->anchor + row * round->dim, round->dim * sizeof *a->anchor);
	cn_dense_multiply(true, a->filled, a->wide, round->rows, a->part, a->tall, a->anchor, a->wide, a->slope, a->wide, a->config.pool);
	slope_of(a, round->dim, round->rows);
	return report->loss;
}

static void
climb(struct cn_adversary *a)
{
	const float lr = (float)a->config.adversary.lr, momentum = (float)a->config.adversary.momentum;

	for (size_t n = 0; n < a->filled; n++) {
		float *w = a->bank + n * a->wide, *v = a->velocity + n * a->wide, *slope = a->slope + n * a->wide;
		const float step = lr * sqrtf(cn_kernel_dot(slope, slope, a->wide)), most = (1 - momentum) * LEAP * a->length[n];
		const float share = step > most ? most / step : 1;

		for (size_t j = 0; j < a->wide; j++) {
			v[j] = momentum * v[j] + share * slope[j] - DECAY * w[j];
			w[j] += lr * v[j];
		}
	}
}

static void
learn(void *self, const struct cn_round *round, char *told)
{
	struct cn_adversary *a = self;
	struct cn_adversary_report report, later;

	fill(a, round);
	for (unsigned step = 0; step < a->config.steps; step++) {
		cn_adversary_loss(a, round, step ? &later : &report);
		climb(a);
	}
	snprintf(told, CN_METHOD_TOLD, "%.6f\t%.6f\t%.6f\t%.6f", report.loss, report.similarity, cn_round_closeness(round), report.used);
}

/* The place of the greatest h that is not taken yet; SIZE_MAX if there is none.  below: only of those below the ceiling. */
static size_t
take_best(const struct job *job, size_t row, float *h, bool below)
{
	const struct cn_adversary *a = job->a;
	const float *s = a->score + row * a->tall;
	size_t best = SIZE_MAX;

	for (size_t n = 0; n < a->filled; n++)
		if (h[n] > NEVER && (!below || s[n] <= job->round->ceiling[row]) && (best == SIZE_MAX || h[n] > h[best]))
			best = n;
	if (best != SIZE_MAX)
		h[best] = NEVER;
	return best;
}

/* The most probable below the ceiling; then others, turned away; then noise. */
static void
make_row(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct cn_made *made = job->made;
	const size_t row = job->from + i;
	const float *s = job->a->score + row * job->a->tall;
	float *h = job->a->part + row * job->a->tall;
	struct cn_rng rng;

	(void)worker;
	cn_rng_start(&rng, &job->a->key, job->round->id[row], job->round->epoch[row]);
	for (size_t n = 0; n < job->a->filled; n++)
		h[n] = own(job->a, job->round, row, n) ? NEVER : bend(s[n], cn_round_aim(job->round, row, job->a->config.target));
	for (size_t j = 0; j < made->k; j++) {
		size_t best = take_best(job, row, h, true);
		const bool below = best != SIZE_MAX;

		best = below ? best : take_best(job, row, h, false);
		if (best == SIZE_MAX) {
			cn_made_noise(made, job->round, row, j, (float)job->a->config.target, &rng);
			continue;
		}
		cn_made_put(made, row, j, job->a->unit + best * job->a->wide, CN_MADE_LEARNED);
		if (!below || cn_made_above(job->round, row, cn_made_vector(made, row, j)))
			cn_made_push(made, job->round, row, j);
	}
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct job job = { self, round, made, from };

	compare(self, round);
	cn_pool_run(job.a->config.pool, to - from, make_row, &job);
}

/* What cannot be divided by its length would become nothing. */
static void
check_bank(const struct cn_adversary *a, struct cn_state *state)
{
	for (size_t n = 0; n < a->filled; n++) {
		const float *w = a->bank + n * a->wide;

		if (!isfinite(cn_kernel_dot(w, w, a->config.dim)))
			cn_err_set(state->err, CN_FAILED, "%s: vector %zu of 'bank.vectors' is too long to have a direction; take another --state",
				state->path, n);
	}
}

static void
keep(void *self, struct cn_state *state)
{
	struct cn_adversary *a = self;
	uint64_t filled = a->filled;

	cn_state_floats(state, "bank.vectors", a->bank, a->size, a->wide);
	cn_state_floats(state, "bank.velocity", a->velocity, a->size, a->wide);
	cn_state_ids(state, "bank.origin", a->origin, a->size);
	cn_state_count(state, "bank.filled", &filled);
	a->filled = filled < a->size ? (size_t)filled : a->size;
	if (state->back)
		check_bank(a, state);
}

const struct cn_method_kind cn_adversary_kind = {
	.word = "adversary", .columns = "loss\tsimilarity\tpos_similarity\tused",
	.new = begin, .free = end, .learn = learn, .make = make, .keep = keep,
};
