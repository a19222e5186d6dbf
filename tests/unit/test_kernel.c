/* kernel: the promised order of additions, written out the slow way, lengths of awkward rows, exponentials. */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "tensor/kernel.c"	/* for its widths */
#include "tap.h"

#include "base/banned.h"

/* The order of the header, one addition at a time; volatile keeps every rounding. */
static float
slow_sum(const float *term, size_t n)
{
	volatile float lane[16] = { 0 };

	for (size_t i = 0; i < n; i++)
		lane[i % 16] = lane[i % 16] + term[i];
	for (size_t width = 8; width; width /= 2)
		for (size_t i = 0; i < width; i++)
			lane[i] = lane[i] + lane[i + width];
	return lane[0];
}

static int
fills(size_t (*fill)(bool, const float *, const float *, size_t, float *), const float *a, const float *b, size_t n)
{
	int right = 1;

	for (int distance = 0; distance < 2; distance++) {
		volatile float lane[LANES] = { 0 };
		float got[LANES];
		const size_t whole = n / LANES * LANES;

		for (size_t i = 0; i < whole; i++) {
			const volatile float difference = a[i] - b[i], product = distance ? difference * difference : a[i] * b[i];

			lane[i % LANES] = lane[i % LANES] + product;
		}
		right &= fill(distance, a, b, n, got) == whole;
		for (size_t l = 0; l < LANES; l++)
			right &= got[l] == lane[l];
	}
	return right;
}

static void
sums_in_order(struct cn_rng *rng)
{
	float a[300] = { 0 }, b[300] = { 0 }, product[300] = { 0 }, square[300] = { 0 };
	int dots = 1, distances = 1;

	for (size_t n = 0; n <= 300; n++) {
		for (size_t i = 0; i < n; i++) {
			volatile float difference;

			a[i] = cn_rng_normal(rng);
			b[i] = cn_rng_normal(rng);
			difference = a[i] - b[i];
			product[i] = a[i] * b[i];
			square[i] = difference * difference;
		}
		dots &= cn_kernel_dot(a, b, n) == slow_sum(product, n);
		distances &= cn_kernel_distance2(a, b, n) == slow_sum(square, n);
	}
	TAP_OK(dots, "dot products of 0 to 300 elements have the bits of the written order");
	TAP_OK(distances, "squared distances too");
}

/* Each width that this machine can run fills the lanes as the order is written. */
static void
each_width(struct cn_rng *rng)
{
	enum { MOST = 100 };
	float a[MOST], b[MOST];

	for (size_t i = 0; i < MOST; i++) {
		a[i] = cn_rng_normal(rng);
		b[i] = cn_rng_normal(rng);
	}
#define AGREE(BYTES, TARGET) \
	if (CN_RUNS(BYTES)) { \
		int right = 1; \
 \
		for (size_t n = 0; n <= MOST; n++) \
			right &= fills(fill_##BYTES, a, b, n); \
		TAP_OK(right, "lanes are filled by vectors of %d bytes as by numbers", BYTES); \
	}
	CN_WIDTHS(AGREE)
#undef AGREE
}

static void
any_alignment(struct cn_rng *rng)
{
	float a[140], b[140], first;
	int same = 1;

	for (size_t i = 0; i < 100; i++) {
		a[i] = cn_rng_normal(rng);
		b[i] = cn_rng_normal(rng);
	}
	first = cn_kernel_dot(a, b, 100);
	for (size_t shift = 1; shift < 40; shift++) {
		float moved[140];

		memcpy(moved + shift, a, 100 * sizeof *a);
		same &= cn_kernel_dot(moved + shift, b, 100) == first;
	}
	TAP_OK(same, "the address of a vector does not matter");
}

static void
unit_lengths(struct cn_rng *rng)
{
	float x[3][37], huge[2] = { FLT_MAX, FLT_MAX }, small[2] = { 3e-30f, 4e-30f };

	for (size_t i = 0; i < 3 * 37; i++)
		x[i / 37][i % 37] = 5 * cn_rng_normal(rng);
	memset(x[1], 0, sizeof x[1]);
	cn_kernel_normalize(x[0], 3, 37);
	TAP_NEAR(cn_kernel_dot(x[0], x[0], 37), 1, 1e-6, "a row has length one");
	TAP_NEAR(cn_kernel_dot(x[2], x[2], 37), 1, 1e-6, "so has the last");
	TAP_OK(cn_kernel_dot(x[1], x[1], 37) == 0, "a row of zeros stays zeros");
	cn_kernel_normalize(huge, 1, 2);
	TAP_NEAR(huge[0], sqrt(0.5), 1e-6, "the greatest numbers do not overflow");
	cn_kernel_normalize(small, 1, 2);
	TAP_NEAR(small[0], 3e-18, 1e-6, "a length below 1e-12 counts as 1e-12");
}

/* Against libm in double, of everything that a float can be. */
static void
exponentials(struct cn_rng *rng)
{
	float x[1003], y[1003];
	double worst = 0;

	for (size_t i = 0; i < 1003; i++)
		x[i] = y[i] = cn_rng_range(rng, -80, 80);
	cn_kernel_exp(y, 1003, 1.5f);
	for (size_t i = 0; i < 1003; i++)
		worst = fmax(worst, fabs((double)y[i] / exp((double)(x[i] - 1.5f)) - 1));
	TAP_OK(worst < 2.5e-7, "e^x to within 2 units in the last place (%.2g)", worst);

	float edge[] = { -INFINITY, -88, -86.9f, 0, 89, INFINITY };

	cn_kernel_exp(edge, 6, 0);
	TAP_OK(edge[0] == 0 && edge[1] == 0 && edge[2] > 0 && edge[3] == 1, "nothing below e^-87");
	TAP_OK(isfinite(edge[4]) && edge[4] == edge[5], "nothing above e^88");
}

static void
sums_and_maxima(struct cn_rng *rng)
{
	float x[5000];
	double sum = 0, squares = 0;
	float most = -INFINITY;

	for (size_t i = 0; i < 5000; i++) {
		x[i] = cn_rng_normal(rng);
		sum += (double)x[i];
		squares += (double)x[i] * (double)x[i];
		most = fmaxf(most, x[i]);
	}
	TAP_OK(fabs(cn_kernel_sum(x, 5000) - sum) < 1e-3, "a sum");
	TAP_NEAR(cn_kernel_squares(x, 5000), squares, 1e-6, "a sum of squares");
	TAP_OK(cn_kernel_max(x, 5000) == most, "a maximum");
	for (size_t n = 1; n < 40; n++) {
		x[n - 1] = 100;
		if (cn_kernel_max(x, n) != 100)
			TAP_OK(false, "a maximum at the end of %zu", n);
		x[n - 1] = -100;
	}
	TAP_OK(cn_kernel_max(x, 0) == -INFINITY && cn_kernel_sum(x, 0) == 0, "of nothing");
}

int
main(void)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 1, "test-kernel");
	cn_rng_start(&rng, &key, 0, 0);
	sums_in_order(&rng);
	each_width(&rng);
	any_alignment(&rng);
	unit_lengths(&rng);
	exponentials(&rng);
	sums_and_maxima(&rng);
	return tap_done();
}
