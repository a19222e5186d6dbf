/* targets: candidates that are constant (momentum encoder, predictor), what is remembered of batches, and chunks. */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/learner.h"
#include "loss/objective.h"
#include "tap.h"
#include "tensor/blas.h"
#include "base/banned.h"

enum { ROWS = 6, VIEWS = 2 * ROWS, DIM = 5, PAST = 9 };

struct setting {
	float z[VIEWS * DIM], target[VIEWS * DIM];
	int32_t label[VIEWS];
	uint64_t id[ROWS];
	struct cn_memory memory;
};

static void
fill(float *x, size_t n, uint64_t id)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 3, "test");
	cn_rng_start(&rng, &key, id, 0);
	for (size_t i = 0; i < n; i++)
		x[i] = cn_rng_normal(&rng);
}

/* The memory holds ids 100..108, but for two: those of rows 1 and 4. */
static void
draw(struct setting *s, struct cn_err *err)
{
	float past[PAST * DIM];
	uint64_t id[PAST];
	int32_t label[PAST];

	fill(s->z, VIEWS * DIM, 1);
	fill(s->target, VIEWS * DIM, 2);
	fill(past, PAST * DIM, 3);
	for (size_t r = 0; r < ROWS; r++) {
		s->id[r] = r;
		s->label[r] = s->label[r + ROWS] = (int32_t)(r % 3);
	}
	for (size_t k = 0; k < PAST; k++) {
		id[k] = k == 2 ? 1 : k == 7 ? 4 : 100 + k;
		label[k] = (int32_t)(k % 4);
	}
	cn_memory_init(&s->memory, PAST + 3, DIM, true, true, err);
	cn_memory_push(&s->memory, past, id, label, PAST);
}

static double
cosine(const float *a, const float *b)
{
	double ab = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < DIM; i++) {
		ab += (double)a[i] * (double)b[i];
		aa += (double)a[i] * (double)a[i];
		bb += (double)b[i] * (double)b[i];
	}
	return ab / sqrt(aa * bb);
}

/* infonce read aloud: partners and all others among the targets, and what is remembered of other samples. */
static double
slow_loss(const struct setting *s, double temperature)
{
	double total = 0;

	for (size_t a = 0; a < VIEWS; a++) {
		double sum = 0;

		for (size_t k = 0; k < VIEWS; k++)
			sum += k == a ? 0 : exp(cosine(s->z + a * DIM, s->target + k * DIM) / temperature);
		for (size_t k = 0; k < PAST; k++)
			sum += s->memory.id[k] == s->id[a % ROWS] ? 0 : exp(cosine(s->z + a * DIM, s->memory.u + k * DIM) / temperature);
		total += log(sum) - cosine(s->z + a * DIM, s->target + (a + ROWS) % VIEWS * DIM) / temperature;
	}
	return total / VIEWS;
}

static double
fast_loss(const struct setting *s, const char *words, float *dz, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_objective_sizes sizes = { .rows = ROWS, .dim = DIM, .temperature = 0.3, .targets = true, .memory = PAST + 3 };
	const struct cn_objective_batch batch = { .rows = ROWS, .z = s->z, .label = s->label, .dz = dz, .target = s->target,
		.memory = &s->memory, .id = s->id };
	struct cn_objective *loss = cn_objective_new(words, &sizes, pool, err);
	struct cn_objective_result result = { 0 };

	if (loss)
		cn_objective_run(loss, &batch, &result);
	cn_objective_free(loss);
	return result.loss;
}

/* Of the losses that are smooth and have no constant parts. */
static void
losses(struct setting *s, struct cn_pool *pool, struct cn_err *err)
{
	static const char *const words[] = { "infonce", "npairs", "supcon", "nca", "decoupled", "debiased", "hcl",
		"multi-similarity:epsilon=-1,labels=yes", "alignment", "uniformity", "margin:beta=1,alpha=2,labels=yes",
		"infonce + 0.5*supcon" };
	float dz[VIEWS * DIM], other[VIEWS * DIM];

	for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
		const double loss = fast_loss(s, words[w], dz, NULL, err);
		double worst = 0, size = 0;

		for (size_t i = 0; i < VIEWS * DIM; i++) {
			const float middle = s->z[i];

			s->z[i] = middle + 0.01f;
			const double right = fast_loss(s, words[w], other, NULL, err), top = (double)s->z[i];
			s->z[i] = middle - 0.01f;
			const double left = fast_loss(s, words[w], other, NULL, err), width = top - (double)s->z[i];
			s->z[i] = middle;
			worst = fmax(worst, fabs((right - left) / width - (double)dz[i]));
			size = fmax(size, fabs((double)dz[i]));
		}
		TAP_OK(worst < 3e-3 * size + 1e-4, "%s: gradient of the anchors (%g of %g)", words[w], worst, size);
		TAP_OK(fast_loss(s, words[w], other, pool, err) == loss && memcmp(dz, other, sizeof dz) == 0,
			"%s: one thread and three", words[w]);
	}
}

