/* The makers of negatives: products and gradients against slow twins, what mixing promises, and that the game is played. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/dense.c"	/* for its widths */
#include "gen/gan.h"
#include "gen/hard.h"
#include "gen/mix.h"
#include "gen/mlp.h"
#include "tensor/kernel.h"

#include "normals.h"
#include "tap.h"

#include "base/banned.h"

enum { DIM = 24, ROWS = 64 };

/* The sum of k products of a row and a column, one after the other. */
static float
in_order(const float *a, const float *b, size_t count, size_t stride)
{
	float sum = 0;

	for (size_t k = 0; k < count; k++) {
		const float product = a[k] * b[k * stride];

		sum += product;
	}
	return sum;
}

static void
test_dense(void)
{
	enum { M = 37, N = 48, K = 29 };
	static float a[M * K], t[K * M], b[K * N], c[M * N], d[M * N], e[M * N];
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(3, &err);
	double most = 0;

	fill_normal(a, M * K, 1);
	fill_normal(b, K * N, 2);
	for (size_t i = 0; i < M; i++)
		for (size_t k = 0; k < K; k++)
			t[k * M + i] = a[i * K + k];
	cn_dense_multiply(false, M, N, K, a, K, b, N, c, N, NULL);
	cn_dense_multiply(true, M, N, K, t, M, b, N, d, N, NULL);
	cn_dense_multiply(false, M, N, K, a, K, b, N, e, N, pool);
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < N; j++)
			most = fmax(most, fabs((double)(in_order(a + i * K, b + j, K, N) - c[i * N + j])));
	TAP_OK(most == 0, "dense: each sum runs over k in order, to the bit");
	TAP_OK(memcmp(c, d, sizeof c) == 0, "dense: the same of a transposed");
	TAP_OK(memcmp(c, e, sizeof c) == 0, "dense: the same on three threads");
	cn_pool_free(pool);
}

/* Each width that this machine can run gives what the sums in order are, for any rows and columns, and writes no more. */
static void
test_widths(void)
{
	enum { M = 4, N = 48, K = 29 };
	static float a[M * K], b[K * N], want[M * N], got[M * N];

	fill_normal(a, M * K, 3);
	fill_normal(b, K * N, 4);
	for (size_t count = 1; count <= M; count++)
		for (size_t n = CN_DENSE_LANES; n <= N; n += CN_DENSE_LANES) {
			const struct job job = { count, n, K, a, K, 1, b, N, got, N };

			memset(want, 0, sizeof want);
			for (size_t i = 0; i < count * n; i++)
				want[i / n * N + i % n] = in_order(a + i / n * K, b + i % n, K, N);
#define AGREE(BYTES, TARGET) \
			if (CN_RUNS(BYTES)) { \
				memset(got, 0, sizeof got); \
				four_rows_##BYTES(&job, 0, count); \
				TAP_OK(memcmp(got, want, sizeof got) == 0, \
					"dense: %zu rows by %zu columns with vectors of %d bytes", count, n, BYTES); \
			}
			CN_WIDTHS(AGREE)
#undef AGREE
		}
}

/* Sum of a fixed combination of the outputs, so that its gradient of the output is that combination. */
static double
combined(struct cn_mlp *mlp, size_t rows, const float *weight)
{
	size_t stride;
	double sum = 0;

	cn_mlp_forward(mlp, rows);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < 5; j++)
			sum += (double)weight[i * 5 + j] * (double)cn_mlp_output(mlp, &stride)[i * stride + j];
	return sum;
}

