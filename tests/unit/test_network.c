/*
 * The network: outputs as those of a slow twin in doubles, gradients as the twin's finite differences, the same bits for
 * any pool and place, words refused.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "nn/network.h"
#include "tensor/blas.h"

#include "tap.h"

#include "base/banned.h"

enum { N = 6, H = 5, W = 4, C = 2, SIZE = H * W * C, ROOM = N * 4096, DIM = 128 };

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

/* Weights off their simple beginnings, running statistics too. */
static struct cn_network *
make(const char *arch, const char *head, struct cn_pool *pool)
{
	const struct cn_shape shape = { 3, { H, W, C } };
	struct cn_err err = { 0 };
	struct cn_network *network = cn_network_new(arch, head, &shape, pool, &err);

	if (!network)
		return NULL;
	cn_network_init(network, 1);
	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);
		float noise[4096];

		fill(noise, cn_shape_count(&tensor.shape), 50 + i);
		for (size_t k = 0; k < cn_shape_count(&tensor.shape); k++)
			tensor.data[k] += strstr(tensor.name, "running_var") ? 0.2f * fabsf(noise[k]) : 0.1f * noise[k];
	}
	return network;
}

/* ---- the slow twin: one loop per formula, in doubles ---- */

struct twin {
	struct cn_network *network;
	double *value[64];	/* of each tensor of the network */
	bool training;
	double mean[64], variance[64];	/* of the batch norm last computed */
};

static void
twin_init(struct twin *t, struct cn_network *network, bool training)
{
	*t = (struct twin){ .network = network, .training = training };
	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);

		t->value[i] = malloc(cn_shape_count(&tensor.shape) * sizeof(double));
		for (size_t k = 0; k < cn_shape_count(&tensor.shape); k++)
			t->value[i][k] = (double)tensor.data[k];
	}
}

static void
twin_release(struct twin *t)
{
	for (size_t i = 0; i < 64; i++)
		free(t->value[i]);
}

static const double *
tensor_of(const struct twin *t, const char *at, const char *name)
{
	char full[128];

	snprintf(full, sizeof full, "%s%s", at, name);
	for (size_t i = 0; i < cn_network_tensors(t->network); i++)
		if (!strcmp(cn_network_tensor(t->network, i).name, full))
			return t->value[i];
	fprintf(stderr, "no tensor %s\n", full);
	abort();
}

struct maps {
	size_t h, w, c;
	double x[ROOM];
};

static void
twin_norm(struct twin *t, const char *at, const char *norm, struct maps *m)
{
	char name[4][96];
	static const char *const what[] = { "weight", "bias", "running_mean", "running_var" };
	const double *p[4];
	const size_t count = N * m->h * m->w;

	for (int k = 0; k < 4; k++) {
		snprintf(name[k], sizeof name[k], "%s%s", norm, what[k]);
		p[k] = tensor_of(t, at, name[k]);
	}
	for (size_t c = 0; c < m->c; c++) {
		double mean = 0, variance = 0;

		for (size_t i = 0; i < count; i++)
			mean += m->x[i * m->c + c] / (double)count;
		for (size_t i = 0; i < count; i++)
			variance += (m->x[i * m->c + c] - mean) * (m->x[i * m->c + c] - mean) / (double)count;
		t->mean[c] = 0.9 * p[2][c] + 0.1 * mean;
		t->variance[c] = 0.9 * p[3][c] + 0.1 * variance * (double)count / (double)(count - 1);
		if (!t->training) {
			mean = p[2][c];
			variance = p[3][c];
		}
		for (size_t i = 0; i < count; i++)
			m->x[i * m->c + c] = (m->x[i * m->c + c] - mean) / sqrt(variance + 1e-5) * p[0][c] + p[1][c];
	}
}

