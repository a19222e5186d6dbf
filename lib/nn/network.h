/*
 * network - layers in a row (with residual blocks), forward and backward, from a spec string.
 *
 * Words, separated by spaces:
 *	conv:C  conv:C/S	3x3 convolution to C channels with stride S (1), padding 1, no bias; batch norm; ReLU
 *	res:C  res:C/S		residual block: conv:C/S, then a convolution and batch norm, added to the input
 *				(through a 1x1 convolution and batch norm where the shape changes), then ReLU
 *	gap			mean over all places of a picture
 *	linear:N		N weighted sums with bias; a picture is taken as one long vector
 *	relu			max(x, 0)
 *
 * The trunk's output is the embedding, the head's what the loss is computed on.  Samples are rows of floats,
 * pictures [H,W,C] as in a stream.  Batch norm uses the batch's mean and variance in forward, running ones in
 * embed (momentum 0.1, eps 1e-5), as in PyTorch.  Weights begin as PyTorch's do, uniform in +-1/sqrt(inputs).
 *
 * Work is cut into at most 16 runs of samples, whatever the number of threads, and their sums are added in
 * order: forward and backward give the same bits for any pool.  embed computes each sample by itself: the
 * same bits also for any number of rows and any position among them.
 */
#ifndef CN_NN_NETWORK_H
#define CN_NN_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "data/safetensors.h"
#include "tensor/shape.h"

struct cn_network;

enum cn_network_layer { CN_NETWORK_TRUNK, CN_NETWORK_HEAD };

/* head NULL or "": none.  input: [H,W,C], [H,W] (one channel) or [D].  A wrong word is a CN_USAGE error that names it. */
struct cn_network *cn_network_new(const char *arch, const char *head, const struct cn_shape *input, uint64_t seed,
	struct cn_pool *pool, struct cn_err *err);
void cn_network_free(struct cn_network *network);

/* Width of a vector of that layer; the head of a network without one is the trunk. */
size_t cn_network_dim(const struct cn_network *network, enum cn_network_layer layer);

/* Floats of a sample. */
size_t cn_network_input(const struct cn_network *network);

/* What is learned, in one run of floats, and its gradient of the same length, which is returned; both the network's. */
size_t cn_network_parameters(struct cn_network *network, float **parameter, float **gradient);

/* z (n, head dim) of n samples, in training; keeps what backward needs and moves the running means.  n >= 2. */
int cn_network_forward(struct cn_network *network, const float *input, size_t n, float *z, struct cn_err *err);

/* The gradient of the weights, from dz (n, head dim) of the last forward. */
int cn_network_backward(struct cn_network *network, const float *dz, struct cn_err *err);

/* Vectors of n samples, not in training. */
int cn_network_embed(struct cn_network *network, const float *input, size_t n, enum cn_network_layer layer, float *z,
	struct cn_err *err);

/* Adds all tensors under PyTorch's names and layouts: "trunk.0.weight" (out, in, 3, 3), "trunk.0.norm.running_mean", ... */
int cn_network_store(const struct cn_network *network, struct cn_weights *weights, struct cn_err *err);

/* Takes them over; a missing, superfluous or wrong one, or a number that is not finite, is refused by name; file is for messages. */
int cn_network_load(struct cn_network *network, const struct cn_weights *weights, const char *file, struct cn_err *err);

#endif
