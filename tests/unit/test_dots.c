/* dots: every place of the matrix has the bits of the kernel, at all widths and edges, by every route this machine has. */
#include <stdint.h>

#include "base/rng.h"
#include "tensor/dots.c"	/* for its routes */
#include "tensor/kernel.h"
#include "tap.h"

#include "base/banned.h"

enum { ROWS = 139, WIDTH = 200 };

static float x[ROWS * WIDTH], y[ROWS * WIDTH], got[ROWS][ROWS + 1];
static const float *a[ROWS], *b[ROWS];
static float *score[ROWS];

/* Rows lie backwards and apart, and what lies behind the matrix must stay. */
static int
is_right(const struct route *route, int distance, size_t m, size_t n, size_t d)
{
	for (size_t i = 0; i < ROWS; i++) {
		a[i] = x + (ROWS - 1 - i) * WIDTH;
		b[i] = y + i * WIDTH + i % 3;
		score[i] = got[i];
		for (size_t j = 0; j <= ROWS; j++)
			got[i][j] = 77;
	}
	if (route)
		(distance ? route->distances2 : route->dots)(a, m, b, n, d, score);
	else
		(distance ? cn_distances2 : cn_dots)(a, m, b, n, d, score);
	for (size_t i = 0; i < ROWS; i++)
		for (size_t j = 0; j <= ROWS; j++) {
			const int inside = i < m && j < n;
			const float want = !inside ? 77 : distance ? cn_kernel_distance2(a[i], b[j], d) : cn_kernel_dot(a[i], b[j], d);

			if (memcmp(&want, &got[i][j], sizeof want))
				return 0;
		}
	return 1;
}

static void
agree(const char *name, const struct route *route)
{
	for (int distance = 0; distance < 2; distance++) {
		const char *what = distance ? "distances" : "products";
		int right = 1;

		for (size_t d = 0; d <= 70; d++)
			right &= is_right(route, distance, 5, 6, d);
		TAP_OK(right, "%s, %s: every width up to 70", name, what);
		right = 1;
		for (size_t m = 0; m <= 9; m++)
			for (size_t n = 0; n <= 9; n++)
				right &= is_right(route, distance, m, n, 33);
		TAP_OK(right, "%s, %s: every edge of a block, nothing written beyond", name, what);
		TAP_OK(is_right(route, distance, ROWS, ROWS, 128) && is_right(route, distance, ROWS, ROWS, 197), "%s, %s: several tiles", name, what);
	}
}

int
main(void)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 1, "test-dots");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < ROWS * WIDTH; i++) {
		x[i] = cn_rng_normal(&rng);
		y[i] = cn_rng_below(&rng, 10) ? cn_rng_normal(&rng) : i % 2 ? 0.0f : -0.0f;
	}
	agree("the fastest", NULL);
	agree("pairs", &pairs);
#ifdef VECTORS
	if (__builtin_cpu_supports("avx512f"))
		agree("16 lanes", &wide);
	if (__builtin_cpu_supports("avx2"))
		agree("8 lanes", &halves);
#endif
	return tap_done();
}
