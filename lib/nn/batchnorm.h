/*
 * batchnorm - norm by channel over all positions of a batch (Ioffe & Szegedy 2015), for conv and as a layer of its own.
 *
 * One sample at a time, so that the caller chooses when; what is said of a layer's terms is in nn/layer.h.
 */
#ifndef CN_NN_BATCHNORM_H
#define CN_NN_BATCHNORM_H

#include "nn/layer.h"

/* Lists weight, bias, running_mean and running_var below norm ("norm."); returns how many. */
size_t cn_batchnorm_tensors(struct cn_layer *layer, const char *norm, struct cn_layer_tensor *tensor);

/* Memory for n samples' sums.  0 or -1. */
int cn_batchnorm_room(struct cn_layer *layer, size_t n, struct cn_err *err);

/* Forward: sums of sample i, whose map is y; then what all are normed by; then each sample, with relu cut off below 0, or added. */
void cn_batchnorm_sum(const struct cn_layer *layer, const float *y, size_t i);
void cn_batchnorm_settle(struct cn_layer *layer, size_t n, bool learning);
void cn_batchnorm_apply(const struct cn_layer *layer, const float *from, float *to);
void cn_batchnorm_add(const struct cn_layer *layer, const float *from, float *to);

/*
 * Backward: sums of sample i; (cn_layer_slopes;) then dy becomes the gradient before the norm, share = 1 / positions of all; or,
 * without sums, 0 where the running statistics normed.
 */
void cn_batchnorm_slopes(const struct cn_layer *layer, const float *y, const float *dy, size_t i);
void cn_batchnorm_undo(const struct cn_layer *layer, const float *y, float *dy, float share);

#endif
