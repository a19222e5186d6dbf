/* filters - byte shuffle and pixel delta, 16 elements at a time. */
#include "stream/filters.h"

#include <stdint.h>
#include <string.h>

#include "base/banned.h"

#define VECTOR unsigned char __attribute__((vector_size(16)))

enum cn_filter
cn_filter_choose(const struct cn_field *field)
{
	if (cn_dtype_size(field->dtype) > 1)
		return CN_FILTER_SHUFFLE;
	return field->shape.rank >= 2 ? CN_FILTER_DELTA : CN_FILTER_NONE;
}

bool
cn_filter_allowed(unsigned filter, const struct cn_field *field)
{
	const bool wide = cn_dtype_size(field->dtype) > 1;

	return filter == CN_FILTER_NONE || (filter == CN_FILTER_SHUFFLE && wide)
		|| (filter == CN_FILTER_DELTA && !wide && field->shape.rank >= 1);
}

/*
 * One perfect shuffle of the 16n bytes in v: byte i of the first half goes to 2i, of the second to 2i+1.
 * That rotates the bits of every byte's position left by one; so 4 rounds turn (element, byte) into
 * (byte, element), and log2(n) further rounds turn it back.
 */
static inline __attribute__((always_inline)) void
interleave(VECTOR *v, size_t n)
{
	VECTOR w[8];

	for (size_t i = 0; i < n / 2; i++) {
		w[2 * i] = __builtin_shufflevector(v[i], v[i + n / 2],
			0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
		w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + n / 2],
			8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
	}
	for (size_t i = 0; i < n; i++)
		v[i] = w[i];
}

/* in holds n elements of size bytes (2, 4 or 8, known when compiled). */
static inline __attribute__((always_inline)) void
shuffle(const unsigned char *in, unsigned char *out, size_t n, const size_t size)
{
	VECTOR v[8];
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		memcpy(v, in + i * size, 16 * size);
		for (int round = 0; round < 4; round++)
			interleave(v, size);
		for (size_t b = 0; b < size; b++)
			memcpy(out + b * n + i, &v[b], 16);
	}
	for (; i < n; i++)
		for (size_t b = 0; b < size; b++)
			out[b * n + i] = in[i * size + b];
}

static inline __attribute__((always_inline)) void
unshuffle(const unsigned char *in, unsigned char *out, size_t n, const size_t size)
{
	VECTOR v[8];
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		for (size_t b = 0; b < size; b++)
			memcpy(&v[b], in + b * n + i, 16);
		for (size_t span = size; span > 1; span /= 2)
			interleave(v, size);
		memcpy(out + i * size, v, 16 * size);
	}
	for (; i < n; i++)
		for (size_t b = 0; b < size; b++)
			out[i * size + b] = in[b * n + i];
}

static void
delta(const unsigned char *restrict in, unsigned char *restrict out, size_t n, size_t d)
{
	for (size_t i = 0; i < d && i < n; i++)
		out[i] = in[i];
	for (size_t i = d; i < n; i++)
		out[i] = (unsigned char)(in[i] - in[i - d]);
}

/* Running sums of few channels stay in registers: reading back what was just stored would wait for it. */
static inline __attribute__((always_inline)) void
sum_few(const unsigned char *restrict in, unsigned char *restrict out, size_t n, const size_t d)
{
	unsigned char sum[4] = { 0 };
	size_t i = 0;

	for (; i + d <= n; i += d)
		for (size_t c = 0; c < d; c++)
			out[i + c] = sum[c] = (unsigned char)(sum[c] + in[i + c]);
	for (size_t c = 0; i < n; i++, c++)
		out[i] = (unsigned char)(sum[c] + in[i]);
}

static void
undelta(const unsigned char *restrict in, unsigned char *restrict out, size_t n, size_t d)
{
	switch (d) {
	case 1: sum_few(in, out, n, 1); return;
	case 2: sum_few(in, out, n, 2); return;
	case 3: sum_few(in, out, n, 3); return;
	case 4: sum_few(in, out, n, 4); return;
	}
	for (size_t i = 0; i < d && i < n; i++)
		out[i] = in[i];
	for (size_t i = d; i < n; i++)
		out[i] = (unsigned char)(out[i - d] + in[i]);
}

static size_t
distance(const struct cn_field *field)
{
	return field->shape.dim[field->shape.rank - 1];
}

void
cn_filter_apply(enum cn_filter filter, const struct cn_field *field, const unsigned char *in, unsigned char *out,
	size_t size)
{
	if (filter == CN_FILTER_DELTA) {
		delta(in, out, size, distance(field));
		return;
	}
	switch (filter == CN_FILTER_SHUFFLE ? cn_dtype_size(field->dtype) : 1) {
	case 2: shuffle(in, out, size / 2, 2); break;
	case 4: shuffle(in, out, size / 4, 4); break;
	case 8: shuffle(in, out, size / 8, 8); break;
	default: memcpy(out, in, size);
	}
}

void
cn_filter_undo(enum cn_filter filter, const struct cn_field *field, const unsigned char *in, unsigned char *out,
	size_t size)
{
	if (filter == CN_FILTER_DELTA) {
		undelta(in, out, size, distance(field));
		return;
	}
	switch (filter == CN_FILTER_SHUFFLE ? cn_dtype_size(field->dtype) : 1) {
	case 2: unshuffle(in, out, size / 2, 2); break;
	case 4: unshuffle(in, out, size / 4, 4); break;
	case 8: unshuffle(in, out, size / 8, 8); break;
	default: memcpy(out, in, size);
	}
}
