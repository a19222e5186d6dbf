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

enum { N = 6, H = 5, W = 4, C = 2, SIZE = H * W * C, L = 7, ROOM = N * 4096, DIM = 128, SEED = 3, STEP = 4 };

static float input[N * SIZE];
/* Of a table of 9 rows; -1 fills up, and the last sample has none. */
static const float tokens[N * L] = {
	0, 1, 2, 3, 4, 5, 6,  8, 8, 8, 1, -1, -1, -1,  7, -1, -1, -1, -1, -1, -1,
	3, 2, 3, 2, 3, 2, -1,  5, 0, 4, 1, 7, 8, 2,  -1, -1, -1, -1, -1, -1, -1,
};

static bool
takes_tokens(const char *arch)
{
	return !strncmp(arch, "bag:", 4) || !strncmp(arch, "table:", 6);
}

static const float *
samples_for(const char *arch)
{
	return takes_tokens(arch) ? tokens : input;
}

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
	const struct cn_shape picture = { 3, { H, W, C } }, row = { 1, { L } };
	struct cn_err err = { 0 };
	struct cn_network *network = cn_network_new(arch, head, takes_tokens(arch) ? CN_DTYPE_U32 : CN_DTYPE_F32,
		takes_tokens(arch) ? &row : &picture, pool, &err);

	if (!network) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	cn_network_init(network, 1);
	cn_network_moment(network, SEED, STEP, 0);
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
	size_t frozen;		/* layers that run as in use all the same */
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

/* A convolution of each channel (groups = channels) or of all. */
static void
twin_taps(const double *weight, const double *bias, bool apart, size_t channels, long stride, long kernel, const struct maps *from,
	struct maps *to)
{
	const long edge = kernel / 2;
	const size_t depth = apart ? 1 : from->c;

	*to = (struct maps){ .h = (from->h - 1) / (size_t)stride + 1, .w = (from->w - 1) / (size_t)stride + 1, .c = channels };
	for (size_t n = 0; n < N; n++)
		for (size_t oy = 0; oy < to->h; oy++)
			for (size_t ox = 0; ox < to->w; ox++)
				for (size_t o = 0; o < channels; o++) {
					double sum = bias ? bias[o] : 0;

					for (long ky = 0; ky < kernel; ky++)
						for (long kx = 0; kx < kernel; kx++) {
							const long y = (long)oy * stride + ky - edge, x = (long)ox * stride + kx - edge;
							const double *w = weight + o * depth * (size_t)(kernel * kernel) + (size_t)(ky * kernel + kx);

							for (size_t i = 0; y >= 0 && x >= 0 && y < (long)from->h && x < (long)from->w && i < depth; i++)
								sum += w[i * (size_t)(kernel * kernel)]
									* from->x[((n * from->h + (size_t)y) * from->w + (size_t)x) * from->c + (apart ? o : i)];
						}
					to->x[((n * to->h + oy) * to->w + ox) * channels + o] = sum;
				}
}

static void
twin_conv(struct twin *t, const char *at, const char *conv, const char *norm, size_t channels, long stride, long kernel,
	const struct maps *from, struct maps *to)
{
	char name[96];

	snprintf(name, sizeof name, "%sweight", conv);
	twin_taps(tensor_of(t, at, name), NULL, false, channels, stride, kernel, from, to);
	twin_norm(t, at, norm, to);
}

/* The numbers of one sample in group or position b: of groups, those with channel / width == b; else those at position b. */
static void
twin_blocks(const struct twin *t, const char *at, size_t groups, struct maps *m)
{
	const double *weight = tensor_of(t, at, "weight"), *bias = tensor_of(t, at, "bias");
	const size_t places = m->h * m->w, size = places * m->c, blocks = groups ? groups : places;
	double mean[64] = { 0 }, variance[64] = { 0 };

	for (size_t n = 0; n < N; n++) {
		double *x = m->x + n * size;

		memset(mean, 0, sizeof mean);
		memset(variance, 0, sizeof variance);
		for (size_t i = 0; i < size; i++)
			mean[groups ? i % m->c / (m->c / groups) : i / m->c] += x[i] / ((double)size / (double)blocks);
		for (size_t i = 0; i < size; i++) {
			const size_t b = groups ? i % m->c / (m->c / groups) : i / m->c;

			variance[b] += (x[i] - mean[b]) * (x[i] - mean[b]) / ((double)size / (double)blocks);
		}
		for (size_t i = 0; i < size; i++) {
			const size_t b = groups ? i % m->c / (m->c / groups) : i / m->c;

			x[i] = (x[i] - mean[b]) / sqrt(variance[b] + 1e-5) * weight[i % m->c] + bias[i % m->c];
		}
	}
}

