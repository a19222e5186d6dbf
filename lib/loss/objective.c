/* objective - rows of cosines by tiles, a loss's view of each, and what follows for the vectors. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/objective.h"
#include "loss/redundancy.h"
#include "loss/spec.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { ROWS = 32, COLUMNS = 128, UNITS = 64 };	/* what one part of the pool's work takes */

#define TILE_NUMBERS ((size_t)1 << 23)		/* of a tile, unless it would have fewer than 128 anchors */

/* What an anchor adds to the result, and to what its losses count. */
struct share {
	struct cn_objective_result result;
	double total[CN_SPEC_TERMS][CN_LOSS_TOTALS];
};

struct cn_objective {
	struct cn_objective_sizes sizes;
	struct cn_pool *pool;
	struct cn_term term[CN_SPEC_TERMS];
	size_t terms;
	bool counts;			/* some loss has to count first */
	bool pairs;			/* some loss is one of cosines */
	struct cn_redundancy *whole;	/* where the others compute, or NULL */
	float *u, *length;		/* views at unit length (2B, dim); their lengths before */
	float *target, *ignored;	/* targets likewise, or NULL without any */
	float *v, *v_length;		/* further negatives likewise (vectors, dim) */
	size_t anchors;			/* of a tile */
	float *tile;			/* (anchors, candidates): cosines, then derivatives */
	float *further;			/* (2B, slots): the same of the further negatives */
	float *constant;		/* (B, slots): what is added to their logits */
	float *row;			/* per worker: derivatives of all losses, scratch, derivatives of one; each candidates + slots */
	int32_t *label;			/* (candidates) */
	double *partner;		/* (2B) cosine of each view and its partner */
	double spread[CN_SPEC_TERMS][2];	/* of a loss that shares, for x and for pos: ln of the sum over rows of e^(that / its parameter 0) */
	struct share *share;		/* (2B) */
	uint32_t *begin, *edge;		/* edge[begin[j]..begin[j+1]): the slots (row x slots + slot) that hold vector j */
	/* of the run */
	struct cn_objective_batch batch;
	struct cn_objective_extra extra;
	const float *against;		/* (views, dim) at unit length what anchors are compared with: u or target */
	struct cn_memory memory;	/* n = 0: none */
	size_t views, candidates;
	size_t first, m;		/* the tile's anchors */
	bool counting;
};

static int
make_room(struct cn_objective *o, struct cn_err *err)
{
	const struct cn_objective_sizes *s = &o->sizes;
	const size_t views = 2 * s->rows, candidates = views + s->memory;
	const size_t few = TILE_NUMBERS / candidates < 128 ? 128 : TILE_NUMBERS / candidates;

	o->anchors = few < views ? few : views;
	o->u = cn_mem_array(views * s->dim, sizeof(float), err);
	o->length = cn_mem_array(views, sizeof(float), err);
	o->v = cn_mem_array(s->vectors * s->dim + 1, sizeof(float), err);
	o->v_length = cn_mem_array(s->vectors + 1, sizeof(float), err);
	if (s->targets) {
		o->target = cn_mem_array(views * s->dim, sizeof(float), err);
		o->ignored = cn_mem_array(views, sizeof(float), err);
	}
	o->tile = cn_mem_array(o->anchors, candidates * sizeof(float), err);
	o->further = cn_mem_array(views * s->slots + 1, sizeof(float), err);
	o->constant = cn_mem_array(s->rows * s->slots + 1, sizeof(float), err);
	o->row = cn_mem_array(cn_pool_threads(o->pool), 3 * (candidates + s->slots) * sizeof(float), err);
	o->label = cn_mem_array(candidates, sizeof(*o->label), err);
	o->partner = cn_mem_array(views, sizeof(double), err);
	o->share = cn_mem_array(views, sizeof(*o->share), err);
	o->begin = cn_mem_array(s->vectors + 2, sizeof(uint32_t), err);
	o->edge = cn_mem_array(s->rows * s->slots + 1, sizeof(uint32_t), err);
	return err->code ? -1 : 0;
}

