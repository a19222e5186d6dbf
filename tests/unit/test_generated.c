/* Made vectors beside real ones: balls against counting every pair, Frechet's distance against known ones. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "eval/frechet.h"
#include "eval/manifold.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"
#include "tensor/symmetric.h"

#include "tap.h"

#include "base/banned.h"

enum { REAL = 700, MADE = 300, D = 5, MOST = 60 };

static struct cn_rng rng;
static float real[REAL * D], made[REAL * D];

static void
draw(float *x, size_t n, float spread, float shift)
{
	for (size_t i = 0; i < n; i++)
		x[i] = spread * cn_rng_normal(&rng) + shift;
}

static int
by_value(const void *left, const void *right)
{
	const float a = *(const float *)left, b = *(const float *)right;

	return a < b ? -1 : a > b;
}

/* The squared distance to the k-th nearest other one, by sorting all. */
static float
slow_radius2(const float *z, size_t n, size_t i, size_t k)
{
	float all[REAL];
	size_t count = 0;

	for (size_t j = 0; j < n; j++)
		if (j != i)
			all[count++] = cn_kernel_distance2(z + i * D, z + j * D, D);
	qsort(all, count, sizeof *all, by_value);
	return all[k - 1];
}

static struct cn_manifold_result
slow_manifold(const struct cn_manifold_config *c, uint32_t *nearest)
{
	struct cn_manifold_result r = { .nearest = nearest };
	static float real2[REAL], first2[REAL], made2[REAL];

	for (size_t i = 0; i < c->n; i++) {
		real2[i] = slow_radius2(c->real, c->n, i, c->k);
		first2[i] = slow_radius2(c->real, c->n, i, 1);
	}
	for (size_t j = 0; j < c->m; j++) {
		size_t balls = 0, best = 0;

		made2[j] = slow_radius2(c->made, c->m, j, c->k);
		for (size_t i = 0; i < c->n; i++) {
			const float d = cn_kernel_distance2(c->real + i * D, c->made + j * D, D);

			balls += d <= real2[i];
			if (d < cn_kernel_distance2(c->real + best * D, c->made + j * D, D))
				best = i;
		}
		const float d = cn_kernel_distance2(c->real + best * D, c->made + j * D, D);

		nearest[j] = (uint32_t)best;
		r.precision += (balls > 0) / (double)c->m;
		r.density += (double)balls / (double)(c->m * c->k);
		r.authenticity += (d > first2[best]) / (double)c->m;
		r.copies += (d <= c->copy2) / (double)c->m;
	}
	for (size_t i = 0; i < c->n; i++) {
		bool covered = false, recalled = false;

		for (size_t j = 0; j < c->m; j++) {
			const float d = cn_kernel_distance2(c->real + i * D, c->made + j * D, D);

			covered |= d <= real2[i];
			recalled |= d <= made2[j];
		}
		r.coverage += covered / (double)c->n;
		r.recall += recalled / (double)c->n;
	}
	return r;
}

static struct cn_manifold_result
measure(struct cn_manifold_config c, uint32_t *nearest)
{
	struct cn_manifold_result r = { .nearest = nearest };
	struct cn_err err = { 0 };

	cn_manifold_measure(&c, &r, &err);
	TAP_OK(!err.code, "%zu made, %zu real, %zu nearest%s", c.m, c.n, c.k, err.text);
	return r;
}

static void
agrees(struct cn_pool *pool, size_t n, size_t m, size_t k, float copy2)
{
	static uint32_t nearest[REAL], want_nearest[REAL];
	const struct cn_manifold_config c = { real, made, n, m, D, k, copy2, pool };
	const struct cn_manifold_result got = measure(c, nearest), want = slow_manifold(&c, want_nearest);

	TAP_NEAR(got.precision, want.precision, 1e-12, "precision");
	TAP_NEAR(got.recall, want.recall, 1e-12, "recall");
	TAP_NEAR(got.density, want.density, 1e-12, "density");
	TAP_NEAR(got.coverage, want.coverage, 1e-12, "coverage");
	TAP_NEAR(got.authenticity, want.authenticity, 1e-12, "authenticity");
	TAP_NEAR(got.copies, want.copies, 1e-12, "copies");
	TAP_OK(!memcmp(nearest, want_nearest, m * sizeof *nearest), "the nearest");
	TAP_OK(want.precision > 0 && want.precision < 1 && want.recall < 1 && want.copies > 0 && want.copies < 1, "none of them trivial");
}