static void
twin_pool(bool greatest, size_t kernel, size_t stride, const struct maps *from, struct maps *to)
{
	*to = (struct maps){ .h = (from->h - kernel) / stride + 1, .w = (from->w - kernel) / stride + 1, .c = from->c };
	for (size_t i = 0; i < N * to->h * to->w * to->c; i++) {
		const size_t c = i % to->c, x = i / to->c % to->w, y = i / to->c / to->w % to->h, n = i / to->c / to->w / to->h;
		double most = -INFINITY, sum = 0;

		for (size_t k = 0; k < kernel * kernel; k++) {
			const size_t row = y * stride + k / kernel, column = x * stride + k % kernel;
			const double value = from->x[((n * from->h + row) * from->w + column) * from->c + c];

			most = fmax(most, value);
			sum += value / (double)(kernel * kernel);
		}
		to->x[i] = greatest ? most : sum;
	}
}

static void
twin_up(size_t times, const struct maps *from, struct maps *to)
{
	*to = (struct maps){ .h = from->h * times, .w = from->w * times, .c = from->c };
	for (size_t i = 0; i < N * to->h * to->w * to->c; i++) {
		const size_t c = i % to->c, x = i / to->c % to->w, y = i / to->c / to->w % to->h, n = i / to->c / to->w / to->h;

		to->x[i] = from->x[((n * from->h + y / times) * from->w + x / times) * from->c + c];
	}
}

static void
twin_gelu(struct maps *m)
{
	for (size_t i = 0; i < N * m->h * m->w * m->c; i++)
		m->x[i] *= 0.5 * erfc(-m->x[i] / sqrt(2));
}

static void
twin_dropout(const struct twin *t, size_t number, double part, struct maps *m)
{
	const size_t size = m->h * m->w * m->c;
	struct cn_rng_key key;
	struct cn_rng rng;
	char purpose[32];

	snprintf(purpose, sizeof purpose, "dropout.%zu", number);
	cn_rng_key_init(&key, SEED, purpose);
	for (size_t n = 0; n < N && t->training; n++) {
		cn_rng_start(&rng, &key, n, STEP);
		for (size_t i = n * size; i < (n + 1) * size; i++)
			m->x[i] = cn_rng_unit(&rng) < (float)part ? 0 : m->x[i] / (1 - part);
	}
}

