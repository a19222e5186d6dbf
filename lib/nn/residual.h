/*
 * residual - a block of two convolutions beside a shortcut (He et al. 2016, basic block):
 *
 *	y = relu(norm(conv3x3(relu(norm(conv3x3(x, stride))))) + shortcut(x))
 *
 * The shortcut is x itself, or norm(conv1x1(x, stride)) where y has another shape than x.  See nn/layer.h for the terms.
 */
#ifndef CN_NN_RESIDUAL_H
#define CN_NN_RESIDUAL_H

#include "nn/layer.h"

enum { CN_RESIDUAL_FIRST, CN_RESIDUAL_SECOND, CN_RESIDUAL_SHORTCUT, CN_RESIDUAL_PARTS };

struct cn_residual {
	struct cn_layer part[CN_RESIDUAL_PARTS];
	size_t parts;			/* 2: the shortcut is x itself */
	/* (n, ...) outputs of the parts, and gradients */
	float *map[CN_RESIDUAL_PARTS], *dmap[CN_RESIDUAL_SECOND + 1];
	float *dside;			/* of x by way of the shortcut */
};

/* The block of a layer whose in, out and stride are set; the layer owns it.  0 or -1. */
int cn_residual_init(struct cn_layer *layer, struct cn_err *err);

int cn_residual_room(struct cn_layer *layer, size_t n, struct cn_pool *pool, struct cn_err *err);
void cn_residual_forward(struct cn_layer *layer, const float *x, float *y, size_t n, bool training, struct cn_pool *pool);
void cn_residual_backward(struct cn_layer *layer, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool);
void cn_residual_free(struct cn_residual *block);

#endif
