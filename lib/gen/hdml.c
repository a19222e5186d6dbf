/* hdml - the average loss is followed, and hard ones are moved by it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/hard.h"
#include "gen/hdml.h"
#include "gen/method.h"
#include "tensor/kernel.h"

#include "base/banned.h"

#define SHARE 0.1	/* of a round in the average */

struct hdml {
	struct cn_method_config config;
	struct cn_rng_key key;
	double average;		/* J; 0 = not known yet */
	double *loss;		/* (rows) */
};

/* A round in work, for the pool. */
struct job {
	struct hdml *hdml;
	const struct cn_round *round;
	const struct cn_made *made;
	size_t from;
};

void
cn_hdml_move(const float *anchor, const float *positive, const float *negative, size_t dim, double kept, float *out)
{
	const float near = sqrtf(cn_kernel_distance2(positive, anchor, dim)), far = sqrtf(cn_kernel_distance2(negative, anchor, dim));
	const float share = far > near ? (near + (far - near) * (float)kept) / far : 1;

	for (size_t j = 0; j < dim; j++)
		out[j] = anchor[j] + share * (negative[j] - anchor[j]);
	if (cn_kernel_dot(out, out, dim) < 1e-8f)	/* half way to the opposite */
		memcpy(out, negative, dim * sizeof *out);
	cn_kernel_normalize(out, 1, dim);
}

static void
end(void *self)
{
	struct hdml *hdml = self;

	if (hdml)
		cn_mem_free(hdml->loss);
	cn_mem_free(hdml);
}

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	struct hdml *hdml = err->code ? NULL : cn_mem_array(1, sizeof *hdml, err);

	if (!hdml)
		return NULL;
	hdml->config = *config;
	cn_rng_key_init(&hdml->key, config->seed, "gen.hdml");
	hdml->loss = cn_mem_array(config->rows, sizeof *hdml->loss, err);
	if (!err->code)
		return hdml;
	end(hdml);
	return NULL;
}

/* InfoNCE of a row: ln( 1 + sum over other ids of e^((s - s+) / T) ). */
static void
lose(void *context, size_t row, size_t worker)
{
	const struct job *job = context;
	const struct cn_round *round = job->round;
	double sum = 1;

	(void)worker;
	for (size_t other = 0; other < round->rows; other++)
		if (round->id[other] != round->id[row]) {
			const float s = cn_kernel_dot(round->anchor + row * round->dim, round->positive + other * round->dim, round->dim);

			sum += cn_rng_exp((double)(s - round->pos_score[row]) / job->hdml->config.temperature);
		}
	job->hdml->loss[row] = cn_rng_log(sum);
}

/* e^(-pull / J). */
static double
kept(const struct hdml *hdml)
{
	return hdml->average > 0 ? cn_rng_exp(-hdml->config.hdml.pull / hdml->average) : 1;
}

static void
learn(void *self, const struct cn_round *round, char *told)
{
	struct hdml *hdml = self;
	struct job job = { hdml, round, NULL, 0 };
	double loss = 0;

	cn_pool_run(hdml->config.pool, round->rows, lose, &job);
	for (size_t row = 0; row < round->rows; row++)
		loss += hdml->loss[row] / (double)round->rows;
	hdml->average = hdml->average > 0 ? hdml->average + SHARE * (loss - hdml->average) : loss;
	snprintf(told, CN_METHOD_TOLD, "%.6f\t%.6f\t%.6f\t%.6f", loss, hdml->average, kept(hdml), cn_round_closeness(round));
}

static void
make_row(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct cn_round *round = job->round;
	const struct cn_made *made = job->made;
	const size_t row = job->from + i, dim = round->dim;
	const struct cn_hard *hard = round->hard + row;
	uint32_t order[CN_HARD_MOST];
	struct cn_rng rng;

	(void)worker;
	cn_rng_start(&rng, &job->hdml->key, round->id[row], round->epoch[row]);
	cn_hard_shuffle(hard, &rng, order);
	for (size_t j = 0; j < made->k; j++) {
		if (hard->n == 0) {
			cn_made_noise(made, round, row, j, (float)job->hdml->config.target, &rng);
			continue;
		}
		cn_hdml_move(round->anchor + row * dim, round->positive + row * dim, hard->vector[order[j % hard->n]], dim, kept(job->hdml),
			cn_made_vector(made, row, j));
		made->rule[row * made->k + j] = CN_MADE_MOVED;
		if (cn_made_above(round, row, cn_made_vector(made, row, j)))
			cn_made_push(made, round, row, j);
	}
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct job job = { self, round, made, from };

	cn_pool_run(job.hdml->config.pool, to - from, make_row, &job);
}

static void
keep(void *self, struct cn_state *state)
{
	struct hdml *hdml = self;

	cn_state_doubles(state, "loss.average", &hdml->average, 1);
}

const struct cn_method_kind cn_hdml_kind = {
	.word = "hdml", .columns = "loss\taverage\tkept\tpos_similarity",
	.new = begin, .free = end, .learn = learn, .make = make, .keep = keep,
};