static void
twin_lookup(const struct twin *t, const char *at, bool mean, size_t dim, const struct maps *from, struct maps *to)
{
	const double *weight = tensor_of(t, at, "weight");

	*to = (struct maps){ .h = 1, .w = mean ? 1 : from->c, .c = dim };
	for (size_t n = 0; n < N; n++) {
		double count = 0;

		for (size_t i = 0; i < from->c; i++)
			count += from->x[n * from->c + i] >= 0;
		for (size_t i = 0; i < from->c; i++)
			for (size_t k = 0; k < dim && from->x[n * from->c + i] >= 0; k++)
				to->x[(mean ? n : n * from->c + i) * dim + k] += weight[(size_t)from->x[n * from->c + i] * dim + k] / (mean ? count : 1);
	}
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

/* One word, applied to *m. */
static void
twin_word(struct twin *t, const char *word, const char *at, size_t number, struct maps *m)
{
	static struct maps next;
	const size_t length = strcspn(word, ":");
	const char *rest = word[length] ? word + length + 1 : "", *slash = strchr(rest, '/'), *times = strchr(rest, 'x');
	const size_t first = strtoul(rest, NULL, 10), behind = times ? strtoul(times + 1, NULL, 10) : 0;
	const long stride = slash ? strtol(slash + 1, NULL, 10) : 1, kernel = times ? (long)behind : 3;
	char name[16];

	snprintf(name, sizeof name, "%.*s", (int)length, word);
	next = *m;
	if (!strcmp(name, "conv")) {
		twin_conv(t, at, "conv.", "norm.", first, stride, kernel, m, &next);
		twin_relu(&next);
	} else if (!strcmp(name, "res")) {
		twin_block(t, at, first, stride, m, &next);
	} else if (!strcmp(name, "plain")) {
		twin_taps(tensor_of(t, at, "weight"), tensor_of(t, at, "bias"), false, first, stride, kernel, m, &next);
	} else if (!strcmp(name, "depthwise")) {
		twin_taps(tensor_of(t, at, "weight"), tensor_of(t, at, "bias"), true, m->c, stride, (long)first, m, &next);
	} else if (!strcmp(name, "linear")) {
		twin_linear(t, at, first, m, &next);
	} else if (!strcmp(name, "bn")) {
		twin_norm(t, at, "", &next);
	} else if (!strcmp(name, "gn") || !strcmp(name, "ln")) {
		twin_blocks(t, at, first, &next);
	} else if (!strcmp(name, "max") || !strcmp(name, "avg")) {
		twin_pool(name[0] == 'm', first, slash ? (size_t)stride : first, m, &next);
	} else if (!strcmp(name, "up")) {
		twin_up(first, m, &next);
	} else if (!strcmp(name, "gap")) {
		twin_gap(m, &next);
	} else if (!strcmp(name, "flatten")) {
		next.c = m->h * m->w * m->c;
		next.h = next.w = 1;
	} else if (!strcmp(name, "relu")) {
		twin_relu(&next);
	} else if (!strcmp(name, "gelu")) {
		twin_gelu(&next);
	} else if (!strcmp(name, "dropout")) {
		twin_dropout(t, number, strtod(rest, NULL), &next);
	} else if (!strcmp(name, "bag") || !strcmp(name, "table")) {
		twin_lookup(t, at, name[0] == 'b', behind, m, &next);
	}
	*m = next;
}

/* Words of a trunk or head, applied to *m; returns how many. */
static size_t
twin_run(struct twin *t, const char *words, const char *where, size_t before, struct maps *m)
{
	const bool training = t->training;
	char copy[256], at[32], *rest = copy;
	size_t number = 0;

	snprintf(copy, sizeof copy, "%s", words);
	for (char *word; (word = strsep(&rest, " ")) != NULL; number++) {
		snprintf(at, sizeof at, "%s.%zu.", where, number);
		t->training = training && before + number >= t->frozen;
		twin_word(t, word, at, before + number, m);
	}
	t->training = training;
	return number;
}

static size_t nudged;	/* number of the input that is moved by this */
static double nudge;

static const double *
twin_output(struct twin *t, const char *arch, const char *head)
{
	static struct maps m;
	const float *samples = samples_for(arch);
	size_t layers;

	m = takes_tokens(arch) ? (struct maps){ .h = 1, .w = 1, .c = L } : (struct maps){ .h = H, .w = W, .c = C };
	for (size_t i = 0; i < N * m.h * m.w * m.c; i++)
		m.x[i] = (double)samples[i] + (i == nudged ? nudge : 0);
	layers = twin_run(t, arch, "trunk", 0, &m);
	if (*head)
		twin_run(t, head, "head", layers, &m);
	return m.x;
}

/* ---- tests ---- */

static double
greatest(const double *x, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs(x[i]));
	return most;
}

static double
difference(const float *got, const double *want, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)got[i] - want[i]));
	return most;
}

