/* optimizer - one step after torch/optim of PyTorch 1.13; lars and lamb after their papers. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "nn/optimizer.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { PIECE = 16384 };

struct piece {
	size_t from, to, part;
};

struct cn_optimizer {
	struct cn_optimizer_config config;
	uint64_t step;
	size_t parts, pieces;
	struct cn_optimizer_part *part;
	struct piece *piece;
	float *factor;			/* of each part's rate, by its norms */
	float *mean, *square, *move;	/* running mean and square of the gradient; lamb's u; NULL where not needed */
};

/* One step's scalars in float, and where it works. */
struct job {
	struct cn_optimizer *o;
	float *weight;
	const float *gradient;
	float scale, momentum, rest1, beta2, rest2, eps, decay, lr, rate, right, root;	/* rest = 1 - beta; right = 1 / (1 - b^t); rate = lr right; root = 1 / sqrt(1 - beta2^t) */
	bool nesterov;
};

static size_t
cut(struct cn_optimizer *o, struct piece *piece)
{
	size_t n = 0;

	for (size_t i = 0; i < o->parts; i++) {
		const size_t end = o->part[i].at + o->part[i].n;

		for (size_t from = o->part[i].at; from < end; from += PIECE, n++)
			if (piece)
				piece[n] = (struct piece){ from, end - from < PIECE ? end : from + PIECE, i };
	}
	return n;
}

struct cn_optimizer *
cn_optimizer_new(const struct cn_optimizer_config *config, const struct cn_optimizer_part *part, size_t parts,
	struct cn_err *err)
{
	struct cn_optimizer *o = err->code ? NULL : cn_mem_array(1, sizeof(*o), err);
	const bool mean = config->kind != CN_OPTIMIZER_ADAGRAD;
	const bool square = config->kind != CN_OPTIMIZER_SGD && config->kind != CN_OPTIMIZER_LARS;
	const size_t n = parts ? part[parts - 1].at + part[parts - 1].n : 0;

	if (!o)
		return NULL;
	*o = (struct cn_optimizer){ .config = *config, .parts = parts };
	o->part = cn_mem_array(parts + 1, sizeof(*o->part), err);
	if (o->part && parts)
		memcpy(o->part, part, parts * sizeof(*part));
	o->pieces = o->part ? cut(o, NULL) : 0;
	o->piece = cn_mem_array(o->pieces + 1, sizeof(*o->piece), err);
	o->factor = cn_mem_array(parts + 1, sizeof(float), err);
	o->mean = mean ? cn_mem_array(n, sizeof(float), err) : NULL;
	o->square = square ? cn_mem_array(n, sizeof(float), err) : NULL;
	o->move = config->kind == CN_OPTIMIZER_LAMB ? cn_mem_array(n, sizeof(float), err) : NULL;
	if (err->code) {
		cn_optimizer_free(o);
		return NULL;
	}
	cut(o, o->piece);
	return o;
}

void
cn_optimizer_free(struct cn_optimizer *o)
{
	if (!o)
		return;
	cn_mem_free(o->part);
	cn_mem_free(o->piece);
	cn_mem_free(o->factor);
	cn_mem_free(o->mean);
	cn_mem_free(o->square);
	cn_mem_free(o->move);
	cn_mem_free(o);
}

static double
power(double base, uint64_t exponent)
{
	double result = 1;

	for (; exponent; exponent >>= 1, base *= base)
		if (exponent & 1)
			result *= base;
	return result;
}

static void
adam(const struct job *job, size_t from, size_t to, float decay)
{
	const bool apart = job->o->config.kind == CN_OPTIMIZER_ADAMW;
	const float added = apart ? 0 : decay, kept = apart ? 1 - job->lr * decay : 1;
	float *restrict p = job->weight, *restrict m = job->o->mean, *restrict v = job->o->square;
	const float *restrict gradient = job->gradient;

	for (size_t k = from; k < to; k++) {
		const float g = job->scale * gradient[k] + added * p[k];

		m[k] = job->momentum * m[k] + job->rest1 * g;
		v[k] = job->beta2 * v[k] + job->rest2 * g * g;
		p[k] = kept * p[k] - job->rate * m[k] / (sqrtf(v[k]) * job->root + job->eps);
	}
}

/* sgd, and lars, whose factor multiplies the gradient. */
static void
descend(const struct job *job, size_t from, size_t to, float decay, float factor)
{
	float *restrict p = job->weight, *restrict m = job->o->mean;
	const float *restrict gradient = job->gradient;

	for (size_t k = from; k < to; k++) {
		const float g = factor * (job->scale * gradient[k] + decay * p[k]);

		m[k] = job->momentum * m[k] + g;
		p[k] -= job->lr * (job->nesterov ? g + job->momentum * m[k] : m[k]);
	}
}

