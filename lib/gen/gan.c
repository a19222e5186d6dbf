/* gan - see the header for what is minimised; here are its derivatives. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/gan.h"
#include "gen/mlp.h"
#include "nn/optimizer.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { HIDDEN = 128 };

#define NEARNESS 10.0	/* weight of target, margin and apart */
#define TINY 1e-6f

enum { KEY_NOISE, KEY_BETWEEN, KEYS };

struct cn_gan {
	struct cn_gan_config config;
	struct cn_mover *mover;
	struct cn_mlp *judge;
	struct cn_optimizer *adam[2];	/* by enum cn_gan_side */
	struct cn_rng_key key[KEYS];
	float *noise;			/* (rows, CN_GAN_DRAWS, CN_GAN_LATENT) */
	float *between;			/* (rows) where between a true one and a made one the penalty is taken */
	float *made;			/* (rows, CN_GAN_DRAWS, dim) */
	float *slope;			/* (rows, CN_GAN_DRAWS, dim) gradient of made */
	float *across;			/* (rows, CN_GAN_DRAWS) distance of made from the line of the anchor */
};

static struct cn_mover *
new_mover(const struct cn_gan_config *c, struct cn_err *err)
{
	const struct cn_mover_config config = { .dim = c->dim, .most = c->rows * CN_GAN_DRAWS, .latent_norm = c->latent_norm,
		.seed = c->seed, .pool = c->pool, .encoder = c->encoder, .dtype = c->dtype, .shape = c->shape,
		.input_margin = c->input_margin };

	return c->encoder ? cn_mover_input(&config, err) : cn_mover_embedding(&config, err);
}

struct cn_gan *
cn_gan_new(const struct cn_gan_config *config, struct cn_err *err)
{
	static const char *const purpose[KEYS] = { "gen.train", "gen.between" };
	const struct cn_optimizer_config adam = { .kind = CN_OPTIMIZER_ADAM, .beta2 = 0.9 };
	const size_t dim = config->dim, rows = config->rows, width[] = { 3 * dim, HIDDEN, HIDDEN, 1 };
	struct cn_gan *gan;

	if (err->code || !(gan = cn_mem_array(1, sizeof *gan, err)))
		return NULL;
	gan->config = *config;
	if (config->critic == 0)
		gan->config.critic = config->game == CN_GAN_WASSERSTEIN ? 5 : 1;
	for (int k = 0; k < KEYS; k++)
		cn_rng_key_init(gan->key + k, config->seed, purpose[k]);
	gan->mover = new_mover(config, err);
	gan->judge = cn_mlp_new(width, 3, rows * (1 + CN_GAN_DRAWS), config->seed, "gen.discriminator", config->pool, err);
	gan->noise = cn_mem_array(rows, CN_GAN_DRAWS * CN_GAN_LATENT * sizeof(float), err);
	gan->between = cn_mem_array(rows, sizeof(float), err);
	gan->made = cn_mem_array(rows * CN_GAN_DRAWS, dim * sizeof(float), err);
	gan->slope = cn_mem_array(rows * CN_GAN_DRAWS, dim * sizeof(float), err);
	gan->across = cn_mem_array(rows * CN_GAN_DRAWS, sizeof(float), err);
	for (int side = 0; side < 2 && !err->code; side++) {
		struct cn_optimizer_part all = { 0 };

		cn_gan_weights(gan, side, &all.n);
		gan->adam[side] = cn_optimizer_new(&adam, &all, 1, err);
	}
	if (!err->code)
		return gan;
	cn_gan_free(gan);
	return NULL;
}

void
cn_gan_free(struct cn_gan *gan)
{
	if (!gan)
		return;
	if (gan->mover)
		gan->mover->kind->free(gan->mover);
	cn_mlp_free(gan->judge);
	for (int side = 0; side < 2; side++)
		cn_optimizer_free(gan->adam[side]);
	cn_mem_free(gan->noise);
	cn_mem_free(gan->between);
	cn_mem_free(gan->made);
	cn_mem_free(gan->slope);
	cn_mem_free(gan->across);
	cn_mem_free(gan);
}