/* The greatest difference, relative to the greatest magnitude. */
static double
apart(const float *got, const double *want, size_t n)
{
	return difference(got, want, n) / fmax(greatest(want, n), 1e-12);
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
	cn_network_apply(network, samples_for(arch), N, CN_NETWORK_HEAD, z, &err);
	TAP_OK(!err.code && apart(z, twin_output(&t, arch, head), n) < 1e-5, "network: '%s' with head '%s' in use as its twin", arch, head);
	t.training = true;
	const double *want = twin_output(&t, arch, head);
	cn_network_forward(network, samples_for(arch), N, z, &err);
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

/* (L(w + h) - L(w - h)) / 2h of the twin for each number of a tensor. */
static void
differences(struct twin *t, const char *arch, const char *head, const float *weight, size_t dim, size_t tensor, double *want)
{
	const struct cn_network_tensor shape = cn_network_tensor(t->network, tensor);
	const double h = 1e-6;

	for (size_t k = 0; k < cn_shape_count(&shape.shape); k++) {
		double *value = &t->value[tensor][k];
		const double kept = *value;

		*value = kept + h;
		want[k] = combined(t, arch, head, weight, dim);
		*value = kept - h;
		want[k] = (want[k] - combined(t, arch, head, weight, dim)) / (2 * h);
		*value = kept;
	}
}

/*
 * The greatest difference of a tensor from the twin's, by the tensor's greatest slope.  Some have none, as a bias that a norm takes
 * out again: flat is what there is of them all the same, by the greatest slope of all tensors.
 */
static double
worst_tensor(const struct cn_network *network, const float *w, const float *g, const double *want, size_t total, double *flat)
{
	const double steepest = greatest(want, total);
	double worst = 0;

	*flat = 0;
	for (size_t i = 0, at = 0; at < total; i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);
		const size_t n = cn_shape_count(&tensor.shape);

		if (tensor.data < w)
			continue;
		if (greatest(want + at, n) < 1e-8 * steepest)
			*flat = fmax(*flat, difference(g + at, want + at, n) / steepest);
		else
			worst = fmax(worst, apart(g + at, want + at, n));
		at += n;
	}
	return worst;
}

/* Every number that is learned, with the first layers frozen. */
static void
test_gradient(const char *arch, const char *head, size_t frozen)
{
	static float weight[N * DIM], z[N * DIM];
	static double want[16384];
	struct cn_network *network = make(arch, head, NULL);
	const size_t dim = N * cn_network_dim(network, CN_NETWORK_HEAD);
	struct cn_err err = { 0 };
	struct twin t;
	float *w, *g;

	fill(weight, dim, 9);
	twin_init(&t, network, true);
	t.frozen = frozen;
	if (frozen)
		cn_network_freeze(network, frozen, &err);
	const size_t total = cn_network_parameters(network, &w, &g);

	cn_network_forward(network, samples_for(arch), N, z, &err);
	memcpy(z, weight, sizeof z);
	cn_network_backward(network, z, NULL, &err);
	for (size_t i = 0, at = 0; at < total; i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);

		if (tensor.data < w)
			continue;
		differences(&t, arch, head, weight, dim, i, want + at);
		at += cn_shape_count(&tensor.shape);
	}
	double flat;
	const double worst = worst_tensor(network, w, g, want, total, &flat);

	TAP_OK(!err.code && worst < 5e-6 && flat < 1e-6, "network: gradient of '%s' with head '%s', %zu layers frozen, as finite differences "
		"(apart by %.1g, and %.1g where there is none)", arch, head, frozen, worst, flat);
	twin_release(&t);
	cn_network_free(network);
}

