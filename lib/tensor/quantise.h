/*
 * quantise - inner products of vectors in small integers, with a bound on what they may miss.
 *
 * A row b of a bank becomes scale * b^ with b^ in -127..127, stored as b^ + 128; a query q becomes
 * scale * q^ with q^ in -64..64.  So the product of two neighbouring pairs fits 16 bits with sign
 * (2 * 255 * 64 < 2^15), and the sum, an integer, is the same whatever instructions compute it.
 *
 *	|q b - q~ b~| <= |q - q~| |b| + |q~| |b - b~|		(Cauchy-Schwarz; q~, b~ the scaled integers)
 *
 * where all lengths are measured, and rounded up.
 *
 * Panels hold 16 rows, groups 8 queries, both interleaved by runs of 4 numbers, so that lanes are rows
 * and a query's run is broadcast: code[(i / 4) * 64 + row * 4 + i % 4], code[(i / 4) * 32 + query * 4 + i % 4].
 */
#ifndef CN_TENSOR_QUANTISE_H
#define CN_TENSOR_QUANTISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CN_QUANTISE_PANEL 16		/* rows */
#define CN_QUANTISE_GROUP 8		/* queries */
#define CN_QUANTISE_WIDEST 65536	/* numbers in a vector: sums must fit 32 bits */

/* Bytes of one vector: its numbers, filled up to whole runs. */
size_t cn_quantise_width(size_t d);

/* What is known of a panel: the greatest |b| and |b - b~| of its rows, each in units of the row's scale. */
struct cn_quantise_spread {
	float length, rest;
};

/* rows: 1..16 rows of d numbers; code (16 * width), scale (16). */
void cn_quantise_panel(const float *row, size_t rows, size_t d, uint8_t *code, float *scale,
	struct cn_quantise_spread *spread);

/* A query; q b <= scale * s * (sum over i of q^[i] b^[i] + length * spread.length + rest * spread.rest), s the row's scale. */
struct cn_quantise_query {
	double scale;
	float length, rest;
	int32_t start;		/* what a product starts from: -128 times the sum of q^ */
};

/* lane: 0..7, the query's place in its group's code (8 * width).  gamma: relative error of the score in question. */
struct cn_quantise_query cn_quantise_query(const float *query, size_t d, double gamma, int8_t *code, size_t lane);

/* Ways to compute a product.  Which of them this machine has is asked at run time. */
enum cn_quantise_isa {
	CN_QUANTISE_PLAIN,	/* C */
	CN_QUANTISE_AVX2,
	CN_QUANTISE_AVXVNNI,
	CN_QUANTISE_AVX512VNNI,
	CN_QUANTISE_ISAS,
};

bool cn_quantise_has(enum cn_quantise_isa isa);

/*
 * value[query * stride + row] = scale[row] * (start[query * panels + panel] + sum of code products), for
 * the rows of panels (an even number) and the 8 queries of a group.  Rounded twice: to float, and by the product.
 */
void cn_quantise_product(enum cn_quantise_isa isa, const uint8_t *panel, const float *scale, size_t panels,
	const int8_t *group, const int32_t *start, size_t width, float *value, size_t stride);

#endif
