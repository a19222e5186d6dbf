/*
 * dots - many inner products or distances at once, each to the bit what the kernel gives for its pair.
 *
 * For every place of a matrix that cn_kernel_dot would take one by one: blocks of rows share their loads,
 * so that the order of each sum is kept at about the speed of a matrix product.  Rows are given by
 * pointers and may lie anywhere.
 *
 *	cn_dots(query, m, row, n, d, score);	score[i][j] == cn_kernel_dot(query[i], row[j], d)
 */
#ifndef CN_TENSOR_DOTS_H
#define CN_TENSOR_DOTS_H

#include <stddef.h>

/* score[i][j] = cn_kernel_dot(a[i], b[j], d) for i < m, j < n. */
void cn_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score);

/* score[i][j] = cn_kernel_distance2(a[i], b[j], d). */
void cn_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score);

#endif
