/* conv - convolution, batch norm and, where relu is set, ReLU as one layer; see nn/layer.h for the terms. */
#ifndef CN_NN_CONV_H
#define CN_NN_CONV_H

#include "nn/layer.h"

#define CN_CONV_PARTS 8		/* of the samples, for the gradient of the weights: fixed, whatever the threads */

int cn_conv_room(struct cn_layer *layer, size_t n, struct cn_pool *pool, struct cn_err *err);
void cn_conv_forward(struct cn_layer *layer, const float *x, float *y, size_t n, bool training, struct cn_pool *pool);
void cn_conv_backward(struct cn_layer *layer, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool);

#endif
