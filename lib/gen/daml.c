/* daml - see the header for what is minimised; here are its derivatives. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/daml.h"
#include "gen/hard.h"
#include "gen/method.h"
#include "gen/mlp.h"
#include "nn/optimizer.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { HIDDEN = 128 };

#define TINY 1e-6f

struct cn_daml {
	struct cn_method_config config;
	struct cn_mlp *net;
	struct cn_optimizer *adam;
	struct cn_rng_key train_key, order_key;
	const float **real;		/* (rows) a true negative of each, or NULL */
	float *made, *slope, *length;	/* (rows, dim), its gradient, and its length as it came out of the network (rows) */
	uint32_t *order;		/* (rows, CN_HARD_MOST) in which true negatives are taken */
	uint32_t *pending;		/* (rows k) */
	float *drawn;			/* (rows k, dim) */
};

static void
end(void *self)
{
	struct cn_daml *d = self;

	if (!d)
		return;
	void *const block[] = { d->real, d->made, d->slope, d->length, d->order, d->pending, d->drawn };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_mlp_free(d->net);
	cn_optimizer_free(d->adam);
	cn_mem_free(d);
}

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	const size_t rows = config->rows, vector = config->dim * sizeof(float), width[] = { 3 * config->dim, HIDDEN, HIDDEN, config->dim };
	struct cn_daml *d = err->code ? NULL : cn_mem_array(1, sizeof *d, err);

	if (!d)
		return NULL;
	d->config = *config;
	cn_rng_key_init(&d->train_key, config->seed, "gen.daml.train");
	cn_rng_key_init(&d->order_key, config->seed, "gen.daml");
	d->net = cn_mlp_new(width, 3, rows, config->seed, "gen.daml.generator", config->pool, err);
	d->adam = cn_mlp_adam(d->net, 0.999, err);
	d->real = cn_mem_array(rows, sizeof *d->real, err);
	d->made = cn_mem_array(rows, vector, err);
	d->slope = cn_mem_array(rows, vector, err);
	d->length = cn_mem_array(rows, sizeof *d->length, err);
	d->order = cn_mem_array(rows, CN_HARD_MOST * sizeof *d->order, err);
	d->pending = cn_mem_array(rows * config->k, sizeof *d->pending, err);
	d->drawn = cn_mem_array(rows * config->k, vector, err);
	if (!err->code)
		return d;
	end(d);
	return NULL;
}

float *
cn_daml_weights(struct cn_daml *d, size_t *n)
{
	return cn_mlp_weights(d->net, n);
}

const float *
cn_daml_gradient(const struct cn_daml *d)
{
	return cn_mlp_gradient(d->net);
}

void
cn_daml_draw(struct cn_daml *d, const struct cn_round *round, unsigned step)
{
	struct cn_rng rng;

	for (size_t i = 0; i < round->rows; i++) {
		const struct cn_hard *hard = round->hard + i;

		cn_rng_start(&rng, &d->train_key, round->id[i], round->epoch[i]);
		rng.block += step;
		d->real[i] = hard->n ? hard->vector[cn_rng_below(&rng, (uint32_t)hard->n)] : NULL;
	}
}

/* One line of the network's input. */
static void
lay(const struct cn_daml *d, size_t line, const float *anchor, const float *positive, const float *real)
{
	const size_t dim = d->config.dim, vector = dim * sizeof(float);
	size_t stride;
	float *in = cn_mlp_input(d->net, &stride) + line * stride;

	memcpy(in, anchor, vector);
	memcpy(in + dim, positive, vector);
	memcpy(in + 2 * dim, real, vector);
}

/* What the network makes of n lines, at unit length, into out. */
static void
run(struct cn_daml *d, size_t n, float *out)
{
	const size_t dim = d->config.dim;
	size_t stride;

	cn_mlp_forward(d->net, n);
	for (size_t i = 0; i < n; i++) {
		const float *y = cn_mlp_output(d->net, &stride) + i * stride;

		d->length[i] = sqrtf(cn_kernel_dot(y, y, dim)) + TINY;
		for (size_t j = 0; j < dim; j++)
			out[i * dim + j] = y[j] / d->length[i];
	}
}

