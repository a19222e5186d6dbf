/* The game of generator and discriminator: what they minimise against finite differences, and that it ends where it should. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/output.h"
#include "base/rng.h"
#include "gen/gan.h"
#include "gen/mlp.h"
#include "nn/encoder.h"
#include "nn/model.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"

#include "normals.h"
#include "tap.h"

#include "base/banned.h"

/* ---- the second derivative of an mlp, against finite differences of a twin in doubles ---- */

enum { INPUTS = 7, POINTS = 10, TWIN_LAYERS = 3, WIDEST = 20 };

static const size_t widths[TWIN_LAYERS + 1] = { INPUTS, WIDEST, 9, 1 };

/* W (padded 16) of each layer and its bias lie one behind the other, as in cn_mlp_weights. */
static size_t
padded(size_t n)
{
	return (n + 15) / 16 * 16;
}

/* The gradient of the twin's only output by its input, times v: v taken forward through the kinks of x. */
static double
twin_slope(const double *w, const float *x, const float *v)
{
	double value[WIDEST] = { 0 }, tangent[WIDEST] = { 0 };

	for (size_t i = 0; i < INPUTS; i++) {
		value[i] = (double)x[i];
		tangent[i] = (double)v[i];
	}
	for (size_t l = 0; l < TWIN_LAYERS; l++) {
		const size_t in = padded(widths[l]), n = padded(widths[l + 1]);
		double next[WIDEST] = { 0 }, along[WIDEST] = { 0 };

		for (size_t o = 0; o < widths[l + 1]; o++) {
			next[o] = w[in * n + o];
			for (size_t i = 0; i < widths[l]; i++) {
				next[o] += value[i] * w[i * n + o];
				along[o] += tangent[i] * w[i * n + o];
			}
			if (l + 1 < TWIN_LAYERS && next[o] < 0) {
				next[o] *= (double)0.2f;
				along[o] *= (double)0.2f;
			}
		}
		memcpy(value, next, sizeof value);
		memcpy(tangent, along, sizeof tangent);
		w += in * n + n;
	}
	return tangent[0];
}

static double
twin_sum(const double *w, const float *x, const float *v)
{
	double sum = 0;

	for (size_t i = 0; i < POINTS; i++)
		sum += twin_slope(w, x + i * INPUTS, v + i * INPUTS);
	return sum;
}

static void
test_twice(void)
{
	struct cn_err err = { 0 };
	struct cn_mlp *mlp = cn_mlp_new(widths, TWIN_LAYERS, POINTS, 1, "test", NULL, &err);
	float x[POINTS * INPUTS], v[POINTS * INPUTS], *before;
	size_t stride, n, checked = 0, wrong = 0;
	float *in = cn_mlp_input(mlp, &stride), *to = cn_mlp_tangent(mlp, &stride), *w = cn_mlp_weights(mlp, &n);
	double *twin = malloc(n * sizeof *twin);

	fill_normal(x, POINTS * INPUTS, 1);
	fill_normal(v, POINTS * INPUTS, 2);
	for (size_t i = 0; i < POINTS; i++) {
		memcpy(in + i * stride, x + i * INPUTS, INPUTS * sizeof *x);
		memcpy(to + i * stride, v + i * INPUTS, INPUTS * sizeof *v);
	}
	for (size_t i = 0; i < n; i++)
		twin[i] = (double)w[i];
	cn_mlp_forward(mlp, POINTS);
	float *out = cn_mlp_output_gradient(mlp, &stride);
	for (size_t i = 0; i < POINTS; i++)
		out[i * stride] = 1;
	cn_mlp_backward(mlp, POINTS, true);
	before = malloc(n * sizeof *before);
	memcpy(before, cn_mlp_gradient(mlp), n * sizeof *before);
	cn_mlp_backward_twice(mlp, POINTS);
	for (size_t i = 0; i < n; i++) {
		const double got = (double)cn_mlp_gradient(mlp)[i] - (double)before[i], h = 1e-7;

		if (w[i] == 0)
			continue;
		twin[i] += h;
		const double up = twin_sum(twin, x, v);
		twin[i] -= 2 * h;
		const double want = (up - twin_sum(twin, x, v)) / (2 * h);
		twin[i] += h;
		checked += want != 0;
		wrong += fabs(got - want) > 1e-4 * fabs(want) + 2e-5;
	}
	TAP_OK(checked > 300 && wrong == 0, "mlp: gradient of the input's gradient as finite differences, %zu weights (%zu wrong)", checked, wrong);
	free(twin);
	free(before);
	cn_mlp_free(mlp);
}

