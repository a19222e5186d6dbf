/*
 * average - an exponential moving average of a network's tensors, weights and running statistics alike.
 *
 * It starts as a copy; each call follows with average = decay average + (1 - decay) now, as timm's ModelEma does.
 */
#ifndef CN_NN_AVERAGE_H
#define CN_NN_AVERAGE_H

#include "base/err.h"
#include "nn/network.h"

struct cn_average;

struct cn_average *cn_average_new(const struct cn_network *network, struct cn_err *err);
void cn_average_follow(struct cn_average *average, double decay);

/* The network's tensors become the average's, and the average's the network's: twice is as good as never. */
void cn_average_swap(struct cn_average *average);

void cn_average_free(struct cn_average *average);

#endif
