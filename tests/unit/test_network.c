/* The network: gradients as finite differences, the same bits for any pool and place, words refused. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "nn/network.h"
#include "tensor/blas.h"

#include "tap.h"

#include "base/banned.h"

enum { N = 12, H = 9, W = 7, C = 3, SIZE = H * W * C };

static float input[N * SIZE];

static void
fill(float *to, size_t n, uint64_t id)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 3, "test");
	cn_rng_start(&rng, &key, id, 0);
	for (size_t i = 0; i < n; i++)
		to[i] = cn_rng_normal(&rng);
}

static struct cn_network *
make(const char *arch, const char *head, struct cn_pool *pool)
{
	const struct cn_shape shape = { 3, { H, W, C } };
	struct cn_err err = { 0 };
	struct cn_network *network = cn_network_new(arch, head, &shape, pool, &err);

	if (network)
		cn_network_init(network, 1);
	return network;
}

/* A fixed combination of the outputs. */
static double
combined(struct cn_network *network, const float *weight, size_t dim, float *z)
{
	struct cn_err err = { 0 };
	double sum = 0;

	cn_network_forward(network, input, N, z, &err);
	for (size_t i = 0; i < N * dim; i++)
		sum += (double)weight[i] * (double)z[i];
	return sum;
}

/* Along random directions of all weights: (L(w + hv) - L(w - hv)) / 2h against the gradient along v. */
static void
test_gradient(const char *arch, const char *head)
{
	static float weight[N * 64], z[N * 64];
	struct cn_network *network = make(arch, head, NULL);
	const size_t dim = cn_network_dim(network, CN_NETWORK_HEAD);
	const float h = 0x1p-12f;
	struct cn_err err = { 0 };
	float *w, *g;
	size_t n = cn_network_parameters(network, &w, &g), wrong = 0;
	float *kept = cn_mem_array(n, sizeof *kept, &err), *v = cn_mem_array(n, sizeof *v, &err);

	fill(weight, N * dim, 9);
	memcpy(kept, w, n * sizeof *w);
	for (uint64_t trial = 0; trial < 6; trial++) {
		double got = 0, up, want;

		memcpy(w, kept, n * sizeof *w);
		combined(network, weight, dim, z);
		cn_network_backward(network, weight, &err);
		fill(v, n, 100 + trial);
		for (size_t i = 0; i < n; i++) {
			got += (double)v[i] * (double)g[i];
			w[i] = kept[i] + h * v[i];
		}
		up = combined(network, weight, dim, z);
		for (size_t i = 0; i < n; i++)
			w[i] = kept[i] - h * v[i];
		want = (up - combined(network, weight, dim, z)) / (2 * (double)h);
		if (fabs(got - want) > 0.03 * fabs(want) + 0.3) {
			wrong++;
			printf("# got %g, want %g\n", got, want);
		}
	}
	TAP_OK(!err.code && wrong == 0, "network: gradient of '%s' with head '%s' as finite differences", arch, head);
	cn_mem_free(kept);
	cn_mem_free(v);
	cn_network_free(network);
}

static void
test_same(void)
{
	static float z[2][N * 16], dz[N * 16], alone[16];
	struct cn_err err = { 0 };
	float *w, *g[2];
	size_t n = 0;
	struct cn_network *network[2];
	struct cn_pool *pool[2];

	fill(dz, N * 16, 4);
	for (size_t t = 0; t < 2; t++) {
		pool[t] = cn_pool_new(1 + 2 * t, &err);
		network[t] = make("conv:8 conv:16/2 gap", "linear:32 relu linear:16", pool[t]);
		cn_network_forward(network[t], input, N, z[t], &err);
		cn_network_backward(network[t], dz, &err);
		n = cn_network_parameters(network[t], &w, &g[t]);
	}
	TAP_OK(memcmp(z[0], z[1], sizeof z[0]) == 0, "network: outputs have the same bits on one thread and three");
	TAP_OK(memcmp(g[0], g[1], n * sizeof *g[0]) == 0, "network: gradients have the same bits on one thread and three");
	cn_network_apply(network[1], input, N, CN_NETWORK_HEAD, z[0], &err);
	cn_network_apply(network[1], input + 5 * SIZE, 1, CN_NETWORK_HEAD, alone, &err);
	TAP_OK(memcmp(alone, z[0] + 5 * 16, sizeof alone) == 0, "network: a sample's bits do not depend on its neighbours");
	for (size_t t = 0; t < 2; t++) {
		cn_network_free(network[t]);
		cn_pool_free(pool[t]);
	}
}

static void
test_words(void)
{
	const char *const arch[] = { "conv:0 gap", "conv:8/0", "gap linear:x", "swirl:3", "conv:", "linear:99999999999" };
	const struct cn_shape shape = { 3, { H, W, C } };

	for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
		struct cn_err err = { 0 };
		struct cn_network *network = cn_network_new(arch[i], NULL, &shape, NULL, &err);

		TAP_OK(!network && err.code == CN_USAGE && err.text[0], "network: '%s' is refused: %s", arch[i], err.text);
		cn_network_free(network);
	}
}

int
main(void)
{
	cn_blas_begin();
	fill(input, N * SIZE, 1);
	test_gradient("gap", "linear:8");
	test_gradient("conv:6 gap", "");
	test_gradient("conv:6 conv:10/2 gap", "linear:12 relu linear:8");
	test_gradient("conv:5/2 conv:7 gap linear:9 relu", "linear:8");
	test_same();
	test_words();
	return tap_done();
}
