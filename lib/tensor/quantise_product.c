/* One product, written for each set of instructions that is worth it; the choice is made at run time. */
#include <assert.h>
#include <string.h>

#include "tensor/quantise.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "base/banned.h"

enum { PANEL = CN_QUANTISE_PANEL, GROUP = CN_QUANTISE_GROUP, RUN = 4 };

struct product {
	const uint8_t *panel;
	const float *scale;
	size_t panels;
	const int8_t *group;
	const int32_t *start;
	size_t width;
	float *value;
	size_t stride;
};

static void
product_plain(const struct product *p)
{
	for (size_t i = 0; i < p->panels * PANEL * GROUP; i++) {
		const size_t panel = i / (PANEL * GROUP), q = i / PANEL % GROUP, row = i % PANEL;
		const uint8_t *b = p->panel + panel * PANEL * p->width + row * RUN;
		const int8_t *a = p->group + q * RUN;
		int32_t sum = p->start[q * p->panels + panel];

		for (size_t j = 0; j < p->width; j++)
			sum += b[j / RUN * PANEL * RUN + j % RUN] * a[j / RUN * GROUP * RUN + j % RUN];
		p->value[q * p->stride + panel * PANEL + row] = (float)sum * p->scale[panel * PANEL + row];
	}
}

#ifdef __x86_64__

static inline int32_t
run_at(const int8_t *code)
{
	int32_t run;

	memcpy(&run, code, sizeof run);
	return run;
}

/*
 * sum += products of four neighbours.  Not by _mm512_dpbusd_epi32: around it, GCC 12 copies every sum twice a
 * step, which costs a third of the speed.
 */
__attribute__((target("avx512f,avx512vnni"))) static inline __m512i
add_avx512vnni(__m512i sum, __m512i bank, __m512i query)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bank), "v"(query));
	return sum;
}

__attribute__((target("avx2,avxvnni"))) static inline __m256i
add_avxvnni(__m256i sum, __m256i bank, __m256i query)
{
	__asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(bank), "x"(query));
	return sum;
}

__attribute__((target("avx2"))) static inline __m256i
add_avx2(__m256i sum, __m256i bank, __m256i query)
{
	return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(bank, query), _mm256_set1_epi16(1)));
}

/* Two panels by eight queries: 16 sums, of 16 rows each. */
__attribute__((target("avx512f,avx512vnni"))) static void
product_avx512vnni(const struct product *p)
{
	const size_t bytes = PANEL * p->width;

	for (size_t panel = 0; panel < p->panels; panel += 2) {
		const uint8_t *b = p->panel + panel * bytes, *end = b + bytes;
		const int8_t *a = p->group;
		__m512i sum[GROUP][2];

#pragma GCC unroll 8
		for (size_t q = 0; q < GROUP; q++) {
			sum[q][0] = _mm512_set1_epi32(p->start[q * p->panels + panel]);
			sum[q][1] = _mm512_set1_epi32(p->start[q * p->panels + panel + 1]);
		}
		for (; b < end; b += PANEL * RUN, a += GROUP * RUN) {
			const __m512i first = _mm512_loadu_si512(b), second = _mm512_loadu_si512(b + bytes);

#pragma GCC unroll 8
			for (size_t q = 0; q < GROUP; q++) {
				const __m512i run = _mm512_set1_epi32(run_at(a + q * RUN));

				sum[q][0] = add_avx512vnni(sum[q][0], first, run);
				sum[q][1] = add_avx512vnni(sum[q][1], second, run);
			}
		}

		const __m512 scale0 = _mm512_loadu_ps(p->scale + panel * PANEL);
		const __m512 scale1 = _mm512_loadu_ps(p->scale + panel * PANEL + PANEL);

#pragma GCC unroll 8
		for (size_t q = 0; q < GROUP; q++) {
			float *value = p->value + q * p->stride + panel * PANEL;

			_mm512_storeu_ps(value, _mm512_mul_ps(_mm512_cvtepi32_ps(sum[q][0]), scale0));
			_mm512_storeu_ps(value + PANEL, _mm512_mul_ps(_mm512_cvtepi32_ps(sum[q][1]), scale1));
		}
	}
}

