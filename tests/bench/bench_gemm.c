/*
 * bench_gemm - the speed that sgemm reaches on this machine: C (M,N) = A (M,K) B (K,N), the rows of C in one part for each thread.
 *
 * usage: bench_gemm THREADS [M N K]
 *
 * Prints GFLOP/s of the fastest of several runs by the clock, GFLOP per second of processor time in the one that took least, and
 * the name of the BLAS kernel.  2048 for all three if nothing is said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/pool.h"
#include "tensor/blas.h"

#include "base/banned.h"

enum { RUNS = 12 };

struct product {
	size_t m, n, k, of;		/* of: rows of a part */
	float *a, *b, *c;
};

static void
multiply(void *context, size_t i, size_t worker)
{
	const struct product *p = context;
	const size_t at = i * p->of;

	(void)worker;
	cn_blas_gemm(false, false, cn_pool_part_size(p->m, i, p->of), p->n, p->k, 1, p->a + at * p->k, p->k, p->b, p->n, 0, p->c + at * p->n,
		p->n);
}

static double
now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(i % 17) / 16 - 0.5f;
}

int
main(int argc, char **argv)
{
	struct cn_err err = { 0 };
	struct product p = { .m = 2048, .n = 2048, .k = 2048 };
	double least = 1e30, busy = 1e30;

	if (argc != 2 && argc != 5) {
		fprintf(stderr, "usage: bench_gemm THREADS [M N K]\n");
		return 2;
	}
	if (argc == 5) {
		p.m = strtoul(argv[2], NULL, 10);
		p.n = strtoul(argv[3], NULL, 10);
		p.k = strtoul(argv[4], NULL, 10);
	}
	struct cn_pool *pool = cn_pool_new(strtoul(argv[1], NULL, 10), &err);

	p.a = cn_mem_array(p.m, p.k * sizeof(float), &err);
	p.b = cn_mem_array(p.k, p.n * sizeof(float), &err);
	p.c = cn_mem_array(p.m, p.n * sizeof(float), &err);
	if (err.code) {
		fprintf(stderr, "bench_gemm: %s\n", err.text);
		return 1;
	}
	cn_blas_begin();
	fill(p.a, p.m * p.k);
	fill(p.b, p.k * p.n);
	p.of = (p.m + cn_pool_threads(pool) - 1) / cn_pool_threads(pool);
	for (int run = 0; run < RUNS; run++) {
		const double start = now(CLOCK_MONOTONIC), busy_start = now(CLOCK_PROCESS_CPUTIME_ID);

		cn_pool_run(pool, cn_pool_parts(p.m, p.of), multiply, &p);
		const double took = now(CLOCK_MONOTONIC) - start, used = now(CLOCK_PROCESS_CPUTIME_ID) - busy_start;

		least = took < least ? took : least;
		busy = used < busy ? used : busy;
	}
	const double work = 2e-9 * (double)p.m * (double)p.n * (double)p.k;

	printf("%.1f %.1f %s\n", work / least, work / busy, cn_blas_kernel());
	cn_pool_free(pool);
	cn_mem_free(p.a);
	cn_mem_free(p.b);
	cn_mem_free(p.c);
	return 0;
}
