/*
 * knn - how often the nearest training vectors name the right class.
 *
 * Similarity is the cosine; each of the k nearest votes with weight e^(s / temperature) (Wu et al. 2018), ties
 * go to the smaller class.  Neighbours are exact, and the same on every machine.
 */
#ifndef CN_EVAL_KNN_H
#define CN_EVAL_KNN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/pool.h"
#include "eval/sample.h"

struct cn_knn_config {
	size_t k;
	double temperature;
	bool apart;		/* a test row never finds the training row of its own id */
};

/* Both sets are brought to unit length in place.  The share of right answers into *accuracy.  0 or -1. */
int cn_knn_measure(struct cn_sample *train, struct cn_sample *test, const struct cn_knn_config *config,
	struct cn_pool *pool, double *accuracy, struct cn_err *err);

#endif
