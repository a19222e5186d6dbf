/*
 * network - a trunk and a head of layers, described by words, that maps samples to vectors and learns.
 *
 * Words: conv:C[/S][xK]   KxK convolution (3; odd) to C channels, stride S (1), padding K/2, batch norm, ReLU
 *        res:C[/S]        residual block of two 3x3 convolutions to C channels, the first with stride S (nn/residual.h)
 *        plain:C[/S][xK]  the convolution of conv with a bias, and nothing behind it
 *        depthwise:K[/S]  each channel convolved by its own KxK kernel (odd), with bias
 *        linear:N         to N numbers, with bias
 *        bn               batch norm
 *        gn:G             group norm: over all positions of each of G groups of channels
 *        ln               layer norm: over the channels at each position; of a vector, over the vector
 *        relu, gelu       the greater of x and 0; x Phi(x)
 *        max:K[/S]        greatest, or mean, of KxK positions, stride S (K), no padding
 *        avg:K[/S]
 *        gap              mean over all positions
 *        up:K             each position KxK times
 *        flatten          all numbers of a sample as a vector, channels nearest
 *        dropout:P        in training: 0 with probability P, and otherwise times 1/(1-P)
 *        bag:VxD          tokens [L] to the mean of their rows in a table of V by D; 0 where there is no token
 *        table:VxD        tokens [L] to their rows, a map (1,L,D)
 * Images are (H,W,C) as in streams; tokens are numbers, of which those that are not in the table count as none.  Everything
 * is computed in fixed pieces and summed in a fixed order: the same bits for any number of threads, on one BLAS kernel.
 */
#ifndef CN_NN_NETWORK_H
#define CN_NN_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

struct cn_network;

enum cn_network_layer { CN_NETWORK_TRUNK, CN_NETWORK_HEAD };

/* A tensor of the network by name; data is the network's own. */
struct cn_network_tensor {
	const char *name;
	struct cn_shape shape;
	float *data;
};

/*
 * For samples of this type (u32: tokens) and shape; head "" = none.  A word that is not understood, or does not fit, is a
 * CN_USAGE error that names it.
 */
struct cn_network *cn_network_new(const char *arch, const char *head, enum cn_dtype dtype, const struct cn_shape *input,
	struct cn_pool *pool, struct cn_err *err);

/* Draws weights as PyTorch does: uniform in +-1/sqrt(fan in), of a table +-1/sqrt(D); norms 1, 0, running mean 0, variance 1. */
void cn_network_init(struct cn_network *network, uint64_t seed);

/* Width of the output there; the head of a network without one is its trunk. */
size_t cn_network_dim(const struct cn_network *network, enum cn_network_layer layer);

/* All tensors, batch norm's running statistics too. */
size_t cn_network_tensors(const struct cn_network *network);
struct cn_network_tensor cn_network_tensor(const struct cn_network *network, size_t i);

/* What is learned, as one run of floats, and its gradient; returns how many.  Frozen layers are not learned. */
size_t cn_network_parameters(struct cn_network *network, float **parameter, float **gradient);

/*
 * From now on the first so many layers of the trunk run as in use (up to rounding), in training too, and are left as they are.
 * More layers than the trunk has, or nothing left to learn, is a CN_USAGE error.  0 or -1.
 */
#define CN_NETWORK_ALL SIZE_MAX
int cn_network_freeze(struct cn_network *network, size_t layers, struct cn_err *err);

/* Tokens that the table of the first layer has rows for; 0: samples are not tokens. */
size_t cn_network_tokens(const struct cn_network *network);

/*
 * Where the training is when it goes forward next: dropout is a function of the seed, the step (modulo 2^32), and the
 * place in the batch of each sample, of which the first one to come has this.
 */
void cn_network_moment(struct cn_network *network, uint64_t seed, uint64_t step, uint64_t first);

/* Memory for training on n samples at once, so that no step needs more.  0 or -1. */
int cn_network_reserve(struct cn_network *network, size_t n, struct cn_err *err);

/* Training: head output z (n, dim; NULL = not wanted) of n samples; batch norm uses and follows the batch.  0 or -1 (memory). */
int cn_network_forward(struct cn_network *network, const float *input, size_t n, float *z, struct cn_err *err);

/* The gradient of what was last put forward, from dz (n, dim); that by the input, too, unless dinput is NULL. */
int cn_network_backward(struct cn_network *network, const float *dz, float *dinput, struct cn_err *err);

/* Use: output z (n, dim) of that layer by the running statistics; a sample's bits depend on nothing but itself. */
int cn_network_apply(struct cn_network *network, const float *input, size_t n, enum cn_network_layer layer, float *z,
	struct cn_err *err);

/*
 * Use with a way back: the head's output z (n, dim), to the bit as cn_network_apply gives it; then, from dz (n, dim), the gradient of
 * that by the input (n, numbers of a sample), in which norms' statistics are constants.  Not for tokens.  0 or -1 (memory).
 */
int cn_network_probe(struct cn_network *network, const float *input, size_t n, float *z, struct cn_err *err);
int cn_network_slope(struct cn_network *network, const float *dz, float *dinput, struct cn_err *err);

void cn_network_free(struct cn_network *network);

#endif
