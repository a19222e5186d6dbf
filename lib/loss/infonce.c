/* infonce - NT-Xent with further negatives: two passes over tiles of anchors, then one over the further negatives. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/infonce.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { TILE = 64, LANES = 16 };

struct cn_infonce {
	struct cn_infonce_config config;
	struct cn_pool *pool;
	float *u, *length;	/* views at unit length (2B, dim); their lengths before */
	float *v, *v_length;	/* further negatives likewise (vectors, dim) */
	float *tile;		/* per worker (TILE, 2B): logits, then coefficients of the gradient */
	float *lse;		/* (2B) logarithm of each denominator */
	float *share;		/* (2B, slots) part of each further negative in its denominator */
	struct cn_infonce_result *view;	/* (2B) what each view adds to the result */
	uint32_t *begin, *edge;	/* edge[begin[j]..begin[j+1]): the slots (row x slots + slot) that hold vector j */
	/* of the run */
	size_t rows;
	struct cn_infonce_extra extra;
	const float *z;
	float *dz;
};

struct cn_infonce *
cn_infonce_new(const struct cn_infonce_config *config, struct cn_pool *pool, struct cn_err *err)
{
	if (err->code)
		return NULL;
	struct cn_infonce *l = cn_mem_array(1, sizeof(*l), err);
	const size_t views = 2 * config->rows;

	if (!l)
		return NULL;
	l->config = *config;
	l->pool = pool;
	l->u = cn_mem_array(views * config->dim, sizeof(float), err);
	l->length = cn_mem_array(views, sizeof(float), err);
	l->v = cn_mem_array(config->vectors * config->dim + 1, sizeof(float), err);
	l->v_length = cn_mem_array(config->vectors + 1, sizeof(float), err);
	l->tile = cn_mem_array(cn_pool_threads(pool) * TILE * views, sizeof(float), err);
	l->lse = cn_mem_array(views, sizeof(float), err);
	l->share = cn_mem_array(views * config->slots + 1, sizeof(float), err);
	l->view = cn_mem_array(views, sizeof(*l->view), err);
	l->begin = cn_mem_array(config->vectors + 2, sizeof(uint32_t), err);
	l->edge = cn_mem_array(config->rows * config->slots + 1, sizeof(uint32_t), err);
	if (!err->code)
		return l;
	cn_infonce_free(l);
	return NULL;
}

void
cn_infonce_free(struct cn_infonce *l)
{
	if (!l)
		return;
	void *const block[] = { l->u, l->length, l->v, l->v_length, l->tile, l->lse, l->share, l->view, l->begin, l->edge };

	for (size_t i = 0; i < sizeof(block) / sizeof(*block); i++)
		cn_mem_free(block[i]);
	cn_mem_free(l);
}

/*
 * e^x for x <= about 0, of LANES numbers at once: 2^n e^r with n the nearest integer to x / ln 2 and Cephes'
 * polynomial for e^r (expf.c); within 2 units in the last place; below -87 it is taken at -87 (about 1e-38).
 */
static void
exponential(const float *x, float *y)
{
	union {
		float f[LANES];
		int32_t i[LANES];
	} power;
	float r[LANES];

	for (int l = 0; l < LANES; l++) {
		const float most = x[l] < 88.0f ? x[l] : 88.0f;	/* a skipped logit may be above the top */
		const float bounded = most > -87.0f ? most : -87.0f;
		const float n = (bounded * 1.44269504088896341f + 12582912.0f) - 12582912.0f;

		r[l] = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
		power.i[l] = ((int32_t)n + 127) * (1 << 23);
	}
	for (int l = 0; l < LANES; l++) {
		float p = 1.9875691500e-4f;

		p = p * r[l] + 1.3981999507e-3f;
		p = p * r[l] + 8.3334519073e-3f;
		p = p * r[l] + 4.1665795894e-2f;
		p = p * r[l] + 1.6666665459e-1f;
		p = p * r[l] + 5.0000001201e-1f;
		y[l] = (p * r[l] * r[l] + r[l] + 1.0f) * power.f[l];
	}
}

