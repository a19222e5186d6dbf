/* select - see the header for what is learned; here are the distribution, its draws, and REINFORCE. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/hard.h"
#include "gen/method.h"
#include "gen/mix.h"
#include "gen/mlp.h"
#include "gen/select.h"
#include "nn/optimizer.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { HIDDEN = 128, NOBODY = -1 };

#define SHARE 0.1	/* of a step's rewards in the baseline */
#define BONUS 0.1	/* of the diversity: the weight of the entropy */
#define NEVER (-1e30f)	/* in place of ln P for what is no candidate */

struct cn_select {
	struct cn_method_config config;
	struct cn_mlp *net;
	struct cn_optimizer *adam;
	struct cn_rng_key train_key, make_key;
	double baseline, known;		/* the running mean of rewards; 1 once there were any */
	float *query;			/* (rows, dim) a + G(a) */
	float *similarity, *logp;	/* (rows, candidates), those it came with first */
	float *slope;			/* (rows, dim) gradient of query */
	int32_t (*drawn)[CN_SELECT_DRAWS];	/* (rows) candidates */
	struct terms {
		double loss, reward, entropy, similarity, drawn;	/* drawn: mean reward of what was drawn */
	} *terms;			/* (rows) */
};

/* A round in work, for the pool. */
struct job {
	struct cn_select *s;
	const struct cn_round *round;
	const struct cn_made *made;
	size_t from;
	unsigned step;
};

static void
end(void *self)
{
	struct cn_select *s = self;

	if (!s)
		return;
	void *const block[] = { s->query, s->similarity, s->logp, s->slope, s->drawn, s->terms };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_mlp_free(s->net);
	cn_optimizer_free(s->adam);
	cn_mem_free(s);
}

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	const size_t rows = config->rows, vector = config->dim * sizeof(float), width[] = { config->dim, HIDDEN, config->dim };
	const size_t candidates = rows + config->mined;
	struct cn_select *s = err->code ? NULL : cn_mem_array(1, sizeof *s, err);

	if (!s)
		return NULL;
	s->config = *config;
	cn_rng_key_init(&s->train_key, config->seed, "gen.select.train");
	cn_rng_key_init(&s->make_key, config->seed, "gen.select");
	s->net = cn_mlp_new(width, 2, rows, config->seed, "gen.select.generator", config->pool, err);
	s->adam = cn_mlp_adam(s->net, 0.999, err);
	s->query = cn_mem_array(rows, vector, err);
	s->slope = cn_mem_array(rows, vector, err);
	s->similarity = cn_mem_array(rows, candidates * sizeof(float), err);
	s->logp = cn_mem_array(rows, candidates * sizeof(float), err);
	s->drawn = cn_mem_array(rows, sizeof *s->drawn, err);
	s->terms = cn_mem_array(rows, sizeof *s->terms, err);
	if (!err->code)
		return s;
	end(s);
	return NULL;
}

double *
cn_select_baseline(struct cn_select *s)
{
	return &s->baseline;
}

float *
cn_select_weights(struct cn_select *s, size_t *n)
{
	return cn_mlp_weights(s->net, n);
}

const float *
cn_select_gradient(const struct cn_select *s)
{
	return cn_mlp_gradient(s->net);
}

static size_t
candidates(const struct cn_round *round)
{
	return round->mined + round->rows;
}

static const float *
candidate(const struct cn_round *round, size_t row, size_t c)
{
	return c < round->mined ? round->mined_z + (row * round->mined + c) * round->dim : round->positive + (c - round->mined) * round->dim;
}

/* Whether candidate c is one for this row: there, of another id, below the ceiling. */
static bool
counts(const struct cn_round *round, size_t row, size_t c, float similarity)
{
	const float *z = candidate(round, row, c);

	if (c < round->mined ? cn_kernel_dot(z, z, round->dim) == 0 : round->id[c - round->mined] == round->id[row])
		return false;
	return similarity <= round->ceiling[row];
}

/* Similarities and ln P of a row's candidates. */
static void
weigh_row(void *context, size_t row, size_t worker)
{
	const struct job *job = context;
	const struct cn_round *round = job->round;
	const size_t n = candidates(round), dim = round->dim;
	const float *anchor = round->anchor + row * dim, *query = job->s->query + row * dim;
	const float temperature = (float)job->s->config.temperature;
	float *similarity = job->s->similarity + row * n, *logp = job->s->logp + row * n, top = NEVER;
	double sum = 0;

	(void)worker;
	for (size_t c = 0; c < n; c++) {
		similarity[c] = cn_kernel_dot(anchor, candidate(round, row, c), dim);
		logp[c] = counts(round, row, c, similarity[c]) ? cn_kernel_dot(query, candidate(round, row, c), dim) / temperature : NEVER;
		top = logp[c] > top ? logp[c] : top;
	}
	for (size_t c = 0; c < n; c++)
		sum += logp[c] > NEVER ? cn_rng_exp((double)(logp[c] - top)) : 0;
	for (size_t c = 0; c < n && sum > 0; c++)
		if (logp[c] > NEVER)
			logp[c] = (float)((double)(logp[c] - top) - cn_rng_log(sum));
}