static void
test_mlp(void)
{
	const size_t width[] = { 7, 20, 9, 5 };
	struct cn_err err = { 0 };
	struct cn_mlp *mlp = cn_mlp_new(width, 3, 10, 1, "test", NULL, &err);
	float weight[50], before;
	size_t stride, n, checked = 0, wrong = 0;
	float *in = cn_mlp_input(mlp, &stride), *w;

	fill_normal(weight, 50, 3);
	for (size_t i = 0; i < 10; i++)
		fill_normal(in + i * stride, 7, 20 + i);
	combined(mlp, 10, weight);
	float *out = cn_mlp_output_gradient(mlp, &stride);
	for (size_t i = 0; i < 10; i++)
		memcpy(out + i * stride, weight + i * 5, 5 * sizeof *out);
	cn_mlp_backward(mlp, 10, true);
	w = cn_mlp_weights(mlp, &n);
	for (size_t i = 0; i < n; i += 13) {
		const double got = (double)cn_mlp_gradient(mlp)[i];

		before = w[i];
		w[i] = before + 0x1p-10f;
		const double up = combined(mlp, 10, weight);
		w[i] = before - 0x1p-10f;
		const double want = (up - combined(mlp, 10, weight)) / 0x1p-9;
		w[i] = before;
		checked += want != 0;
		wrong += fabs(got - want) > 0.01 * fabs(want) + 0.01;
	}
	TAP_OK(checked > 20 && wrong == 0, "mlp: gradient of %zu weights as finite differences (%zu wrong)", checked, wrong);
	wrong = 0;
	const float *back = cn_mlp_input_gradient(mlp, &stride);
	for (size_t i = 0; i < 10; i++) {
		before = in[i * stride + i % 7];
		in[i * stride + i % 7] = before + 0x1p-10f;
		const double up = combined(mlp, 10, weight);
		in[i * stride + i % 7] = before - 0x1p-10f;
		const double want = (up - combined(mlp, 10, weight)) / 0x1p-9;
		in[i * stride + i % 7] = before;
		wrong += fabs((double)back[i * stride + i % 7] - want) > 0.01 * fabs(want) + 0.01;
	}
	TAP_OK(wrong == 0, "mlp: gradient of the input as finite differences");
	cn_mlp_free(mlp);
}

static float anchor[ROWS * DIM], positive[ROWS * DIM], real[ROWS * DIM];
static unsigned char has_real[ROWS];
static uint64_t ids[ROWS];
static uint32_t epochs[ROWS];

/* Anchors around 8 centres, positives near them; a real negative is a vector of another centre not far away. */
static struct cn_gan_round
make_round(uint32_t round)
{
	static float centre[8 * DIM], noise[3 * ROWS * DIM];

	fill_normal(centre, 8 * DIM, 5);
	fill_normal(noise, 3 * ROWS * DIM, 100 + round);
	for (size_t i = 0; i < ROWS * DIM; i++) {
		const size_t c = i / DIM % 8;

		anchor[i] = centre[c * DIM + i % DIM] + 0.2f * noise[i];
		positive[i] = anchor[i] + 0.3f * noise[ROWS * DIM + i];
		real[i] = centre[c * DIM + i % DIM] + 0.8f * centre[(c + 1) % 8 * DIM + i % DIM] + 0.2f * noise[2 * ROWS * DIM + i];
		has_real[i / DIM] = i / DIM % 16 != 3;
		ids[i / DIM] = i / DIM;
		epochs[i / DIM] = round;
	}
	cn_kernel_normalize(anchor, ROWS, DIM);
	cn_kernel_normalize(positive, ROWS, DIM);
	cn_kernel_normalize(real, ROWS, DIM);
	return (struct cn_gan_round){ anchor, positive, real, has_real, ids, epochs };
}

static struct cn_gan_config
settings(void)
{
	return (struct cn_gan_config){ .dim = DIM, .rows = ROWS, .latent_norm = 1, .margin = 0.1, .target = 0.5, .diversity = 0.5,
		.realism = 1, .lr = 1e-3, .seed = 1 };
}

