/*
 * conv - convolution, batch norm and, where relu is set, ReLU as one layer; with a bias instead where it has no gamma.
 *
 * See nn/layer.h for the terms.
 */
#ifndef CN_NN_CONV_H
#define CN_NN_CONV_H

#include "nn/layer.h"

/* The map that a stride leaves. */
void cn_conv_size(struct cn_layer *layer);
int cn_conv_check(const struct cn_layer *layer, const char *word, struct cn_err *err);

/* Lists the weight, named conv ("conv."), and the four tensors of the norm; returns how many. */
size_t cn_conv_tensors(struct cn_layer *layer, const char *conv, const char *norm, struct cn_layer_tensor *tensor);

int cn_conv_room(struct cn_layer *layer, size_t n, struct cn_err *err);
size_t cn_conv_scratch(const struct cn_layer *layer, size_t n, size_t threads);
void cn_conv_forward(struct cn_layer *layer, const float *x, float *y, size_t n, struct cn_layer_way way, struct cn_pool *pool);

/* The same in two: as far as to layer->y and what it is to be normed by; and norm and ReLU of that, at any time before the next. */
void cn_conv_before_norm(struct cn_layer *layer, const float *x, size_t n, struct cn_layer_way way, struct cn_pool *pool);
void cn_conv_norm(struct cn_layer *layer, float *y, size_t n, struct cn_pool *pool);

/* dx may be dy, where both have one extent. */
void cn_conv_backward(struct cn_layer *layer, const float *x, const float *y, float *dy, float *dx, size_t n,
	struct cn_pool *pool);

/*
 * Where the taps of row ky of the kernel lie in a sample (H, W, C), for output place (oy, ox): from *tap on *n taps
 * are inside and side by side, from *place on.  n is 0 when none is.
 */
void cn_conv_taps(const struct cn_layer *layer, size_t oy, size_t ox, size_t ky, size_t *tap, size_t *n, size_t *place);

#endif