struct cn_objective *
cn_objective_new(const char *words, const struct cn_objective_sizes *sizes, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_objective *o = err->code ? NULL : cn_mem_array(1, sizeof(*o), err);

	if (!o)
		return NULL;
	o->sizes = *sizes;
	o->pool = pool;
	const int terms = cn_spec_read(words, sizes->temperature, o->term, err);

	if (terms < 0 || make_room(o, err) != 0) {
		cn_objective_free(o);
		return NULL;
	}
	o->terms = (size_t)terms;
	for (size_t t = 0; t < o->terms; t++) {
		o->counts |= o->term[t].loss->tally != NULL;
		o->pairs |= o->term[t].loss->run != NULL;
		if (o->term[t].loss->whole && !o->whole)
			o->whole = cn_redundancy_new(sizes->rows, sizes->dim, pool, err);
	}
	if (!err->code)
		return o;
	cn_objective_free(o);
	return NULL;
}

void
cn_objective_free(struct cn_objective *o)
{
	if (!o)
		return;
	void *const block[] = { o->u, o->length, o->target, o->ignored, o->v, o->v_length, o->tile, o->further, o->constant, o->row,
		o->label, o->partner, o->share, o->begin, o->edge };

	for (size_t i = 0; i < sizeof(block) / sizeof(*block); i++)
		cn_mem_free(block[i]);
	cn_redundancy_free(o->whole);
	cn_mem_free(o);
}

bool
cn_objective_labelled(const struct cn_objective *o)
{
	for (size_t t = 0; t < o->terms; t++)
		if (cn_spec_labelled(&o->term[t]))
			return true;
	return false;
}

bool
cn_objective_compares(const struct cn_objective *o)
{
	return o->pairs;
}

/* What is too long for its square is no number, and told as that; zero would be, too, but taken for learned. */
static void
unit(const float *z, float *u, float *length, size_t dim)
{
	const float norm = sqrtf(cn_kernel_dot(z, z, dim));

	*length = norm > 1e-12f ? norm : 1e-12f;
	for (size_t i = 0; i < dim; i++)
		u[i] = isinf(norm) ? NAN : z[i] / *length;
}

/* The gradient du with respect to u = z / |z| becomes that with respect to z: (du - u (u . du)) / |z|. */
static void
through_unit(const float *u, float length, float *du, size_t dim)
{
	const float along = length > 1e-12f ? cn_kernel_dot(u, du, dim) : 0;

	for (size_t i = 0; i < dim; i++)
		du[i] = (du[i] - u[i] * along) / length;
}

static void
unit_part(void *context, size_t i, size_t worker)
{
	struct cn_objective *o = context;
	const size_t dim = o->sizes.dim, end = (i + 1) * UNITS;

	(void)worker;
	for (size_t a = i * UNITS; a < end && a < o->views; a++)
		unit(o->batch.z + a * dim, o->u + a * dim, &o->length[a], dim);
	for (size_t a = i * UNITS; a < end && a < o->views && o->batch.target; a++)
		unit(o->batch.target + a * dim, o->target + a * dim, &o->ignored[a], dim);
	for (size_t j = i * UNITS; j < end && j < o->extra.n; j++)
		unit(o->extra.z + j * dim, o->v + j * dim, &o->v_length[j], dim);
}

static void
through_part(void *context, size_t i, size_t worker)
{
	struct cn_objective *o = context;
	const size_t dim = o->sizes.dim, end = (i + 1) * UNITS;

	(void)worker;
	for (size_t a = i * UNITS; a < end && a < o->views; a++)
		through_unit(o->u + a * dim, o->length[a], o->batch.dz + a * dim, dim);
}

/* Columns of the tile: the cosines of its anchors and a run of views or of what is remembered. */
static void
cosine_part(void *context, size_t i, size_t worker)
{
	struct cn_objective *o = context;
	const size_t dim = o->sizes.dim, seen = cn_pool_parts(o->views, COLUMNS), past = i < seen ? 0 : i - seen;
	const size_t at = i < seen ? i * COLUMNS : o->views + past * COLUMNS;
	const size_t n = i < seen ? cn_pool_part_size(o->views, i, COLUMNS) : cn_pool_part_size(o->memory.n, past, COLUMNS);
	const float *with = i < seen ? o->against + at * dim : o->memory.u + past * COLUMNS * dim;

	(void)worker;
	cn_blas_gemm(false, true, o->m, n, dim, 1, o->u + o->first * dim, dim, with, dim, 0, o->tile + at, o->candidates);
}

/* What the tile's derivatives do to a run of views as candidates: their columns. */
static void
candidate_part(void *context, size_t i, size_t worker)
{
	struct cn_objective *o = context;
	const size_t dim = o->sizes.dim, at = i * COLUMNS;

	(void)worker;
	cn_blas_gemm(true, false, cn_pool_part_size(o->views, i, COLUMNS), dim, o->m, 1, o->tile + at, o->candidates, o->u + o->first * dim, dim,
		1, o->batch.dz + at * dim, dim);
}

