/*
 * probe - how well a linear classifier tells the classes apart from the vectors alone.
 *
 * Multinomial logistic regression with bias on vectors standardised by the training set (mean 0, deviation 1):
 * minimises |W|^2 / 2 + C sum of losses, as scikit-learn's LogisticRegression(C) does, by L-BFGS with memory 10.
 * Sums are taken over fixed runs of rows in order: the same result for any number of threads.
 */
#ifndef CN_EVAL_PROBE_H
#define CN_EVAL_PROBE_H

#include "base/err.h"
#include "base/pool.h"
#include "eval/sample.h"

struct cn_probe_config {
	double strength;	/* C */
	size_t iterations;	/* at most */
};

struct cn_probe_result {
	double accuracy, train_accuracy;	/* on test and on train */
	double loss;		/* what was minimised, per training row */
	size_t iterations;	/* taken */
};

/* Both sets are standardised in place.  0 or -1. */
int cn_probe_measure(struct cn_sample *train, struct cn_sample *test, const struct cn_probe_config *config,
	struct cn_pool *pool, struct cn_probe_result *result, struct cn_err *err);

#endif