/* ---- a set with a known answer: true negatives around modes of a circle, as seen from the anchor ---- */

enum { DIM = 3, ROWS = 32, MODES = 4, TURNS = 2 };

static float anchor[ROWS * DIM], positive[ROWS * DIM], real[ROWS * DIM], ceiling[ROWS];
static unsigned char has_real[ROWS];
static uint64_t ids[ROWS];
static uint32_t epochs[ROWS];

/* The unit vector at this similarity to (0, 0, side) and this angle around it. */
static void
put(float *to, double similarity, double angle, double side)
{
	const double across = sqrt(1 - similarity * similarity);

	to[0] = (float)(across * cos(angle));
	to[1] = (float)(across * sin(angle));
	to[2] = (float)(similarity * side);
}

/* Anchors of two kinds, up and down; the modes of one lie between those of the other. */
static double
mode(size_t row, size_t k)
{
	return 2 * M_PI * ((double)k + 0.5 * (double)(row % TURNS)) / MODES;
}

static struct cn_gan_round
circle(uint32_t number)
{
	static float noise[ROWS * 2];
	struct cn_rng_key key;
	struct cn_rng rng;

	fill_normal(noise, ROWS * 2, 100 + number);
	cn_rng_key_init(&key, 5, "modes");
	for (size_t i = 0; i < ROWS; i++) {
		const double side = i % TURNS ? -1 : 1;

		cn_rng_start(&rng, &key, i, number);
		put(anchor + i * DIM, 1, 0, side);
		put(positive + i * DIM, 0.95, (double)noise[2 * i], side);
		put(real + i * DIM, 0.5, mode(i, cn_rng_below(&rng, MODES)) + 0.05 * (double)noise[2 * i + 1], side);
		has_real[i] = 1;
		ids[i] = i;
		epochs[i] = number;
		ceiling[i] = 0.95f;
	}
	return (struct cn_gan_round){ anchor, positive, real, has_real, ids, epochs, NULL, NULL, ceiling };
}

static struct cn_gan_config
settings(enum cn_gan_game game)
{
	return (struct cn_gan_config){ .dim = DIM, .rows = ROWS, .latent_norm = 0, .target = 0.5, .diversity = 0, .realism = 1,
		.lr = 5e-3, .seed = 1, .game = game, .penalty = 10 };
}

enum { DRAWS = 32 };

struct found {
	double covered;		/* modes that got a third of their share at least, of all */
	double near;		/* share of draws within a quarter of the way to the next mode: by chance 0.5 */
	double similarity;
};

static struct found
look(struct cn_gan *gan)
{
	static float noise[ROWS * DRAWS * CN_GAN_LATENT], made[ROWS * DRAWS * DIM];
	size_t hits[TURNS][MODES] = { 0 };
	struct found f = { 0 };

	fill_normal(noise, ROWS * DRAWS * CN_GAN_LATENT, 7);
	cn_gan_generate(gan, ROWS, DRAWS, anchor, positive, noise, made);
	for (size_t i = 0; i < ROWS * DRAWS; i++) {
		const size_t row = i / DRAWS;
		const double turns = (atan2((double)made[i * DIM + 1], (double)made[i * DIM]) - mode(row, 0)) / (2 * M_PI) * MODES;
		const double nearest = round(turns);

		hits[row % TURNS][((long)nearest + 2 * MODES) % MODES]++;
		f.near += fabs(turns - nearest) < 0.25 ? 1.0 / (ROWS * DRAWS) : 0;
		f.similarity += (double)cn_kernel_dot(anchor + row * DIM, made + i * DIM, DIM) / (ROWS * DRAWS);
	}
	for (size_t i = 0; i < TURNS * MODES; i++)
		f.covered += hits[i / MODES][i % MODES] * 3 >= ROWS * DRAWS / TURNS / MODES ? 1.0 / (TURNS * MODES) : 0;
	return f;
}

static struct found
play(struct cn_gan_config config, uint32_t rounds, struct cn_gan_report *report)
{
	struct cn_err err = { 0 };
	struct cn_gan *gan = cn_gan_new(&config, &err);

	for (uint32_t r = 0; r < rounds; r++) {
		const struct cn_gan_round now = circle(r);

		cn_gan_train(gan, &now, 2, report);
	}
	const struct found f = look(gan);

	cn_gan_free(gan);
	return f;
}