/* And to its anchors: their rows, and what the further negatives add. */
static void
anchor_part(void *context, size_t i, size_t worker)
{
	struct cn_objective *o = context;
	const size_t dim = o->sizes.dim, slots = o->extra.slots, n = cn_pool_part_size(o->m, i, ROWS), first = o->first + i * ROWS;
	const float *rows = o->tile + i * ROWS * o->candidates;
	float *dz = o->batch.dz + first * dim;

	(void)worker;
	cn_blas_gemm(false, false, n, dim, o->views, 1, rows, o->candidates, o->against, dim, 1, dz, dim);
	if (o->memory.n)
		cn_blas_gemm(false, false, n, dim, o->memory.n, 1, rows + o->views, o->candidates, o->memory.u, dim, 1, dz, dim);
	for (size_t a = first; a < first + n; a++)
		for (size_t j = 0; j < slots; j++) {
			const float c = o->further[a * slots + j];
			const uint32_t vector = o->extra.index[a % o->batch.rows * slots + j];

			for (size_t k = 0; c != 0 && k < dim; k++)
				o->batch.dz[a * dim + k] += c * o->v[vector * dim + k];
		}
}

/* Cosines and likeness of one view, for the log. */
static void
measure(const struct cn_anchor *a, struct cn_objective_result *r)
{
	float rival = -INFINITY;
	double others = 0, further = 0;
	size_t count = 0;

	for (size_t k = 0; k < a->candidates; k++) {
		if (k == a->partner || cn_anchor_same(a, k))
			continue;
		rival = a->s[k] > rival ? a->s[k] : rival;
		others += k < a->views ? (double)a->s[k] : 0;
	}
	for (size_t j = 0; j < a->slots; j++)
		if (a->constant[j] > -INFINITY) {
			rival = a->e[j] > rival ? a->e[j] : rival;
			further += (double)a->e[j];
			count++;
		}
	r->positive = (double)a->s[a->partner];
	r->negative = a->views > 2 ? others / (double)(a->views - 2) : 0;
	r->extra = count ? further / (double)count : 0;
	r->accuracy = a->s[a->partner] > rival;
}

/* Those that the loss takes. */
static const int32_t *
labels(const struct cn_objective *o, const struct cn_term *term)
{
	return o->batch.label && cn_spec_labelled(term) ? o->label : NULL;
}

static bool
has_positive(const struct cn_anchor *a)
{
	if (!a->label || a->label[a->self] < 0 || a->label[a->partner] == a->label[a->self])
		return true;
	for (size_t k = 0; k < a->candidates; k++)
		if (cn_anchor_positive(a, k))
			return true;
	return false;
}

/* The anchor's losses and their derivatives, which take the place of its cosines. */
static void
judge(struct cn_objective *o, struct cn_anchor *a, float *s, float *e, float *row)
{
	const size_t all = a->candidates + a->slots;
	float *sum = row, *c = o->terms > 1 ? a->scratch + all : sum;

	for (size_t t = 0; t < o->terms; t++) {
		const struct cn_term *term = &o->term[t];
		const bool counted = term->loss->tally != NULL;
		const double scale = counted ? term->weight : term->weight / (term->total[0] > 0 ? term->total[0] : 1);
		double loss = 0;

		a->label = labels(o, term);
		if (term->loss->shares && term->parameter[0] > 0)
			a->partner_share = cn_rng_exp(o->partner[a->self] / term->parameter[0] - o->spread[t][a->self >= o->batch.rows]);
		if (counted || (term->loss->run && has_positive(a)))
			loss = scale * term->loss->run(term, a, c, c + a->candidates);
		else
			memset(c, 0, all * sizeof *c);
		o->share[a->self].result.loss += loss;
		for (size_t k = 0; k < all; k++)
			sum[k] = (t > 0 ? sum[k] : 0) + (float)scale * c[k];
	}
	memcpy(s, sum, a->candidates * sizeof *s);
	if (a->slots)
		memcpy(e, sum + a->candidates, a->slots * sizeof *e);
}

/* Counts what a loss wants to know of all anchors. */
static void
count(struct cn_objective *o, struct cn_anchor *a)
{
	for (size_t t = 0; t < o->terms; t++) {
		const struct cn_term *term = &o->term[t];

		a->label = labels(o, term);
		if (term->loss->tally)
			term->loss->tally(term, a, o->share[a->self].total[t]);
	}
}