static void
manifold(struct cn_pool *pool)
{
	static uint32_t nearest[REAL];
	struct cn_manifold_result r;

	draw(real, REAL * D, 1, 0);
	draw(made, REAL * D, 0.8f, 1);
	memcpy(made + 3 * D, real, 20 * D * sizeof *made);	/* copies, and real ones twice */
	memcpy(real + 90 * D, real, 9 * D * sizeof *real);
	agrees(pool, REAL, MADE, 5, 0.01f);
	agrees(NULL, REAL, MADE, 5, 0.01f);
	agrees(pool, 200, REAL, 1, 0.1f);
	agrees(pool, 65, 64, 3, 0.2f);
	r = measure((struct cn_manifold_config){ real, real, REAL, REAL, D, 4, 0, pool }, nearest);
	TAP_OK(r.precision == 1 && r.recall == 1 && r.coverage == 1 && r.density >= 1.25, "a set and itself");
	TAP_OK(r.copies == 1 && r.authenticity == 0, "are copies");
	draw(real, REAL * D, 1, 0);
	draw(made, REAL * D, 1, 100);
	r = measure((struct cn_manifold_config){ real, made, REAL, MADE, D, 4, 0, pool }, nearest);
	TAP_OK(r.precision == 0 && r.recall == 0 && r.coverage == 0 && r.density == 0 && r.copies == 0 && r.authenticity == 1, "far apart");
	draw(made, REAL * D, 1, 0);
	r = measure((struct cn_manifold_config){ real, made, REAL, REAL, D, 5, 0, pool }, nearest);
	TAP_OK(fabs(r.density - 1) < 0.1 && fabs(r.authenticity - 0.5) < 0.1 && r.coverage > 0.9, "fresh draws: density %.3f, authenticity %.3f, coverage %.3f",
		r.density, r.authenticity, r.coverage);
	memset(real, 0, sizeof real);
	r = measure((struct cn_manifold_config){ real, real, REAL, MADE, D, 4, 0, pool }, nearest);
	TAP_OK(r.precision == 1 && r.coverage == 1 && nearest[7] == 0, "all in one place");
}

/* A = Q diag(value) Q^T, Q a reflection at a random vector. */
static void
compose(double *a, const double *value, size_t n)
{
	double v[MOST], length = 0;

	for (size_t i = 0; i < n; i++) {
		v[i] = (double)cn_rng_normal(&rng);
		length += v[i] * v[i];
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			a[i * n + j] = 0;
			for (size_t k = 0; k < n; k++)
				a[i * n + j] += ((i == k) - 2 * v[i] * v[k] / length) * value[k] * ((j == k) - 2 * v[j] * v[k] / length);
		}
}

static void
eigenvalues(struct cn_pool *pool, size_t n)
{
	static double a[MOST * MOST], again[MOST * MOST];
	double want[MOST], got[MOST], one[MOST], worst = 0;
	struct cn_err err = { 0 };

	for (size_t i = 0; i < n; i++)
		want[i] = (double)i / 3 * ((double)i - 4);
	compose(a, want, n);
	memcpy(again, a, sizeof a);
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j > 0 && want[j - 1] > want[j]; j--) {
			const double higher = want[j - 1];

			want[j - 1] = want[j];
			want[j] = higher;
		}
	cn_symmetric_eigenvalues(a, n, got, pool, &err);
	cn_symmetric_eigenvalues(again, n, one, NULL, &err);
	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, fabs(got[i] - want[i]));
	TAP_OK(!err.code && worst < 1e-12 * (double)(n * n), "%zu eigenvalues: %g", n, worst);
	TAP_OK(!memcmp(got, one, n * sizeof *got), "the same bits by one thread");
}

static void
factors(size_t n, size_t rank)
{
	static double a[MOST * MOST], factor[MOST * MOST];
	double value[MOST] = { 0 }, worst = 0;
	struct cn_err err = { 0 };

	for (size_t i = 0; i < rank; i++)
		value[i] = 1 + (double)i;
	compose(a, value, n);
	const size_t got = cn_symmetric_factor(a, n, factor, &err);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			double sum = 0;

			for (size_t s = 0; s < got; s++)
				sum += factor[s * n + i] * factor[s * n + j];
			worst = fmax(worst, fabs(sum - a[i * n + j]));
		}
	TAP_OK(!err.code && got == rank && worst < 1e-11, "%zu rows of rank %zu have a factor of %zu: %g", n, rank, got, worst);
}