static void
adagrad(const struct job *job, size_t from, size_t to, float decay)
{
	float *restrict p = job->weight, *restrict v = job->o->square;
	const float *restrict gradient = job->gradient;

	for (size_t k = from; k < to; k++) {
		const float g = job->scale * gradient[k] + decay * p[k];

		v[k] += g * g;
		p[k] -= job->lr * g / (sqrtf(v[k]) + job->eps);
	}
}

/* lamb's u, to be taken times its factor afterwards. */
static void
propose(const struct job *job, size_t from, size_t to, float decay)
{
	float *restrict m = job->o->mean, *restrict v = job->o->square, *restrict u = job->o->move;
	const float *restrict p = job->weight, *restrict gradient = job->gradient;

	for (size_t k = from; k < to; k++) {
		const float g = job->scale * gradient[k];

		m[k] = job->momentum * m[k] + job->rest1 * g;
		v[k] = job->beta2 * v[k] + job->rest2 * g * g;
		u[k] = job->right * m[k] / (sqrtf(v[k]) * job->root + job->eps) + decay * p[k];
	}
}

static void
move_piece(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct piece *piece = &job->o->piece[i];
	const float decay = job->o->part[piece->part].decays ? job->decay : 0;

	(void)worker;
	switch (job->o->config.kind) {
	case CN_OPTIMIZER_ADAM:
	case CN_OPTIMIZER_ADAMW:
		adam(job, piece->from, piece->to, decay);
		break;
	case CN_OPTIMIZER_SGD:
	case CN_OPTIMIZER_LARS:
		descend(job, piece->from, piece->to, decay, job->o->factor[piece->part]);
		break;
	case CN_OPTIMIZER_LAMB:
		propose(job, piece->from, piece->to, decay);
		break;
	case CN_OPTIMIZER_ADAGRAD:
		adagrad(job, piece->from, piece->to, decay);
		break;
	}
}

static void
follow_piece(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct piece *piece = &job->o->piece[i];
	const float rate = job->lr * job->o->factor[piece->part];

	(void)worker;
	for (size_t k = piece->from; k < piece->to; k++)
		job->weight[k] -= rate * job->o->move[k];
}

/* Each part's factor by its norms: before the step for lars, between its halves for lamb. */
static void
weigh_part(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	struct cn_optimizer *o = job->o;
	const struct cn_optimizer_part *part = &o->part[i];
	const double p = sqrt(cn_kernel_squares(job->weight + part->at, part->n));
	double other, factor;

	(void)worker;
	o->factor[i] = 1;
	if (!part->decays)
		return;
	if (o->config.kind == CN_OPTIMIZER_LARS) {
		other = (double)job->scale * sqrt(cn_kernel_squares(job->gradient + part->at, part->n));
		factor = o->config.trust * p / (other + o->config.weight_decay * p + (double)job->eps);
	} else {
		other = sqrt(cn_kernel_squares(o->move + part->at, part->n));
		factor = p / other;
	}
	if (p > 0 && other > 0)
		o->factor[i] = (float)factor;
}

void
cn_optimizer_step(struct cn_optimizer *o, const struct cn_optimizer_rates *rates, float *weight, const float *gradient,
	struct cn_pool *pool)
{
	static const double eps[] = { 1e-8, 1e-8, 0, 1e-8, 1e-6, 1e-10 };
	const uint64_t t = ++o->step;
	const struct job job = {
		.o = o, .weight = weight, .gradient = gradient, .scale = (float)rates->scale, .lr = (float)rates->lr,
		.momentum = (float)rates->momentum, .rest1 = (float)(1 - rates->momentum),
		.beta2 = (float)o->config.beta2, .rest2 = (float)(1 - o->config.beta2),
		.eps = (float)eps[o->config.kind], .decay = (float)o->config.weight_decay, .nesterov = o->config.nesterov,
		.rate = (float)(rates->lr / (1 - power(rates->momentum, t))),
		.right = (float)(1 / (1 - power(rates->momentum, t))),
		.root = (float)(1 / sqrt(1 - power(o->config.beta2, t))),
	};
	void *context = (void *)(uintptr_t)&job;

	for (size_t i = 0; i < o->parts; i++)
		o->factor[i] = 1;
	if (o->config.kind == CN_OPTIMIZER_LARS)
		cn_pool_run(pool, o->parts, weigh_part, context);
	cn_pool_run(pool, o->pieces, move_piece, context);
	if (o->config.kind == CN_OPTIMIZER_LAMB) {
		cn_pool_run(pool, o->parts, weigh_part, context);
		cn_pool_run(pool, o->pieces, follow_piece, context);
	}
}

float *
cn_optimizer_state(struct cn_optimizer *o, int which, size_t *n)
{
	*n = o->parts ? o->part[o->parts - 1].at + o->part[o->parts - 1].n : 0;
	return which == 0 ? o->mean : o->square;
}

void
cn_optimizer_resume(struct cn_optimizer *o, uint64_t steps)
{
	o->step = steps;
}

uint64_t
cn_optimizer_steps(const struct cn_optimizer *o)
{
	return o->step;
}
