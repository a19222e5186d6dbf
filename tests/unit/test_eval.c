/* Measures of encoders against slow twins: votes counted by hand, a probe at its minimum. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "eval/knn.h"
#include "eval/probe.h"
#include "eval/sample.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"

#include "tap.h"

#include "base/banned.h"

enum { N = 300, M = 90, D = 12, C = 5 };

static void
draw(struct cn_sample *sample, size_t n, uint64_t id)
{
	struct cn_err err = { 0 };
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 5, "test");
	*sample = (struct cn_sample){ .n = n, .d = D, .classes = C };
	sample->z = cn_mem_array(n, D * sizeof *sample->z, &err);
	sample->label = cn_mem_array(n, sizeof *sample->label, &err);
	sample->id = cn_mem_array(n, sizeof *sample->id, &err);
	for (size_t i = 0; i < n; i++) {
		cn_rng_start(&rng, &key, id + i, 0);
		sample->id[i] = id + i;
		sample->label[i] = (int32_t)cn_rng_below(&rng, C);
		for (size_t j = 0; j < D; j++)
			sample->z[i * D + j] = cn_rng_normal(&rng) + (j % C == (size_t)sample->label[i] ? 1.2f : 0);
	}
}

/* The k nearest by sorting everything. */
static double
slow_knn(const struct cn_sample *train, const struct cn_sample *test, size_t k, double temperature, bool apart)
{
	size_t right = 0;

	for (size_t q = 0; q < test->n; q++) {
		double vote[C] = { 0 }, score[N];
		size_t best = 0;

		for (size_t i = 0; i < train->n; i++)
			score[i] = apart && train->id[i] == test->id[q] ? -9 :
				(double)cn_kernel_dot(train->z + i * D, test->z + q * D, D);
		for (size_t j = 0; j < k; j++) {
			size_t top = 0;

			for (size_t i = 1; i < train->n; i++)
				top = score[i] > score[top] ? i : top;
			vote[train->label[top]] += exp(score[top] / temperature);
			score[top] = -99;
		}
		for (size_t c = 1; c < C; c++)
			best = vote[c] > vote[best] ? c : best;
		right += (int32_t)best == test->label[q];
	}
	return (double)right / (double)test->n;
}

static void
test_knn(void)
{
	struct cn_sample train, test;
	struct cn_err err = { 0 };
	double got = 0;

	draw(&train, N, 0);
	draw(&test, M, 1000);
	for (size_t k = 1; k <= 20; k += 19) {
		const struct cn_knn_config config = { k, 0.1, false };

		cn_knn_measure(&train, &test, &config, NULL, &got, &err);
		TAP_NEAR(got, slow_knn(&train, &test, k, 0.1, false), 1e-12, k == 1 ? "knn: the nearest, as by hand" : "knn: votes of 20, as by hand");
	}
	const struct cn_knn_config itself = { 1, 0.1, false }, apart = { 1, 0.1, true };
	cn_knn_measure(&train, &train, &itself, NULL, &got, &err);
	TAP_OK(got == 1, "knn: a row's nearest is itself");
	cn_knn_measure(&train, &train, &apart, NULL, &got, &err);
	TAP_NEAR(got, slow_knn(&train, &train, 1, 0.1, true), 1e-12, "knn: apart, its nearest other");
	cn_sample_release(&train);
	cn_sample_release(&test);
}

static void
test_probe(void)
{
	const struct cn_probe_config config = { 1, 300 }, strong = { 1e4, 300 }, weak = { 1e-8, 300 };
	struct cn_probe_result result[2], other;
	struct cn_sample train, test;
	struct cn_err err = { 0 };

	cn_blas_begin();
	for (size_t t = 0; t < 2; t++) {
		struct cn_pool *pool = cn_pool_new(1 + 2 * t, &err);

		draw(&train, N, 0);
		draw(&test, M, 1000);
		cn_probe_measure(&train, &test, &config, pool, result + t, &err);
		cn_sample_release(&train);
		cn_sample_release(&test);
		cn_pool_free(pool);
	}
	TAP_OK(result[0].loss == result[1].loss && result[0].accuracy == result[1].accuracy, "probe: the same on one thread and three");
	TAP_OK(result[0].accuracy > 0.6 && result[0].train_accuracy >= result[0].accuracy, "probe: tells the classes apart");
	draw(&train, N, 0);
	draw(&test, M, 1000);
	cn_probe_measure(&train, &test, &strong, NULL, &other, &err);
	TAP_OK(other.loss < result[0].loss, "probe: losses weigh more, and are less");
	cn_probe_measure(&train, &test, &weak, NULL, &other, &err);
	TAP_OK(fabs(other.loss - log(C)) < 0.05, "probe: with weights of nothing, only the classes' shares are known");
	cn_sample_release(&train);
	cn_sample_release(&test);
}

int
main(void)
{
	test_knn();
	test_probe();
	return tap_done();
}
