/*
 * Sums in a fixed order (see the header): 16 lanes in one, two or four machine vectors, which does not touch the
 * order of a single addition.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tensor/clones.h"
#include "tensor/kernel.h"
#include "tensor/lanes.h"

#include "base/banned.h"

#define LANES CN_LANES

/* Fills the lanes with products, or squared differences, of as many numbers as fill them all; returns how many those are. */
#define FILL(BYTES, TARGET) \
TARGET static size_t \
fill_##BYTES(bool distance, const float *a, const float *b, size_t n, float *lane) \
{ \
	typedef float vector __attribute__((vector_size(BYTES))); \
	enum { VECTORS = 4 * LANES / BYTES }; \
	vector sum[VECTORS] = { { 0 } }; \
	size_t i = 0; \
 \
	for (; i + LANES <= n; i += LANES) \
		CN_EACH(v, VECTORS) { \
			vector x, y; \
 \
			memcpy(&x, a + i + v * (BYTES / 4), sizeof x); \
			memcpy(&y, b + i + v * (BYTES / 4), sizeof y); \
			sum[v] += distance ? (x - y) * (x - y) : x * y; \
		} \
	memcpy(lane, sum, sizeof sum); \
	return i; \
}
CN_WIDTHS(FILL)

float
cn_kernel_dot(const float *a, const float *b, size_t n)
{
	float lane[LANES];
	size_t i = CN_WIDEST(fill)(false, a, b, n, lane);

	for (size_t l = 0; i < n; i++, l++)
		lane[l] += a[i] * b[i];
	return cn_lanes_fold(lane);
}

float
cn_kernel_distance2(const float *a, const float *b, size_t n)
{
	float lane[LANES];
	size_t i = CN_WIDEST(fill)(true, a, b, n, lane);

	for (size_t l = 0; i < n; i++, l++)
		lane[l] += (a[i] - b[i]) * (a[i] - b[i]);
	return cn_lanes_fold(lane);
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

static double
sum_run(const float *x, size_t n)
{
	float lane[LANES] = { 0 };

	for (size_t i = 0; i < n; i += LANES)
		for (size_t l = 0; l < LANES && i + l < n; l++)
			lane[l] += x[i + l];
	return (double)cn_lanes_fold(lane);
}

double
cn_kernel_sum(const float *x, size_t n)
{
	const size_t run = 1024;
	double sum = 0;

	for (size_t i = 0; i < n; i += run)
		sum += sum_run(x + i, n - i < run ? n - i : run);
	return sum;
}

CN_CLONES float
cn_kernel_max(const float *x, size_t n)
{
	float lane[LANES], most = -INFINITY;
	size_t i = 0;

	for (size_t l = 0; l < LANES; l++)
		lane[l] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
	for (; i < n; i++)
		most = x[i] > most ? x[i] : most;
	for (size_t l = 0; l < LANES; l++)
		most = lane[l] > most ? lane[l] : most;
	return most;
}

static inline void
exponential(float *x, float top)
{
	union {
		float f[LANES];
		int32_t i[LANES];
	} power;
	float r[LANES], zero[LANES];

	for (int l = 0; l < LANES; l++) {
		const float y = x[l] - top;
		const float most = y < 88.0f ? y : 88.0f, bounded = most > -87.0f ? most : -87.0f;
		const float n = (bounded * 1.44269504088896341f + 12582912.0f) - 12582912.0f;

		r[l] = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
		power.i[l] = ((int32_t)n + 127) * (1 << 23);
		zero[l] = y < -87.0f ? 0.0f : 1.0f;
	}
	for (int l = 0; l < LANES; l++) {
		float p = 1.9875691500e-4f;

		p = p * r[l] + 1.3981999507e-3f;
		p = p * r[l] + 8.3334519073e-3f;
		p = p * r[l] + 4.1665795894e-2f;
		p = p * r[l] + 1.6666665459e-1f;
		p = p * r[l] + 5.0000001201e-1f;
		x[l] = (p * r[l] * r[l] + r[l] + 1.0f) * power.f[l] * zero[l];
	}
}

CN_CLONES void
cn_kernel_exp(float *x, size_t n, float top)
{
	float rest[LANES] = { 0 };
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		exponential(x + i, top);
	if (i == n)
		return;
	memcpy(rest, x + i, (n - i) * sizeof(float));
	exponential(rest, top);
	memcpy(x + i, rest, (n - i) * sizeof(float));
}
