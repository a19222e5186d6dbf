/* kmeans: every iteration is that of Lloyd's algorithm done plainly, in any number of threads. */
#include <float.h>
#include <math.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "mine/kmeans.h"
#include "tensor/kernel.h"
#include "tap.h"

#include "base/banned.h"

enum { ROWS = 2100, WIDTH = 40, CLUSTERS = 300 };

static float x[ROWS * WIDTH], centroid[CLUSTERS * WIDTH], score[ROWS];
static uint32_t cluster[ROWS];
static struct cn_rng rng;
static struct cn_pool *pool[4];
static struct cn_err err;

static float
measure(enum cn_kmeans_metric metric, const float *a, const float *b, size_t d)
{
	return metric == CN_KMEANS_COSINE ? cn_kernel_dot(a, b, d) : -cn_kernel_distance2(a, b, d);
}

/* The definition of an assignment. */
static void
assign_plainly(const struct cn_kmeans *k, const float *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		score[i] = -INFINITY;
		for (size_t c = 0; c < k->clusters; c++) {
			const float s = measure(k->metric, rows + i * k->d, k->centroid + c * k->d, k->d);

			if (s > score[i]) {
				score[i] = s;
				cluster[i] = (uint32_t)c;
			}
		}
	}
}

/* An empty cluster takes the worst row that is not alone; each row moves once. */
static void
fill_plainly(size_t n, size_t clusters)
{
	static int moved[ROWS];
	size_t size[CLUSTERS] = { 0 };

	memset(moved, 0, sizeof moved);
	for (size_t i = 0; i < n; i++)
		size[cluster[i]]++;
	for (size_t c = 0; c < clusters; c++) {
		size_t worst = n;

		if (size[c])
			continue;
		for (size_t i = 0; i < n; i++)
			if (!moved[i] && size[cluster[i]] > 1 && (worst == n || score[i] < score[worst]))
				worst = i;
		size[cluster[worst]]--;
		cluster[worst] = (uint32_t)c;
		size[c] = moved[worst] = 1;
	}
}

static void
update_plainly(const struct cn_kmeans *k, const float *rows, size_t n)
{
	for (size_t c = 0; c < k->clusters; c++) {
		double sum[WIDTH] = { 0 }, by = 0;

		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < k->d && cluster[i] == c; j++)
				sum[j] += (double)rows[i * k->d + j];
		for (size_t i = 0; i < n; i++)
			by += cluster[i] == c;
		if (k->metric == CN_KMEANS_COSINE) {
			by = 0;
			for (size_t j = 0; j < k->d; j++)
				by += sum[j] * sum[j];
			by = sqrt(by);
		}
		for (size_t j = 0; j < k->d; j++)
			centroid[c * k->d + j] = by > 0 ? (float)(sum[j] / by) : k->centroid[c * k->d + j];
	}
}

static int
is_equal(const struct cn_kmeans *a, const struct cn_kmeans *b)
{
	return a->clusters == b->clusters && a->iterations == b->iterations &&
		!memcmp(a->centroid, b->centroid, a->clusters * a->d * sizeof(float)) &&
		!memcmp(a->cluster, b->cluster, a->n * sizeof *a->cluster) &&
		!memcmp(a->size, b->size, a->clusters * sizeof *a->size);
}

