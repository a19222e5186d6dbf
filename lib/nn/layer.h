/*
 * layer - one step of a network: its extents, where its numbers lie, and how it computes both ways.
 *
 * Samples are rows (height, width, channels), channels nearest; a vector is (1, 1, channels).  A layer's work
 * is cut into pieces of samples that depend on the layer and n alone, and sums over pieces are taken in
 * order, so threads change no bit.
 */
#ifndef CN_NN_LAYER_H
#define CN_NN_LAYER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/pool.h"

enum cn_layer_kind { CN_LAYER_CONV, CN_LAYER_RESIDUAL, CN_LAYER_LINEAR, CN_LAYER_RELU, CN_LAYER_GAP, CN_LAYER_FLATTEN };

struct cn_extent {
	size_t height, width, channels;
};

struct cn_layer {
	enum cn_layer_kind kind;
	struct cn_extent in, out;
	size_t stride, kernel;		/* of conv: kernel x kernel taps, an odd number */
	bool relu;			/* conv: cut off what is negative behind the norm */
	float *weight, *bias;		/* conv: (out, in, kernel, kernel) and NULL; linear: (out, in) and (out) */
	float *gamma, *beta;		/* of conv's batch norm (out) */
	float *dweight, *dbias, *dgamma, *dbeta;	/* their gradients */
	float *mean, *variance;		/* running statistics (out) */
	/* below: conv's own memory */
	float *packed;			/* weight as (kernel x kernel x in, out) */
	float *centre, *inverse;	/* the batch's mean and 1 / deviation (out) */
	float *y;			/* before the norm (n, out) */
	double *sums;			/* (n, 2 out) */
	float *split;			/* parts of the gradient of packed */
	float *columns;			/* per worker */
	size_t room;			/* samples that y and sums, or a block's maps, hold */
	struct cn_residual *block;	/* residual: what it consists of */
};

size_t cn_extent_count(const struct cn_extent *extent);

/* Memory for n samples and a gradient.  0 or -1. */
int cn_layer_room(struct cn_layer *layer, size_t n, struct cn_pool *pool, struct cn_err *err);

/* x (n, in) to y (n, out).  training: batch norm uses the batch and moves the running statistics by a tenth. */
void cn_layer_forward(struct cn_layer *layer, const float *x, float *y, size_t n, bool training, struct cn_pool *pool);

/*
 * From x and y of the last forward and dy (n, out; overwritten) to dx (n, in; NULL = not wanted) and the
 * gradients of the parameters.
 */
void cn_layer_backward(struct cn_layer *layer, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool);

void cn_layer_release(struct cn_layer *layer);

#endif