/* Steps along random directions: (L(w + hv) - L(w - hv)) / 2h against the gradient along v. */
static void
test_gradient(const char *name, enum cn_gan_side side, struct cn_gan_config config)
{
	const struct cn_gan_round round = make_round(0);
	struct cn_gan_report report;
	struct cn_err err = { 0 };
	struct cn_gan *gan = cn_gan_new(&config, &err);
	size_t n, wrong = 0;
	float *w = cn_gan_weights(gan, side, &n), *kept = cn_mem_array(n, sizeof *kept, &err), *v = cn_mem_array(n, sizeof *v, &err);

	cn_gan_train(gan, &round, 3, &report);
	cn_gan_draw(gan, &round, 7);
	memcpy(kept, w, n * sizeof *w);
	for (uint64_t trial = 0; trial < 8; trial++) {
		double got = 0, up, want;
		const float h = 0x1p-12f;

		fill_normal(v, n, 1000 + trial);
		cn_gan_loss(gan, side, &round, &report);
		for (size_t i = 0; i < n; i++) {
			v[i] = kept[i] == 0 ? 0 : v[i];
			got += (double)v[i] * (double)cn_gan_gradient(gan, side)[i];
			w[i] = kept[i] + h * v[i];
		}
		up = cn_gan_loss(gan, side, &round, &report);
		for (size_t i = 0; i < n; i++)
			w[i] = kept[i] - h * v[i];
		want = (up - cn_gan_loss(gan, side, &round, &report)) / (2 * (double)h);
		memcpy(w, kept, n * sizeof *w);
		wrong += fabs(got - want) > 0.04 * fabs(want) + 0.03;
		if (fabs(got - want) > 0.04 * fabs(want) + 0.03)
			printf("# %s: got %g, want %g\n", name, got, want);
	}
	TAP_OK(wrong == 0, "gan: gradient of %s as finite differences", name);
	cn_mem_free(kept);
	cn_mem_free(v);
	cn_gan_free(gan);
}

/* Plays rounds; gives the last report, and the best accuracy of the first 20 rounds. */
static struct cn_gan_report
play(struct cn_gan_config config, uint32_t rounds, double *best)
{
	struct cn_gan_report report = { 0 };
	struct cn_err err = { 0 };
	struct cn_gan *gan = cn_gan_new(&config, &err);

	*best = 0;
	for (uint32_t r = 0; r < rounds; r++) {
		const struct cn_gan_round round = make_round(r);

		cn_gan_train(gan, &round, 2, &report);
		if (r < 20)
			*best = fmax(*best, (report.d_real + report.d_made) / 2);
	}
	cn_gan_free(gan);
	return report;
}

static double
mean_dot(const float *a, const float *b)
{
	double sum = 0;

	for (size_t i = 0; i < ROWS; i++)
		sum += (double)cn_kernel_dot(a + i * DIM, b + i * DIM, DIM) / ROWS;
	return sum;
}

static void
test_game(void)
{
	struct cn_gan_config config = settings();
	double best, other;
	struct cn_gan_report report, changed;

	report = play(config, 200, &best);
	make_round(199);
	TAP_OK(best > 0.8, "gan: at first the discriminator knows what was made (%.3f)", best);
	const double later = (report.d_real + report.d_made) / 2;
	TAP_OK(later < best - 0.1, "gan: later the generator deceives it (%.3f)", later);
	TAP_OK(report.similarity > 0.35 && report.similarity < mean_dot(anchor, positive) - 0.1,
		"gan: what is made is near the anchor (%.3f), the positive nearer (%.3f)", report.similarity, mean_dot(anchor, positive));
	config.target = 0.1;
	config.latent_norm = 0;
	changed = play(config, 150, &other);
	TAP_OK(changed.similarity < report.similarity - 0.1, "gan: a lower target gives less similar ones (%.3f)", changed.similarity);
	config = settings();
	config.target = 0.9;
	config.realism = 0;
	config.margin = 0;
	report = play(config, 150, &other);
	config.margin = 0.6;
	changed = play(config, 150, &other);
	TAP_OK(changed.similarity < report.similarity - 0.1, "gan: a margin keeps them away (%.3f, without %.3f)",
		changed.similarity, report.similarity);
	config = settings();
	config.diversity = 0;
	report = play(config, 150, &other);
	config.diversity = 4;
	changed = play(config, 150, &other);
	TAP_OK(changed.diversity > 1.3 * report.diversity, "gan: diversity sets two draws apart (%.3f, without %.3f)",
		changed.diversity, report.diversity);
}

