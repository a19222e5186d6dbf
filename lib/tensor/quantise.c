/* Rounding to integers and measuring what was lost; the products are in quantise_product.c. */
#include <math.h>
#include <string.h>

#include "tensor/clones.h"
#include "tensor/quantise.h"

#include "base/banned.h"

enum { LANES = 16, RUN = 4 };

/* What rounding to integers left of a vector: sum of the integers, squared lengths of the vector and of the rest. */
struct remains {
	double squares, rest, rounded;
	int32_t sum;
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
 * x / scale, rounded and held within +-most, plus bias, to bytes whose runs of 4 lie stride apart.  Adding and
 * subtracting 1.5 * 2^52 rounds a double to an integer; the quotient is at most 191 (scale is a float, maybe a
 * subnormal one).
 */
CN_CLONES static struct remains
round_to(const float *x, size_t d, double scale, double most, int bias, uint8_t *code, size_t stride)
{
	const double factor = 1 / scale, magic = 0x1.8p52;
	double squares[LANES] = { 0 }, rest[LANES] = { 0 }, rounded[LANES] = { 0 };
	int32_t sum[LANES] = { 0 };
	struct remains r = { 0 };

	for (size_t i = 0; i < d; i += LANES) {
		const size_t n = d - i < LANES ? d - i : LANES;
		float part[LANES] = { 0 };
		uint8_t byte[LANES];

		memcpy(part, x + i, n * sizeof *part);
		for (size_t l = 0; l < LANES; l++) {
			const double y = part[l] * factor + magic - magic;
			const double held = y > most ? most : y < -most ? -most : y, lost = part[l] - held * scale;

			squares[l] += (double)part[l] * part[l];
			rest[l] += lost * lost;
			rounded[l] += held * held;
			sum[l] += (int32_t)held;
			byte[l] = (uint8_t)((int32_t)held + bias);
		}
		for (size_t l = 0; l < n; l += RUN)
			memcpy(code + (i + l) / RUN * stride, byte + l, RUN);
	}
	for (size_t l = 0; l < LANES; l++) {
		r.squares += squares[l];
		r.rest += rest[l];
		r.rounded += rounded[l];
		r.sum += sum[l];
	}
	return r;
}

/* Rounded up, so that it is never less than the true length. */
static float
length_of(double squares, double scale)
{
	return (float)(sqrt(squares) / scale * (1 + 0x1p-20));
}

void
cn_quantise_panel(const float *row, size_t rows, size_t d, uint8_t *code, float *scale, struct cn_quantise_spread *spread)
{
	*spread = (struct cn_quantise_spread){ 0 };
	for (size_t i = 0; i < rows; i++) {
		const float most = greatest(row + i * d, d);

		scale[i] = most > 0 ? fmaxf(most / 127, 0x1p-149f) : 1;

		const struct remains r = round_to(row + i * d, d, scale[i], 127, 128, code + i * RUN, CN_QUANTISE_PANEL * RUN);

		spread->length = fmaxf(spread->length, length_of(r.squares, scale[i]));
		spread->rest = fmaxf(spread->rest, length_of(r.rest, scale[i]));
	}
}

/* The slack is for products and sums of floats that follow: |sum| <= |q^| (|b| + |b - b~|) / scale of the row. */
struct cn_quantise_query
cn_quantise_query(const float *query, size_t d, double gamma, int8_t *code, size_t lane)
{
	const float most = greatest(query, d);
	const double scale = most > 0 ? most / 64.0 : 1;
	const struct remains r = round_to(query, d, scale, 64, 0, (uint8_t *)code + lane * RUN, CN_QUANTISE_GROUP * RUN);
	const double slack = 0x1p-20 * sqrt(r.rounded);

	return (struct cn_quantise_query){ .scale = scale, .start = -128 * r.sum,
		.length = (float)((length_of(r.rest, scale) + gamma * length_of(r.squares, scale) + slack) * (1 + 0x1p-20)),
		.rest = (float)((length_of(r.rounded, 1) + slack) * (1 + 0x1p-20)) };
}
