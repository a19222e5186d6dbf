/*
 * mover_input - a small network says how to change the anchor's sample; an encoder makes the vector.
 *
 * Numbers are taken in standard deviations of the first rows seen: of vectors each by its own, of images (maps) all by one.  What the
 * network is given, anchor's and positive's sample and noise, and what it says, are such.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "gen/mover.h"
#include "nn/network.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { PIECE = CN_ENCODER_PROBE, L = CN_MOVER_LATENT };

#define NEARNESS 10.0	/* weight of the margin, as of that in gen/gan.c */
#define TINY 1e-6f

struct input {
	struct cn_mover mover;
	struct cn_mover_config config;
	struct cn_network *net;
	bool bytes_only, map;		/* numbers are 0 to 255; the sample has height and width */
	bool measured;
	size_t numbers, bytes;		/* of a sample */
	size_t places, channels;	/* numbers fall into these; of a vector: 1, all */
	float *centre, *scale;		/* (numbers) */
	float *in;			/* (most, places, 2 channels + L) */
	float *y, *dy;			/* (most, numbers) what the network says, and its gradient */
	float *moved;			/* (most, numbers) */
	float *length;			/* (most) of the encoder's vectors */
	float *dz;			/* (PIECE, dim) */
	float *x, *pos;			/* (most, numbers) as numbers */
};

/* Mean and deviation of so many runs of numbers, step apart, n of each. */
static void
measure(const float *x, size_t runs, size_t step, size_t n, float *centre, float *scale)
{
	double sum = 0, squares = 0;

	for (size_t r = 0; r < runs; r++)
		for (size_t k = 0; k < n; k++)
			sum += (double)x[r * step + k] / (double)(runs * n);
	for (size_t r = 0; r < runs; r++)
		for (size_t k = 0; k < n; k++)
			squares += ((double)x[r * step + k] - sum) * ((double)x[r * step + k] - sum) / (double)(runs * n);
	*centre = (float)sum;
	*scale = (float)sqrt(squares);
}

static void
measure_rows(struct input *m, size_t rows)
{
	if (m->map)
		measure(m->x, rows, m->numbers, m->numbers, m->centre, m->scale);
	for (size_t k = 0; k < m->numbers; k++)
		if (m->map) {
			m->centre[k] = m->centre[0];
			m->scale[k] = m->scale[0];
		} else {
			measure(m->x + k, rows, m->numbers, 1, m->centre + k, m->scale + k);
		}
	m->measured = true;
}

static float
standard(const struct input *m, float x, size_t k)
{
	return m->scale[k] > 0 ? (x - m->centre[k]) / m->scale[k] : 0;
}

/* The samples of draws [first, first + n) as numbers. */
static void
fetch(struct input *m, const struct cn_mover_rows *rows, size_t first, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const size_t at = (first + i) / rows->draws * m->bytes;

		cn_dtype_to_f32(m->config.dtype, rows->x + at, m->x + i * m->numbers, m->numbers);
		cn_dtype_to_f32(m->config.dtype, rows->pos + at, m->pos + i * m->numbers, m->numbers);
	}
	if (!m->measured)
		measure_rows(m, n);
}

static void
lay(struct input *m, const float *noise, size_t i)
{
	const float *x = m->x + i * m->numbers, *pos = m->pos + i * m->numbers;
	float *in = m->in + i * m->places * (2 * m->channels + L);

	for (size_t p = 0; p < m->places; p++) {
		for (size_t c = 0; c < m->channels; c++) {
			const size_t k = p * m->channels + c;

			in[c] = standard(m, x[k], k);
			in[m->channels + c] = standard(m, pos[k], k);
		}
		memcpy(in + 2 * m->channels, noise, L * sizeof *in);
		in += 2 * m->channels + L;
	}
}

/* How much of y the bound on its root mean square leaves. */
static float
shrink(const struct input *m, const float *y)
{
	const float norm = sqrtf(cn_kernel_dot(y, y, m->numbers)), bound = (float)(m->config.latent_norm * sqrt((double)m->numbers));

	return bound > 0 && norm > bound ? bound / norm : 1;
}

static float
clamp(float x)
{
	return x < 0 ? 0 : x > 255 ? 255 : x;
}