/* Both losses fall where they should: |gradient| along itself and a random direction, by differences on both sides that agree. */
static void
check_gradient(const char *name, struct cn_gan *gan, enum cn_gan_side side, const struct cn_gan_round *round)
{
	struct cn_gan_report report;
	struct cn_err err = { 0 };
	const double h = 0x1p-13;
	size_t n, checked = 0, wrong = 0;
	float *w = cn_gan_weights(gan, side, &n), *kept = cn_mem_array(n, sizeof *kept, &err), *v = cn_mem_array(n, sizeof *v, &err);

	cn_gan_draw(gan, round, 70);
	memcpy(kept, w, n * sizeof *w);
	for (uint64_t trial = 0; trial < 12; trial++) {
		double got = 0, loss[2];
		const double mid = cn_gan_loss(gan, side, round, &report);
		const float *g = cn_gan_gradient(gan, side);
		const double length = sqrt(cn_kernel_squares(g, n)) + 1e-12;

		fill_normal(v, n, 1000 + trial);
		const double random = sqrt(cn_kernel_squares(v, n));

		for (size_t i = 0; i < n; i++) {
			v[i] = kept[i] == 0 ? 0 : (float)((double)g[i] / length + (double)v[i] / random);
			got += (double)v[i] * (double)g[i];
		}
		for (int down = 0; down < 2; down++) {
			for (size_t i = 0; i < n; i++)
				w[i] = kept[i] + (float)(down ? -h : h) * v[i];
			loss[down] = cn_gan_loss(gan, side, round, &report);
		}
		memcpy(w, kept, n * sizeof *w);
		const double up = (loss[0] - mid) / h, back = (mid - loss[1]) / h;

		/* where they do not, a kink lies between: leaky ReLU has no slope there */
		if (fabs(up - back) > 0.02 * fabs(up) + 0.02)
			continue;
		checked++;
		if (fabs((up + back) / 2 - got) > 0.03 * fabs(got) + 0.02) {
			wrong++;
			printf("# %s: got %g, want %g\n", name, got, (up + back) / 2);
		}
	}
	TAP_OK(checked >= 4 && wrong == 0, "gan: gradient of %s as finite differences along %zu directions", name, checked);
	cn_mem_free(kept);
	cn_mem_free(v);
}

static void
test_gradients(enum cn_gan_game game)
{
	static const char *const name[] = { "nonsaturating", "hinge", "wasserstein" };
	const struct cn_gan_round round = circle(0);
	struct cn_gan_config config = settings(game);
	struct cn_err err = { 0 };
	struct cn_gan_report report;
	char words[80];

	config.apart = 1.2;
	config.seeking = 0.7;
	config.margin = 0.4;
	struct cn_gan *gan = cn_gan_new(&config, &err);

	cn_gan_train(gan, &round, 3, &report);
	snprintf(words, sizeof words, "the %s discriminator", name[game]);
	check_gradient(words, gan, CN_GAN_DISCRIMINATOR, &round);
	snprintf(words, sizeof words, "the generator against it");
	check_gradient(words, gan, CN_GAN_GENERATOR, &round);
	cn_gan_free(gan);
}

/* ---- in input space: an encoder from a file, samples of numbers and of bytes ---- */

static struct cn_encoder *
make_encoder(const char *arch, const struct cn_field *x)
{
	char path[] = "/tmp/cn-gan-XXXXXX";
	const struct cn_history history = { 0 };
	struct cn_err err = { 0 };
	struct cn_model *model = cn_model_new(arch, "linear:3", x, 5, NULL, &err);
	const int fd = mkstemp(path);
	struct cn_output *output = cn_output_open(path, 0, &err);

	cn_model_save(model, output, &history, NULL, &err);
	cn_output_finish(output, &err);
	cn_output_free(output);
	cn_model_free(model);
	struct cn_encoder *encoder = cn_encoder_load(path, NULL, &err);

	close(fd);
	unlink(path);
	TAP_OK(encoder && !err.code, "gan: an encoder of '%s' %s", arch, err.text);
	return encoder;
}

enum { SIDE = 8, MOST_BYTES = SIDE * SIDE * 2 * 4 };

