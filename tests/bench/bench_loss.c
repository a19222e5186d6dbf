/*
 * bench_loss - infonce and its gradient at a batch of ROWS rows of 128 numbers, by tiles or with the whole matrix in memory.
 *
 * usage: bench_loss tiled|dense ROWS THREADS
 *
 * Prints seconds, the greatest memory the process had (MB), the loss, and length and an odd sum of the gradient.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <math.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "loss/objective.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { DIM = 128, ROWS = 128 };	/* ROWS of the matrix in one part of the pool's work */

#define TEMPERATURE 0.2

static void
draw(float *z, size_t views)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 1, "bench");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < views * DIM; i++)
		z[i] = cn_rng_range(&rng, -1, 1);
	for (size_t i = 0; i < views / 2 * DIM; i++)	/* partners are near each other */
		z[views / 2 * DIM + i] = z[i] + z[views / 2 * DIM + i] / 2;
}

struct dense {
	size_t views;
	float *u, *du, *matrix;
	double *loss;
};

static void
forward(void *context, size_t i, size_t worker)
{
	struct dense *d = context;
	const size_t at = i * ROWS, m = d->views - at < ROWS ? d->views - at : ROWS;
	float *s = d->matrix + at * d->views;

	(void)worker;
	cn_blas_gemm(false, true, m, d->views, DIM, (float)(1 / TEMPERATURE), d->u + at * DIM, DIM, d->u, DIM, 0, s, d->views);
	for (size_t r = 0; r < m; r++, s += d->views) {
		const size_t a = at + r, partner = (a + d->views / 2) % d->views;
		const float positive = s[partner];

		s[a] = -INFINITY;
		const float top = cn_kernel_max(s, d->views);

		cn_kernel_exp(s, d->views, top);
		const double sum = cn_kernel_sum(s, d->views);
		const float by = (float)(1 / (sum * TEMPERATURE * (double)d->views));

		for (size_t k = 0; k < d->views; k++)
			s[k] *= by;
		s[partner] -= (float)(1 / (TEMPERATURE * (double)d->views));
		d->loss[a] = (double)top + log(sum) - (double)positive;
	}
}

static void
backward(void *context, size_t i, size_t worker)
{
	struct dense *d = context;
	const size_t at = i * ROWS, m = d->views - at < ROWS ? d->views - at : ROWS;

	(void)worker;
	cn_blas_gemm(true, false, m, DIM, d->views, 1, d->matrix + at, d->views, d->u, DIM, 0, d->du + at * DIM, DIM);
	cn_blas_gemm(false, false, m, DIM, d->views, 1, d->matrix + at * d->views, d->views, d->u, DIM, 1, d->du + at * DIM, DIM);
}

/* With the whole matrix in memory, as a matrix library invites one to. */
static double
dense(const float *z, float *dz, size_t views, struct cn_pool *pool, struct cn_err *err)
{
	struct dense d = { .views = views, .u = cn_mem_array(views * DIM, sizeof(float), err), .du = dz,
		.matrix = cn_mem_array(views, views * sizeof(float), err), .loss = cn_mem_array(views, sizeof(double), err) };
	const size_t parts = (views + ROWS - 1) / ROWS;
	double loss = 0;

	if (err->code)
		return 0;
	memcpy(d.u, z, views * DIM * sizeof(float));
	cn_kernel_normalize(d.u, views, DIM);
	cn_pool_run(pool, parts, forward, &d);
	cn_pool_run(pool, parts, backward, &d);
	for (size_t a = 0; a < views; a++) {
		float *u = d.u + a * DIM, *du = dz + a * DIM;
		const float along = cn_kernel_dot(u, du, DIM), length = sqrtf(cn_kernel_dot(z + a * DIM, z + a * DIM, DIM));

		for (size_t k = 0; k < DIM; k++)
			du[k] = (du[k] - u[k] * along) / length;
		loss += d.loss[a] / (double)views;
	}
	cn_mem_free(d.u);
	cn_mem_free(d.matrix);
	cn_mem_free(d.loss);
	return loss;
}

static double
tiled(const float *z, float *dz, size_t views, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_objective_sizes sizes = { .rows = views / 2, .dim = DIM, .temperature = TEMPERATURE };
	const struct cn_objective_batch batch = { .rows = views / 2, .z = z, .dz = dz };
	struct cn_objective *loss = cn_objective_new("infonce", &sizes, pool, err);
	struct cn_objective_result result = { 0 };

	if (loss)
		cn_objective_run(loss, &batch, &result);
	cn_objective_free(loss);
	return result.loss;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	struct cn_err err = { 0 };

	if (argc != 4) {
		fprintf(stderr, "usage: bench_loss tiled|dense ROWS THREADS\n");
		return 2;
	}
	const size_t views = 2 * strtoul(argv[2], NULL, 10);
	float *z = cn_mem_array(views * DIM, sizeof(float), &err), *dz = cn_mem_array(views * DIM, sizeof(float), &err);
	struct cn_pool *pool = cn_pool_new(strtoul(argv[3], NULL, 10), &err);
	struct rusage used;
	double odd = 0;

	if (err.code) {
		fprintf(stderr, "bench_loss: %s\n", err.text);
		return 1;
	}
	cn_blas_begin();
	draw(z, views);
	const double start = now(), loss = (*argv[1] == 't' ? tiled : dense)(z, dz, views, pool, &err), end = now();

	for (size_t i = 0; i < views * DIM; i++)
		odd += (double)dz[i] * (double)(i % 7);
	getrusage(RUSAGE_SELF, &used);
	printf("%.3f %.0f %.9f %.9g %.9g\n", end - start, (double)used.ru_maxrss * 1024 / 1e6, loss, sqrt(cn_kernel_squares(dz, views * DIM)), odd);
	cn_mem_free(z);
	cn_mem_free(dz);
	cn_pool_free(pool);
	return err.code;
}
