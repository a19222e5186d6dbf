/* manifold - radii by an exact search, then all pairs of made and real vectors by tiles. */
#include "eval/manifold.h"

#include <math.h>
#include <stdbool.h>

#include "base/mem.h"
#include "tensor/dots.h"
#include "tensor/topk.h"
#include "base/banned.h"

enum { STEP = 4096 };			/* vectors whose neighbours are looked up at once */
enum { MADE = 64, REAL = 512 };		/* of a tile; MADE is also what one part of the pool's work takes */

/* One set and its balls. */
struct set {
	const float *z;
	size_t n;
	float *first2, *radius2;	/* (n) squared distances to the nearest and to the k-th nearest other */
	const float **row;		/* (n) */
};

/* For the work on a tile. */
struct worker {
	float *distance2;		/* (MADE, REAL) */
	float *score[MADE];
	bool *covered, *recalled;	/* (real) */
};

/* What is found of one made vector. */
struct found {
	uint32_t balls, nearest;
	float distance2;
};

struct measure {
	const struct cn_manifold_config *config;
	struct set real, made;
	struct found *found;		/* (made) */
	struct worker *worker;
};

struct others {
	size_t from;
};

static unsigned
judge_other(void *context, size_t query, uint32_t row)
{
	const struct others *others = context;

	return others->from + query == row;
}

static int
find_radii(const struct cn_manifold_config *c, struct set *set, struct cn_topk_hit *hit, struct cn_err *err)
{
	for (size_t from = 0; from < set->n && !err->code; from += STEP) {
		const size_t m = set->n - from < STEP ? set->n - from : STEP;
		struct others others = { from };
		const struct cn_topk_config config = {
			.query = set->z + from * c->dim, .m = m, .d = c->dim, .k = c->k, .metric = CN_TOPK_L2,
			.rule = { .judge = judge_other, .context = &others }, .pool = c->pool,
		};
		struct cn_topk *topk = cn_topk_new(&config, err);

		if (topk && cn_topk_feed(topk, 0, set->z, set->n, err) == 0 && cn_topk_finish(topk, hit, err) == 0)
			for (size_t i = 0; i < m; i++) {
				set->first2[from + i] = -hit[i * c->k].score;
				set->radius2[from + i] = -hit[i * c->k + c->k - 1].score;
			}
		cn_topk_free(topk);
	}
	return err->code ? -1 : 0;
}

static int
open_set(const struct cn_manifold_config *c, struct set *set, const float *z, size_t n, struct cn_err *err)
{
	struct cn_topk_hit *hit = cn_mem_array(n < STEP ? n : STEP, c->k * sizeof *hit, err);

	set->z = z;
	set->n = n;
	set->first2 = cn_mem_array(n, sizeof *set->first2, err);
	set->radius2 = cn_mem_array(n, sizeof *set->radius2, err);
	set->row = cn_mem_array(n, sizeof *set->row, err);
	for (size_t i = 0; i < n && !err->code; i++)
		set->row[i] = z + i * c->dim;
	if (!err->code)
		find_radii(c, set, hit, err);
	cn_mem_free(hit);
	return err->code ? -1 : 0;
}

static void
close_set(struct set *set)
{
	cn_mem_free(set->first2);
	cn_mem_free(set->radius2);
	cn_mem_free(set->row);
}

static int
open_workers(struct measure *m, struct cn_err *err)
{
	const size_t threads = cn_pool_threads(m->config->pool);

	m->worker = cn_mem_array(threads, sizeof *m->worker, err);
	for (size_t t = 0; t < threads && !err->code; t++) {
		struct worker *w = m->worker + t;

		w->distance2 = cn_mem_array(MADE, REAL * sizeof(float), err);
		w->covered = cn_mem_array(m->real.n, sizeof(bool), err);
		w->recalled = cn_mem_array(m->real.n, sizeof(bool), err);
		for (size_t i = 0; i < MADE && !err->code; i++)
			w->score[i] = w->distance2 + i * REAL;
	}
	return err->code ? -1 : 0;
}

