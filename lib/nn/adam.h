/*
 * adam - Adam (Kingma & Ba 2015) as torch.optim.Adam computes it, weight decay added to the gradient.
 *
 * The two moments belong to the optimiser and are no part of a model.  Parameters are cut into fixed
 * pieces for the pool, each element computed by itself: the same bits for any number of threads.
 */
#ifndef CN_NN_ADAM_H
#define CN_NN_ADAM_H

#include <stddef.h>

#include "base/err.h"
#include "base/pool.h"

struct cn_adam;

struct cn_adam_rates {
	double lr, beta1, beta2, eps, weight_decay;	/* PyTorch: 1e-3, 0.9, 0.999, 1e-8, 0 */
};

/* For n parameters in one run of floats. */
struct cn_adam *cn_adam_new(size_t n, struct cn_err *err);

/*
 * One step: parameter (n) moves against gradient (n).
 * g += decay p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 * p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps), with this step's b1, as PyTorch does.
 */
void cn_adam_step(struct cn_adam *adam, const struct cn_adam_rates *rates, float *parameter, const float *gradient,
	struct cn_pool *pool);

void cn_adam_free(struct cn_adam *adam);

#endif