/* Terms of a row's loss, and their gradient of g. */
static void
judge(struct cn_daml *d, const struct cn_round *round, size_t row, double weight, struct cn_daml_report *report)
{
	const size_t dim = d->config.dim;
	const float *a = round->anchor + row * dim, *p = round->positive + row * dim, *n = d->real[row], *g = d->made + row * dim;
	const float near = cn_kernel_distance2(g, a, dim), away = sqrtf(near) + TINY;
	const double over = (double)away - sqrt((double)cn_kernel_distance2(p, a, dim)) - d->config.margin;
	const float from_anchor = (float)(weight * (2 * d->config.daml.hardness + (over > 0 ? d->config.daml.violation / (double)away : 0)));
	const float from_real = (float)(weight * 2 * d->config.realism);

	for (size_t j = 0; j < dim; j++)
		d->slope[row * dim + j] = from_anchor * (g[j] - a[j]) + from_real * (g[j] - n[j]);
	report->near += weight * (double)near;
	report->true_to += weight * (double)cn_kernel_distance2(g, n, dim);
	report->violated += weight * (over > 0 ? over : 0);
	report->similarity += weight * (double)cn_kernel_dot(g, a, dim);
}

/* From the gradient of the unit vectors to that of the network's output. */
static void
unfold(struct cn_daml *d, size_t n)
{
	const size_t dim = d->config.dim;
	size_t stride;
	float *out = cn_mlp_output_gradient(d->net, &stride);

	for (size_t i = 0; i < n; i++, out += stride) {
		const float *g = d->made + i * dim, *slope = d->slope + i * dim;
		const float along = cn_kernel_dot(g, slope, dim);

		for (size_t j = 0; j < dim; j++)
			out[j] = (slope[j] - along * g[j]) / d->length[i];
	}
}

double
cn_daml_loss(struct cn_daml *d, const struct cn_round *round, struct cn_daml_report *report)
{
	const size_t dim = d->config.dim;
	size_t reals = 0;

	*report = (struct cn_daml_report){ 0 };
	for (size_t i = 0; i < round->rows; i++) {
		reals += d->real[i] != NULL;
		lay(d, i, round->anchor + i * dim, round->positive + i * dim, d->real[i] ? d->real[i] : round->anchor + i * dim);
	}
	run(d, round->rows, d->made);
	memset(d->slope, 0, round->rows * dim * sizeof *d->slope);
	for (size_t i = 0; i < round->rows; i++)
		if (d->real[i])
			judge(d, round, i, 1.0 / (double)reals, report);
	unfold(d, round->rows);
	cn_mlp_backward(d->net, round->rows, true);
	return report->loss = d->config.daml.hardness * report->near + d->config.realism * report->true_to
		+ d->config.daml.violation * report->violated;
}

static void
learn(void *self, const struct cn_round *round, char *told)
{
	struct cn_daml *d = self;
	struct cn_daml_report report = { 0 }, later;

	for (unsigned step = 0; step < d->config.steps; step++) {
		cn_daml_draw(d, round, step);
		cn_daml_loss(d, round, step ? &later : &report);
		cn_mlp_step(d->net, d->adam, d->config.lr, 0.9, d->config.pool);
	}
	snprintf(told, CN_METHOD_TOLD, "%.6f\t%.6f\t%.6f\t%.6f\t%.6f\t%.6f", report.loss, report.near, report.true_to, report.violated,
		report.similarity, cn_round_closeness(round));
}

/* Pending negatives of a round out of the next true ones of their rows. */
static void
draw(void *self, const struct cn_round *round, const uint32_t *pending, size_t n, unsigned attempt, float *out)
{
	struct cn_daml *d = self;
	const size_t k = d->config.k, dim = round->dim, most = d->config.rows;

	for (size_t first = 0; first < n; first += most) {
		const size_t lines = n - first < most ? n - first : most;

		for (size_t i = 0; i < lines; i++) {
			const size_t row = pending[first + i] / k, j = pending[first + i] % k + attempt * k;
			const struct cn_hard *hard = round->hard + row;

			lay(d, i, round->anchor + row * dim, round->positive + row * dim,
				hard->vector[d->order[row * CN_HARD_MOST + j % hard->n]]);
		}
		run(d, lines, out + first * dim);
	}
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct cn_daml *d = self;
	size_t n = 0;

	for (size_t row = from; row < to; row++) {
		struct cn_rng rng;

		cn_rng_start(&rng, &d->order_key, round->id[row], round->epoch[row]);
		cn_hard_shuffle(round->hard + row, &rng, d->order + row * CN_HARD_MOST);
		for (size_t j = 0; j < made->k; j++)
			if (round->hard[row].n)
				d->pending[n++] = (uint32_t)(row * made->k + j);
			else
				cn_made_noise(made, round, row, j, (float)d->config.target, &rng);
	}
	cn_made_draw(made, round, d->pending, n, d->drawn, draw, d);
}

static void
keep(void *self, struct cn_state *state)
{
	struct cn_daml *d = self;

	cn_state_network(state, "generator", d->net, d->adam);
}

const struct cn_method_kind cn_daml_kind = {
	.word = "daml", .columns = "loss\tnear\ttrue_to\tviolated\tsimilarity\tpos_similarity",
	.new = begin, .free = end, .learn = learn, .make = make, .keep = keep,
};