static void
test_bound(void)
{
	static float noise[ROWS * CN_GAN_LATENT], out[ROWS * DIM], pair[2 * ROWS * DIM], twice[2 * ROWS * CN_GAN_LATENT];
	struct cn_gan_config config = settings();
	struct cn_err err = { 0 };
	double least = 1;

	make_round(0);
	config.latent_norm = 0.4;
	struct cn_gan *gan = cn_gan_new(&config, &err);
	fill_normal(noise, ROWS * CN_GAN_LATENT, 9);
	cn_gan_generate(gan, ROWS, 1, anchor, positive, noise, out);
	for (size_t i = 0; i < ROWS; i++)
		least = fmin(least, (double)cn_kernel_dot(anchor + i * DIM, out + i * DIM, DIM));
	TAP_OK(least >= sqrt(1 - 0.4 * 0.4) - 1e-5, "gan: --latent-norm 0.4 keeps similarity above %.4f (%.4f)", sqrt(1 - 0.16), least);
	for (size_t i = 0; i < ROWS; i++)
		for (size_t d = 0; d < 2; d++)
			memcpy(twice + (2 * i + d) * CN_GAN_LATENT, noise + i * CN_GAN_LATENT, CN_GAN_LATENT * sizeof *noise);
	cn_gan_generate(gan, ROWS, 2, anchor, positive, twice, pair);
	TAP_OK(memcmp(pair, out, DIM * sizeof *out) == 0 && memcmp(pair + (2 * ROWS - 1) * DIM, out + (ROWS - 1) * DIM, DIM * sizeof *out) == 0,
		"gan: a draw does not depend on its neighbours");
	cn_gan_free(gan);
}

static void
test_same(void)
{
	static float out[2][ROWS * DIM], noise[ROWS * CN_GAN_LATENT];
	const struct cn_gan_round round = make_round(0);

	fill_normal(noise, ROWS * CN_GAN_LATENT, 9);
	for (size_t t = 0; t < 2; t++) {
		struct cn_gan_config config = settings();
		struct cn_gan_report report;
		struct cn_err err = { 0 };
		struct cn_gan *gan;

		config.pool = cn_pool_new(1 + 2 * t, &err);
		gan = cn_gan_new(&config, &err);
		for (int r = 0; r < 5; r++)
			cn_gan_train(gan, &round, 2, &report);
		cn_gan_generate(gan, ROWS, 1, anchor, positive, noise, out[t]);
		cn_gan_free(gan);
		cn_pool_free(config.pool);
	}
	TAP_OK(memcmp(out[0], out[1], sizeof out[0]) == 0, "gan: training has the same bits on one thread and three");
}

static void
test_hard(void)
{
	static float mined[ROWS * 2 * DIM], ceiling[ROWS];
	static struct cn_hard hard;
	const struct cn_round round = { .rows = ROWS, .dim = DIM, .mined = 2, .anchor = anchor, .positive = positive, .mined_z = mined,
		.id = ids, .ceiling = ceiling };
	size_t wrong = 0;

	make_round(0);
	fill_normal(mined, ROWS * 2 * DIM, 77);
	cn_kernel_normalize(mined, ROWS * 2, DIM);
	memset(mined + DIM, 0, DIM * sizeof *mined);
	ids[5] = 0;
	for (size_t i = 0; i < ROWS; i++)
		ceiling[i] = 0.9f;
	for (size_t row = 0; row < ROWS; row++) {
		size_t better = 0;

		cn_hard_find(&hard, &round, row, 10);
		wrong += hard.n != 10;
		for (size_t i = 0; i < hard.n; i++)
			wrong += hard.score[i] > 0.9f || (i && hard.score[i] > hard.score[i - 1]) ||
				hard.score[i] != cn_kernel_dot(anchor + row * DIM, hard.vector[i], DIM);
		for (size_t j = 0; j < ROWS; j++) {
			const float s = cn_kernel_dot(anchor + row * DIM, positive + j * DIM, DIM);

			better += ids[j] != ids[row] && s <= 0.9f && s > hard.score[9];
		}
		for (size_t m = 0; m < 2; m++)
			better += (row || !m) && cn_kernel_dot(anchor + row * DIM, mined + (row * 2 + m) * DIM, DIM) > hard.score[9];
		wrong += better > 9;
	}
	TAP_OK(wrong == 0, "hard: the best below the ceiling, of other ids, in order");
	cn_hard_find(&hard, &round, 0, 256);
	TAP_OK(hard.n > 20 && hard.n <= ROWS + 2, "hard: all there are, where there are not enough");
	for (size_t i = 0; i < hard.n; i++)
		wrong += hard.vector[i] == mined + DIM || hard.vector[i] == positive + 5 * DIM;
	TAP_OK(wrong == 0, "hard: neither a vector of zeros nor another row of the same id");
	ids[5] = 5;
}