/* In use: outputs as of apply to the bit, and the gradient by every number of the input, through frozen layers too. */
static void
test_slope(const char *arch, const char *head, size_t frozen)
{
	static float weight[N * DIM], z[N * DIM], again[N * DIM], dx[N * SIZE];
	static double want[N * SIZE];
	struct cn_network *network = make(arch, head, NULL);
	const size_t dim = N * cn_network_dim(network, CN_NETWORK_HEAD);
	const double h = 1e-6;
	struct cn_err err = { 0 };
	struct twin t;

	fill(weight, dim, 9);
	twin_init(&t, network, false);
	if (frozen)
		cn_network_freeze(network, frozen, &err);
	cn_network_apply(network, input, N, CN_NETWORK_HEAD, z, &err);
	cn_network_probe(network, input, N, again, &err);
	TAP_OK(!err.code && memcmp(z, again, dim * sizeof *z) == 0, "network: '%s' with head '%s' probed has the bits of apply", arch, head);
	cn_network_slope(network, weight, dx, &err);
	for (nudged = 0; nudged < N * SIZE; nudged++) {
		nudge = h;
		want[nudged] = combined(&t, arch, head, weight, dim);
		nudge = -h;
		want[nudged] = (want[nudged] - combined(&t, arch, head, weight, dim)) / (2 * h);
	}
	nudge = 0;
	/* what gap leaves of a norm over positions does not depend on the input: then there is no slope to compare with */
	const double worst = greatest(want, N * SIZE) > 1e-8 ? apart(dx, want, N * SIZE) : difference(dx, want, N * SIZE);

	TAP_OK(!err.code && worst < 5e-6, "network: gradient of '%s' with head '%s' by the input as finite differences (apart by %.1g)", arch,
		head, worst);
	cn_network_apply(network, input, N, CN_NETWORK_HEAD, again, &err);
	TAP_OK(memcmp(z, again, dim * sizeof *z) == 0, "network: and nothing of it has changed");
	twin_release(&t);
	cn_network_free(network);
}

static void
test_same(const char *arch)
{
	static float z[2][N * 16], dz[N * 16], alone[16], probed[N * 16], dx[2][N * SIZE];
	struct cn_err err = { 0 };
	float *w, *g[2];
	size_t n = 0;
	struct cn_network *network[2];
	struct cn_pool *pool[2];

	fill(dz, N * 16, 4);
	for (size_t t = 0; t < 2; t++) {
		pool[t] = cn_pool_new(1 + 2 * t, &err);
		network[t] = make(arch, "linear:32 relu linear:16", pool[t]);
		if (!takes_tokens(arch)) {
			cn_network_probe(network[t], input, N, probed, &err);
			cn_network_slope(network[t], dz, dx[t], &err);
		}
		cn_network_forward(network[t], samples_for(arch), N, z[t], &err);
		cn_network_backward(network[t], dz, NULL, &err);
		n = cn_network_parameters(network[t], &w, &g[t]);
	}
	TAP_OK(memcmp(dx[0], dx[1], sizeof dx[0]) == 0, "network: gradients of '%s' by the input have the same bits on one thread and three", arch);
	TAP_OK(memcmp(z[0], z[1], sizeof z[0]) == 0, "network: outputs of '%s' have the same bits on one thread and three", arch);
	TAP_OK(memcmp(g[0], g[1], n * sizeof *g[0]) == 0, "network: gradients of '%s' have the same bits on one thread and three", arch);
	cn_network_apply(network[1], samples_for(arch), N, CN_NETWORK_HEAD, z[0], &err);
	cn_network_apply(network[1], samples_for(arch) + 4 * (takes_tokens(arch) ? L : SIZE), 1, CN_NETWORK_HEAD, alone, &err);
	TAP_OK(memcmp(alone, z[0] + 4 * 16, sizeof alone) == 0, "network: a sample's bits do not depend on its neighbours");
	for (size_t t = 0; t < 2; t++) {
		cn_network_free(network[t]);
		cn_pool_free(pool[t]);
	}
}