static void
twin_conv(struct twin *t, const char *at, const char *conv, const char *norm, size_t channels, long stride, long kernel,
	const struct maps *from, struct maps *to)
{
	char name[96];
	const long edge = kernel / 2;

	snprintf(name, sizeof name, "%sweight", conv);
	const double *weight = tensor_of(t, at, name);
	to->h = (from->h - 1) / (size_t)stride + 1;
	to->w = (from->w - 1) / (size_t)stride + 1;
	to->c = channels;
	memset(to->x, 0, sizeof to->x);
	for (size_t n = 0; n < N; n++)
		for (size_t oy = 0; oy < to->h; oy++)
			for (size_t ox = 0; ox < to->w; ox++)
				for (size_t o = 0; o < channels; o++)
					for (long ky = 0; ky < kernel; ky++)
						for (long kx = 0; kx < kernel; kx++) {
							const long y = (long)oy * stride + ky - edge, x = (long)ox * stride + kx - edge;

							for (size_t i = 0; y >= 0 && x >= 0 && y < (long)from->h && x < (long)from->w
									&& i < from->c; i++)
								to->x[((n * to->h + oy) * to->w + ox) * channels + o] +=
									weight[((o * from->c + i) * (size_t)kernel + (size_t)ky) * (size_t)kernel
										+ (size_t)kx]
									* from->x[((n * from->h + (size_t)y) * from->w + (size_t)x) * from->c + i];
						}
	twin_norm(t, at, norm, to);
}

static void
twin_relu(struct maps *m)
{
	for (size_t i = 0; i < N * m->h * m->w * m->c; i++)
		m->x[i] = m->x[i] > 0 ? m->x[i] : 0;
}

static void
twin_linear(const struct twin *t, const char *at, size_t channels, const struct maps *from, struct maps *to)
{
	const size_t in = from->h * from->w * from->c;
	const double *weight = tensor_of(t, at, "weight"), *bias = tensor_of(t, at, "bias");

	*to = (struct maps){ .h = 1, .w = 1, .c = channels };
	for (size_t n = 0; n < N; n++)
		for (size_t o = 0; o < channels; o++) {
			to->x[n * channels + o] = bias[o];
			for (size_t i = 0; i < in; i++)
				to->x[n * channels + o] += weight[o * in + i] * from->x[n * in + i];
		}
}

static void
twin_gap(const struct maps *from, struct maps *to)
{
	*to = (struct maps){ .h = 1, .w = 1, .c = from->c };
	for (size_t n = 0; n < N; n++)
		for (size_t p = 0; p < from->h * from->w; p++)
			for (size_t c = 0; c < from->c; c++)
				to->x[n * from->c + c] += from->x[(n * from->h * from->w + p) * from->c + c] / (double)(from->h * from->w);
}

static void
twin_block(struct twin *t, const char *at, size_t channels, long stride, const struct maps *from, struct maps *to)
{
	static struct maps middle, side;

	twin_conv(t, at, "conv1.", "norm1.", channels, stride, 3, from, &middle);
	twin_relu(&middle);
	twin_conv(t, at, "conv2.", "norm2.", channels, 1, 3, &middle, to);
	side = *from;
	if (stride != 1 || channels != from->c)
		twin_conv(t, at, "shortcut.conv.", "shortcut.norm.", channels, stride, 1, from, &side);
	for (size_t i = 0; i < N * to->h * to->w * to->c; i++)
		to->x[i] += side.x[i];
	twin_relu(to);
}

/* Words of a trunk or head, applied to *m. */
static void
twin_run(struct twin *t, const char *words, const char *where, struct maps *m)
{
	static struct maps next;
	char copy[256], at[32], *rest = copy;
	size_t number = 0;

	snprintf(copy, sizeof copy, "%s", words);
	for (char *word; (word = strsep(&rest, " ")) != NULL; number++) {
		const char *slash = strchr(word, '/'), *times = strchr(word, 'x'), *colon = strchr(word, ':');
		const size_t channels = colon ? strtoul(colon + 1, NULL, 10) : 0;
		const long stride = slash ? strtol(slash + 1, NULL, 10) : 1;

		snprintf(at, sizeof at, "%s.%zu.", where, number);
		next = *m;
		if (word[0] == 'c') {
			twin_conv(t, at, "conv.", "norm.", channels, stride, times ? strtol(times + 1, NULL, 10) : 3, m, &next);
			twin_relu(&next);
		} else if (!strncmp(word, "res:", 4)) {
			twin_block(t, at, channels, stride, m, &next);
		} else if (word[0] == 'l') {
			twin_linear(t, at, channels, m, &next);
		} else if (word[0] == 'g') {
			twin_gap(m, &next);
		} else if (word[0] == 'r') {
			twin_relu(&next);
		}
		*m = next;
	}
}