static void
test_mix(void)
{
	struct cn_hard hard = { 2, { anchor + DIM, anchor + 2 * DIM }, { 0 } };
	struct cn_rng_key key;
	struct cn_rng rng, twin;
	float out[DIM];
	double most = 0, nearer = 0;

	make_round(0);
	cn_rng_key_init(&key, 1, "test");
	for (uint64_t id = 0; id < 200; id++) {
		cn_rng_start(&rng, &key, id, 0);
		cn_rng_start(&twin, &key, id, 0);
		cn_mix_two(&hard, DIM, &rng, out);
		const uint32_t i = cn_rng_below(&twin, 2);
		cn_rng_below(&twin, 1);
		const double alpha = (double)cn_rng_unit(&twin);
		double h[DIM], norm = 0;
		for (size_t j = 0; j < DIM; j++) {
			h[j] = alpha * (double)hard.vector[i][j] + (1 - alpha) * (double)hard.vector[1 - i][j];
			norm += h[j] * h[j];
		}
		for (size_t j = 0; j < DIM; j++)
			most = fmax(most, fabs(h[j] / sqrt(norm) - (double)out[j]));
		cn_mix_query(&hard, anchor, DIM, &rng, out);
		nearer += cn_kernel_dot(anchor, out, DIM) >= fminf(cn_kernel_dot(anchor, hard.vector[0], DIM), cn_kernel_dot(anchor, hard.vector[1], DIM)) - 1e-5f;
	}
	TAP_OK(most < 1e-5, "mix: of two, as MoCHi's formula");
	TAP_OK(nearer == 200, "mix: with the anchor, never farther than what it was mixed from");
	cn_rng_start(&rng, &key, 0, 0);
	cn_mix_noise(anchor, 0.3f, DIM, &rng, out);
	TAP_NEAR((double)cn_kernel_dot(anchor, out, DIM), 0.3, 1e-4, "mix: noise of the similarity asked for");
	TAP_NEAR((double)cn_kernel_dot(out, out, DIM), 1, 1e-5, "mix: noise of unit length");
	int good = 1;
	for (int c = -10; c <= 10; c++) {
		memcpy(out, c % 2 ? positive : anchor, sizeof out);
		cn_mix_push(anchor, (float)c / 10, DIM, out);
		const float s = cn_kernel_dot(anchor, out, DIM);
		good = good && (s <= (float)c / 10 || c == -10) && s > (float)c / 10 - 0.001f && fabsf(cn_kernel_dot(out, out, DIM) - 1) < 1e-5f;
	}
	TAP_OK(good, "mix: what is too near is turned to the ceiling, and no farther");
}

int
main(void)
{
	struct cn_gan_config config = settings();

	test_dense();
	test_widths();
	test_mlp();
	test_gradient("the discriminator", CN_GAN_DISCRIMINATOR, config);
	test_gradient("the generator", CN_GAN_GENERATOR, config);
	config.latent_norm = 0;
	config.realism = 3;
	test_gradient("the generator without bound", CN_GAN_GENERATOR, config);
	config.latent_norm = 0.3;
	config.margin = 0.8;
	config.diversity = 5;
	test_gradient("the generator with margin and diversity", CN_GAN_GENERATOR, config);
	test_game();
	test_bound();
	test_same();
	test_hard();
	test_mix();
	return tap_done();
}
