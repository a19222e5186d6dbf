/* gan - see the header for what is minimised; here are its derivatives. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/gan.h"
#include "gen/mlp.h"
#include "nn/optimizer.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { HIDDEN = 128 };

#define NEARNESS 10.0	/* weight of target and margin */
#define TINY 1e-6f

struct cn_gan {
	struct cn_gan_config config;
	struct cn_mlp *net[2];		/* by enum cn_gan_side */
	struct cn_optimizer *adam[2];
	struct cn_rng_key key;
	float *noise;			/* (rows, CN_GAN_DRAWS, CN_GAN_LATENT) */
	float *made;			/* (rows, CN_GAN_DRAWS, dim) */
	float *slope;			/* (rows, CN_GAN_DRAWS, dim) gradient of made */
	float *length;			/* (rows, CN_GAN_DRAWS) |a + delta| */
	float *across;			/* (rows, CN_GAN_DRAWS) distance of made from the line of the anchor */
};

struct cn_gan *
cn_gan_new(const struct cn_gan_config *config, struct cn_err *err)
{
	const size_t dim = config->dim, rows = config->rows;
	const size_t g[] = { 2 * dim + CN_GAN_LATENT, HIDDEN, HIDDEN, dim }, d[] = { 3 * dim, HIDDEN, HIDDEN, 1 };
	struct cn_gan *gan;

	if (err->code || !(gan = cn_mem_array(1, sizeof *gan, err)))
		return NULL;
	gan->config = *config;
	cn_rng_key_init(&gan->key, config->seed, "gen.train");
	gan->net[CN_GAN_GENERATOR] = cn_mlp_new(g, 3, rows * CN_GAN_DRAWS, config->seed, "gen.generator", config->pool, err);
	gan->net[CN_GAN_DISCRIMINATOR] = cn_mlp_new(d, 3, rows * (1 + CN_GAN_DRAWS), config->seed, "gen.discriminator", config->pool, err);
	gan->noise = cn_mem_array(rows, CN_GAN_DRAWS * CN_GAN_LATENT * sizeof(float), err);
	gan->made = cn_mem_array(rows * CN_GAN_DRAWS, dim * sizeof(float), err);
	gan->slope = cn_mem_array(rows * CN_GAN_DRAWS, dim * sizeof(float), err);
	gan->across = cn_mem_array(rows * CN_GAN_DRAWS, sizeof(float), err);
	gan->length = cn_mem_array(rows * CN_GAN_DRAWS, sizeof(float), err);
	for (int side = 0; side < 2 && !err->code; side++) {
		const struct cn_optimizer_config adam = { .kind = CN_OPTIMIZER_ADAM, .beta2 = 0.9 };
		struct cn_optimizer_part all = { 0 };

		cn_mlp_weights(gan->net[side], &all.n);
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
	for (int side = 0; side < 2; side++) {
		cn_mlp_free(gan->net[side]);
		cn_optimizer_free(gan->adam[side]);
	}
	cn_mem_free(gan->noise);
	cn_mem_free(gan->made);
	cn_mem_free(gan->slope);
	cn_mem_free(gan->length);
	cn_mem_free(gan->across);
	cn_mem_free(gan);
}

void
cn_gan_keep(struct cn_gan *gan, struct cn_state *state)
{
	cn_state_network(state, "generator", gan->net[CN_GAN_GENERATOR], gan->adam[CN_GAN_GENERATOR]);
	cn_state_network(state, "discriminator", gan->net[CN_GAN_DISCRIMINATOR], gan->adam[CN_GAN_DISCRIMINATOR]);
}

float *
cn_gan_weights(struct cn_gan *gan, enum cn_gan_side side, size_t *n)
{
	return cn_mlp_weights(gan->net[side], n);
}

const float *
cn_gan_gradient(const struct cn_gan *gan, enum cn_gan_side side)
{
	return cn_mlp_gradient(gan->net[side]);
}

/* How much of y the bound on its norm leaves. */
static float
shrink(const struct cn_gan *gan, const float *y)
{
	const float norm = sqrtf(cn_kernel_dot(y, y, gan->config.dim)), bound = (float)gan->config.latent_norm;

	return bound > 0 && norm > bound ? bound / norm : 1;
}

/*
 * Generator: inputs laid out, network run, outputs bound and brought to unit length; into made.  Draws first to
 * first + n - 1 of all rows' draws, draws of each.
 */
static void
make(struct cn_gan *gan, size_t first, size_t n, size_t draws, const float *anchor, const float *positive, const float *noise)
{
	struct cn_mlp *net = gan->net[CN_GAN_GENERATOR];
	const size_t dim = gan->config.dim;
	size_t stride;
	float *in = cn_mlp_input(net, &stride);

	for (size_t i = first; i < first + n; i++, in += stride) {
		memcpy(in, anchor + i / draws * dim, dim * sizeof *in);
		memcpy(in + dim, positive + i / draws * dim, dim * sizeof *in);
		memcpy(in + 2 * dim, noise + i * CN_GAN_LATENT, CN_GAN_LATENT * sizeof *in);
	}
	cn_mlp_forward(net, n);
	for (size_t i = 0; i < n; i++) {
		const float *y = cn_mlp_output(net, &stride) + i * stride, *a = anchor + (first + i) / draws * dim;
		const float share = shrink(gan, y);
		float *g = gan->made + i * dim;

		for (size_t j = 0; j < dim; j++)
			g[j] = a[j] + share * y[j];
		gan->length[i] = sqrtf(cn_kernel_dot(g, g, dim)) + TINY;
		for (size_t j = 0; j < dim; j++)
			g[j] /= gan->length[i];
	}
}

void
cn_gan_generate(struct cn_gan *gan, size_t rows, size_t draws, const float *anchor, const float *positive, const float *noise,
	float *out)
{
	const size_t all = rows * draws, most = gan->config.rows * CN_GAN_DRAWS, dim = gan->config.dim;

	for (size_t first = 0; first < all; first += most) {
		const size_t n = all - first < most ? all - first : most;

		make(gan, first, n, draws, anchor, positive, noise);
		memcpy(out + first * dim, gan->made, n * dim * sizeof *out);
	}
	cn_kernel_normalize(out, all, dim);
}

void
cn_gan_draw(struct cn_gan *gan, const struct cn_gan_round *round, unsigned step)
{
	const size_t n = CN_GAN_DRAWS * CN_GAN_LATENT;
	struct cn_rng rng;

	for (size_t i = 0; i < gan->config.rows; i++) {
		/* one block of 16 words per step and draw, so that step s begins at block s * CN_GAN_DRAWS */
		cn_rng_start(&rng, &gan->key, round->id[i], round->epoch[i]);
		rng.block += step * CN_GAN_DRAWS;
		for (size_t j = 0; j < n; j++)
			gan->noise[i * n + j] = cn_rng_normal(&rng);
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
softplus(double x)
{
	return (x > 0 ? x : 0) + cn_rng_log(1 + cn_rng_exp(x > 0 ? -x : x));
}

static double
sigmoid(double x)
{
	return 1 / (1 + cn_rng_exp(-x));
}

/* L_D; reals come first, then the draws. */
static double
judge(struct cn_gan *gan, const struct cn_gan_round *round, struct cn_gan_report *report)
{
	struct cn_mlp *net = gan->net[CN_GAN_DISCRIMINATOR];
	const size_t rows = gan->config.rows, fakes = rows * CN_GAN_DRAWS, dim = gan->config.dim;
	size_t stride, reals = 0, right[2] = { 0 };
	float *in = cn_mlp_input(net, &stride), *slope;
	double loss = 0;

	for (size_t i = 0; i < rows; i++) {
		lay(in + i * stride, round->anchor + i * dim, round->real + i * dim, dim);
		reals += round->has_real[i];
	}
	for (size_t i = 0; i < fakes; i++)
		lay(in + (rows + i) * stride, round->anchor + i / CN_GAN_DRAWS * dim, gan->made + i * dim, dim);
	cn_mlp_forward(net, rows + fakes);
	slope = cn_mlp_output_gradient(net, &stride);
	for (size_t i = 0; i < rows + fakes; i++) {
		const double logit = (double)cn_mlp_output(net, &stride)[i * stride];
		const double weight = i >= rows ? 1.0 / (double)fakes : round->has_real[i] ? 1.0 / (double)reals : 0;

		loss += weight * softplus(i < rows ? -logit : logit);
		slope[i * stride] = (float)(weight * (i < rows ? -sigmoid(-logit) : sigmoid(logit)));
		right[i >= rows] += i < rows ? logit > 0 && round->has_real[i] : logit < 0;
	}
	cn_mlp_backward(net, rows + fakes, true);
	report->accuracy = 0.5 * ((reals ? (double)right[0] / (double)reals : 0.5) + (double)right[1] / (double)fakes);
	return report->d_loss = loss;
}

/* The discriminator's word about what was made: its part of L_G, and of the gradient of made. */
static double
hear(struct cn_gan *gan, const struct cn_gan_round *round)
{
	struct cn_mlp *net = gan->net[CN_GAN_DISCRIMINATOR];
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

		loss += weight * softplus(-logit);
		slope[i * stride] = (float)(-weight * sigmoid(-logit));
	}
	cn_mlp_backward(net, n, false);
	for (size_t i = 0; i < n; i++) {
		const float *back = cn_mlp_input_gradient(net, &stride) + i * stride;

		lift(back, round->anchor + i / CN_GAN_DRAWS * dim, in + i * stride + dim, gan->across[i], gan->slope + i * dim, dim);
	}
	return loss;
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

/* Difference of two draws of one row: its part of L_G, and of the gradient of both. */
static double
spread(const struct cn_gan *gan, const float *g, float *slope, double weight)
{
	const size_t dim = gan->config.dim;
	const float distance = sqrtf(cn_kernel_distance2(g, g + dim, dim)) + TINY;
	const float pull = (float)weight / distance;

	for (size_t j = 0; j < dim; j++) {
		const float away = pull * (g[j] - g[dim + j]);

		slope[j] -= away;
		slope[dim + j] += away;
	}
	return (double)distance;
}

/* From the gradient of the unit vectors to that of the network's output. */
static void
unfold(struct cn_gan *gan, size_t n)
{
	struct cn_mlp *net = gan->net[CN_GAN_GENERATOR];
	const size_t dim = gan->config.dim;
	size_t stride;
	float *out = cn_mlp_output_gradient(net, &stride);

	for (size_t i = 0; i < n; i++, out += stride) {
		const float *y = cn_mlp_output(net, &stride) + i * stride, *g = gan->made + i * dim, *dg = gan->slope + i * dim;
		const float along = cn_kernel_dot(g, dg, dim), share = shrink(gan, y);
		float radial = 0;

		for (size_t j = 0; j < dim; j++)
			out[j] = (dg[j] - along * g[j]) / gan->length[i];
		if (share < 1)
			radial = cn_kernel_dot(y, out, dim) / cn_kernel_dot(y, y, dim);
		for (size_t j = 0; j < dim; j++)
			out[j] = share * (out[j] - radial * y[j]);
	}
}

/* L_G. */
static double
improve(struct cn_gan *gan, const struct cn_gan_round *round, struct cn_gan_report *report)
{
	const size_t rows = gan->config.rows, n = rows * CN_GAN_DRAWS, dim = gan->config.dim;
	double loss = hear(gan, round), similarity = 0, apart = 0;

	for (size_t i = 0; i < n; i++) {
		const float *a = round->anchor + i / CN_GAN_DRAWS * dim, *p = round->positive + i / CN_GAN_DRAWS * dim;
		const double s = (double)cn_kernel_dot(a, gan->made + i * dim, dim);
		double slope;

		loss += place(gan, s, (double)cn_kernel_dot(a, p, dim), &slope) / (double)n;
		similarity += s;
		for (size_t j = 0; j < dim; j++)
			gan->slope[i * dim + j] += (float)(slope / (double)n) * a[j];
	}
	for (size_t i = 0; i < rows; i++)
		apart += spread(gan, gan->made + i * CN_GAN_DRAWS * dim, gan->slope + i * CN_GAN_DRAWS * dim,
			gan->config.diversity / (double)rows);
	unfold(gan, n);
	cn_mlp_backward(gan->net[CN_GAN_GENERATOR], n, true);
	report->similarity = similarity / (double)n;
	report->diversity = apart / (double)rows;
	return report->g_loss = loss - gan->config.diversity * report->diversity;
}

double
cn_gan_loss(struct cn_gan *gan, enum cn_gan_side side, const struct cn_gan_round *round, struct cn_gan_report *report)
{
	make(gan, 0, gan->config.rows * CN_GAN_DRAWS, CN_GAN_DRAWS, round->anchor, round->positive, gan->noise);
	return side == CN_GAN_DISCRIMINATOR ? judge(gan, round, report) : improve(gan, round, report);
}

static void
step(struct cn_gan *gan, enum cn_gan_side side)
{
	const struct cn_optimizer_rates rates = { .lr = gan->config.lr, .momentum = 0.5, .scale = 1 };
	size_t n;
	float *weights = cn_mlp_weights(gan->net[side], &n);

	cn_optimizer_step(gan->adam[side], &rates, weights, cn_mlp_gradient(gan->net[side]), gan->config.pool);
}

void
cn_gan_train(struct cn_gan *gan, const struct cn_gan_round *round, unsigned steps, struct cn_gan_report *report)
{
	for (unsigned s = 0; s < steps; s++) {
		struct cn_gan_report later;

		cn_gan_draw(gan, round, s);
		cn_gan_loss(gan, CN_GAN_DISCRIMINATOR, round, s ? &later : report);
		step(gan, CN_GAN_DISCRIMINATOR);
		cn_gan_loss(gan, CN_GAN_GENERATOR, round, s ? &later : report);
		step(gan, CN_GAN_GENERATOR);
	}
}