/* Where draw i is moved to; and, if it is to be written, what is written. */
static void
move(struct input *m, size_t i, unsigned char *sample)
{
	const float *x = m->x + i * m->numbers, *y = m->y + i * m->numbers, share = shrink(m, y);
	float *to = m->moved + i * m->numbers;

	for (size_t k = 0; k < m->numbers; k++) {
		to[k] = x[k] + m->scale[k] * share * y[k];
		if (m->bytes_only)
			to[k] = clamp(sample ? floorf(to[k] + 0.5f) : to[k]);
		if (sample && m->bytes_only)
			sample[i * m->bytes + k] = (unsigned char)to[k];
	}
	if (sample && !m->bytes_only)
		memcpy(sample + i * m->bytes, to, m->bytes);
}

static void
make(struct cn_mover *mover, const struct cn_mover_rows *rows, size_t first, size_t n, float *made, unsigned char *sample)
{
	struct input *m = (struct input *)mover;
	const size_t dim = m->config.dim;
	struct cn_err never = { 0 };	/* all memory is there */

	fetch(m, rows, first, n);
	for (size_t i = 0; i < n; i++)
		lay(m, rows->noise + (first + i) * L, i);
	cn_network_forward(m->net, m->in, n, m->y, &never);
	for (size_t i = 0; i < n; i++)
		move(m, i, sample);
	for (size_t at = 0; at < n; at += PIECE)
		cn_encoder_probe(m->config.encoder, m->moved + at * m->numbers, n - at < PIECE ? n - at : PIECE, made + at * dim, &never);
	for (size_t i = 0; i < n; i++) {
		float *z = made + i * dim;

		m->length[i] = sqrtf(cn_kernel_dot(z, z, dim)) + TINY;
		for (size_t j = 0; j < dim; j++)
			z[j] /= m->length[i];
	}
}

/* The margin of draw i to other in input space, a part of the loss; adds to the gradient of where it was moved. */
static double
keep_off(const struct input *m, size_t i, const float *other, double weight)
{
	const float *to = m->moved + i * m->numbers;
	float *slope = m->dy + i * m->numbers;
	double squares = 0;

	for (size_t k = 0; k < m->numbers; k++) {
		const double away = m->scale[k] > 0 ? (double)((to[k] - other[k]) / m->scale[k]) : 0;

		squares += away * away / (double)m->numbers;
	}
	const double distance = sqrt(squares) + (double)TINY, by = NEARNESS * weight / (distance * (double)m->numbers);

	if (distance >= m->config.input_margin)
		return 0;
	for (size_t k = 0; k < m->numbers; k++)
		if (m->scale[k] > 0)
			slope[k] -= (float)(by * (double)(to[k] - other[k])) / (m->scale[k] * m->scale[k]);
	return NEARNESS * weight * (m->config.input_margin - distance);
}

/* From the gradient of where draw i was moved to that of what the network said. */
static void
unfold(const struct input *m, size_t i)
{
	const float *x = m->x + i * m->numbers, *y = m->y + i * m->numbers, share = shrink(m, y);
	float *slope = m->dy + i * m->numbers, radial = 0;

	for (size_t k = 0; k < m->numbers; k++) {
		const float to = x[k] + m->scale[k] * share * y[k];

		slope[k] *= m->bytes_only && (to < 0 || to > 255) ? 0 : m->scale[k];
	}
	if (share < 1)
		radial = cn_kernel_dot(y, slope, m->numbers) / cn_kernel_dot(y, y, m->numbers);
	for (size_t k = 0; k < m->numbers; k++)
		slope[k] = share * (slope[k] - radial * y[k]);
}

/* Through the encoder once more, a piece at a time, so that not all samples' maps must be kept. */
static void
back_piece(struct input *m, size_t at, size_t n, const float *made, const float *slope)
{
	const size_t dim = m->config.dim;
	struct cn_err never = { 0 };

	cn_encoder_probe(m->config.encoder, m->moved + at * m->numbers, n, m->dz, &never);
	for (size_t i = 0; i < n; i++) {
		const float *g = made + (at + i) * dim, *dg = slope + (at + i) * dim, along = cn_kernel_dot(g, dg, dim);

		for (size_t j = 0; j < dim; j++)
			m->dz[i * dim + j] = (dg[j] - along * g[j]) / m->length[at + i];
	}
	cn_encoder_slope(m->config.encoder, m->dz, m->dy + at * m->numbers, &never);
}