static const double *
twin_output(struct twin *t, const char *arch, const char *head)
{
	static struct maps m;

	m = (struct maps){ .h = H, .w = W, .c = C };
	for (size_t i = 0; i < N * SIZE; i++)
		m.x[i] = (double)input[i];
	twin_run(t, arch, "trunk", &m);
	if (*head)
		twin_run(t, head, "head", &m);
	return m.x;
}

/* ---- tests ---- */

/* The greatest difference, relative to the greatest magnitude. */
static double
apart(const float *got, const double *want, size_t n)
{
	double most = 0, scale = 1e-12;

	for (size_t i = 0; i < n; i++) {
		most = fmax(most, fabs((double)got[i] - want[i]));
		scale = fmax(scale, fabs(want[i]));
	}
	return most / scale;
}

static void
test_outputs(const char *arch, const char *head)
{
	static float z[N * DIM];
	struct cn_network *network = make(arch, head, NULL);
	const size_t n = N * cn_network_dim(network, CN_NETWORK_HEAD);
	struct cn_err err = { 0 };
	struct twin t;

	twin_init(&t, network, false);
	cn_network_apply(network, input, N, CN_NETWORK_HEAD, z, &err);
	TAP_OK(!err.code && apart(z, twin_output(&t, arch, head), n) < 1e-5, "network: '%s' with head '%s' in use as its twin", arch, head);
	t.training = true;
	const double *want = twin_output(&t, arch, head);
	cn_network_forward(network, input, N, z, &err);
	TAP_OK(!err.code && apart(z, want, n) < 1e-5, "network: '%s' with head '%s' in training as its twin", arch, head);
	twin_release(&t);
	cn_network_free(network);
}

/* Samples far from 0 (degrees Kelvin, years): the variance of a batch is then a small difference. */
static void
test_far(const char *arch)
{
	static float z[N * DIM], kept[N * SIZE];
	struct cn_network *network = make(arch, "", NULL);
	struct cn_err err = { 0 };
	struct twin t;

	memcpy(kept, input, sizeof kept);
	for (size_t i = 0; i < N * SIZE; i++)
		input[i] += 1000;
	twin_init(&t, network, true);
	const double *want = twin_output(&t, arch, "");

	cn_network_forward(network, input, N, z, &err);
	const double far = apart(z, want, N * cn_network_dim(network, CN_NETWORK_HEAD));

	TAP_OK(!err.code && far < 1e-4, "network: '%s' on samples about 1000 (apart by %.1g)", arch, far);
	memcpy(input, kept, sizeof kept);
	twin_release(&t);
	cn_network_free(network);
}

/* Running statistics follow the batch by a tenth, the variance unbiased. */
static void
test_statistics(void)
{
	static float z[N * DIM];
	struct cn_network *network = make("conv:7/2 gap", "", NULL);
	struct cn_err err = { 0 };
	struct twin t;

	twin_init(&t, network, true);
	twin_output(&t, "conv:7/2 gap", "");
	cn_network_forward(network, input, N, z, &err);
	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);

		if (strstr(tensor.name, "running"))
			TAP_OK(apart(tensor.data, strstr(tensor.name, "mean") ? t.mean : t.variance, 7) < 1e-5, "network: %s follows the batch",
				tensor.name);
	}
	twin_release(&t);
	cn_network_free(network);
}

static double
combined(struct twin *t, const char *arch, const char *head, const float *weight, size_t n)
{
	const double *z = twin_output(t, arch, head);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)weight[i] * z[i];
	return sum;
}

/* Every learned number: the gradient against (L(w + h) - L(w - h)) / 2h of the twin. */
static void
test_gradient(const char *arch, const char *head)
{
	static float weight[N * DIM], z[N * DIM];
	const double h = 1e-6;
	struct cn_network *network = make(arch, head, NULL);
	const size_t dim = N * cn_network_dim(network, CN_NETWORK_HEAD);
	struct cn_err err = { 0 };
	struct twin t;
	float *w, *g;

	fill(weight, dim, 9);
	twin_init(&t, network, true);
	cn_network_parameters(network, &w, &g);
	cn_network_forward(network, input, N, z, &err);
	memcpy(z, weight, sizeof z);
	cn_network_backward(network, z, NULL, &err);
	double worst = 0;
	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);
		const size_t n = cn_shape_count(&tensor.shape);
		static double want[4096];

		if (strstr(tensor.name, "running"))
			continue;
		for (size_t k = 0; k < n; k++) {
			const double kept = t.value[i][k];

			t.value[i][k] = kept + h;
			want[k] = combined(&t, arch, head, weight, dim);
			t.value[i][k] = kept - h;
			want[k] = (want[k] - combined(&t, arch, head, weight, dim)) / (2 * h);
			t.value[i][k] = kept;
		}
		worst = fmax(worst, apart(g + (tensor.data - w), want, n));
	}
	TAP_OK(!err.code && worst < 1e-4, "network: gradient of '%s' with head '%s' as finite differences (apart by %.1g)", arch, head,
		worst);
	twin_release(&t);
	cn_network_free(network);
}