void
cn_gan_keep(struct cn_gan *gan, struct cn_state *state)
{
	static const char *const name[] = { [CN_GAN_GENERATOR] = "generator", [CN_GAN_DISCRIMINATOR] = "discriminator" };

	for (int side = 0; side < 2; side++) {
		size_t n;
		float *weights = cn_gan_weights(gan, side, &n);

		cn_state_learned(state, name[side], weights, n, gan->adam[side]);
	}
	if (gan->mover->kind->keep)
		gan->mover->kind->keep(gan->mover, state);
}

float *
cn_gan_weights(struct cn_gan *gan, enum cn_gan_side side, size_t *n)
{
	const float *gradient;
	float *weight;

	if (side == CN_GAN_DISCRIMINATOR)
		return cn_mlp_weights(gan->judge, n);
	gan->mover->kind->weights(gan->mover, n, &weight, &gradient);
	return weight;
}

const float *
cn_gan_gradient(const struct cn_gan *gan, enum cn_gan_side side)
{
	const float *gradient;
	float *weight;
	size_t n;

	if (side == CN_GAN_DISCRIMINATOR)
		return cn_mlp_gradient(gan->judge);
	gan->mover->kind->weights(gan->mover, &n, &weight, &gradient);
	return gradient;
}

void
cn_gan_generate_rows(struct cn_gan *gan, const struct cn_mover_rows *rows, size_t n, float *out, unsigned char *sample)
{
	const size_t all = n * rows->draws, most = gan->config.rows * CN_GAN_DRAWS, dim = gan->config.dim;
	const size_t bytes = cn_shape_count(&gan->config.shape) * (sample ? cn_dtype_size(gan->config.dtype) : 0);

	for (size_t first = 0; first < all; first += most)
		gan->mover->kind->make(gan->mover, rows, first, all - first < most ? all - first : most, out + first * dim,
			sample ? sample + first * bytes : NULL);
	cn_kernel_normalize(out, all, dim);
}

void
cn_gan_generate(struct cn_gan *gan, size_t rows, size_t draws, const float *anchor, const float *positive, const float *noise,
	float *out)
{
	const struct cn_mover_rows all = { .draws = draws, .anchor = anchor, .positive = positive, .noise = noise };

	cn_gan_generate_rows(gan, &all, rows, out, NULL);
}

void
cn_gan_draw(struct cn_gan *gan, const struct cn_gan_round *round, unsigned step)
{
	const size_t n = CN_GAN_DRAWS * CN_GAN_LATENT;
	struct cn_rng rng;

	for (size_t i = 0; i < gan->config.rows; i++) {
		/* one block of 16 words per step and draw, so that step s begins at block s * CN_GAN_DRAWS */
		cn_rng_start(&rng, gan->key + KEY_NOISE, round->id[i], round->epoch[i]);
		rng.block += step * CN_GAN_DRAWS;
		for (size_t j = 0; j < n; j++)
			gan->noise[i * n + j] = cn_rng_normal(&rng);
		cn_rng_start(&rng, gan->key + KEY_BETWEEN, round->id[i], round->epoch[i]);
		rng.block += step;
		gan->between[i] = cn_rng_unit(&rng);
	}
}

/* One line of the discriminator's input: a, u, and a times u, where u |c - (a.c) a| = c - (a.c) a; returns that length. */
static float
lay(float *in, const float *a, const float *c, size_t dim)
{
	const float along = cn_kernel_dot(a, c, dim);
	float *u = in + dim, length;

	memcpy(in, a, dim * sizeof *in);
	for (size_t j = 0; j < dim; j++)
		u[j] = c[j] - along * a[j];
	length = sqrtf(cn_kernel_dot(u, u, dim)) + TINY;
	for (size_t j = 0; j < dim; j++) {
		u[j] /= length;
		in[2 * dim + j] = a[j] * u[j];
	}
	return length;
}

