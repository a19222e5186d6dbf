/*
 * Sums in a fixed order (see the header): 16 lanes in one vector variable, so that the compiler may use
 * four, two or one machine vectors for them without touching the order of a single addition.
 */
#include <math.h>

#include "tensor/clones.h"
#include "tensor/kernel.h"

#include "base/banned.h"

#define LANES 16

/* (((0+8)+(4+12)) + ((2+10)+(6+14))) + ...: halves folded onto each other. */
static float
fold(float *lane)
{
	for (size_t width = LANES / 2; width; width /= 2)
		for (size_t i = 0; i < width; i++)
			lane[i] += lane[i + width];
	return lane[0];
}

CN_CLONES float
cn_kernel_dot(const float *a, const float *b, size_t n)
{
	float sum[LANES] __attribute__((aligned(64))) = { 0 };
	float total __attribute__((vector_size(4 * LANES))) = { 0 };
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		float x __attribute__((vector_size(4 * LANES))), y __attribute__((vector_size(4 * LANES)));

		memcpy(&x, a + i, sizeof x);
		memcpy(&y, b + i, sizeof y);
		total += x * y;
	}
	memcpy(sum, &total, sizeof sum);
	for (size_t lane = 0; i < n; i++, lane++)
		sum[lane] += a[i] * b[i];
	return fold(sum);
}

CN_CLONES float
cn_kernel_distance2(const float *a, const float *b, size_t n)
{
	float sum[LANES] __attribute__((aligned(64))) = { 0 };
	float total __attribute__((vector_size(4 * LANES))) = { 0 };
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		float x __attribute__((vector_size(4 * LANES))), y __attribute__((vector_size(4 * LANES)));

		memcpy(&x, a + i, sizeof x);
		memcpy(&y, b + i, sizeof y);
		x -= y;
		total += x * x;
	}
	memcpy(sum, &total, sizeof sum);
	for (size_t lane = 0; i < n; i++, lane++)
		sum[lane] += (a[i] - b[i]) * (a[i] - b[i]);
	return fold(sum);
}

/* Squares of floats are exact in doubles and their sum cannot overflow: any finite row gets a length. */
void
cn_kernel_normalize(float *x, size_t rows, size_t n)
{
	for (size_t r = 0; r < rows; r++, x += n) {
		double sum[LANES] = { 0 };

		for (size_t i = 0; i < n; i++)
			sum[i % LANES] += (double)x[i] * x[i];
		for (size_t width = LANES / 2; width; width /= 2)
			for (size_t i = 0; i < width; i++)
				sum[i] += sum[i + width];

		const double length = sqrt(sum[0]) > 1e-12 ? sqrt(sum[0]) : 1e-12;

		for (size_t i = 0; i < n; i++)
			x[i] = (float)(x[i] / length);
	}
}

double
cn_kernel_squares(const float *x, size_t n)
{
	const size_t run = 1024;
	double sum = 0;

	for (size_t i = 0; i < n; i += run)
		sum += (double)cn_kernel_dot(x + i, x + i, n - i < run ? n - i : run);
	return sum;
}