/* A batch may come in pieces: what is dropped depends on the place of the sample in the batch, and on the step. */
static void
test_dropout(void)
{
	static float whole[N * DIM], rest[N * DIM], other[N * DIM];
	struct cn_network *network = make("flatten dropout:0.25", "", NULL);
	const size_t dim = cn_network_dim(network, CN_NETWORK_TRUNK);
	struct cn_err err = { 0 };
	size_t dropped = 0;

	cn_network_forward(network, input, N, whole, &err);
	cn_network_moment(network, SEED, STEP, 2);
	cn_network_forward(network, input + 2 * dim, N - 2, rest, &err);
	TAP_OK(memcmp(whole + 2 * dim, rest, (N - 2) * dim * sizeof *rest) == 0, "network: dropout of a batch in pieces is that of the batch");
	cn_network_moment(network, SEED, STEP + 1, 0);
	cn_network_forward(network, input, N, other, &err);
	TAP_OK(memcmp(whole, other, N * dim * sizeof *other) != 0, "network: another step drops others");
	for (size_t i = 0; i < N * dim; i++)
		dropped += whole[i] == 0;
	TAP_OK(dropped > N * dim / 8 && dropped < N * dim / 8 * 3, "network: a quarter is dropped (%zu of %zu)", dropped, N * dim);
	cn_network_apply(network, input, N, CN_NETWORK_TRUNK, other, &err);
	TAP_OK(memcmp(input, other, N * dim * sizeof *other) == 0, "network: in use nothing is dropped");
	cn_network_free(network);
}

/* What is frozen keeps its running statistics, too. */
static void
test_frozen(void)
{
	static float z[N * DIM], before[4096];
	struct cn_network *network = make("conv:4 bn res:5 gap", "bn linear:3", NULL);
	struct cn_err err = { 0 };
	size_t at = 0, moved = 0;

	cn_network_freeze(network, 3, &err);
	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);

		memcpy(before + at, tensor.data, cn_shape_count(&tensor.shape) * sizeof *before);
		at += cn_shape_count(&tensor.shape);
	}
	cn_network_forward(network, input, N, z, &err);
	at = 0;
	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);

		if (memcmp(before + at, tensor.data, cn_shape_count(&tensor.shape) * sizeof *before))
			moved += strncmp(tensor.name, "head.0.running", 14) ? 100 : 1;
		at += cn_shape_count(&tensor.shape);
	}
	TAP_OK(!err.code && moved == 2, "network: frozen layers keep their running statistics, others do not");
	cn_network_freeze(network, 5, &err);
	TAP_OK(err.code == CN_USAGE, "network: more layers than the trunk has cannot be frozen: %s", err.text);
	cn_network_free(network);
}

/* Frozen layers give what they give in use, up to rounding, since samples go together; and the same bits on one thread and three. */
static void
test_together(const char *arch, size_t layers)
{
	static float use[N * DIM], train[2][N * DIM];
	static double want[N * DIM];
	struct cn_err err = { 0 };
	size_t n = 0;

	for (size_t t = 0; t < 2; t++) {
		struct cn_pool *pool = cn_pool_new(1 + 2 * t, &err);
		struct cn_network *network = make(arch, "", pool);

		n = N * cn_network_dim(network, CN_NETWORK_TRUNK);
		cn_network_apply(network, samples_for(arch), N, CN_NETWORK_TRUNK, use, &err);
		cn_network_freeze(network, layers, &err);
		cn_network_forward(network, samples_for(arch), N, train[t], &err);
		cn_network_free(network);
		cn_pool_free(pool);
	}
	for (size_t i = 0; i < n; i++)
		want[i] = (double)use[i];
	TAP_OK(!err.code && apart(train[0], want, n) < 1e-6, "network: %zu frozen layers of '%s' do what they do in use", layers, arch);
	TAP_OK(memcmp(train[0], train[1], n * sizeof **train) == 0, "network: and with the same bits on one thread and three");
}