static void
judge_part(void *context, size_t i, size_t worker)
{
	struct cn_objective *o = context;
	const size_t dim = o->sizes.dim, slots = o->extra.slots, rows = o->batch.rows, all = o->candidates + slots;
	float *row = o->row + worker * 3 * (2 * o->sizes.rows + o->sizes.memory + o->sizes.slots);

	for (size_t k = i * ROWS; k < (i + 1) * ROWS && k < o->m; k++) {
		const size_t self = o->first + k, r = self % rows;
		float *s = o->tile + k * o->candidates, *e = o->further + self * slots;
		struct cn_anchor a = { .self = self, .partner = (self + rows) % o->views, .views = o->views, .candidates = o->candidates,
			.s = s, .own = o->batch.id ? o->batch.id[r] : 0, .remembered = o->batch.id ? o->memory.id : NULL,
			.slots = slots, .e = e, .constant = o->constant + r * slots, .scratch = row + all };

		for (size_t j = 0; j < slots; j++)
			e[j] = a.constant[j] > -INFINITY
				? cn_kernel_dot(o->u + self * dim, o->v + o->extra.index[r * slots + j] * dim, dim) : 0;
		if (o->counting) {
			count(o, &a);
			continue;
		}
		measure(&a, &o->share[self].result);
		judge(o, &a, s, e, row);
	}
}

/* What is added to the logits of the further negatives. */
static void
weigh_slots(struct cn_objective *o)
{
	const struct cn_objective_extra *x = &o->extra;

	for (size_t p = 0; p < o->batch.rows * x->slots; p++) {
		const float weight = x->weight ? x->weight[p] : 1;
		const bool empty = x->index[p] == CN_OBJECTIVE_NONE || !(weight > 0);

		o->constant[p] = empty ? -INFINITY
			: (float)((weight == 1 ? 0 : cn_rng_log((double)weight)) - (x->logq ? (double)x->logq[p] : 0));
	}
}

/* What the losses divide by, or share among the rows: known before any cosine but those of partners. */
static void
prepare(struct cn_objective *o)
{
	const size_t rows = o->batch.rows, dim = o->sizes.dim;

	for (size_t a = 0; a < o->views; a++)
		o->partner[a] = (double)cn_kernel_dot(o->u + a * dim, o->against + (a + rows) % o->views * dim, dim);
	for (size_t t = 0; t < o->terms; t++) {
		struct cn_term *term = &o->term[t];
		double sum[2] = { 0 }, anchored = 0;

		for (size_t a = 0; a < o->views && term->loss->shares && term->parameter[0] > 0; a++)
			sum[a >= rows] += cn_rng_exp(o->partner[a] / term->parameter[0]);
		for (int kind = 0; kind < 2; kind++)
			o->spread[t][kind] = sum[kind] > 0 ? cn_rng_log(sum[kind]) : 0;
		for (size_t a = 0; a < o->views; a++) {
			const struct cn_anchor anchor = { .self = a, .partner = (a + rows) % o->views, .views = o->views,
				.candidates = o->candidates, .label = labels(o, term),
				.remembered = o->batch.id ? o->memory.id : NULL, .own = o->batch.id ? o->batch.id[a % rows] : 0 };

			anchored += has_positive(&anchor);
		}
		memset(term->total, 0, sizeof term->total);
		term->total[0] = term->loss->tally ? 0 : anchored;
	}
}

/* Tile by tile: cosines, then what there is to be counted, or the losses and the gradient. */
static void
sweep(struct cn_objective *o, bool counting)
{
	o->counting = counting;
	for (o->first = 0; o->first < o->views; o->first += o->m) {
		o->m = o->views - o->first < o->anchors ? o->views - o->first : o->anchors;
		cn_pool_run(o->pool, cn_pool_parts(o->views, COLUMNS) + cn_pool_parts(o->memory.n, COLUMNS), cosine_part, o);
		cn_pool_run(o->pool, cn_pool_parts(o->m, ROWS), judge_part, o);
		if (counting || !o->pairs)
			continue;
		if (!o->batch.target)
			cn_pool_run(o->pool, cn_pool_parts(o->views, COLUMNS), candidate_part, o);
		cn_pool_run(o->pool, cn_pool_parts(o->m, ROWS), anchor_part, o);
	}
	for (size_t t = 0; counting && t < o->terms; t++)
		for (size_t a = 0; a < o->views && o->term[t].loss->tally; a++)
			for (int k = 0; k < CN_LOSS_TOTALS; k++)
				o->term[t].total[k] += o->share[a].total[t][k];
}