/* A run of t + 1 iterations must be a run of t and one plain iteration; runs that learn from all rows. */
static void
agree(const char *what, enum cn_kmeans_metric metric, size_t n, size_t d, size_t clusters)
{
	struct cn_kmeans_config config = { .clusters = clusters, .metric = metric, .points = ROWS, .seed = 5 };
	struct cn_kmeans k = { 0 }, again = { 0 };
	int steps = 1, ends = 1, same = 1, sizes = 1;

	cn_kmeans_run(&k, &(struct cn_kmeans_config){ clusters, metric, 1, ROWS, 5 }, x, n, d, NULL, &err);
	for (size_t t = 2; t <= 6; t++) {
		size_t size[CLUSTERS] = { 0 };

		assign_plainly(&k, x, n);
		ends &= !memcmp(cluster, k.cluster, n * sizeof *cluster);
		for (size_t i = 0; i < n; i++)
			size[cluster[i]]++;
		sizes &= !memcmp(size, k.size, k.clusters * sizeof *size);
		fill_plainly(n, k.clusters);
		update_plainly(&k, x, n);
		config.iterations = t;
		cn_kmeans_release(&k);
		cn_kmeans_run(&k, &config, x, n, d, NULL, &err);
		steps &= !memcmp(centroid, k.centroid, k.clusters * d * sizeof *centroid);
		for (size_t threads = 1; threads <= 3 && t % 4 == 2; threads++) {
			cn_kmeans_run(&again, &config, x, n, d, pool[threads], &err);
			same &= is_equal(&k, &again);
			cn_kmeans_release(&again);
		}
	}
	TAP_OK(!err.code && k.clusters == (clusters < n ? clusters : n), "%s: number of clusters", what);
	TAP_OK(ends, "%s: every row is with its nearest centroid", what);
	TAP_OK(sizes, "%s: sizes", what);
	TAP_OK(steps, "%s: centroids of each iteration, to the bit", what);
	TAP_OK(same, "%s: one, two, three threads, the same bytes", what);
	cn_kmeans_release(&k);
}

static void
draw(size_t n, size_t d, size_t centres, float noise)
{
	for (size_t i = 0; i < n * d; i++)
		x[i] = cn_rng_normal(&rng) * (centres && i >= centres * d ? noise : 1);
	for (size_t i = centres * d; centres && i < n * d; i++)
		x[i] += x[i / d % centres * d + i % d];
}

static void
repeat_rows(size_t n, size_t d, size_t distinct)
{
	for (size_t i = distinct; i < n; i++)
		memcpy(x + i * d, x + i % distinct * d, d * sizeof *x);
}

static void
cases(enum cn_kmeans_metric metric)
{
	const int cosine = metric == CN_KMEANS_COSINE;

	for (size_t d = 3; d <= WIDTH; d += WIDTH - 3) {
		char what[80];

		snprintf(what, sizeof what, "%s, width %zu", cosine ? "cosine" : "euclidean", d);
		draw(ROWS, d, 50, 0.3f);
		if (cosine)
			cn_kernel_normalize(x, ROWS, d);
		agree(what, metric, ROWS, d, 200);
	}
	draw(1000, WIDTH, 0, 1);
	for (size_t i = 0; i < 1000 * WIDTH && !cosine; i++)
		x[i] += 1000;
	if (cosine)
		cn_kernel_normalize(x, 1000, WIDTH);
	agree(cosine ? "cosine, no clusters in the data" : "euclidean, far from the origin", metric, 1000, WIDTH, CLUSTERS);
	repeat_rows(1000, WIDTH, 7);
	agree(cosine ? "cosine, seven distinct rows" : "euclidean, seven distinct rows", metric, 1000, WIDTH, 20);
	agree(cosine ? "cosine, more clusters than rows" : "euclidean, more clusters than rows", metric, 7, WIDTH, 20);
	agree(cosine ? "cosine, one cluster" : "euclidean, one cluster", metric, 600, WIDTH, 1);
	memset(x, 0, sizeof x);
	agree(cosine ? "cosine, zeros" : "euclidean, zeros", metric, 600, WIDTH, 70);
}

/* Clusters far from each other, as many as asked for: k-means++ finds them, whatever the seed. */
static void
separate(void)
{
	struct cn_kmeans k = { 0 };
	int found = 1;

	for (size_t i = 0; i < 1000; i++)
		for (size_t j = 0; j < 4; j++)
			x[i * 4 + j] = cn_rng_normal(&rng) + (float)(i % 10) * 1000;
	for (uint64_t seed = 0; seed < 20; seed++) {
		cn_kmeans_run(&k, &(struct cn_kmeans_config){ 10, CN_KMEANS_EUCLIDEAN, 0, 0, seed }, x, 1000, 4, NULL, &err);
		for (size_t c = 0; c < 10; c++)
			found &= k.size[c] == 100;
		for (size_t i = 0; i < 1000; i++)
			found &= k.cluster[i] == k.cluster[i % 10];
		cn_kmeans_release(&k);
	}
	TAP_OK(found, "ten separate clusters are found from each of twenty seeds");
}