static void
test_words(void)
{
	const char *const arch[] = { "conv:0 gap", "conv:8/0", "gap linear:x", "swirl:3", "conv:", "linear:99999999999", "conv:-3 gap",
		"conv:+3 gap", "conv: 3 gap", "conv:8/2x4 gap", "conv:8x17 gap", "conv:8x3/2 gap", "res:8x3 gap", "linear:8/2", "gap:3", "conv:8 conv:8",
		"", "conv:18446744073709551617 gap", "conv:65536 conv:65536 gap", "conv:3x", "flattened", "conv:8/+2 gap",
		"linear:65536 linear:4000 linear:8 linear:65536 linear:4000", "plain:4x2 gap", "plain:4x", "depthwise:2 gap", "depthwise:4x3 gap",
		"depthwise gap", "gn gap", "gn:0 gap", "gn:3 gap", "bn:2 gap", "ln:2 gap", "gelu:1 gap", "max gap", "max:5 gap", "avg:5/1 gap",
		"max:17 gap", "up gap", "up:17 gap", "up:2/2 gap", "up:2", "max:2x2 gap", "avg:2/0 gap", "dropout gap", "dropout:1 gap", "dropout:-0.1 gap", "dropout:x gap", "dropout:0.1.2 gap",
		"dropout: gap", "dropout:nan gap", "bag:9x4", "table:9x4 gap", "gap bag:9x4", "bag:9 gap", "bag:99999999x2", "table:16777216x65536 gap",
		"conv", "resnet8" };
	const struct cn_shape shape = { 3, { H, W, C } };

	for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
		struct cn_err err = { 0 };
		struct cn_network *network = cn_network_new(arch[i], "", CN_DTYPE_F32, &shape, NULL, &err);

		TAP_OK(!network && err.code == CN_USAGE && err.text[0], "network: '%s' is refused: %s", arch[i], err.text);
		cn_network_free(network);
	}
}

/* Tokens go into a table and nowhere else. */
static void
test_tokens(void)
{
	static const char *const arch[] = { "gap", "linear:4", "flatten bag:9x4", "bag:9x4 bag:9x4", "table:9x4", "bag:9", "table:16777216x65536 gap" };
	const struct cn_shape row = { 1, { L } }, scalar = { 0 }, square = { 2, { L, L } };
	struct cn_err err = { 0 };
	struct cn_network *network = cn_network_new("table:9x4", "linear:3", CN_DTYPE_U32, &scalar, NULL, &err);

	TAP_OK(network && cn_network_dim(network, CN_NETWORK_TRUNK) == 4 && cn_network_tokens(network) == 9, "network: a token alone has a row");
	cn_network_free(network);
	network = cn_network_new("bag:9x4", "", CN_DTYPE_U32, &square, NULL, &err);
	TAP_OK(!network && err.code == CN_FAILED, "network: a square of tokens is refused: %s", err.text);
	for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
		err = (struct cn_err){ 0 };
		network = cn_network_new(arch[i], "", CN_DTYPE_U32, &row, NULL, &err);
		TAP_OK(!network && err.code == CN_USAGE, "network: '%s' for tokens is refused: %s", arch[i], err.text);
		cn_network_free(network);
	}
}

/* What is no row of the table is not looked up, whatever its number. */
static void
test_strange_tokens(const char *arch)
{
	static const float strange[] = { 9, 1e9f, -1, -7, 4294967295.0f, NAN, INFINITY };
	static float samples[N * L], z[N * DIM];
	struct cn_network *network = make(arch, "", NULL);
	struct cn_err err = { 0 };
	bool none = true;

	for (size_t i = 0; i < N * L; i++)
		samples[i] = strange[i % (sizeof strange / sizeof *strange)];
	cn_network_forward(network, samples, N, z, &err);
	for (size_t i = 0; i < N * cn_network_dim(network, CN_NETWORK_TRUNK); i++)
		none = none && z[i] == 0;
	cn_network_backward(network, z, NULL, &err);
	TAP_OK(!err.code && none, "network: '%s' has nothing for tokens that are not in its table", arch);
	cn_network_free(network);
}

