/*
 * Sixteen sums at once (4 rows with 4 rows) where 16 lanes are one machine vector, else pair by pair.
 * The lanes of each sum are filled in the order of kernel.c; the 16 sums are folded together, each by the
 * same tree: lane i takes i + 8, then i + 4, i + 2, i + 1.
 */
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define WIDE_LANES
#include <immintrin.h>
#endif

#include "tensor/dots.h"
#include "tensor/kernel.h"

#include "base/banned.h"

#define LANES 16
#define TILE 64		/* rows of b that are kept near while all of a passes */

typedef float pair(const float *a, const float *b, size_t n);

static void
one_by_one(pair *measure, const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	for (size_t from = 0; from < n; from += TILE)
		for (size_t i = 0; i < m; i++)
			for (size_t j = from; j < n && j < from + TILE; j++)
				score[i][j] = measure(a[i], b[j], d);
}

#ifdef WIDE_LANES
#define WIDE __attribute__((target("avx512f")))

/* Halves of x and of y, folded: 8 lanes of x, 8 of y. */
WIDE static inline __m512
fold8(__m512 x, __m512 y)
{
	return __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
		__builtin_shufflevector(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}

/* Of each two sums of 8 lanes, four lanes. */
WIDE static inline __m512
fold4(__m512 x, __m512 y)
{
	return __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
		__builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

/* Of each four sums of 4 lanes, two lanes; sums of x and y take turns. */
WIDE static inline __m512
fold2(__m512 x, __m512 y)
{
	return __builtin_shufflevector(x, y, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
		__builtin_shufflevector(x, y, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

WIDE static inline __m512
fold1(__m512 x, __m512 y)
{
	return __builtin_shufflevector(x, y, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
		__builtin_shufflevector(x, y, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}

/* sum[4 * j + i] of a[i] and b[j] ends in lane 4 * i + j. */
WIDE static inline __m512
fold(const __m512 *sum)
{
	__m512 eight[8], four[4];

	for (int i = 0; i < 8; i++)
		eight[i] = fold8(sum[2 * i], sum[2 * i + 1]);
	for (int i = 0; i < 4; i++)
		four[i] = fold4(eight[2 * i], eight[2 * i + 1]);
	return fold1(fold2(four[0], four[1]), fold2(four[2], four[3]));
}

/* The numbers from i on of every row: those in mask. */
WIDE static inline __attribute__((always_inline)) void
add(__m512 *sum, int distance, const float *const *a, const float *const *b, size_t i, __mmask16 mask)
{
	__m512 x[4];

	for (int p = 0; p < 4; p++)
		x[p] = _mm512_maskz_loadu_ps(mask, a[p] + i);
	for (int q = 0; q < 4; q++) {
		const __m512 y = _mm512_maskz_loadu_ps(mask, b[q] + i);

		for (int p = 0; p < 4; p++) {
			const __m512 z = x[p] - y;

			sum[4 * q + p] += distance ? z * z : x[p] * y;
		}
	}
}

/* What is not in mask is 0, which changes no sum: none is ever -0. */
WIDE static inline __attribute__((always_inline)) __m512
block(int distance, const float *const *a, const float *const *b, size_t d)
{
	__m512 sum[LANES] = { { 0 } };
	size_t i = 0;

	for (; i + LANES <= d; i += LANES)
		add(sum, distance, a, b, i, 0xffff);
	if (i < d)
		add(sum, distance, a, b, i, (__mmask16)((1u << (d - i)) - 1));
	return fold(sum);
}

/* Blocks that reach over the edge repeat the last row and write what is asked for. */
WIDE static inline __attribute__((always_inline)) void
wide(int distance, const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	for (size_t from = 0; from < n; from += TILE)
		for (size_t i = 0; i < m; i += 4) {
			const size_t rows = m - i < 4 ? m - i : 4;
			const float *x[4];

			for (size_t p = 0; p < 4; p++)
				x[p] = a[p < rows ? i + p : m - 1];
			for (size_t j = from; j < n && j < from + TILE; j += 4) {
				const size_t width = n - j < 4 ? n - j : 4;
				const float *y[4];

				for (size_t q = 0; q < 4; q++)
					y[q] = b[q < width ? j + q : n - 1];

				const __m512 sum = block(distance, x, y, d);

				if (rows == 4 && width == 4)
					for (size_t p = 0; p < 4; p++)
						memcpy(score[i + p] + j, (const char *)&sum + 16 * p, 16);
				else
					for (size_t p = 0; p < rows; p++)
						memcpy(score[i + p] + j, (const char *)&sum + 16 * p, 4 * width);
			}
		}
}

WIDE static void
wide_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	wide(0, a, m, b, n, d, score);
}

WIDE static void
wide_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	wide(1, a, m, b, n, d, score);
}

void
cn_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	if (__builtin_cpu_supports("avx512f"))
		wide_dots(a, m, b, n, d, score);
	else
		one_by_one(cn_kernel_dot, a, m, b, n, d, score);
}

void
cn_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	if (__builtin_cpu_supports("avx512f"))
		wide_distances2(a, m, b, n, d, score);
	else
		one_by_one(cn_kernel_distance2, a, m, b, n, d, score);
}

#else

void
cn_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	one_by_one(cn_kernel_dot, a, m, b, n, d, score);
}

void
cn_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	one_by_one(cn_kernel_distance2, a, m, b, n, d, score);
}

#endif