/* Sum of e^(x - top) over n logits, of which number skip (n or more: none) does not count. */
static double
sum_exponentials(const float *x, size_t n, float top, size_t skip)
{
	float lane[LANES] = { 0 }, in[LANES], out[LANES];
	double sum = 0;

	for (size_t i = 0; i < n; i += LANES) {
		const size_t m = n - i < LANES ? n - i : LANES;

		for (size_t l = 0; l < LANES; l++)
			in[l] = l < m ? x[i + l] - top : -87.0f;
		exponential(in, out);
		if (skip - i < LANES)
			out[skip - i] = 0;
		for (size_t l = 0; l < m; l++)
			lane[l] += out[l];
	}
	for (size_t l = 0; l < LANES; l++)
		sum += (double)lane[l];
	return sum;
}

static void
unit(const float *z, float *u, float *length, size_t dim)
{
	const float norm = sqrtf(cn_kernel_dot(z, z, dim));

	*length = norm > 1e-12f ? norm : 1e-12f;
	for (size_t i = 0; i < dim; i++)
		u[i] = z[i] / *length;
}

/* The gradient du with respect to u = z / |z| becomes that with respect to z: (du - u (u . du)) / |z|. */
static void
through_unit(const float *u, float length, float *du, size_t dim)
{
	const float along = length > 1e-12f ? cn_kernel_dot(u, du, dim) : 0;

	for (size_t i = 0; i < dim; i++)
		du[i] = (du[i] - u[i] * along) / length;
}

/* The logits of a tile's anchors against all views: (m, 2 rows). */
static float *
logits(struct cn_infonce *l, size_t first, size_t m, size_t worker)
{
	const size_t dim = l->config.dim, views = 2 * l->rows;
	float *tile = l->tile + worker * TILE * 2 * l->config.rows;

	cn_blas_gemm(false, true, m, views, dim, (float)(1 / l->config.temperature), l->u + first * dim, dim, l->u, dim,
		0, tile, views);
	return tile;
}

/* The vector and the constant part of the logit of a slot; NONE when nothing is there. */
static uint32_t
slot(const struct cn_infonce *l, size_t place, double *constant)
{
	const struct cn_infonce_extra *extra = &l->extra;
	const float weight = extra->weight ? extra->weight[place] : 1;

	if (extra->index[place] == CN_INFONCE_NONE || !(weight > 0))
		return CN_INFONCE_NONE;
	*constant = (weight == 1 ? 0 : cn_rng_log((double)weight)) - (extra->logq ? (double)extra->logq[place] : 0);
	return extra->index[place];
}

/* Puts the logits of view a's further negatives into share, notes their similarities, and returns the greatest logit (or top). */
static float
extra_logits(struct cn_infonce *l, size_t a, float top, float *rival)
{
	const size_t slots = l->extra.slots, dim = l->config.dim, row = a % l->rows;
	float *share = l->share + a * slots;
	double sum = 0, constant = 0;
	size_t count = 0;

	for (size_t j = 0; j < slots; j++) {
		const uint32_t vector = slot(l, row * slots + j, &constant);

		share[j] = -INFINITY;
		if (vector == CN_INFONCE_NONE)
			continue;
		const float cosine = cn_kernel_dot(l->u + a * dim, l->v + vector * dim, dim);
		const float plain = cosine * (float)(1 / l->config.temperature);

		share[j] = (float)((double)plain + constant);
		top = share[j] > top ? share[j] : top;
		*rival = plain > *rival ? plain : *rival;
		sum += (double)cosine;
		count++;
	}
	l->view[a].extra = count ? sum / (double)count : 0;
	return top;
}

/* Turns view a's further logits into parts of its denominator; first their sum of e^(logit - top) is returned. */
static double
sum_extra(const struct cn_infonce *l, size_t a, float top)
{
	const float *share = l->share + a * l->extra.slots;
	double sum = 0;

	for (size_t j = 0; j < l->extra.slots; j++)
		if (share[j] > -INFINITY)
			sum += cn_rng_exp((double)(share[j] - top));
	return sum;
}

