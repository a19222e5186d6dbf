/*
 * kernel - sums in a fixed order: the same bits on every machine, thread count and position.
 *
 * The order is part of the promise: 16 lanes, element i goes to lane i mod 16, multiply and add
 * rounded separately (no fused multiply-add), lanes summed as a binary tree.  Compiled with
 * -ffp-contract=off; run-time dispatch (tensor/clones) may widen vectors, never change the order.
 */
#ifndef CN_TENSOR_KERNEL_H
#define CN_TENSOR_KERNEL_H

#include <stddef.h>

float cn_kernel_dot(const float *a, const float *b, size_t n);
float cn_kernel_distance2(const float *a, const float *b, size_t n);	/* squared Euclidean */

/* Sum of squares, in double over runs of 1024 numbers. */
double cn_kernel_squares(const float *x, size_t n);

double cn_kernel_sum(const float *x, size_t n);		/* in double over runs of 1024 numbers */
float cn_kernel_max(const float *x, size_t n);		/* -INFINITY for n = 0 */

/*
 * x = e^(x - top) in place: 2^m e^r with m the nearest integer to x / ln 2 and Cephes' polynomial for e^r
 * (expf.c); within 2 units in the last place.  What is below e^-87 becomes 0; above e^88 is taken as e^88.
 */
void cn_kernel_exp(float *x, size_t n, float top);

/* x /= max(|x|, 1e-12) for each of the rows (rows, n). */
void cn_kernel_normalize(float *x, size_t rows, size_t n);

#endif