/* Means from a sample: those of the sample alone, and all rows are assigned. */
static void
sampled(void)
{
	struct cn_kmeans_config config = { 40, CN_KMEANS_COSINE, 4, 20, 9 };
	struct cn_kmeans k = { 0 }, again = { 0 }, small = { 0 };
	static float learned[800 * WIDTH], other[ROWS];
	static uint32_t chosen[800], nearest[ROWS];
	struct cn_rng_key key;
	struct cn_rng sample;
	int same = 1;

	draw(ROWS, WIDTH, 30, 0.5f);
	cn_kernel_normalize(x, ROWS, WIDTH);
	cn_kmeans_run(&k, &config, x, ROWS, WIDTH, NULL, &err);
	assign_plainly(&k, x, ROWS);
	TAP_OK(!err.code && !memcmp(cluster, k.cluster, sizeof cluster), "from a sample: all rows are with their nearest centroid");
	for (size_t threads = 1; threads <= 3; threads++) {
		cn_kmeans_run(&again, &config, x, ROWS, WIDTH, pool[threads], &err);
		same &= is_equal(&k, &again);
		cn_kmeans_release(&again);
	}
	TAP_OK(same, "from a sample: one, two, three threads, the same bytes");
	cn_rng_key_init(&key, 9, "kmeans-sample");
	cn_rng_start(&sample, &key, 0, 0);
	cn_rng_choose(&sample, ROWS, 800, chosen);
	for (size_t i = 0; i < 800; i++)
		memcpy(learned + i * WIDTH, x + chosen[i] * WIDTH, WIDTH * sizeof *x);
	cn_kmeans_run(&small, &config, learned, 800, WIDTH, NULL, &err);
	TAP_OK(!memcmp(small.centroid, k.centroid, 40 * WIDTH * sizeof *x), "from a sample: the means are those of the keyed sample");
	cn_kmeans_assign(&k, x, ROWS, nearest, other, pool[2], &err);
	TAP_OK(!err.code && !memcmp(nearest, cluster, sizeof cluster) && !memcmp(other, score, sizeof score), "other rows: nearest centroid and score");
	config.seed = 10;
	cn_kmeans_run(&again, &config, x, ROWS, WIDTH, NULL, &err);
	TAP_OK(memcmp(again.centroid, k.centroid, 40 * WIDTH * sizeof *x), "another seed, other means");
	cn_kmeans_release(&again);
	cn_kmeans_release(&small);
	cn_kmeans_release(&k);
	cn_kmeans_run(&k, &config, x, 0, WIDTH, NULL, &err);
	TAP_OK(!err.code && k.clusters == 0, "no rows, no clusters");
	cn_kmeans_release(&k);
}

/* Choosing 3 of 6: each of the 20 sets as often, by chi-square at 19 degrees of freedom (1 in 1000: 43.8). */
static void
choosing(void)
{
	unsigned count[64] = { 0 };
	double chi = 0;

	for (int i = 0; i < 20000; i++) {
		uint32_t chosen[3];

		cn_rng_choose(&rng, 6, 3, chosen);
		count[1u << chosen[0] | 1u << chosen[1] | 1u << chosen[2]]++;
	}
	for (int set = 0; set < 64; set++)
		chi += count[set] ? pow(count[set] - 1000.0, 2) / 1000 : 0;
	TAP_OK(chi < 43.8, "choosing: every set as often (chi-square %.1f)", chi);
}

int
main(void)
{
	struct cn_rng_key key;

	cn_rng_key_init(&key, 3, "test-kmeans");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t threads = 1; threads <= 3; threads++)
		pool[threads] = cn_pool_new(threads, &err);
	cases(CN_KMEANS_COSINE);
	cases(CN_KMEANS_EUCLIDEAN);
	separate();
	sampled();
	choosing();
	for (size_t threads = 1; threads <= 3; threads++)
		cn_pool_free(pool[threads]);
	return tap_done();
}
