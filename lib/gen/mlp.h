/*
 * mlp - a small network of dense layers with leaky ReLU (slope 0.2) between them, and its gradient.
 *
 * Matrices are row-major with rows padded by zeros to a multiple of 16 numbers (cn_mlp_stride); the padding
 * stays zero through training.  Fixed order throughout: the same bits on every machine and for any pool.
 */
#ifndef CN_GEN_MLP_H
#define CN_GEN_MLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "nn/optimizer.h"

#define CN_MLP_LAYERS 4

struct cn_mlp;

/* width[0] inputs, then layers layers of width[1..layers]; for at most rows rows at once; weights drawn as He et al. 2015. */
struct cn_mlp *cn_mlp_new(const size_t *width, size_t layers, size_t rows, uint64_t seed, const char *purpose,
	struct cn_pool *pool, struct cn_err *err);
void cn_mlp_free(struct cn_mlp *mlp);

/* Where the input goes and the output is found: (rows, stride). */
float *cn_mlp_input(struct cn_mlp *mlp, size_t *stride);
const float *cn_mlp_output(const struct cn_mlp *mlp, size_t *stride);

void cn_mlp_forward(struct cn_mlp *mlp, size_t rows);

/*
 * After a forward pass of as many rows: from the gradient of the output (write it first, padding zero), that of the
 * weights if asked, and of the input.
 */
float *cn_mlp_output_gradient(struct cn_mlp *mlp, size_t *stride);
void cn_mlp_backward(struct cn_mlp *mlp, size_t rows, bool weights);
const float *cn_mlp_input_gradient(const struct cn_mlp *mlp, size_t *stride);

/*
 * After a backward pass: for v (rows, stride; write it first, padding zero) adds to the gradient of the weights that of the sum
 * over rows of v . (gradient of the input), v constant: a second derivative, as a penalty on the input's gradient needs.
 */
float *cn_mlp_tangent(struct cn_mlp *mlp, size_t *stride);
void cn_mlp_backward_twice(struct cn_mlp *mlp, size_t rows);

/* All weights in one run, and their gradient. */
float *cn_mlp_weights(struct cn_mlp *mlp, size_t *n);
const float *cn_mlp_gradient(const struct cn_mlp *mlp);

/* Adam for all weights, and a step of it along the last gradient. */
struct cn_optimizer *cn_mlp_adam(struct cn_mlp *mlp, double beta2, struct cn_err *err);
void cn_mlp_step(struct cn_mlp *mlp, struct cn_optimizer *adam, double lr, double momentum, struct cn_pool *pool);

#endif
