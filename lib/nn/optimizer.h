/*
 * optimizer - how weights p move against their gradient g; elementwise as torch.optim (1.13) computes it.
 *
 *	adam	 g += decay p;  m = b m + (1 - b) g;  v = b2 v + (1 - b2) g^2;
 *		 p -= lr / (1 - b^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)		Kingma & Ba 2015
 *	adamw	 p -= lr decay p, then as adam without decay				Loshchilov & Hutter 2019
 *	sgd	 g += decay p;  m = b m + g;  p -= lr m (nesterov: lr (g + b m))	Sutskever et al. 2013
 *	lars	 g += decay p;  g *= trust |p| / (|g before decay| + decay |p| + eps);  then sgd	You et al. 2017
 *	lamb	 u = adam's step without lr and decay, + decay p;  p -= lr |p| / |u| u	You et al. 2020
 *	adagrad	 g += decay p;  v += g^2;  p -= lr g / (sqrt(v) + eps)			Duchi et al. 2011
 *
 * t counts steps from 1; b is the step's momentum (a schedule may move it).  The norms of lars and lamb are those
 * of one tensor; their factor is 1 where a norm is 0, and for tensors that do not decay.  eps is 1e-8, of lamb
 * 1e-6, of adagrad 1e-10.
 *
 * The state belongs to the optimizer and is no part of a model.  Tensors are cut into fixed pieces for the
 * pool and norms are summed in a fixed order: the same bits for any number of threads.
 */
#ifndef CN_NN_OPTIMIZER_H
#define CN_NN_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

#define CN_OPTIMIZER_CHOICES "adam|adamw|sgd|lars|lamb|adagrad"

enum cn_optimizer_kind {
	CN_OPTIMIZER_ADAM, CN_OPTIMIZER_ADAMW, CN_OPTIMIZER_SGD, CN_OPTIMIZER_LARS, CN_OPTIMIZER_LAMB, CN_OPTIMIZER_ADAGRAD
};

struct cn_optimizer;

struct cn_optimizer_config {
	enum cn_optimizer_kind kind;	/* index in CN_OPTIMIZER_CHOICES */
	double beta2;			/* of adam, adamw, lamb; PyTorch: 0.999 */
	double weight_decay;
	double trust;			/* of lars; usual: 0.001 */
	bool nesterov;			/* sgd, lars */
};

/* A tensor among the weights. */
struct cn_optimizer_part {
	size_t at, n;			/* weights [at, at + n) */
	bool decays;			/* false: weight_decay is 0 for it, and lars and lamb leave its step as it is */
};

struct cn_optimizer_rates {
	double lr, momentum;
	double scale;			/* the gradient is multiplied by this first */
};

/* For weights that consist of these parts, in order, without gaps. */
struct cn_optimizer *cn_optimizer_new(const struct cn_optimizer_config *config, const struct cn_optimizer_part *part,
	size_t parts, struct cn_err *err);

/* One step of all weights against their gradient. */
void cn_optimizer_step(struct cn_optimizer *optimizer, const struct cn_optimizer_rates *rates, float *weight,
	const float *gradient, struct cn_pool *pool);

/*
 * What an optimizer remembers between steps: the running mean of the gradient (0) and of its square (1), n numbers each,
 * the optimizer's own; NULL where it has none.  Once they are what they were after so many steps, it can go on from there.
 */
#define CN_OPTIMIZER_STATES 2

float *cn_optimizer_state(struct cn_optimizer *optimizer, int which, size_t *n);
void cn_optimizer_resume(struct cn_optimizer *optimizer, uint64_t steps);
uint64_t cn_optimizer_steps(const struct cn_optimizer *optimizer);	/* so far */

void cn_optimizer_free(struct cn_optimizer *optimizer);

#endif