static void
share_extra(struct cn_infonce *l, size_t a)
{
	float *share = l->share + a * l->extra.slots;

	for (size_t j = 0; j < l->extra.slots; j++)
		share[j] = share[j] > -INFINITY ? (float)cn_rng_exp((double)(share[j] - l->lse[a])) : 0;
}

/* Denominator, loss and similarities of one view, from its row of logits s. */
static void
measure(struct cn_infonce *l, size_t a, const float *s)
{
	const size_t views = 2 * l->rows, partner = (a + l->rows) % views;
	const double temperature = l->config.temperature;
	float top = s[partner], rival = -INFINITY;
	double others = 0;

	for (size_t k = 0; k < views; k++) {
		if (k == a || k == partner)
			continue;
		rival = s[k] > rival ? s[k] : rival;
		others += (double)s[k];
	}
	top = rival > top ? rival : top;
	top = extra_logits(l, a, top, &rival);

	const double sum = sum_exponentials(s, views, top, a) + sum_extra(l, a, top);
	const double lse = (double)top + cn_rng_log(sum);

	l->lse[a] = (float)lse;
	share_extra(l, a);
	l->view[a].loss = lse - (double)s[partner];
	l->view[a].positive = (double)s[partner] * temperature;
	l->view[a].negative = views > 2 ? others * temperature / (double)(views - 2) : 0;
	l->view[a].accuracy = s[partner] > rival;
}

static size_t
tile_rows(const struct cn_infonce *l, size_t first)
{
	const size_t left = 2 * l->rows - first;

	return left < TILE ? left : TILE;
}

static void
measure_tile(void *context, size_t i, size_t worker)
{
	struct cn_infonce *l = context;
	const size_t first = i * TILE, m = tile_rows(l, first);
	const float *tile = logits(l, first, m, worker);

	for (size_t k = 0; k < m; k++)
		measure(l, first + k, tile + k * 2 * l->rows);
}

/*
 * View a's logits become the coefficients of the u_k in the gradient: s_ak stands in the losses of a and of
 * k, so it gets e^(s_ak - lse_a) + e^(s_ak - lse_k), less 2 for the partner; all over 2B views.
 */
static void
coefficients(const struct cn_infonce *l, size_t a, float *s)
{
	const size_t views = 2 * l->rows;
	const float mean = 1.0f / (float)views;
	float own[LANES], other[LANES];

	for (size_t k = 0; k < views; k += LANES) {
		const size_t m = views - k < LANES ? views - k : LANES;

		for (size_t j = 0; j < LANES; j++) {
			own[j] = j < m ? s[k + j] - l->lse[a] : 0;
			other[j] = j < m ? s[k + j] - l->lse[k + j] : 0;
		}
		exponential(own, own);
		exponential(other, other);
		for (size_t j = 0; j < m; j++)
			s[k + j] = (own[j] + other[j]) * mean;
	}
	s[a] = 0;
	s[(a + l->rows) % views] -= 2 * mean;
}

/* Adds what view a's further negatives give to du. */
static void
pull_extra(const struct cn_infonce *l, size_t a, float *du)
{
	const size_t slots = l->extra.slots, dim = l->config.dim, row = a % l->rows;
	const double scale = 1 / (l->config.temperature * 2 * (double)l->rows);

	for (size_t j = 0; j < slots; j++) {
		const float c = (float)((double)l->share[a * slots + j] * scale);

		if (c > 0)
			for (size_t i = 0; i < dim; i++)
				du[i] += c * l->v[l->extra.index[row * slots + j] * dim + i];
	}
}

static void
gradient_tile(void *context, size_t i, size_t worker)
{
	struct cn_infonce *l = context;
	const size_t first = i * TILE, m = tile_rows(l, first), dim = l->config.dim, views = 2 * l->rows;
	float *tile = logits(l, first, m, worker), *du = l->dz + first * dim;

	for (size_t k = 0; k < m; k++)
		coefficients(l, first + k, tile + k * views);
	cn_blas_gemm(false, false, m, dim, views, (float)(1 / l->config.temperature), tile, views, l->u, dim, 0, du, dim);
	for (size_t k = 0; k < m; k++) {
		pull_extra(l, first + k, du + k * dim);
		through_unit(l->u + (first + k) * dim, l->length[first + k], du + k * dim, dim);
	}
}