static void
objective(struct cn_err *err)
{
	struct cn_pool *pool = cn_pool_new(3, err);
	struct setting s;
	float dz[VIEWS * DIM];

	draw(&s, err);
	TAP_NEAR(fast_loss(&s, "infonce", dz, NULL, err), slow_loss(&s, 0.3), 2e-6, "the slow twin agrees");
	losses(&s, pool, err);
	const double guarded = fast_loss(&s, "infonce", dz, NULL, err);

	s.memory.id[2] = 77;
	TAP_OK(fast_loss(&s, "infonce", dz, NULL, err) > guarded, "what was made of the anchor's own sample was left out");
	s.label[1] = s.label[1 + ROWS] = -1;
	TAP_OK(isfinite(fast_loss(&s, "supcon", dz, NULL, err)), "a row without a label has its partner");
	cn_memory_release(&s.memory);
	cn_pool_free(pool);
}

static void
remembers(struct cn_err *err)
{
	const float z[10] = { 2, 0, 0, 3, 1, 0, 0, 1, 4, 0 };
	const uint64_t id[5] = { 10, 11, 12, 13, 14 };
	struct cn_memory m;

	cn_memory_init(&m, 3, 2, true, false, err);
	cn_memory_push(&m, z, id, NULL, 2);
	TAP_OK(m.n == 2 && m.next == 2, "two of three places");
	cn_memory_push(&m, z + 4, id + 2, NULL, 3);
	TAP_OK(m.n == 3 && m.next == 2 && m.id[0] == 13 && m.id[1] == 14 && m.id[2] == 12, "the oldest go first");
	TAP_OK(m.u[2] == 1 && m.u[3] == 0, "vectors are brought to unit length");
	cn_memory_release(&m);
}

enum { SAMPLES = 14, ANCHORS = 10, IN = 6, OUT = 4 };

static struct cn_model *
model(const char *arch, struct cn_err *err)
{
	const struct cn_field x = { .name = "x", .dtype = CN_DTYPE_F32, .shape = { .rank = 1, .dim = { IN } } };

	return cn_model_new(arch, "linear:4", &x, 5, NULL, err);
}

static struct cn_learner *
learner(struct cn_model *of, bool momentum, bool predictor, size_t chunk, struct cn_err *err)
{
	const struct cn_learner_config config = { .predictor = predictor ? "linear:7 relu linear:4" : "", .momentum = momentum ? 0.9 : 0,
		.chunk = chunk, .samples = SAMPLES, .batches = 1, .optimizer = { .kind = CN_OPTIMIZER_SGD }, .seed = 5 };

	return cn_learner_new(&config, of, NULL, err);
}

static void
list(const float *x, const void **sample)
{
	for (size_t i = 0; i < SAMPLES; i++)
		sample[i] = x + i * IN;
}

/* What is learned through: w times it, summed up, is a loss with the gradient w. */
static double
weighed(const float *z, const float *w, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n * OUT; i++)
		sum += (double)z[i] * (double)w[i];
	return sum;
}