static double
back(struct cn_mover *mover, size_t n, const float *made, const float *slope)
{
	struct input *m = (struct input *)mover;
	struct cn_err never = { 0 };
	double loss = 0;

	for (size_t at = 0; at < n; at += PIECE)
		back_piece(m, at, n - at < PIECE ? n - at : PIECE, made, slope);
	for (size_t i = 0; i < n; i++) {
		loss += keep_off(m, i, m->x + i * m->numbers, 1 / (double)n);
		loss += keep_off(m, i, m->pos + i * m->numbers, 1 / (double)n);
		unfold(m, i);
	}
	cn_network_backward(m->net, m->dy, NULL, &never);
	return loss;
}

static void
weights(struct cn_mover *mover, size_t *n, float **weight, const float **gradient)
{
	struct input *m = (struct input *)mover;
	float *slope;

	*n = cn_network_parameters(m->net, weight, &slope);
	*gradient = slope;
}

static void
keep(struct cn_mover *mover, struct cn_state *state)
{
	struct input *m = (struct input *)mover;
	uint64_t measured = m->measured;

	cn_state_count(state, "measured", &measured);
	cn_state_floats(state, "centre", m->centre, 1, m->numbers);
	cn_state_floats(state, "deviation", m->scale, 1, m->numbers);
	m->measured = measured != 0;
}

static void
release(struct cn_mover *mover)
{
	struct input *m = (struct input *)mover;
	void *const block[] = { m->centre, m->scale, m->in, m->y, m->dy, m->moved, m->length, m->dz, m->x, m->pos };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_network_free(m->net);
	cn_mem_free(m);
}

static const struct cn_mover_kind kind = { .make = make, .back = back, .weights = weights, .keep = keep, .free = release };

/* A vector through two hidden layers; an image down by 2 as far as it halves, twice at most, and up again. */
static struct cn_network *
new_network(const struct input *m, struct cn_err *err)
{
	const struct cn_shape *shape = &m->config.shape;
	struct cn_shape in = { 1, { (uint32_t)(2 * m->channels + L) } };
	char words[160];

	if (!m->map) {
		snprintf(words, sizeof words, "linear:128 relu linear:128 relu linear:%zu", m->numbers);
		return cn_network_new(words, "", CN_DTYPE_F32, &in, m->config.pool, err);
	}
	in = (struct cn_shape){ 3, { shape->dim[0], shape->dim[1], in.dim[0] } };
	const bool halves = (shape->dim[0] | shape->dim[1]) % 2 == 0, quarters = halves && (shape->dim[0] | shape->dim[1]) % 4 == 0;

	snprintf(words, sizeof words, "plain:16%s relu plain:32%s relu%s plain:16 relu%s plain:%zu flatten", halves ? "/2" : "",
		quarters ? "/2" : "", quarters ? " up:2" : "", halves ? " up:2" : "", m->channels);
	return cn_network_new(words, "", CN_DTYPE_F32, &in, m->config.pool, err);
}

static void
allocate(struct input *m, struct cn_err *err)
{
	const size_t most = m->config.most, sample = m->numbers * sizeof(float);

	m->centre = cn_mem_array(m->numbers, sizeof(float), err);
	m->scale = cn_mem_array(m->numbers, sizeof(float), err);
	m->in = cn_mem_array(most, m->places * (2 * m->channels + L) * sizeof(float), err);
	m->y = cn_mem_array(most, sample, err);
	m->dy = cn_mem_array(most, sample, err);
	m->moved = cn_mem_array(most, sample, err);
	m->length = cn_mem_array(most, sizeof(float), err);
	m->dz = cn_mem_array(PIECE, m->config.dim * sizeof(float), err);
	m->x = cn_mem_array(most, sample, err);
	m->pos = cn_mem_array(most, sample, err);
	m->net = new_network(m, err);
	if (m->net && cn_network_reserve(m->net, most, err) == 0 && cn_encoder_reserve(m->config.encoder, err) == 0)
		cn_network_init(m->net, m->config.seed);
}

struct cn_mover *
cn_mover_input(const struct cn_mover_config *config, struct cn_err *err)
{
	const struct cn_shape *shape = &config->shape;
	struct input *m;

	if (err->code || !(m = cn_mem_array(1, sizeof *m, err)))
		return NULL;
	*m = (struct input){ .mover = { &kind }, .config = *config, .bytes_only = config->dtype == CN_DTYPE_U8,
		.map = shape->rank > 1 };
	m->numbers = cn_shape_count(shape);
	m->bytes = m->numbers * cn_dtype_size(config->dtype);
	m->places = m->map ? (size_t)shape->dim[0] * shape->dim[1] : 1;
	m->channels = m->numbers / m->places;
	allocate(m, err);
	if (!err->code)
		return &m->mover;
	release(&m->mover);
	return NULL;
}
