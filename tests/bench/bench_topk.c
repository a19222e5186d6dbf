/*
 * bench_topk - the search of cn-mine without reading and writing: 10,000 queries, a bank of 100,000 x 128 in clusters, k = 32.
 *
 * usage: bench_topk blas|fastest|sgemm|integers THREADS [spread]
 *
 * Prints seconds, processor seconds, and billions of operations in a second, of a search by either first pass, or of
 * the bare products it is made of.  spread (0.7) is the length of the noise around a centre of length 1, in each direction.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"
#include "tensor/quantise.h"
#include "tensor/topk.h"

#include "base/banned.h"

enum { BANK = 100000, QUERIES = 10000, DIM = 128, K = 32, CENTRES = 500, TILE = 1024, STEP = 128 };

static float centre[CENTRES * DIM];

struct moment {
	double wall, processor;
};

static double
read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct moment
now(void)
{
	return (struct moment){ read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_PROCESS_CPUTIME_ID) };
}

static struct moment
since(struct moment start)
{
	const struct moment end = now();

	return (struct moment){ end.wall - start.wall, end.processor - start.processor };
}

static void
draw(float *x, size_t rows, double spread, struct cn_rng *rng)
{
	for (size_t i = 0; i < rows; i++) {
		const float *from = centre + cn_rng_below(rng, CENTRES) * DIM;

		for (size_t j = 0; j < DIM; j++)
			x[i * DIM + j] = from[j] + (float)spread * cn_rng_normal(rng);
	}
	cn_kernel_normalize(x, rows, DIM);
}

struct bench {
	float *bank, *query;
	struct cn_pool *pool;
};

static struct moment
search(const struct bench *b, int pass, struct cn_err *err)
{
	const struct cn_topk_config config = { .query = b->query, .m = QUERIES, .d = DIM, .k = K, .pool = b->pool, .pass = pass };
	struct cn_topk_hit *hits = cn_mem_array(QUERIES * K, sizeof *hits, err);
	const struct moment start = now();
	struct cn_topk *t = cn_topk_new(&config, err);
	struct moment taken;

	cn_topk_feed(t, 0, b->bank, BANK, err);
	cn_topk_finish(t, hits, err);
	taken = since(start);
	cn_topk_free(t);
	cn_mem_free(hits);
	return taken;
}

/* The products of a search, of one tile over and over again. */
static void
multiply_floats(void *context, size_t part, size_t worker)
{
	static float value[64][STEP * TILE];
	const struct bench *b = context;

	(void)part;
	for (size_t i = 0; i < BANK; i += TILE)
		cn_blas_gemm(false, true, STEP, TILE, DIM, 1, b->query, DIM, b->bank, DIM, 0, value[worker], TILE);
}

static void
multiply_integers(void *context, size_t part, size_t worker)
{
	static float value[64][CN_QUANTISE_GROUP * TILE], scale[TILE];
	static uint8_t code[TILE * DIM];
	static int8_t query[CN_QUANTISE_GROUP * DIM];
	static int32_t begin[CN_QUANTISE_GROUP * TILE / CN_QUANTISE_PANEL];
	int isa = CN_QUANTISE_ISAS - 1;

	(void)context, (void)part;
	while (!cn_quantise_has((enum cn_quantise_isa)isa))
		isa--;
	for (size_t i = 0; i < BANK / TILE * STEP / CN_QUANTISE_GROUP; i++)
		cn_quantise_product((enum cn_quantise_isa)isa, code, scale, TILE / CN_QUANTISE_PANEL, query, begin, DIM, value[worker], TILE);
}

static struct moment
multiply(struct bench *b, void (*part)(void *context, size_t part, size_t worker))
{
	const struct moment start = now();

	cn_pool_run(b->pool, QUERIES / STEP, part, b);
	return since(start);
}

int
main(int argc, char **argv)
{
	struct cn_err err = { 0 };
	struct cn_rng_key key;
	struct cn_rng rng;
	struct bench b = { cn_mem_array(BANK * DIM, sizeof(float), &err), cn_mem_array(QUERIES * DIM, sizeof(float), &err), NULL };
	struct moment taken;

	if (argc < 3) {
		fprintf(stderr, "usage: bench_topk blas|fastest|sgemm|integers THREADS [spread]\n");
		return 2;
	}
	b.pool = cn_pool_new(strtoul(argv[2], NULL, 10), &err);
	cn_blas_begin();
	cn_rng_key_init(&key, 1, "bench");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < CENTRES * DIM; i++)
		centre[i] = cn_rng_normal(&rng);
	draw(b.bank, BANK, argc > 3 ? strtod(argv[3], NULL) : 0.7, &rng);
	draw(b.query, QUERIES, argc > 3 ? strtod(argv[3], NULL) : 0.7, &rng);
	taken = *argv[1] == 's' ? multiply(&b, multiply_floats) : *argv[1] == 'i' ? multiply(&b, multiply_integers) :
		search(&b, *argv[1] == 'b' ? CN_TOPK_BLAS : CN_TOPK_FASTEST, &err);
	printf("%.3f %.3f %.1f\n", taken.wall, taken.processor, 2.0 * BANK * QUERIES * DIM / taken.wall / 1e9);
	cn_mem_free(b.bank);
	cn_mem_free(b.query);
	cn_pool_free(b.pool);
	return err.code;
}