static double
frechet(const float *a, size_t n, const float *b, size_t m, size_t dim, struct cn_pool *pool)
{
	struct cn_err err = { 0 };
	double got = NAN;

	cn_frechet_measure(a, n, b, m, dim, pool, &got, &err);
	TAP_OK(!err.code, "%zu and %zu vectors of %zu%s", n, m, dim, err.text);
	return got;
}

/* Points at +- reach[i] on each axis around a centre: mean and covariance are known to the last bit or so. */
static void
place_axes(float *z, const float *reach, float centre)
{
	for (size_t i = 0; i < D * 2 * D; i++)
		z[i] = centre;
	for (size_t i = 0; i < D; i++) {
		z[2 * i * D + i] += reach[i];
		z[(2 * i + 1) * D + i] -= reach[i];
	}
}

/* For two numbers tr (AB)^(1/2) is the root of tr AB + 2 (det AB)^(1/2). */
static double
slow_frechet_of_two(const float *a, size_t n, const float *b, size_t m)
{
	const float *z[] = { a, b };
	const size_t count[] = { n, m };
	double mean[2][2] = { { 0 } }, c[2][3] = { { 0 } };	/* xx, xy, yy */

	for (size_t s = 0; s < 2; s++) {
		for (size_t i = 0; i < count[s]; i++)
			for (size_t k = 0; k < 2; k++)
				mean[s][k] += (double)z[s][2 * i + k] / (double)count[s];
		for (size_t i = 0; i < count[s]; i++)
			for (size_t k = 0; k < 3; k++)
				c[s][k] += ((double)z[s][2 * i + (k == 2)] - mean[s][k == 2]) * ((double)z[s][2 * i + (k > 0)] - mean[s][k > 0]) / (double)(count[s] - 1);
	}
	const double trace = c[0][0] * c[1][0] + 2 * c[0][1] * c[1][1] + c[0][2] * c[1][2];
	const double det = (c[0][0] * c[0][2] - c[0][1] * c[0][1]) * (c[1][0] * c[1][2] - c[1][1] * c[1][1]);

	return pow(mean[0][0] - mean[1][0], 2) + pow(mean[0][1] - mean[1][1], 2) + c[0][0] + c[0][2] + c[1][0] + c[1][2] -
		2 * sqrt(trace + 2 * sqrt(det));
}

static void
known_distances(struct cn_pool *pool)
{
	const float a[D] = { 1, 2, 3, 4, 5 }, b[D] = { 2, 2, 1, 0, 7 };
	static float x[2 * D * D], y[2 * D * D], wide[20 * 40];
	double want = 0;

	place_axes(x, a, 0.5f);
	place_axes(y, b, -0.25f);
	for (size_t i = 0; i < D; i++)	/* of diagonals a, b: (a^(1/2) - b^(1/2))^2 */
		want += 0.75 * 0.75 + pow(sqrt(2.0 / 9) * ((double)a[i] - (double)b[i]), 2);
	TAP_NEAR(frechet(x, 2 * D, y, 2 * D, D, pool), want, 1e-8, "two normal distributions along the axes, one of them flat");
	draw(real, REAL * D, 1, 0);
	draw(made, REAL * D, 2, 1);
	for (size_t i = 0; i < REAL; i++)
		real[2 * i + 1] += real[2 * i];
	TAP_NEAR(frechet(real, REAL, made, MADE, 2, pool), slow_frechet_of_two(real, REAL, made, MADE), 1e-10, "two across the axes");
	TAP_OK(frechet(real, REAL, real, REAL, D, pool) < 1e-9, "a set and itself");
	TAP_NEAR(frechet(real, REAL, made, MADE, D, pool), frechet(made, MADE, real, REAL, D, NULL), 1e-10, "either way round, by any threads");
	draw(wide, sizeof wide / sizeof *wide, 1, 0);
	TAP_OK(frechet(wide, 20, wide, 20, 40, pool) < 1e-5, "fewer vectors than numbers in them");
	memset(wide, 0, 20 * 40 * sizeof *wide / 2);
	TAP_NEAR(frechet(wide, 10, real, REAL, 1, pool), frechet(real, REAL, wide, 10, 1, pool), 1e-9, "one without a spread");
}

int
main(void)
{
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(3, &err);
	struct cn_rng_key key;

	cn_blas_begin();
	cn_rng_key_init(&key, 6, "test-generated");
	cn_rng_start(&rng, &key, 0, 0);
	manifold(pool);
	for (size_t n = 1; n <= MOST; n += n < 4 ? 1 : 14)
		eigenvalues(pool, n);
	factors(1, 1);
	factors(12, 12);
	factors(50, 7);
	known_distances(pool);
	cn_pool_free(pool);
	return tap_done();
}