static void
test_input(const char *arch, struct cn_field x)
{
	static unsigned char sample[2][ROWS * MOST_BYTES], out[ROWS * MOST_BYTES];
	static float numbers[ROWS * MOST_BYTES], noise[ROWS * CN_GAN_LATENT], made[ROWS * DIM], again[ROWS * DIM];
	struct cn_encoder *encoder = make_encoder(arch, &x);
	const size_t n = cn_shape_count(&x.shape), bytes = cn_field_bytes(&x);
	struct cn_gan_round round = circle(0);
	struct cn_gan_config config = settings(CN_GAN_NONSATURATING);
	struct cn_gan_report report;
	struct cn_err err = { 0 };

	for (int k = 0; k < 2; k++) {
		fill_normal(numbers, ROWS * n, 40 + (uint64_t)k);
		for (size_t i = 0; i < ROWS * n; i++)
			if (x.dtype == CN_DTYPE_U8)
				sample[k][i] = (unsigned char)(128 + 40 * fmaxf(-3, fminf(3, numbers[i])));
			else
				((float *)sample[k])[i] = numbers[i];
		cn_encoder_embed(encoder, sample[k], ROWS, CN_ENCODER_HEAD, k ? positive : anchor, &err);
		cn_kernel_normalize(k ? positive : anchor, ROWS, DIM);
	}
	round.x = sample[0];
	round.pos = sample[1];
	config.encoder = encoder;
	config.dtype = x.dtype;
	config.shape = x.shape;
	config.input_margin = 0.9;
	config.latent_norm = 0.8;
	config.realism = 2;
	struct cn_gan *gan = cn_gan_new(&config, &err);

	cn_gan_train(gan, &round, 3, &report);
	check_gradient(arch, gan, CN_GAN_GENERATOR, &round);
	const struct cn_mover_rows rows = { 1, anchor, positive, sample[0], sample[1], noise };

	fill_normal(noise, ROWS * CN_GAN_LATENT, 3);
	cn_gan_generate_rows(gan, &rows, ROWS, made, out);
	cn_encoder_embed(encoder, out, ROWS, CN_ENCODER_HEAD, again, &err);
	cn_kernel_normalize(again, ROWS, DIM);
	double apart = 0;
	for (size_t i = 0; i < ROWS * DIM; i++)
		apart = fmax(apart, fabs((double)(made[i] - again[i])));
	TAP_OK(!err.code && apart < 2e-6 && memcmp(out, sample[0], ROWS * bytes) != 0, "gan: vectors of what is made of '%s' are its samples' (%.1g)",
		arch, apart);
	cn_gan_free(gan);
	cn_encoder_free(encoder);
}

static struct cn_gan_config
mode_settings(enum cn_gan_game game, double seeking)
{
	struct cn_gan_config c = settings(game);

	c.critic = game == CN_GAN_WASSERSTEIN ? 5 : 3;
	c.lr = 2e-3;
	c.realism = game == CN_GAN_WASSERSTEIN ? 5 : 1;
	c.seeking = seeking;
	return c;
}

/* A generator left alone finds true modes, but not many; asked to seek modes it finds more; and a critic makes it cover all. */
static void
test_modes(void)
{
	struct cn_gan_report report;
	const struct found alone = play(mode_settings(CN_GAN_NONSATURATING, 0), 500, &report);
	const struct found seeking = play(mode_settings(CN_GAN_NONSATURATING, 1), 500, &report);
	const struct found hinge = play(mode_settings(CN_GAN_HINGE, 1), 500, &report);
	const struct found critic = play(mode_settings(CN_GAN_WASSERSTEIN, 0), 600, &report);

	TAP_OK(alone.near > 0.9 && fabs(alone.similarity - 0.5) < 0.05, "gan: what is made lies at the modes (%.3f of it) and the target (%.3f)",
		alone.near, alone.similarity);
	TAP_OK(seeking.covered > alone.covered && seeking.near > 0.85, "gan: mode seeking covers %.2f of the modes, and not %.2f (%.3f at them)",
		seeking.covered, alone.covered, seeking.near);
	TAP_OK(hinge.covered > alone.covered && hinge.near > 0.85, "gan: so with hinge: %.2f (%.3f at them)", hinge.covered, hinge.near);
	TAP_OK(critic.covered == 1 && critic.near > 0.55 && fabs(critic.similarity - 0.5) < 0.1,
		"gan: a critic covers all modes (%.2f; %.3f at them, by chance 0.5; similarity %.3f)", critic.covered, critic.near, critic.similarity);
}

int
main(void)
{
	cn_blas_begin();
	test_twice();
	for (int game = CN_GAN_NONSATURATING; game <= CN_GAN_WASSERSTEIN; game++)
		test_gradients((enum cn_gan_game)game);
	test_input("linear:24 gelu linear:12", (struct cn_field){ "x", CN_DTYPE_F32, { 1, { 9 } } });
	test_input("plain:6/2 gelu plain:6 gn:2 gap", (struct cn_field){ "x", CN_DTYPE_U8, { 3, { SIDE, SIDE, 2 } } });
	if (!tap_quick("gan: where it ends after hundreds of updates"))
		test_modes();
	return tap_done();
}