static void
close_workers(struct measure *m)
{
	for (size_t t = 0; t < cn_pool_threads(m->config->pool) && m->worker; t++) {
		cn_mem_free(m->worker[t].distance2);
		cn_mem_free(m->worker[t].covered);
		cn_mem_free(m->worker[t].recalled);
	}
	cn_mem_free(m->worker);
}

/* A made vector and n real ones from first on. */
static void
look(const struct measure *m, struct worker *w, size_t made, size_t first, size_t n, const float *distance2)
{
	const float *radius2 = m->real.radius2 + first, reach2 = m->made.radius2[made];
	struct found *found = m->found + made;

	for (size_t j = 0; j < n; j++) {
		if (distance2[j] <= radius2[j]) {
			found->balls++;
			w->covered[first + j] = true;
		}
		if (distance2[j] <= reach2)
			w->recalled[first + j] = true;
		if (distance2[j] < found->distance2) {
			found->distance2 = distance2[j];
			found->nearest = (uint32_t)(first + j);
		}
	}
}

static void
look_part(void *context, size_t part, size_t worker)
{
	struct measure *m = context;
	struct worker *w = m->worker + worker;
	const size_t from = part * MADE, rows = cn_pool_part_size(m->made.n, part, MADE);

	for (size_t i = 0; i < rows; i++)
		m->found[from + i] = (struct found){ 0, 0, INFINITY };
	for (size_t first = 0; first < m->real.n; first += REAL) {
		const size_t n = m->real.n - first < REAL ? m->real.n - first : REAL;

		cn_distances2(m->made.row + from, rows, m->real.row + first, n, m->config->dim, w->score);
		for (size_t i = 0; i < rows; i++)
			look(m, w, from + i, first, n, w->score[i]);
	}
}

static void
conclude(const struct measure *m, struct cn_manifold_result *r)
{
	const size_t threads = cn_pool_threads(m->config->pool);
	size_t precise = 0, balls = 0, authentic = 0, copies = 0, covered = 0, recalled = 0;

	for (size_t i = 0; i < m->made.n; i++) {
		const struct found *found = m->found + i;

		precise += found->balls > 0;
		balls += found->balls;
		authentic += found->distance2 > m->real.first2[found->nearest];
		copies += found->distance2 <= m->config->copy2;
		r->nearest[i] = found->nearest;
	}
	for (size_t i = 0; i < m->real.n; i++) {
		bool in = false, reached = false;

		for (size_t t = 0; t < threads; t++) {
			in |= m->worker[t].covered[i];
			reached |= m->worker[t].recalled[i];
		}
		covered += in;
		recalled += reached;
	}
	r->precision = (double)precise / (double)m->made.n;
	r->density = (double)balls / ((double)m->config->k * (double)m->made.n);
	r->authenticity = (double)authentic / (double)m->made.n;
	r->copies = (double)copies / (double)m->made.n;
	r->coverage = (double)covered / (double)m->real.n;
	r->recall = (double)recalled / (double)m->real.n;
}

int
cn_manifold_measure(const struct cn_manifold_config *config, struct cn_manifold_result *result, struct cn_err *err)
{
	struct measure m = { .config = config };

	if (err->code)
		return -1;
	m.found = cn_mem_array(config->m, sizeof *m.found, err);
	if (!err->code && open_set(config, &m.real, config->real, config->n, err) == 0 &&
	    open_set(config, &m.made, config->made, config->m, err) == 0 && open_workers(&m, err) == 0) {
		cn_pool_run(config->pool, cn_pool_parts(config->m, MADE), look_part, &m);
		conclude(&m, result);
	}
	close_workers(&m);
	close_set(&m.real);
	close_set(&m.made);
	cn_mem_free(m.found);
	return err->code ? -1 : 0;
}
