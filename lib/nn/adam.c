/* adam - one optimiser step, after torch/optim/adam.py (_single_tensor_adam) of PyTorch 1.13. */
#include <math.h>
#include <stdint.h>

#include "base/mem.h"
#include "nn/adam.h"

#include "base/banned.h"

enum { PIECE = 16384 };

struct cn_adam {
	size_t n;
	uint64_t step;
	float *mean, *square;
};

/* One step's scalars in float, and where it works. */
struct job {
	struct cn_adam *adam;
	float *parameter;
	const float *gradient;
	float beta1, rest1, beta2, rest2, eps, decay, rate, root;	/* rest = 1 - beta; root = 1 / sqrt(1 - beta2^t) */
};

struct cn_adam *
cn_adam_new(size_t n, struct cn_err *err)
{
	if (err->code)
		return NULL;
	struct cn_adam *adam = cn_mem_array(1, sizeof(*adam), err);
	if (!adam)
		return NULL;
	adam->n = n;
	adam->mean = cn_mem_array(n, sizeof(float), err);
	adam->square = cn_mem_array(n, sizeof(float), err);
	if (adam->mean && adam->square)
		return adam;
	cn_adam_free(adam);
	return NULL;
}

void
cn_adam_free(struct cn_adam *adam)
{
	if (!adam)
		return;
	cn_mem_free(adam->mean);
	cn_mem_free(adam->square);
	cn_mem_free(adam);
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
piece(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t from = i * PIECE, to = from + PIECE < job->adam->n ? from + PIECE : job->adam->n;
	float *restrict p = job->parameter, *restrict m = job->adam->mean, *restrict v = job->adam->square;
	const float *restrict gradient = job->gradient;

	(void)worker;
	for (size_t k = from; k < to; k++) {
		const float g = gradient[k] + job->decay * p[k];

		m[k] = job->beta1 * m[k] + job->rest1 * g;
		v[k] = job->beta2 * v[k] + job->rest2 * g * g;
		p[k] -= job->rate * m[k] / (sqrtf(v[k]) * job->root + job->eps);
	}
}

void
cn_adam_step(struct cn_adam *adam, const struct cn_adam_rates *rates, float *parameter, const float *gradient,
	struct cn_pool *pool)
{
	const uint64_t t = ++adam->step;
	const struct job job = {
		.adam = adam, .parameter = parameter, .gradient = gradient,
		.beta1 = (float)rates->beta1, .rest1 = (float)(1 - rates->beta1),
		.beta2 = (float)rates->beta2, .rest2 = (float)(1 - rates->beta2),
		.eps = (float)rates->eps, .decay = (float)rates->weight_decay,
		.rate = (float)(rates->lr / (1 - power(rates->beta1, t))),
		.root = (float)(1 / sqrt(1 - power(rates->beta2, t))),
	};

	cn_pool_run(pool, (adam->n + PIECE - 1) / PIECE, piece, (void *)(uintptr_t)&job);
}
