/*
 * Rows with rows in blocks: sixteen sums at once (4 with 4) where 16 lanes are one machine vector, four (2 with
 * 2) where they are two, else pair by pair.  The lanes of each sum are filled in the order of kernel.c; the sums
 * are folded together, each by the same tree: lane i takes i + 8, then i + 4, i + 2, i + 1.  What fills the last
 * vector of a row is 0, which changes no sum: none is ever -0.
 */
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define VECTORS
#include <immintrin.h>
#endif

#include "tensor/dots.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { LANES = 16, MOST = 4, TILE = 64 };	/* MOST rows in a block; TILE rows of b that are kept near while all of a passes */

/* sum[i * rows + j] of a[i] and b[j], for as many rows as the block has. */
typedef void block(const float *const *a, const float *const *b, size_t d, float *sum);

typedef void matrix(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score);

struct route {
	matrix *dots, *distances2;
};

/*
 * Blocks that reach over the edge repeat the last row, and give what is asked for.  Inline, because both the number
 * of rows and the block must be known when it is compiled.
 */
static inline __attribute__((always_inline)) void
run(size_t rows, block *measure, const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	for (size_t from = 0; from < n; from += TILE)
		for (size_t i = 0; i < m; i += rows) {
			const size_t height = m - i < rows ? m - i : rows;
			const float *x[MOST];

			for (size_t p = 0; p < rows; p++)
				x[p] = a[p < height ? i + p : m - 1];
			for (size_t j = from; j < n && j < from + TILE; j += rows) {
				const size_t width = n - j < rows ? n - j : rows;
				const float *y[MOST];
				float sum[MOST * MOST];

				for (size_t q = 0; q < rows; q++)
					y[q] = b[q < width ? j + q : n - 1];
				measure(x, y, d, sum);
				if (height == rows && width == rows)
					for (size_t p = 0; p < rows; p++)
						memcpy(score[i + p] + j, sum + p * rows, rows * sizeof *sum);
				else
					for (size_t p = 0; p < height; p++)
						memcpy(score[i + p] + j, sum + p * rows, width * sizeof *sum);
			}
		}
}

static inline void
pair_dots(const float *const *a, const float *const *b, size_t d, float *sum)
{
	*sum = cn_kernel_dot(*a, *b, d);
}

static inline void
pair_distances2(const float *const *a, const float *const *b, size_t d, float *sum)
{
	*sum = cn_kernel_distance2(*a, *b, d);
}

static void
all_pair_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	run(1, pair_dots, a, m, b, n, d, score);
}

static void
all_pair_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	run(1, pair_distances2, a, m, b, n, d, score);
}

static const struct route pairs = { all_pair_dots, all_pair_distances2 };

#ifdef VECTORS
#define WIDE __attribute__((target("avx512f")))
#define HALF __attribute__((target("avx2")))

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
WIDE static inline void
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

WIDE static inline __attribute__((always_inline)) void
measure(int distance, const float *const *a, const float *const *b, size_t d, float *out)
{
	__m512 sum[16] = { { 0 } };
	size_t i = 0;

	for (; i + LANES <= d; i += LANES)
		add(sum, distance, a, b, i, 0xffff);
	if (i < d)
		add(sum, distance, a, b, i, (__mmask16)((1u << (d - i)) - 1));
	_mm512_storeu_ps(out, fold(sum));
}

WIDE static inline void
wide_dots(const float *const *a, const float *const *b, size_t d, float *sum)
{
	measure(0, a, b, d, sum);
}

WIDE static inline void
wide_distances2(const float *const *a, const float *const *b, size_t d, float *sum)
{
	measure(1, a, b, d, sum);
}

WIDE static void
all_wide_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	run(4, wide_dots, a, m, b, n, d, score);
}

WIDE static void
all_wide_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	run(4, wide_distances2, a, m, b, n, d, score);
}

static const struct route wide = { all_wide_dots, all_wide_distances2 };

/* The four sums of a block, of 8 low and 8 high lanes each. */
HALF static inline __m128
fold_halves(const __m256 *low, const __m256 *high)
{
	__m128 four[4];

	for (int i = 0; i < 4; i++) {
		const __m256 eight = low[i] + high[i];

		four[i] = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
	}
	const __m128 x = _mm_movelh_ps(four[0], four[1]) + _mm_movehl_ps(four[1], four[0]);
	const __m128 y = _mm_movelh_ps(four[2], four[3]) + _mm_movehl_ps(four[3], four[2]);

	return _mm_shuffle_ps(x, y, _MM_SHUFFLE(2, 0, 2, 0)) + _mm_shuffle_ps(x, y, _MM_SHUFFLE(3, 1, 3, 1));
}

/* Eight numbers of every row, those in mask, into one half of the lanes. */
HALF static inline void
add_half(__m256 *sum, int distance, const float *const *a, const float *const *b, size_t i, __m256i mask)
{
	const __m256 x[2] = { _mm256_maskload_ps(a[0] + i, mask), _mm256_maskload_ps(a[1] + i, mask) };
	const __m256 y[2] = { _mm256_maskload_ps(b[0] + i, mask), _mm256_maskload_ps(b[1] + i, mask) };

	for (int p = 0; p < 4; p++) {
		const __m256 z = x[p / 2] - y[p % 2];

		sum[p] += distance ? z * z : x[p / 2] * y[p % 2];
	}
}

HALF static inline __attribute__((always_inline)) void
measure_halves(int distance, const float *const *a, const float *const *b, size_t d, float *out)
{
	const __m256i all = _mm256_set1_epi32(-1), number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	__m256 low[4] = { { 0 } }, high[4] = { { 0 } };
	size_t i = 0;

	for (; i + LANES <= d; i += LANES) {
		add_half(low, distance, a, b, i, all);
		add_half(high, distance, a, b, i + 8, all);
	}
	if (i < d)
		add_half(low, distance, a, b, i, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(d - i)), number));
	if (i + 8 < d)
		add_half(high, distance, a, b, i + 8, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(d - i - 8)), number));
	_mm_storeu_ps(out, fold_halves(low, high));
}

HALF static inline void
half_dots(const float *const *a, const float *const *b, size_t d, float *sum)
{
	measure_halves(0, a, b, d, sum);
}

HALF static inline void
half_distances2(const float *const *a, const float *const *b, size_t d, float *sum)
{
	measure_halves(1, a, b, d, sum);
}

HALF static void
all_half_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	run(2, half_dots, a, m, b, n, d, score);
}

HALF static void
all_half_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	run(2, half_distances2, a, m, b, n, d, score);
}

static const struct route halves = { all_half_dots, all_half_distances2 };
#endif

static const struct route *
fastest(void)
{
#ifdef VECTORS
	if (__builtin_cpu_supports("avx512f"))
		return &wide;
	if (__builtin_cpu_supports("avx2"))
		return &halves;
#endif
	return &pairs;
}

void
cn_dots(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	fastest()->dots(a, m, b, n, d, score);
}

void
cn_distances2(const float *const *a, size_t m, const float *const *b, size_t n, size_t d, float *const *score)
{
	fastest()->distances2(a, m, b, n, d, score);
}