/* In chunks as in one go: vectors, gradient, and against differences of the weights. */
static void
chunks(bool momentum, bool predictor, size_t chunk, struct cn_err *err)
{
	const bool targets = momentum || predictor;
	const size_t through = targets ? ANCHORS : SAMPLES;
	float x[SAMPLES * IN], w[SAMPLES * OUT], z[2][SAMPLES * OUT], anchor[2][ANCHORS * OUT], *parameter, *gradient[2];
	const void *sample[SAMPLES];
	struct cn_model *of[2];
	double slope[2], worst = 0, apart = 0;
	size_t n = 0;

	fill(x, SAMPLES * IN, 8);
	fill(w, SAMPLES * OUT, 9);
	list(x, sample);
	for (int i = 0; i < 2; i++) {
		struct cn_learner *l = learner(of[i] = model("linear:8 dropout:0.3", err), momentum, predictor, i ? chunk : 0, err);

		cn_learner_forward(l, sample, SAMPLES, ANCHORS, 0, z[i], anchor[i], err);
		cn_learner_backward(l, w, err);
		slope[i] = cn_learner_slope(l);
		n = cn_network_parameters(cn_model_network(of[i]), &parameter, &gradient[i]);
		for (size_t k = 0; k < n && i == 1; k++) {
			const float middle = parameter[k];
			const double found = (double)gradient[1][k];
			double side[2];

			apart = fmax(apart, fabs(found - (double)gradient[0][k]));
			for (int j = 0; j < 2; j++) {
				float far[SAMPLES * OUT], near[ANCHORS * OUT];

				parameter[k] = middle + (j ? 0.01f : -0.01f);
				cn_learner_forward(l, sample, SAMPLES, ANCHORS, 0, far, near, err);
				side[j] = weighed(targets ? near : far, w, through);
			}
			parameter[k] = middle;
			worst = fmax(worst, fabs((side[1] - side[0]) / 0.02 - found));
		}
		cn_learner_free(l);
	}
	TAP_OK(memcmp(z[0], z[1], sizeof z[0]) == 0 || fabs(weighed(z[0], w, SAMPLES) - weighed(z[1], w, SAMPLES)) < 1e-5,
		"momentum %d, predictor %d, chunks of %zu: same candidates", momentum, predictor, chunk);
	TAP_OK(apart < 1e-5 && fabs(slope[0] - slope[1]) < 1e-5 * slope[0], "same gradient (%g)", apart);
	TAP_OK(worst < 2e-2 * slope[0], "gradient against differences (%g of %g)", worst, slope[0]);
	cn_model_free(of[0]);
	cn_model_free(of[1]);
}

/* Batch norm follows each chunk once, though it goes through twice; and the momentum encoder follows the weights. */
static void
follows(struct cn_err *err)
{
	float x[SAMPLES * IN], w[SAMPLES * OUT], z[SAMPLES * OUT], again[SAMPLES * OUT], anchor[ANCHORS * OUT], before[64];
	const void *sample[SAMPLES];
	const struct cn_optimizer_rates rates = { .lr = 0.1, .scale = 1 };
	struct cn_model *m = model("conv:3 gap", err);
	struct cn_network *network = m ? cn_model_network(m) : NULL;
	struct cn_learner *l = learner(m, true, true, 4, err);
	size_t last = network ? cn_network_tensors(network) - 1 : 0;

	if (!l)
		return;
	fill(x, SAMPLES * IN, 8);
	fill(w, SAMPLES * OUT, 9);
	list(x, sample);
	cn_learner_forward(l, sample, SAMPLES, ANCHORS, 0, z, anchor, err);
	const struct cn_network_tensor running = cn_network_tensor(network, last);
	const size_t bytes = cn_shape_count(&running.shape) * sizeof(float);

	memcpy(before, running.data, bytes);
	cn_learner_backward(l, w, err);
	TAP_OK(memcmp(before, running.data, bytes) == 0 && before[0] != 1, "running statistics: once for each chunk");
	for (int i = 0; i < 20; i++)
		cn_learner_move(l, &rates);
	cn_learner_forward(l, sample, SAMPLES, ANCHORS, 0, again, anchor, err);
	TAP_OK(memcmp(z, again, sizeof z) != 0, "the momentum encoder follows");
	cn_learner_free(l);
	cn_model_free(m);
}

int
main(void)
{
	struct cn_err err = { 0 };

	cn_blas_begin();
	remembers(&err);
	objective(&err);
	for (int way = 0; way < 4; way++)
		for (size_t chunk = 3; chunk <= 12; chunk += 3)
			chunks(way & 1, way & 2, chunk, &err);
	follows(&err);
	TAP_OK(err.code == 0, "no error: %s", err.text);
	return tap_done();
}
