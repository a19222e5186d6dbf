/*
 * residual - a block of two convolutions beside a shortcut (He et al. 2016, basic block):
 *
 *	y = relu(norm(conv3x3(relu(norm(conv3x3(x, stride))))) + shortcut(x))
 *
 * The shortcut is x itself, or norm(conv1x1(x, stride)) where y has another shape than x.  See nn/layer.h for the terms.
 *
 * What the block keeps for the way back are the convolutions' outputs; the map between them, norm and ReLU of one, is made again.
 */
#ifndef CN_NN_RESIDUAL_H
#define CN_NN_RESIDUAL_H

#include "nn/layer.h"

enum { CN_RESIDUAL_FIRST, CN_RESIDUAL_SECOND, CN_RESIDUAL_SHORTCUT, CN_RESIDUAL_PARTS };

struct cn_residual {
	struct cn_layer part[CN_RESIDUAL_PARTS];
	size_t parts;			/* 2: the shortcut is x itself */
};

/* Accepts NULL. */
void cn_residual_free(struct cn_residual *block);

#endif
