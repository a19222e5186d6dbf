/* Rounding to integers and measuring what was lost; the products are in quantise_product.c. */
#include <math.h>
#include <string.h>

#include "tensor/clones.h"
#include "tensor/quantise.h"
#include "tensor/lanes.h"

#include "base/banned.h"

enum { LANES = CN_LANES, RUN = 4 };

/* What rounding to integers left of a vector, in units of scale: squared lengths of the vector, of the rest, of the integers. */
struct remains {
	float squares, rest, rounded;
	int32_t sum;		/* of the integers */
};

size_t
cn_quantise_width(size_t d)
{
	return (d + RUN - 1) / RUN * RUN;
}

CN_CLONES static float
greatest(const float *x, size_t d)
{
	float lane[LANES] = { 0 };
	float most = 0;
	size_t i = 0;

	for (; i + LANES <= d; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] = fabsf(x[i + l]) > lane[l] ? fabsf(x[i + l]) : lane[l];
	for (size_t l = 0; i < d; i++, l++)
		lane[l] = fabsf(x[i]) > lane[l] ? fabsf(x[i]) : lane[l];
	for (size_t l = 0; l < LANES; l++)
		most = lane[l] > most ? lane[l] : most;
	return most;
}

/*
 * x / scale, rounded to integers, plus bias, to bytes whose runs of 4 lie stride apart.  Adding and subtracting
 * 1.5 * 2^23 rounds a float to an integer.
 */
CN_CLONES static struct remains
round_to(const float *x, size_t d, float scale, int bias, uint8_t *code, size_t stride)
{
	const float factor = 1 / scale, magic = 0x1.8p23f;
	float squares[LANES] = { 0 }, rest[LANES] = { 0 }, rounded[LANES] = { 0 };
	int32_t sum[LANES] = { 0 };
	struct remains r = { 0 };

	for (size_t i = 0; i < d; i += LANES) {
		const size_t n = d - i < LANES ? d - i : LANES;
		float part[LANES] = { 0 };
		uint8_t byte[LANES];

		memcpy(part, x + i, n * sizeof *part);
		for (size_t l = 0; l < LANES; l++) {
			const float y = part[l] * factor, whole = y + magic - magic, lost = y - whole;

			squares[l] += y * y;
			rest[l] += lost * lost;
			rounded[l] += whole * whole;
			sum[l] += (int32_t)whole;
			byte[l] = (uint8_t)((int32_t)whole + bias);
		}
		for (size_t l = 0; l < n; l += RUN)
			memcpy(code + (i + l) / RUN * stride, byte + l, RUN);
	}
	for (size_t l = 0; l < LANES; l++)
		r.sum += sum[l];
	r.squares = cn_lanes_fold(squares);
	r.rest = cn_lanes_fold(rest);
	r.rounded = cn_lanes_fold(rounded);
	return r;
}

/* So large that the greatest number is most, but not so small that 1 / scale overflows. */
static float
scale_for(float greatest_number, float most)
{
	return fmaxf(greatest_number / most, 0x1p-120f);
}

/*
 * Rounded up, so that it is never less than the true length in units of scale.  A quotient is wrong by at most
 * 2^-22.9 of itself, hence of 2^-15.8 (it is at most 128), and as much is what was lost of it; a sum of squares by at
 * most (d/16 + 6) 2^-24 of itself.
 */
static float
length_of(float squares, size_t d)
{
	return (float)(sqrt(squares) * (1 + (double)d * 0x1p-24 + 0x1p-20) + sqrt((double)d) * 0x1p-15);
}

void
cn_quantise_panel(const float *row, size_t rows, size_t d, uint8_t *code, float *scale, struct cn_quantise_spread *spread)
{
	*spread = (struct cn_quantise_spread){ 0 };
	for (size_t i = 0; i < rows; i++) {
		scale[i] = scale_for(greatest(row + i * d, d), 127);

		const struct remains r = round_to(row + i * d, d, scale[i], 128, code + i * RUN, CN_QUANTISE_PANEL * RUN);

		spread->length = fmaxf(spread->length, length_of(r.squares, d));
		spread->rest = fmaxf(spread->rest, length_of(r.rest, d));
	}
}

/* The slack is for products and sums of floats that follow: |sum| <= |q^| (|b| + |b - b~|) / scale of the row. */
struct cn_quantise_query
cn_quantise_query(const float *query, size_t d, double gamma, int8_t *code, size_t lane)
{
	const float scale = scale_for(greatest(query, d), 64);
	const struct remains r = round_to(query, d, scale, 0, (uint8_t *)code + lane * RUN, CN_QUANTISE_GROUP * RUN);
	const double slack = 0x1p-20 * sqrt(r.rounded);

	return (struct cn_quantise_query){ .scale = scale, .start = -128 * r.sum,
		.length = (float)((length_of(r.rest, d) + gamma * length_of(r.squares, d) + slack) * (1 + 0x1p-20)),
		.rest = (float)((length_of(r.rounded, d) + slack) * (1 + 0x1p-20)) };
}