/* P of all rows, from the weights. */
static void
weigh(struct cn_select *s, const struct cn_round *round)
{
	struct job job = { .s = s, .round = round };
	const size_t dim = round->dim;
	size_t stride;
	float *in = cn_mlp_input(s->net, &stride);

	for (size_t row = 0; row < round->rows; row++)
		memcpy(in + row * stride, round->anchor + row * dim, dim * sizeof *in);
	cn_mlp_forward(s->net, round->rows);
	for (size_t row = 0; row < round->rows; row++) {
		const float *moved = cn_mlp_output(s->net, &stride) + row * stride;

		for (size_t j = 0; j < dim; j++)
			s->query[row * dim + j] = round->anchor[row * dim + j] + moved[j];
	}
	cn_pool_run(s->config.pool, round->rows, weigh_row, &job);
}

/* Candidates of a row by P, with replacement. */
static void
draw_row(void *context, size_t row, size_t worker)
{
	const struct job *job = context;
	const size_t n = candidates(job->round);
	const float *logp = job->s->logp + row * n;
	struct cn_rng rng;

	(void)worker;
	cn_rng_start(&rng, &job->s->train_key, job->round->id[row], job->round->epoch[row]);
	rng.block += job->step;	/* one block of 16 words has enough */
	for (size_t d = 0; d < CN_SELECT_DRAWS; d++) {
		const double mark = (double)cn_rng_unit(&rng);
		double below = 0;

		job->s->drawn[row][d] = NOBODY;
		for (size_t c = 0; c < n && (below <= mark || job->s->drawn[row][d] == NOBODY); c++)
			if (logp[c] > NEVER) {
				below += cn_rng_exp((double)logp[c]);
				job->s->drawn[row][d] = (int32_t)c;
			}
	}
}

void
cn_select_draw(struct cn_select *s, const struct cn_round *round, unsigned step)
{
	struct job job = { .s = s, .round = round, .step = step };

	weigh(s, round);
	cn_pool_run(s->config.pool, round->rows, draw_row, &job);
}

/* The encoder's word on a candidate. */
static double
reward(const struct job *job, size_t row, float similarity)
{
	const float aim = cn_round_aim(job->round, row, job->s->config.target);
	const float bent = similarity <= aim ? similarity : 2 * aim - similarity;

	return 1 / (1 + cn_rng_exp((double)(job->round->pos_score[row] - bent) / job->s->config.temperature));
}

/* Adds share times a candidate to the gradient of the row's query. */
static void
pull(const struct job *job, size_t row, size_t c, double share)
{
	const size_t dim = job->round->dim;
	const float *z = candidate(job->round, row, c), by = (float)(share / job->s->config.temperature);
	float *slope = job->s->slope + row * dim;

	for (size_t j = 0; j < dim; j++)
		slope[j] += by * z[j];
}

/* A row's part of L and of what is expected, and the gradient of its query: dL / d logit c is spread over the candidates. */
static void
judge_row(void *context, size_t row, size_t worker)
{
	const struct job *job = context;
	const size_t n = candidates(job->round);
	const float *logp = job->s->logp + row * n, *similarity = job->s->similarity + row * n;
	const double weight = 1.0 / (double)job->round->rows, diversity = BONUS * job->s->config.diversity;
	struct terms sum = { 0 };
	double advantage = 0;

	(void)worker;
	memset(job->s->slope + row * job->round->dim, 0, job->round->dim * sizeof *job->s->slope);
	for (size_t d = 0; d < CN_SELECT_DRAWS && job->s->drawn[row][d] != NOBODY; d++) {
		const size_t c = (size_t)job->s->drawn[row][d];
		const double word = reward(job, row, similarity[c]), more = (word - job->s->baseline) / CN_SELECT_DRAWS;

		sum.drawn += word / CN_SELECT_DRAWS;
		sum.loss -= more * (double)logp[c];
		advantage += more;
		pull(job, row, c, -weight * more);
	}
	for (size_t c = 0; c < n; c++)
		if (logp[c] > NEVER) {
			const double p = cn_rng_exp((double)logp[c]);

			sum.entropy -= p * (double)logp[c];
			sum.reward += p * reward(job, row, similarity[c]);
			sum.similarity += p * (double)similarity[c];
		}
	for (size_t c = 0; c < n; c++)
		if (logp[c] > NEVER) {
			const double p = cn_rng_exp((double)logp[c]);

			pull(job, row, c, weight * p * (advantage + diversity * ((double)logp[c] + sum.entropy)));
		}
	sum.loss -= diversity * sum.entropy;
	job->s->terms[row] = sum;
}

