/* dtype - the element types a stream can carry: sizes, names, and their values as floats. */
#include "tensor/dtype.h"

#include <string.h>

#include "base/banned.h"

static const struct {
	const char *name;
	size_t size;
	bool is_float;
} types[] = {
#define CN_DTYPE(number, NAME, text, bytes, floating) [number] = { text, bytes, floating },
#include "dtype.def"
#undef CN_DTYPE
};

bool
cn_dtype_known(unsigned dtype)
{
	return dtype < sizeof(types) / sizeof(types[0]) && types[dtype].size > 0;
}

size_t
cn_dtype_size(enum cn_dtype dtype)
{
	return cn_dtype_known(dtype) ? types[dtype].size : 0;
}

const char *
cn_dtype_name(enum cn_dtype dtype)
{
	return cn_dtype_known(dtype) ? types[dtype].name : "?";
}

bool
cn_dtype_is_float(enum cn_dtype dtype)
{
	return cn_dtype_known(dtype) && types[dtype].is_float;
}

static float
from_bits(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction. */
static float
from_f16(uint16_t half)
{
	const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;

	if (exponent == 31)
		return from_bits(sign | 0x7f800000 | fraction << 13);
	if (exponent > 0)
		return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
	const float magnitude = (float)fraction * 0x1p-24f;	/* subnormal: exact in f32 */
	return sign ? -magnitude : magnitude;
}

static float
from_bf16(uint16_t half)
{
	return from_bits((uint32_t)half << 16);
}

double
cn_dtype_get(enum cn_dtype dtype, const void *array, size_t i)
{
	switch (dtype) {
	case CN_DTYPE_U8: return ((const uint8_t *)array)[i];
	case CN_DTYPE_I8: return ((const int8_t *)array)[i];
	case CN_DTYPE_U16: return ((const uint16_t *)array)[i];
	case CN_DTYPE_I16: return ((const int16_t *)array)[i];
	case CN_DTYPE_U32: return ((const uint32_t *)array)[i];
	case CN_DTYPE_I32: return ((const int32_t *)array)[i];
	case CN_DTYPE_U64: return (double)((const uint64_t *)array)[i];
	case CN_DTYPE_I64: return (double)((const int64_t *)array)[i];
	case CN_DTYPE_F16: return (double)from_f16(((const uint16_t *)array)[i]);
	case CN_DTYPE_BF16: return (double)from_bf16(((const uint16_t *)array)[i]);
	case CN_DTYPE_F32: return (double)((const float *)array)[i];
	case CN_DTYPE_F64: return ((const double *)array)[i];
	}
	return 0;
}

void
cn_dtype_to_f32(enum cn_dtype dtype, const void *from, float *to, size_t n)
{
	if (dtype == CN_DTYPE_F32 && n > 0) {
		memcpy(to, from, n * sizeof(float));
	} else if (dtype == CN_DTYPE_U8) {
		for (size_t i = 0; i < n; i++)
			to[i] = ((const uint8_t *)from)[i];
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = (float)cn_dtype_get(dtype, from, i);
	}
}

/* All ones in the exponent, by type: NaN and infinity alike. */
static bool
finite_at(enum cn_dtype dtype, const void *array, size_t i)
{
	if (dtype == CN_DTYPE_F16)
		return (((const uint16_t *)array)[i] & 0x7c00) != 0x7c00;
	if (dtype == CN_DTYPE_BF16)
		return (((const uint16_t *)array)[i] & 0x7f80) != 0x7f80;
	if (dtype == CN_DTYPE_F32) {
		uint32_t bits;

		memcpy(&bits, (const float *)array + i, sizeof(bits));
		return (bits & 0x7f800000) != 0x7f800000;
	}
	uint64_t bits;

	memcpy(&bits, (const double *)array + i, sizeof(bits));
	return (bits >> 52 & 0x7ff) != 0x7ff;
}

size_t
cn_dtype_find_nonfinite(enum cn_dtype dtype, const void *array, size_t n)
{
	if (!cn_dtype_is_float(dtype))
		return n;
	for (size_t i = 0; i < n; i++)
		if (!finite_at(dtype, array, i))
			return i;
	return n;
}