/* The gradient of further negatives [64 i, 64 i + 64): each from the slots that hold it, in order. */
static void
extra_tile(void *context, size_t i, size_t worker)
{
	struct cn_infonce *l = context;
	const size_t slots = l->extra.slots, dim = l->config.dim, end = (i + 1) * TILE;
	const double scale = 1 / (l->config.temperature * 2 * (double)l->rows);

	(void)worker;
	for (size_t j = i * TILE; j < end && j < l->extra.n_gradient; j++) {
		float *dv = l->extra.dz + j * dim;

		memset(dv, 0, dim * sizeof(float));
		for (uint32_t e = l->begin[j]; e < l->begin[j + 1]; e++) {
			const size_t row = l->edge[e] / slots, place = l->edge[e] % slots, mate = row + l->rows;
			const float c = (float)((double)l->share[row * slots + place] * scale);
			const float d = (float)((double)l->share[mate * slots + place] * scale);

			for (size_t k = 0; k < dim; k++)
				dv[k] += c * l->u[row * dim + k] + d * l->u[mate * dim + k];
		}
		through_unit(l->v + j * dim, l->v_length[j], dv, dim);
	}
}

/* Lists the slots of each vector, in order (a counting sort). */
static void
list_slots(struct cn_infonce *l)
{
	const size_t places = l->rows * l->extra.slots, n = l->extra.n;

	memset(l->begin, 0, (n + 2) * sizeof(*l->begin));
	for (size_t p = 0; p < places; p++)
		if (l->extra.index[p] != CN_INFONCE_NONE)
			l->begin[l->extra.index[p] + 2]++;
	for (size_t j = 2; j < n + 2; j++)
		l->begin[j] += l->begin[j - 1];
	for (size_t p = 0; p < places; p++)
		if (l->extra.index[p] != CN_INFONCE_NONE)
			l->edge[l->begin[l->extra.index[p] + 1]++] = (uint32_t)p;
}

static void
unit_tile(void *context, size_t i, size_t worker)
{
	struct cn_infonce *l = context;
	const size_t dim = l->config.dim, end = (i + 1) * TILE;

	(void)worker;
	for (size_t a = i * TILE; a < end && a < 2 * l->rows; a++)
		unit(l->z + a * dim, l->u + a * dim, &l->length[a], dim);
	for (size_t j = i * TILE; j < end && j < l->extra.n; j++)
		unit(l->extra.z + j * dim, l->v + j * dim, &l->v_length[j], dim);
}

static void
add_up(const struct cn_infonce *l, struct cn_infonce_result *result)
{
	const double views = 2 * (double)l->rows;
	struct cn_infonce_result sum = { 0 };

	for (size_t a = 0; a < 2 * l->rows; a++) {
		sum.loss += l->view[a].loss;
		sum.positive += l->view[a].positive;
		sum.negative += l->view[a].negative;
		sum.extra += l->view[a].extra;
		sum.accuracy += l->view[a].accuracy;
	}
	*result = (struct cn_infonce_result){ .loss = sum.loss / views, .positive = sum.positive / views,
		.negative = sum.negative / views, .extra = sum.extra / views, .accuracy = sum.accuracy / views };
}

static size_t
tiles(size_t n)
{
	return (n + TILE - 1) / TILE;
}

void
cn_infonce_run(struct cn_infonce *l, const float *z, size_t rows, const struct cn_infonce_extra *extra, float *dz,
	struct cn_infonce_result *result)
{
	const size_t views = 2 * rows;

	l->rows = rows;
	l->z = z;
	l->dz = dz;
	l->extra = extra ? *extra : (struct cn_infonce_extra){ 0 };
	cn_pool_run(l->pool, tiles(views > l->extra.n ? views : l->extra.n), unit_tile, l);
	cn_pool_run(l->pool, tiles(views), measure_tile, l);
	cn_pool_run(l->pool, tiles(views), gradient_tile, l);
	if (l->extra.n_gradient > 0) {
		list_slots(l);
		cn_pool_run(l->pool, tiles(l->extra.n_gradient), extra_tile, l);
	}
	add_up(l, result);
}