/* Of a hostile model file: a product that would wrap. */
static void
test_sizes(void)
{
	const struct cn_shape shape[] = { { 3, { 1U << 31, 1U << 31, 4 } }, { 2, { 65536, 65536 } }, { 3, { 0, 4, 4 } },
		{ 0 }, { 4, { 1, 1, 1, 1 } } };

	for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
		struct cn_err err = { 0 };
		struct cn_network *network = cn_network_new("gap", "", CN_DTYPE_U8, &shape[i], NULL, &err);

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
		{ "plain:5 gap", "linear:4" }, { "plain:4x1 plain:3/2x5 flatten", "" }, { "conv:4 plain:5/3 gap", "" },
		{ "depthwise:3 gap", "" }, { "plain:4 depthwise:5/2 flatten", "linear:5" }, { "conv:4 depthwise:1 depthwise:3/3 gap", "" },
		{ "bn gap", "" }, { "plain:5 bn relu gap", "linear:6 bn relu linear:3" }, { "linear:7 bn gelu linear:5 bn", "" },
		{ "conv:4 gap", "linear:6 bn linear:4 bn" }, { "plain:5 gap", "bn relu linear:4" }, { "conv:6 res:8/2 gap", "linear:9 bn relu linear:5 bn" },
		{ "linear:8 bn relu linear:6 bn relu linear:4", "bn" }, { "flatten", "bn linear:7 bn gelu linear:5" },
		{ "plain:6 gn:3 flatten", "" }, { "plain:6x1 gn:1 plain:4 gn:4 gap", "linear:6 gn:2" }, { "gn:2 gap", "" },
		{ "plain:6 ln gap", "" }, { "ln plain:5 ln flatten", "linear:9 ln gelu linear:4" },
		{ "plain:4 gelu gap", "linear:7 gelu linear:3" }, { "gelu flatten", "linear:3" },
		{ "plain:4 max:2 flatten", "" }, { "plain:3 max:3/1 gap", "" }, { "max:2/1 plain:3 max:2/3 flatten", "linear:4" },
		{ "plain:4 avg:2 flatten", "" }, { "plain:3 avg:3/1 gap", "" }, { "avg:2/1 plain:3 avg:2/3 flatten", "linear:4" },
		{ "plain:4/2 up:2 plain:3 gap", "" }, { "up:3 bn plain:2x1 gap", "linear:4" },
		{ "plain:4 dropout:0.3 gap", "linear:8 dropout:0.5 linear:4" }, { "dropout:0 gap", "" },
		{ "plain:6 depthwise:3 ln plain:12x1 gelu plain:6x1 max:2 gap", "linear:5" },
		{ "bag:9x5", "linear:4" }, { "bag:9x5 ln gelu linear:3", "" }, { "table:9x5 gap", "linear:4" },
		{ "table:9x4 plain:5 gelu flatten", "" }, { "table:9x4 dropout:0.2 bn avg:1/2 gap", "linear:3" },
	};

	cn_blas_begin();
	fill(input, N * SIZE, 1);
	for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
		test_outputs(networks[i][0], networks[i][1]);
		test_gradient(networks[i][0], networks[i][1], 0);
		if (!takes_tokens(networks[i][0]))
			test_slope(networks[i][0], networks[i][1], 0);
	}
	test_slope("conv:4 bn res:5 dropout:0.5 plain:4 bn gap", "linear:6 gelu linear:3", 4);
	test_gradient("conv:4 bn res:5 dropout:0.5 plain:4 bn gap", "linear:6 gelu linear:3", 1);
	test_gradient("conv:4 bn res:5 dropout:0.5 plain:4 bn gap", "linear:6 gelu linear:3", 4);
	test_gradient("conv:4 bn res:5 dropout:0.5 plain:4 bn gap", "linear:6 gelu linear:3", 6);
	test_gradient("table:9x4 plain:5 gap", "linear:6", 1);
	test_frozen();
	test_together("conv:6 bn res:8/2 plain:5 dropout:0.5 flatten linear:9 linear:7", 6);
	test_together("bag:9x8 dropout:0.5 linear:6 linear:5", 3);
	test_dropout();
	test_statistics();
	test_far("conv:4x1 conv:3x5 gap");
	test_far("res:4 gap");
	test_same("conv:8 conv:16/2 gap");
	test_same("res:8 res:16/2 flatten");
	test_same("plain:8 gelu depthwise:3 bn max:2 gn:4 ln avg:2/1 dropout:0.3 flatten");
	test_same("bag:9x8 ln");
	test_same("table:9x8 plain:8 gn:2 flatten");
	test_strange_tokens("bag:9x8");
	test_strange_tokens("table:9x8 flatten");
	test_tokens();
	test_words();
	test_sizes();
	return tap_done();
}