/* The gradient of c from that of a line of input: du, less its parts along u and a, by the length. */
static void
lift(const float *back, const float *a, const float *u, float length, float *slope, size_t dim)
{
	float along_a, along_u;

	for (size_t j = 0; j < dim; j++)
		slope[j] = back[dim + j] + a[j] * back[2 * dim + j];
	along_a = cn_kernel_dot(a, slope, dim);
	along_u = cn_kernel_dot(u, slope, dim);
	for (size_t j = 0; j < dim; j++)
		slope[j] = (slope[j] - along_a * a[j] - along_u * u[j]) / length;
}

static double
sigmoid(double x)
{
	return 1 / (1 + cn_rng_exp(-x));
}

/* pay(x), and its slope; see the header. */
static double
pay(enum cn_gan_game game, double x, double *slope)
{
	switch (game) {
	case CN_GAN_NONSATURATING:
		*slope = sigmoid(x);
		return cn_rng_softplus(x);
	case CN_GAN_HINGE:
		*slope = x > -1;
		return x > -1 ? 1 + x : 0;
	default:
		*slope = 1;
		return x;
	}
}

/* ask(x), and its slope. */
static double
ask(enum cn_gan_game game, double x, double *slope)
{
	const double loss = pay(game == CN_GAN_HINGE ? CN_GAN_WASSERSTEIN : game, -x, slope);

	*slope = -*slope;
	return loss;
}

/* Where the discriminator's yes begins: at 0; of a critic, of which only differences count, midway between its means. */
static double
threshold(const struct cn_gan *gan, const struct cn_gan_round *round, size_t reals)
{
	const size_t rows = gan->config.rows, all = rows * (1 + CN_GAN_DRAWS);
	double sum[2] = { 0 };
	size_t stride;
	const float *out = cn_mlp_output(gan->judge, &stride);

	if (gan->config.game != CN_GAN_WASSERSTEIN || reals == 0)
		return 0;
	for (size_t i = 0; i < all; i++)
		sum[i >= rows] += i >= rows || round->has_real[i] ? (double)out[i * stride] : 0;
	return 0.5 * (sum[0] / (double)reals + sum[1] / (double)(all - rows));
}

/* A line of the discriminator's input for the penalty: u is share that of real and the rest that of made, whose line goes to other. */
static void
lay_between(float *in, float *other, const float *a, const float *real, const float *made, float share, size_t dim)
{
	float *u = in + dim;

	lay(other, a, made, dim);
	lay(in, a, real, dim);
	for (size_t j = 0; j < dim; j++) {
		u[j] = share * u[j] + (1 - share) * other[dim + j];
		u[dim + j] = a[j] * u[j];
	}
}

/* penalty (|G| - 1)^2 of one row, G = dD/du; and its gradient by the discriminator's input's gradient, into v. */
static double
pull_to_one(const float *a, const float *back, float *v, size_t dim, double weight)
{
	float *g = v + dim;

	for (size_t j = 0; j < dim; j++)
		g[j] = back[dim + j] + a[j] * back[2 * dim + j];
	const double length = sqrt((double)cn_kernel_dot(g, g, dim)) + (double)TINY;

	memset(v, 0, dim * sizeof *v);
	for (size_t j = 0; j < dim; j++) {
		g[j] *= (float)(2 * weight * (length - 1) / length);
		g[dim + j] = a[j] * g[j];
	}
	return weight * (length - 1) * (length - 1);
}