static void
test_same(const char *arch)
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
		network[t] = make(arch, "linear:32 relu linear:16", pool[t]);
		cn_network_forward(network[t], input, N, z[t], &err);
		cn_network_backward(network[t], dz, NULL, &err);
		n = cn_network_parameters(network[t], &w, &g[t]);
	}
	TAP_OK(memcmp(z[0], z[1], sizeof z[0]) == 0, "network: outputs of '%s' have the same bits on one thread and three", arch);
	TAP_OK(memcmp(g[0], g[1], n * sizeof *g[0]) == 0, "network: gradients of '%s' have the same bits on one thread and three", arch);
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
	const char *const arch[] = { "conv:0 gap", "conv:8/0", "gap linear:x", "swirl:3", "conv:", "linear:99999999999", "conv:-3 gap",
		"conv:+3 gap", "conv: 3 gap", "conv:8/2x4 gap", "conv:8x17 gap", "conv:8x3/2 gap", "res:8x3 gap", "linear:8/2", "gap:3", "conv:8 conv:8",
		"", "conv:18446744073709551617 gap", "conv:65536 conv:65536 gap", "conv:3x", "flattened", "conv:8/+2 gap",
		"linear:65536 linear:4000 linear:8 linear:65536 linear:4000" };
	const struct cn_shape shape = { 3, { H, W, C } };

	for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
		struct cn_err err = { 0 };
		struct cn_network *network = cn_network_new(arch[i], "", &shape, NULL, &err);

		TAP_OK(!network && err.code == CN_USAGE && err.text[0], "network: '%s' is refused: %s", arch[i], err.text);
		cn_network_free(network);
	}
}

/* Of a hostile model file: a product that would wrap. */
static void
test_sizes(void)
{
	const struct cn_shape shape[] = { { 3, { 1U << 31, 1U << 31, 4 } }, { 2, { 65536, 65536 } }, { 3, { 0, 4, 4 } },
		{ 0 }, { 4, { 1, 1, 1, 1 } } };

	for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
		struct cn_err err = { 0 };
		struct cn_network *network = cn_network_new("gap", "", &shape[i], NULL, &err);

		TAP_OK(!network && err.code == CN_FAILED && err.text[0], "network: impossible samples, %zu: %s", i, err.text);
		cn_network_free(network);
	}
}

int
main(void)
{
	static const char *const networks[][2] = {
		{ "gap", "linear:8" }, { "flatten", "linear:8" }, { "linear:9 relu linear:7", "" }, { "conv:5 gap", "" },
		{ "conv:4x1 conv:3x5 gap", "" }, { "conv:5/2 conv:7 gap linear:9 relu", "linear:8" }, { "conv:3/3x7 flatten", "linear:6" },
		{ "res:2 gap", "linear:4" }, { "res:4 gap", "" }, { "res:3/2 res:3 conv:4 gap", "linear:6 relu linear:5" },
		{ "conv:5 conv:6/2 gap", "linear:8 relu linear:5" }, { "conv:3 res:4/2 res:5 gap", "linear:4" },
		{ "conv:3/2x5 res:3 flatten", "" },
	};

	cn_blas_begin();
	fill(input, N * SIZE, 1);
	for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
		test_outputs(networks[i][0], networks[i][1]);
		test_gradient(networks[i][0], networks[i][1]);
	}
	test_statistics();
	test_far("conv:4x1 conv:3x5 gap");
	test_far("res:4 gap");
	test_same("conv:8 conv:16/2 gap");
	test_same("res:8 res:16/2 flatten");
	test_words();
	test_sizes();
	return tap_done();
}
