/* Compilers do not make bit masks of comparisons: hence by hand, a vector at a time. */
#include <string.h>

#include "tensor/sieve.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "base/banned.h"

static size_t
sieve_plain(const float *value, size_t from, size_t n, float threshold, uint32_t *place, size_t found)
{
	for (size_t i = from; i < n; i++)
		if (!(value[i] < threshold))
			place[found++] = (uint32_t)i;
	return found;
}

#ifdef __x86_64__
#define SIEVE(NAME, TARGET, LANES, MASK)								\
__attribute__((target(TARGET))) static size_t								\
NAME(const float *value, size_t n, float threshold, uint32_t *place)					\
{													\
	size_t i = 0, found = 0;									\
													\
	for (; i + LANES <= n; i += LANES)								\
		for (uint32_t mask = (MASK); mask; mask &= mask - 1)					\
			place[found++] = (uint32_t)i + (uint32_t)__builtin_ctz(mask);			\
	return sieve_plain(value, i, n, threshold, place, found);					\
}

SIEVE(sieve_avx512, "avx512f", 16,
	_mm512_cmp_ps_mask(_mm512_loadu_ps(value + i), _mm512_set1_ps(threshold), _CMP_NLT_UQ))
SIEVE(sieve_avx2, "avx2", 8,
	(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(value + i), _mm256_set1_ps(threshold), _CMP_NLT_UQ)))

size_t
cn_sieve_values(const float *value, size_t n, float threshold, uint32_t *place)
{
	if (__builtin_cpu_supports("avx512f"))
		return sieve_avx512(value, n, threshold, place);
	if (__builtin_cpu_supports("avx2"))
		return sieve_avx2(value, n, threshold, place);
	return sieve_plain(value, 0, n, threshold, place, 0);
}
#else
size_t
cn_sieve_values(const float *value, size_t n, float threshold, uint32_t *place)
{
	return sieve_plain(value, 0, n, threshold, place, 0);
}
#endif