/* The penalty, whose gradient is added to that of the rest of L_D. */
static double
restrain(struct cn_gan *gan, const struct cn_gan_round *round, size_t reals)
{
	const size_t rows = gan->config.rows, dim = gan->config.dim;
	size_t stride;
	float *in = cn_mlp_input(gan->judge, &stride), *slope, *v = cn_mlp_tangent(gan->judge, &stride);
	double loss = 0;

	for (size_t i = 0; i < rows; i++)
		lay_between(in + i * stride, v + i * stride, round->anchor + i * dim, round->real + i * dim,
			gan->made + i * CN_GAN_DRAWS * dim, gan->between[i], dim);
	cn_mlp_forward(gan->judge, rows);
	slope = cn_mlp_output_gradient(gan->judge, &stride);
	for (size_t i = 0; i < rows; i++)
		slope[i * stride] = 1;
	cn_mlp_backward(gan->judge, rows, false);
	for (size_t i = 0; i < rows; i++) {
		const double weight = round->has_real[i] ? gan->config.penalty / (double)reals : 0;
		const float *back = cn_mlp_input_gradient(gan->judge, &stride) + i * stride;

		loss += pull_to_one(round->anchor + i * dim, back, v + i * stride, dim, weight);
	}
	cn_mlp_backward_twice(gan->judge, rows);
	return loss;
}

/* Lays out true ones and, behind them, made ones, and runs the discriminator; returns how many true ones there are. */
static size_t
look(struct cn_gan *gan, const struct cn_gan_round *round)
{
	const size_t rows = gan->config.rows, fakes = rows * CN_GAN_DRAWS, dim = gan->config.dim;
	size_t stride, reals = 0;
	float *in = cn_mlp_input(gan->judge, &stride);

	for (size_t i = 0; i < rows; i++) {
		lay(in + i * stride, round->anchor + i * dim, round->real + i * dim, dim);
		reals += round->has_real[i];
	}
	for (size_t i = 0; i < fakes; i++)
		lay(in + (rows + i) * stride, round->anchor + i / CN_GAN_DRAWS * dim, gan->made + i * dim, dim);
	cn_mlp_forward(gan->judge, rows + fakes);
	return reals;
}

/* L_D. */
static double
judge(struct cn_gan *gan, const struct cn_gan_round *round, struct cn_gan_report *report)
{
	const size_t rows = gan->config.rows, fakes = rows * CN_GAN_DRAWS, reals = look(gan, round);
	const double yes = threshold(gan, round, reals);
	size_t stride, right[2] = { 0 };
	float *slope = cn_mlp_output_gradient(gan->judge, &stride);
	double loss = 0;

	for (size_t i = 0; i < rows + fakes; i++) {
		const double logit = (double)cn_mlp_output(gan->judge, &stride)[i * stride], wrong = i < rows ? -1 : 1;
		const double weight = i >= rows ? 1.0 / (double)fakes : round->has_real[i] ? 1.0 / (double)reals : 0;
		double rise;

		loss += weight * pay(gan->config.game, wrong * logit, &rise);
		slope[i * stride] = (float)(weight * (wrong * rise));
		right[i >= rows] += i < rows ? logit > yes && round->has_real[i] : logit < yes;
	}
	cn_mlp_backward(gan->judge, rows + fakes, true);
	if (gan->config.game == CN_GAN_WASSERSTEIN && reals)
		loss += restrain(gan, round, reals);
	report->d_real = reals ? (double)right[0] / (double)reals : 0.5;
	report->d_made = (double)right[1] / (double)fakes;
	return report->d_loss = loss;
}

