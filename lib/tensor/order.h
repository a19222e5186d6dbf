/*
 * order - a score and its row as one number: greater is better, ties go to the smaller row.
 *
 * So all comparing in a search is of integers.  The score is in the high half, the row reversed in the low one.
 */
#ifndef CN_TENSOR_ORDER_H
#define CN_TENSOR_ORDER_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Floats in the order of unsigned integers; both zeros are one score, and what is not a number comes last. */
static inline uint32_t
cn_order_of(float score)
{
	uint32_t bits;

	score = isnan(score) ? -INFINITY : score + 0.0f;
	memcpy(&bits, &score, sizeof bits);
	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline uint64_t
cn_order_key(float score, uint32_t row)
{
	return (uint64_t)cn_order_of(score) << 32 | (uint32_t)~row;
}

static inline float
cn_order_score(uint64_t key)
{
	uint32_t bits = (uint32_t)(key >> 32);
	float score;

	bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
	memcpy(&score, &bits, sizeof score);
	return score;
}

static inline uint32_t
cn_order_row(uint64_t key)
{
	return ~(uint32_t)key;
}

#endif