/* Means over rows of their terms. */
static struct terms
add_up(const struct cn_select *s, size_t rows)
{
	struct terms mean = { 0 };

	for (size_t row = 0; row < rows; row++) {
		mean.loss += s->terms[row].loss / (double)rows;
		mean.reward += s->terms[row].reward / (double)rows;
		mean.entropy += s->terms[row].entropy / (double)rows;
		mean.similarity += s->terms[row].similarity / (double)rows;
		mean.drawn += s->terms[row].drawn / (double)rows;
	}
	return mean;
}

double
cn_select_loss(struct cn_select *s, const struct cn_round *round, struct cn_select_report *report)
{
	struct job job = { .s = s, .round = round };
	const size_t dim = round->dim;
	struct terms mean;
	size_t stride;
	float *out = cn_mlp_output_gradient(s->net, &stride);

	weigh(s, round);
	cn_pool_run(s->config.pool, round->rows, judge_row, &job);
	for (size_t row = 0; row < round->rows; row++)
		memcpy(out + row * stride, s->slope + row * dim, dim * sizeof *out);
	cn_mlp_backward(s->net, round->rows, true);
	mean = add_up(s, round->rows);
	*report = (struct cn_select_report){ mean.reward, mean.entropy, mean.similarity };
	return mean.loss;
}

/* The running mean; the first rewards are it. */
static void
follow(struct cn_select *s, size_t rows)
{
	const double drawn = add_up(s, rows).drawn;

	s->baseline += (s->known > 0 ? SHARE : 1) * (drawn - s->baseline);
	s->known = 1;
}

static void
learn(void *self, const struct cn_round *round, char *told)
{
	struct cn_select *s = self;
	const double baseline = s->baseline;
	struct cn_select_report report = { 0 }, later;

	for (unsigned step = 0; step < s->config.steps; step++) {
		cn_select_draw(s, round, step);
		cn_select_loss(s, round, step ? &later : &report);
		cn_mlp_step(s->net, s->adam, s->config.lr, 0.9, s->config.pool);
		follow(s, round->rows);
	}
	snprintf(told, CN_METHOD_TOLD, "%.6f\t%.6f\t%.6f\t%.6f\t%.6f", report.reward, baseline, report.entropy, report.similarity,
		cn_round_closeness(round));
}

/* Where there are not enough candidates: a mixture of those there are, or noise. */
static void
stand_in(const struct job *job, size_t row, size_t j, struct cn_rng *rng)
{
	const struct cn_round *round = job->round;
	const struct cn_made *made = job->made;
	float *out = cn_made_vector(made, row, j);

	if (round->hard[row].n == 0) {
		cn_made_noise(made, round, row, j, (float)job->s->config.target, rng);
		return;
	}
	cn_mix_two(round->hard + row, round->dim, rng, out);
	made->rule[row * made->k + j] = CN_MADE_MIXED;
	if (cn_made_above(round, row, out))
		cn_made_push(made, round, row, j);
}

/* The greatest of ln P + Gumbel noise, one after the other. */
static void
make_row(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct cn_round *round = job->round;
	const struct cn_made *made = job->made;
	const size_t row = job->from + i, n = candidates(round);
	const float *logp = job->s->logp + row * n;
	float *noisy = job->s->similarity + row * n;	/* not needed any more */
	struct cn_rng rng;

	(void)worker;
	cn_rng_start(&rng, &job->s->make_key, round->id[row], round->epoch[row]);
	for (size_t c = 0; c < n; c++)
		noisy[c] = logp[c] > NEVER ? logp[c] + cn_rng_gumbel(&rng) : NEVER;
	for (size_t j = 0; j < made->k; j++) {
		size_t best = 0;

		for (size_t c = 1; c < n; c++)
			best = noisy[c] > noisy[best] ? c : best;
		if (noisy[best] > NEVER) {
			cn_made_put(made, row, j, candidate(round, row, best), CN_MADE_SELECTED);
			made->logq[row * made->k + j] = logp[best];
			noisy[best] = NEVER;
		} else {
			stand_in(job, row, j, &rng);
		}
	}
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct job job = { .s = self, .round = round, .made = made, .from = from };

	weigh(self, round);
	cn_pool_run(job.s->config.pool, to - from, make_row, &job);
}

static void
keep(void *self, struct cn_state *state)
{
	struct cn_select *s = self;

	cn_state_network(state, "generator", s->net, s->adam);
	cn_state_doubles(state, "baseline.mean", &s->baseline, 1);
	cn_state_doubles(state, "baseline.known", &s->known, 1);
}

const struct cn_method_kind cn_select_kind = {
	.word = "select", .draws = true, .columns = "reward\tbaseline\tentropy\tsimilarity\tpos_similarity",
	.new = begin, .free = end, .learn = learn, .make = make, .keep = keep,
};