/* The discriminator's word about what was made: its part of L_G, and of the gradient of made. */
static double
hear(struct cn_gan *gan, const struct cn_gan_round *round)
{
	struct cn_mlp *net = gan->judge;
	const size_t n = gan->config.rows * CN_GAN_DRAWS, dim = gan->config.dim;
	const double weight = gan->config.realism / (double)n;
	size_t stride;
	float *in = cn_mlp_input(net, &stride), *slope;
	double loss = 0;

	memset(gan->slope, 0, n * dim * sizeof *gan->slope);
	if (gan->config.realism == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		gan->across[i] = lay(in + i * stride, round->anchor + i / CN_GAN_DRAWS * dim, gan->made + i * dim, dim);
	cn_mlp_forward(net, n);
	slope = cn_mlp_output_gradient(net, &stride);
	for (size_t i = 0; i < n; i++) {
		const double logit = (double)cn_mlp_output(net, &stride)[i * stride];
		double rise;

		loss += weight * ask(gan->config.game, logit, &rise);
		slope[i * stride] = (float)(weight * rise);
	}
	cn_mlp_backward(net, n, false);
	for (size_t i = 0; i < n; i++) {
		const float *back = cn_mlp_input_gradient(net, &stride) + i * stride;

		lift(back, round->anchor + i / CN_GAN_DRAWS * dim, in + i * stride + dim, gan->across[i], gan->slope + i * dim, dim);
	}
	return loss;
}

/* Whether a draw is nearer to the anchor than the positive and the margin allow. */
static bool
too_near(const struct cn_gan *gan, double s, double s_pos)
{
	return sqrt(2 - 2 * s > 0 ? 2 - 2 * s : 0) < sqrt(2 - 2 * s_pos > 0 ? 2 - 2 * s_pos : 0) + gan->config.margin;
}

/* Target and margin of one draw, which depend on its similarity alone. */
static double
place(const struct cn_gan *gan, double s, double s_pos, double *slope)
{
	const double target = gan->config.target < s_pos ? gan->config.target : s_pos;
	const double d = sqrt(2 - 2 * s > 1e-4 ? 2 - 2 * s : 1e-4), d_pos = sqrt(2 - 2 * s_pos > 0 ? 2 - 2 * s_pos : 0);
	const double short_by = d_pos + gan->config.margin - d;
	double loss = NEARNESS * (s - target) * (s - target);

	*slope = 2 * NEARNESS * (s - target);
	if (gan->config.margin > 0 && short_by > 0) {
		loss += NEARNESS * short_by;
		*slope += NEARNESS / d;
	}
	return loss;
}

/* Pulls (weight < 0: pushes) c and other together: adds to the gradient of c, and of other unless NULL; returns their distance. */
static double
pull(const float *c, const float *other, double weight, float *slope, float *other_slope, size_t dim)
{
	const float distance = sqrtf(cn_kernel_distance2(c, other, dim)) + TINY, by = (float)weight / distance;

	for (size_t j = 0; j < dim; j++) {
		const float toward = by * (c[j] - other[j]);

		slope[j] += toward;
		if (other_slope)
			other_slope[j] -= toward;
	}
	return (double)distance;
}

/* The least distance from the positive. */
static double
keep_apart(const struct cn_gan *gan, const float *c, const float *positive, float *slope, double weight)
{
	const double wanted = gan->config.apart, distance = sqrt((double)cn_kernel_distance2(c, positive, gan->config.dim));

	if (distance >= wanted)
		return 0;
	pull(c, positive, -NEARNESS * weight, slope, NULL, gan->config.dim);
	return NEARNESS * weight * (wanted - distance);
}

/* Difference of two draws of one row: its part of L_G, and of the gradient of both. */
static double
spread(struct cn_gan *gan, size_t row, double *distance)
{
	const size_t at = row * CN_GAN_DRAWS * gan->config.dim, dim = gan->config.dim;
	const float *n = gan->noise + row * CN_GAN_DRAWS * CN_GAN_LATENT;
	const double noises = sqrt((double)cn_kernel_distance2(n, n + CN_GAN_LATENT, CN_GAN_LATENT)) + (double)TINY;
	const double seeking = gan->config.seeking * sqrt(2.0 * CN_GAN_LATENT) / noises;
	const double weight = (gan->config.diversity + seeking) / (double)gan->config.rows;

	*distance = pull(gan->made + at, gan->made + at + dim, -weight, gan->slope + at, gan->slope + at + dim, dim);
	return -weight * *distance;
}

/* What the report says of one draw, of n. */
static void
count(const struct cn_gan *gan, const struct cn_gan_round *round, size_t row, const float *c, double s, double s_pos,
	struct cn_gan_report *report)
{
	const size_t dim = gan->config.dim;
	const double share = 1 / (double)(gan->config.rows * CN_GAN_DRAWS);

	report->similarity += share * s;
	report->pos_similarity += share * s_pos;
	report->pos_made += share * (double)cn_kernel_dot(round->positive + row * dim, c, dim);
	report->rejected += round->ceiling && s > (double)round->ceiling[row] ? share : 0;
	report->violating += too_near(gan, s, s_pos) ? share : 0;
}

/* Makes empty what improve adds up. */
static void
begin_report(struct cn_gan_report *r)
{
	r->similarity = r->pos_similarity = r->pos_made = r->rejected = r->violating = r->diversity = 0;
}

/* L_G. */
static double
improve(struct cn_gan *gan, const struct cn_gan_round *round, struct cn_gan_report *report)
{
	const size_t rows = gan->config.rows, n = rows * CN_GAN_DRAWS, dim = gan->config.dim;
	double loss = hear(gan, round);

	begin_report(report);
	for (size_t i = 0; i < n; i++) {
		const float *a = round->anchor + i / CN_GAN_DRAWS * dim, *p = round->positive + i / CN_GAN_DRAWS * dim;
		float *c = gan->made + i * dim, *dc = gan->slope + i * dim;
		const double s = (double)cn_kernel_dot(a, c, dim), s_pos = (double)cn_kernel_dot(a, p, dim);
		double slope;

		loss += place(gan, s, s_pos, &slope) / (double)n;
		for (size_t j = 0; j < dim; j++)
			dc[j] += (float)(slope / (double)n) * a[j];
		loss += keep_apart(gan, c, p, dc, 1 / (double)n);
		count(gan, round, i / CN_GAN_DRAWS, c, s, s_pos, report);
	}
	for (size_t i = 0; i < rows; i++) {
		double distance;

		loss += spread(gan, i, &distance);
		report->diversity += distance / (double)rows;
	}
	loss += gan->mover->kind->back(gan->mover, n, gan->made, gan->slope);
	return report->g_loss = loss;
}

double
cn_gan_loss(struct cn_gan *gan, enum cn_gan_side side, const struct cn_gan_round *round, struct cn_gan_report *report)
{
	const struct cn_mover_rows rows = { CN_GAN_DRAWS, round->anchor, round->positive, round->x, round->pos, gan->noise };

	gan->mover->kind->make(gan->mover, &rows, 0, gan->config.rows * CN_GAN_DRAWS, gan->made, NULL);
	return side == CN_GAN_DISCRIMINATOR ? judge(gan, round, report) : improve(gan, round, report);
}

static void
step(struct cn_gan *gan, enum cn_gan_side side)
{
	const struct cn_optimizer_rates rates = { .lr = gan->config.lr, .scale = 1,
		.momentum = gan->config.game == CN_GAN_WASSERSTEIN ? 0 : 0.5 };
	size_t n;
	float *weights = cn_gan_weights(gan, side, &n);

	cn_optimizer_step(gan->adam[side], &rates, weights, cn_gan_gradient(gan, side), gan->config.pool);
}

void
cn_gan_train(struct cn_gan *gan, const struct cn_gan_round *round, unsigned steps, struct cn_gan_report *report)
{
	const unsigned critic = gan->config.critic;

	for (unsigned s = 0; s < steps; s++) {
		struct cn_gan_report later;

		for (unsigned c = 0; c < critic; c++) {
			cn_gan_draw(gan, round, s * critic + c);
			cn_gan_loss(gan, CN_GAN_DISCRIMINATOR, round, s || c ? &later : report);
			step(gan, CN_GAN_DISCRIMINATOR);
		}
		cn_gan_loss(gan, CN_GAN_GENERATOR, round, s ? &later : report);
		step(gan, CN_GAN_GENERATOR);
	}
}

void
cn_gan_report_text(const struct cn_gan_report *r, char *text, size_t size)
{
	snprintf(text, size, "%.6f\t%.6f\t%.4f\t%.4f\t%.6f\t%.6f\t%.6f\t%.6f\t%.4f\t%.4f", r->d_loss, r->g_loss, r->d_real, r->d_made,
		r->similarity, r->pos_made, r->pos_similarity, r->diversity, r->rejected, r->violating);
}
