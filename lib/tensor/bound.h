/*
 * bound - how far a score of the fixed-order kernel can be from what a faster sum says.
 *
 * A sum of d products differs from its true value by at most gamma |q||b|, gamma = d u / (1 - d u),
 * u = 2^-24, in any order of additions and with or without fused steps (Higham, Accuracy and Stability of
 * Numerical Algorithms, 3.1).  cn_kernel_distance2 differs from the true squared distance by at most
 * gamma (|q| + |b|)^2 <= 2 gamma (|q|^2 + |b|^2).  All bounds are rounded outwards.
 */
#ifndef CN_TENSOR_BOUND_H
#define CN_TENSOR_BOUND_H

#include <stddef.h>

enum cn_bound_metric {
	CN_BOUND_DOT,		/* score = cn_kernel_dot(q, b); value ~ q b */
	CN_BOUND_L2,		/* score = -cn_kernel_distance2(q, b); value ~ q b - h(b), h = cn_bound_half */
};

/*
 * For one query and some rows: a row of value v scores less than s if v < unit s + low, and more than s
 * if v > unit s + high.
 */
struct cn_bound {
	double unit, low, high;
	double per_unit;	/* 1 / unit */
};

double cn_bound_gamma(size_t d);

/* Squared length, true but for 2^-30 of it. */
double cn_bound_squares(const float *x, size_t d);

/* Half of a row's squared length, less what the rounding of its distance to anything may owe to it. */
double cn_bound_half(double squares, size_t d);

/* For values that are sums of float products in any order; q, b: squared lengths, of the rows the greatest. */
struct cn_bound cn_bound_product(enum cn_bound_metric metric, size_t d, double q, double b);

/* For values that are never less than the true value, in units of scale. */
struct cn_bound cn_bound_ceiling(enum cn_bound_metric metric, size_t d, double q, double b, double scale);

/* Values below this belong to scores less than score for certain. */
float cn_bound_value(const struct cn_bound *bound, float score);

/* The least and the greatest score that a row can have, of values low and high; infinite if nothing is known. */
void cn_bound_scores(const struct cn_bound *bound, float low, float high, float *least, float *most);

#endif