/* The gradient of further negatives [64 i, 64 i + 64): each from the slots that hold it, in order. */
static void
extra_part(void *context, size_t i, size_t worker)
{
	struct cn_objective *o = context;
	const size_t slots = o->extra.slots, dim = o->sizes.dim, end = (i + 1) * UNITS;

	(void)worker;
	for (size_t j = i * UNITS; j < end && j < o->extra.n_gradient; j++) {
		float *dv = o->extra.dz + j * dim;

		memset(dv, 0, dim * sizeof(float));
		for (uint32_t e = o->begin[j]; e < o->begin[j + 1]; e++) {
			const size_t row = o->edge[e] / slots, place = o->edge[e] % slots, mate = row + o->batch.rows;
			const float c = o->further[row * slots + place], d = o->further[mate * slots + place];

			for (size_t k = 0; k < dim; k++)
				dv[k] += c * o->u[row * dim + k] + d * o->u[mate * dim + k];
		}
		through_unit(o->v + j * dim, o->v_length[j], dv, dim);
	}
}

/* Lists the slots of each vector, in order (a counting sort). */
static void
list_slots(struct cn_objective *o)
{
	const size_t places = o->batch.rows * o->extra.slots, n = o->extra.n;
	const uint32_t *index = o->extra.index;

	memset(o->begin, 0, (n + 2) * sizeof(*o->begin));
	for (size_t p = 0; p < places; p++)
		if (index[p] != CN_OBJECTIVE_NONE)
			o->begin[index[p] + 2]++;
	for (size_t j = 2; j < n + 2; j++)
		o->begin[j] += o->begin[j - 1];
	for (size_t p = 0; p < places; p++)
		if (index[p] != CN_OBJECTIVE_NONE)
			o->edge[o->begin[index[p] + 1]++] = (uint32_t)p;
}

static void
add_up(const struct cn_objective *o, struct cn_objective_result *result)
{
	const double views = (double)o->views;
	struct cn_objective_result sum = { 0 };

	for (size_t a = 0; a < o->views; a++) {
		const struct cn_objective_result *r = &o->share[a].result;

		sum.loss += r->loss;
		sum.positive += r->positive;
		sum.negative += r->negative;
		sum.extra += r->extra;
		sum.accuracy += r->accuracy;
	}
	*result = (struct cn_objective_result){ .loss = sum.loss, .positive = sum.positive / views,
		.negative = sum.negative / views, .extra = sum.extra / views, .accuracy = sum.accuracy / views };
}

/* Losses of the dimensions, and their gradient; returns the former. */
static double
run_whole(struct cn_objective *o)
{
	double loss = 0;

	for (size_t t = 0; t < o->terms; t++) {
		const struct cn_term *term = &o->term[t];

		if (term->loss->whole)
			loss += term->weight * term->loss->whole(term, o->whole, o->batch.rows, o->batch.z, o->batch.dz);
	}
	return loss;
}

/* What the batch consists of. */
static void
take(struct cn_objective *o, const struct cn_objective_batch *batch)
{
	o->batch = *batch;
	o->extra = batch->extra ? *batch->extra : (struct cn_objective_extra){ 0 };
	o->memory = batch->memory ? *batch->memory : (struct cn_memory){ 0 };
	o->against = batch->target ? o->target : o->u;
	o->views = 2 * batch->rows;
	o->candidates = o->views + o->memory.n;
	for (size_t k = 0; k < o->candidates && batch->label; k++)
		o->label[k] = k < o->views ? batch->label[k] : o->memory.label ? o->memory.label[k - o->views] : -1;
}

void
cn_objective_run(struct cn_objective *o, const struct cn_objective_batch *batch, struct cn_objective_result *result)
{
	take(o, batch);
	memset(o->share, 0, o->views * sizeof(*o->share));
	memset(batch->dz, 0, o->views * o->sizes.dim * sizeof(float));
	weigh_slots(o);
	cn_pool_run(o->pool, cn_pool_parts(o->views > o->extra.n ? o->views : o->extra.n, UNITS), unit_part, o);
	prepare(o);
	if (o->counts)
		sweep(o, true);
	sweep(o, false);
	cn_pool_run(o->pool, cn_pool_parts(o->views, UNITS), through_part, o);
	if (o->extra.n_gradient > 0) {
		list_slots(o);
		cn_pool_run(o->pool, cn_pool_parts(o->extra.n_gradient, UNITS), extra_part, o);
	}
	add_up(o, result);
	result->loss += run_whole(o);
}
