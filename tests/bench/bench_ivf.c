/*
 * bench_ivf - an inverted file over a bank of unit rows: built, searched, and compared with the exact search.
 *
 * usage: bench_ivf BANK QUERIES DIM K LISTS RECALL THREADS     (files of raw float32; LISTS 0 = default)
 *
 * Prints seconds for building, for calibrating, and for all queries; the probes; the share of the exact hits
 * of the first 1,000 queries that was found; and the number of lists.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/pool.h"
#include "mine/ivf.h"
#include "tensor/blas.h"

#include "base/banned.h"

enum { CHECKED = 1000 };

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* All rows of a file. */
static float *
read_rows(const char *name, size_t d, size_t *rows, struct cn_err *err)
{
	FILE *file = fopen(name, "rb");
	float *x = NULL;
	size_t read = 0;

	if (!file || fseek(file, 0, SEEK_END)) {
		cn_err_errno(err, "cannot read '%s'", name);
	} else {
		*rows = (size_t)ftell(file) / (d * sizeof *x);
		rewind(file);
		x = cn_mem_array(*rows * d, sizeof *x, err);
		if (x)
			read = fread(x, d * sizeof *x, *rows, file);
		if (read != *rows)
			cn_err_set(err, CN_FAILED, "'%s' is short", name);
	}
	if (file)
		fclose(file);
	return x;
}

static double
share_found(const struct cn_topk_hit *hits, const struct cn_topk_hit *exact, size_t m, size_t k)
{
	size_t found = 0;

	for (size_t q = 0; q < m; q++)
		for (size_t a = 0; a < k; a++)
			for (size_t b = 0; b < k; b++)
				found += hits[q * k + a].row == exact[q * k + b].row;
	return (double)found / (double)(m * k);
}

int
main(int argc, char **argv)
{
	struct cn_err err = { 0 };
	struct cn_ivf ivf = { 0 };
	size_t n = 0, m = 0, probes;
	double start, built, calibrated, searched;

	if (argc != 8) {
		fprintf(stderr, "usage: bench_ivf BANK QUERIES DIM K LISTS RECALL THREADS\n");
		return 2;
	}
	const size_t d = strtoul(argv[3], NULL, 10), k = strtoul(argv[4], NULL, 10);
	const struct cn_ivf_config config = { .lists = strtoul(argv[5], NULL, 10) };
	const struct cn_ivf_target target = { .recall = strtod(argv[6], NULL) };
	const struct cn_topk_rule rule = { 0 };
	float *bank = read_rows(argv[1], d, &n, &err), *query = read_rows(argv[2], d, &m, &err);
	struct cn_pool *pool = cn_pool_new(strtoul(argv[7], NULL, 10), &err);
	struct cn_topk_hit *hits = cn_mem_array(m * k, sizeof *hits, &err), *exact = cn_mem_array(CHECKED * k, sizeof *exact, &err);
	const size_t checked = m < CHECKED ? m : CHECKED;

	cn_blas_begin();
	start = now();
	if (!err.code)
		cn_ivf_build(&ivf, &config, bank, n, d, pool, &err);
	built = now();
	if (!err.code)
		cn_ivf_calibrate(&ivf, query, m, k, NULL, &target, &probes, NULL, pool, &err);
	calibrated = now();
	if (!err.code)
		cn_ivf_search(&ivf, probes, query, m, k, &rule, hits, pool, &err);
	searched = now();
	if (!err.code && cn_topk_select(bank, n, query, checked, d, k, &rule, exact, pool, &err) == 0)
		printf("%.4f %.4f %.4f %zu %.4f %zu\n", built - start, calibrated - built, searched - calibrated, probes,
			share_found(hits, exact, checked, k), ivf.lists);
	else
		fprintf(stderr, "bench_ivf: %s\n", err.text);
	cn_ivf_release(&ivf);
	cn_mem_free(hits);
	cn_mem_free(exact);
	cn_mem_free(bank);
	cn_mem_free(query);
	cn_pool_free(pool);
	return err.code;
}
