/*
 * layer - one step of a network: its extents, where its numbers lie, and how it computes both ways.
 *
 * Samples are rows (height, width, channels), channels nearest; a vector is (1, 1, channels).  A layer's work
 * is cut into pieces of samples that depend on the layer and n alone, and sums over pieces are taken in
 * order, so threads change no bit.
 *
 * What there is of each kind of layer, its word, sizes, tensors and both ways, is one row; the rows are with their code.
 */
#ifndef CN_NN_LAYER_H
#define CN_NN_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tensor/shape.h"

#define CN_LAYER_LONGEST 16	/* stride or kernel */
#define CN_LAYER_WIDEST 65536	/* channels */
#define CN_LAYER_TENSORS 15	/* of one layer, at most */
#define CN_LAYER_PARTS 8	/* of the samples, for the gradient of weights: fixed, whatever the threads */

struct cn_extent {
	size_t height, width, channels;
};

/* How samples go forward: two questions that have nothing to do with each other. */
struct cn_layer_way {
	bool learning;			/* batch norm uses the batch and moves the running statistics by a tenth; dropout drops */
	bool together;			/* a matrix product takes many samples: faster, but the bits of one depend on its place and neighbours */
};

struct cn_layer {
	const struct cn_layer_kind *kind;
	struct cn_extent in, out;
	size_t number, stride, times;	/* as the word has them, "conv:number/stride xtimes"; 0 where it has none */
	double part;			/* dropout: what is set to 0 */
	size_t kernel;			/* kernel x kernel taps */
	bool relu;			/* conv: cut off what is negative behind the norm */
	bool adds;			/* conv: the gradient of x is added to what is there */
	bool fixed;			/* the last way forward was not learning: back, norms are constants and weights get no gradient */
	size_t blocks, width;		/* gn, ln: runs of a sample that are normed together, and their channels */
	float *weight, *bias;		/* conv, plain: (out, in, kernel, kernel); linear: (out, in); bag, table: (number, out) */
	float *gamma, *beta;		/* of a norm (out); NULL: plain has none */
	float *dweight, *dbias, *dgamma, *dbeta;	/* their gradients */
	float *mean, *variance;		/* running statistics (out) */
	/* below: the layer's own memory */
	float *packed;			/* weight as (kernel x kernel x in, out) */
	float *centre, *inverse;	/* mean and 1 / deviation: of the batch (out), of blocks (n, blocks) */
	float *y;			/* conv: before the norm (n, out) */
	double *sums;			/* (n, 2 out); of depthwise by parts */
	size_t room;			/* samples that y and sums hold */
	float *scratch;			/* all layers' together, which holds nothing from one call to the next */
	struct cn_residual *block;	/* residual: what it consists of */
	struct cn_rng_key key;		/* dropout: where a training is; the place in the batch of the first sample, and the step */
	uint64_t first, step;
};

/* A tensor of a layer: where the layer wants to know its numbers and their gradient; slope NULL: running statistics. */
struct cn_layer_tensor {
	const char *part, *what;	/* its name, "conv." and "weight" */
	struct cn_shape shape;
	size_t fan_in;			/* 0: not drawn, */
	float fresh;			/* but set to this */
	float **value, **slope;
};

/* A row of the table; what is NULL or 0 is not needed. */
struct cn_layer_kind {
	const char *word, *grammar;	/* "conv", ":C[/S][xK]" */
	size_t most, most_times;	/* of the number behind the word and of the one behind x; 0: there is none */
	bool strides, fraction;		/* may have "/S"; has a number below 1 instead */
	bool tokens;			/* takes them, and only them */
	int (*fit)(struct cn_layer *layer, const char *word, struct cn_err *err);	/* sets out; the same as in otherwise */
	size_t (*tensors)(struct cn_layer *layer, struct cn_layer_tensor *tensor);	/* lists them; returns how many */
	int (*room)(struct cn_layer *layer, size_t n, struct cn_err *err);
	size_t (*scratch)(const struct cn_layer *layer, size_t n, size_t threads);	/* numbers of it for n samples */
	/* as cn_layer_forward and cn_layer_backward; or, of layers that take each sample by itself, parts for the pool, one a sample */
	void (*forward)(struct cn_layer *layer, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool);
	void (*backward)(struct cn_layer *layer, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool);
	void (*sample)(void *job, size_t i, size_t worker);
	void (*back_sample)(void *job, size_t i, size_t worker);	/* only if dx is wanted */
};

extern const struct cn_layer_kind cn_conv_kind, cn_residual_kind, cn_plain_kind, cn_depthwise_kind, cn_linear_kind, cn_bn_kind,
	cn_gn_kind, cn_ln_kind, cn_relu_kind, cn_gelu_kind, cn_max_kind, cn_avg_kind, cn_gap_kind, cn_up_kind, cn_flatten_kind, cn_dropout_kind,
	cn_bag_kind, cn_table_kind;

/* The context of a piece of a layer's work. */
struct cn_layer_job {
	struct cn_layer *layer;
	const float *x, *out;
	float *y, *dy, *dx;
	float *split;			/* conv: parts of the gradient of packed, behind the columns in the layer's scratch */
	size_t n, group;		/* samples; of one matrix product */
	bool learning;
};

/* Reads the word of a layer whose in is set.  A word that is not understood, or does not fit, is a CN_USAGE error.  0 or -1. */
int cn_layer_read(struct cn_layer *layer, const char *word, struct cn_err *err);

size_t cn_extent_count(const struct cn_extent *extent);
size_t cn_extent_places(const struct cn_extent *extent);	/* positions of a map */

/* One more tensor of a list. */
void cn_layer_list(struct cn_layer_tensor *tensor, const char *part, const char *what, struct cn_shape shape, size_t fan_in,
	float fresh, float **value, float **slope);

/* Adds up the sums of n samples or parts, width of each, in order, into the first. */
void cn_layer_add(double *sums, size_t n, size_t width);

/* Gradients of beta and gamma from the sums of n samples, (n, 2 out): first those of beta. */
void cn_layer_slopes(struct cn_layer *layer, size_t n);

/* Memory for n samples and a gradient, and numbers of scratch, which is the caller's to give.  0 or -1. */
int cn_layer_room(struct cn_layer *layer, size_t n, struct cn_err *err);
size_t cn_layer_scratch(const struct cn_layer *layer, size_t n, const struct cn_pool *pool);

/* x (n, in) to y (n, out). */
void cn_layer_forward(struct cn_layer *layer, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool);

/*
 * From x and y of the last forward and dy (n, out; overwritten) to dx (n, in; NULL = not wanted) and, if it was learning, the
 * gradients of the parameters; otherwise these may be left as they are.
 */
void cn_layer_backward(struct cn_layer *layer, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool);

void cn_layer_release(struct cn_layer *layer);

#endif