/* Half a panel is a vector; half a group keeps to 16 registers. */
#define PRODUCT_256(NAME, TARGET, ADD)										\
__attribute__((target(TARGET))) static void									\
NAME(const struct product *p)											\
{														\
	const size_t bytes = PANEL * p->width;									\
														\
	for (size_t part = 0; part < p->panels * 2; part++) {							\
		const size_t panel = part / 2, query = part % 2 * GROUP / 2;					\
		const uint8_t *b = p->panel + panel * bytes, *end = b + bytes;					\
		const int8_t *a = p->group + query * RUN;							\
		const int32_t *start = p->start + query * p->panels + panel;					\
		float *value = p->value + query * p->stride + panel * PANEL;					\
		__m256i sum[GROUP / 2][2];									\
														\
		_Pragma("GCC unroll 4")										\
		for (size_t q = 0; q < GROUP / 2; q++)								\
			sum[q][0] = sum[q][1] = _mm256_set1_epi32(start[q * p->panels]);			\
		for (; b < end; b += PANEL * RUN, a += GROUP * RUN) {						\
			const __m256i first = _mm256_loadu_si256((const __m256i *)b);				\
			const __m256i second = _mm256_loadu_si256((const __m256i *)(b + PANEL * RUN / 2));	\
														\
			_Pragma("GCC unroll 4")									\
			for (size_t q = 0; q < GROUP / 2; q++) {						\
				const __m256i run = _mm256_set1_epi32(run_at(a + q * RUN));			\
														\
				sum[q][0] = ADD(sum[q][0], first, run);						\
				sum[q][1] = ADD(sum[q][1], second, run);					\
			}											\
		}												\
														\
		const __m256 scale0 = _mm256_loadu_ps(p->scale + panel * PANEL);				\
		const __m256 scale1 = _mm256_loadu_ps(p->scale + panel * PANEL + PANEL / 2);			\
														\
		_Pragma("GCC unroll 4")										\
		for (size_t q = 0; q < GROUP / 2; q++, value += p->stride) {					\
			_mm256_storeu_ps(value, _mm256_mul_ps(_mm256_cvtepi32_ps(sum[q][0]), scale0));		\
			_mm256_storeu_ps(value + PANEL / 2, _mm256_mul_ps(_mm256_cvtepi32_ps(sum[q][1]), scale1)); \
		}												\
	}													\
}

PRODUCT_256(product_avx2, "avx2", add_avx2)
PRODUCT_256(product_avxvnni, "avx2,avxvnni", add_avxvnni)

/* Bit 4 of leaf 7.1's EAX: not every compiler knows the name. */
static bool
has_avxvnni(void)
{
	unsigned a, b, c, d;

	return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

bool
cn_quantise_has(enum cn_quantise_isa isa)
{
	switch (isa) {
	case CN_QUANTISE_PLAIN:
		return true;
	case CN_QUANTISE_AVX2:
		return __builtin_cpu_supports("avx2");
	case CN_QUANTISE_AVXVNNI:
		return has_avxvnni();
	case CN_QUANTISE_AVX512VNNI:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni");
	default:
		return false;
	}
}

static void
multiply(enum cn_quantise_isa isa, const struct product *p)
{
	switch (isa) {
	case CN_QUANTISE_AVX512VNNI:
		product_avx512vnni(p);
		return;
	case CN_QUANTISE_AVXVNNI:
		product_avxvnni(p);
		return;
	case CN_QUANTISE_AVX2:
		product_avx2(p);
		return;
	default:
		product_plain(p);
	}
}
#else
bool
cn_quantise_has(enum cn_quantise_isa isa)
{
	return isa == CN_QUANTISE_PLAIN;
}

static void
multiply(enum cn_quantise_isa isa, const struct product *p)
{
	(void)isa;
	product_plain(p);
}
#endif

void
cn_quantise_product(enum cn_quantise_isa isa, const uint8_t *panel, const float *scale, size_t panels,
	const int8_t *group, const int32_t *start, size_t width, float *value, size_t stride)
{
	const struct product p = { panel, scale, panels, group, start, width, value, stride };

	assert(panels % 2 == 0);
	multiply(isa, &p);
}
