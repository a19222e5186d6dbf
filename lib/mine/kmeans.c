/*
 * Lloyd's iterations that skip what cannot change the outcome.
 *
 * Centroids lie in groups of near ones (Ding et al. 2015, "Yinyang k-means").  For each row and group the
 * greatest score that any centroid of the group reached when it was last looked at is kept.  A centroid that moved by s
 * since then changed its score by at most s |x| (inner product), its distance by at most s.  A group whose kept
 * score, with all moves added, stays below the score of the row's present centroid holds no better one, and
 * is passed over.  Kept scores carry the rounding of fixed-order sums, roots and added moves; margin covers all
 * of it, so that the outcome is that of scoring every pair, to the bit.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "mine/kmeans.h"
#include "tensor/clones.h"
#include "tensor/dots.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { TILE = 512, CHUNK = 16, GROUP = 16 };	/* rows and centroids scored at once; centroids in a group, about */

#define SPREADING 0x1p30	/* multiplications that k-means++ may cost */

struct worker {
	const float *row[TILE];			/* those that look at a group */
	const float *centre[CHUNK];
	float *score[CHUNK];			/* (CHUNK, TILE) */
	uint32_t index[TILE];			/* where in the tile they lie */
	float top[TILE], best[TILE], threshold[TILE];
	uint32_t arg[TILE], nearest[TILE];
	float scores[CHUNK * TILE];
	double *sum;				/* (d) */
};

/* Assigning rows to centroids, again and again. */
struct work {
	enum cn_kmeans_metric metric;
	const float *x;
	size_t n, d, clusters, groups;
	float *centroid;
	size_t *group;		/* (groups + 1) first centroid of each */
	float *bound;		/* (tiles, groups, TILE) the most a row may reach in a group; NULL: look at all */
	bool fresh;		/* bounds are not known yet */
	float *moved;		/* (clusters) by the last update, at most */
	float *drift;		/* (groups) by which bounds rise for it */
	float longest, margin;
	uint32_t *cluster;	/* (n) */
	float *score;		/* (n) */
	size_t *start;		/* (clusters + 1) rows in the order of clusters */
	uint32_t *order;	/* (n) */
	uint32_t *changed;	/* (tiles) */
	uint64_t *key;		/* (n) */
	struct worker *worker;
	size_t workers;
};

static size_t
tiles_of(size_t n)
{
	return (n + TILE - 1) / TILE;
}

static float
measure(const struct work *w, const float *a, const float *b)
{
	return w->metric == CN_KMEANS_COSINE ? cn_kernel_dot(a, b, w->d) : -cn_kernel_distance2(a, b, w->d);
}

/* A score as what a move shifts linearly. */
static float
reach_of(const struct work *w, float score)
{
	return w->metric == CN_KMEANS_COSINE ? score : -sqrtf(-score);
}

/* Notes where score (times sign) is above top. */
CN_CLONES static void
improve(float *top, uint32_t *arg, const float *score, size_t n, float sign, uint32_t number)
{
	for (size_t i = 0; i < n; i++) {
		const float s = score[i] * sign;
		const int better = s > top[i];

		top[i] = better ? s : top[i];
		arg[i] = better ? number : arg[i];
	}
}

CN_CLONES static int
block_reaches(const float *bound, const float *threshold)
{
	int below = 0;

	for (size_t i = 0; i < 16; i++)
		below += bound[i] < threshold[i];
	return below < 16;
}

CN_CLONES static void
raise(float *bound, float by)
{
	for (size_t i = 0; i < TILE; i++)
		bound[i] += by;
}

/* The rows of a tile that must look at a group. */
static size_t
find_lookers(const struct work *w, struct worker *own, const float *bound, size_t rows)
{
	size_t found = 0;

	for (size_t from = 0; from < rows; from += 16) {
		const size_t end = from + 16 < rows ? from + 16 : rows;

		if (!w->fresh && bound && end == from + 16 && !block_reaches(bound + from, own->threshold + from))
			continue;
		for (size_t i = from; i < end; i++)
			if (w->fresh || !bound || !(bound[i] < own->threshold[i]))
				own->index[found++] = (uint32_t)i;
	}
	return found;
}

/* The best of a group's centroids for m rows. */
static void
look(const struct work *w, struct worker *own, size_t group, size_t m)
{
	const bool cosine = w->metric == CN_KMEANS_COSINE;

	for (size_t i = 0; i < m; i++) {
		own->top[i] = -INFINITY;
		own->arg[i] = (uint32_t)w->group[group];
	}
	for (size_t from = w->group[group]; from < w->group[group + 1]; from += CHUNK) {
		const size_t left = w->group[group + 1] - from, centres = left < CHUNK ? left : CHUNK;

		for (size_t j = 0; j < centres; j++)
			own->centre[j] = w->centroid + (from + j) * w->d;
		(cosine ? cn_dots : cn_distances2)(own->centre, centres, own->row, m, w->d, own->score);
		for (size_t j = 0; j < centres; j++)
			improve(own->top, own->arg, own->score[j], m, cosine ? 1 : -1, (uint32_t)(from + j));
	}
}

static void
assign_tile(void *context, size_t tile, size_t worker)
{
	const struct work *w = context;
	struct worker *own = w->worker + worker;
	const size_t first = tile * TILE, rows = first + TILE < w->n ? TILE : w->n - first;
	float *bound = w->bound ? w->bound + tile * w->groups * TILE : NULL;

	for (size_t i = 0; i < rows; i++) {
		const uint32_t at = w->cluster[first + i];

		own->nearest[i] = at;
		own->best[i] = -INFINITY;
		if (bound && !w->fresh)
			own->threshold[i] = reach_of(w, measure(w, w->x + (first + i) * w->d, w->centroid + at * w->d)) - w->margin;
	}
	for (size_t group = 0; group < w->groups; group++, bound += bound ? TILE : 0) {
		if (bound && !w->fresh)
			raise(bound, w->drift[group]);

		const size_t m = find_lookers(w, own, bound, rows);

		for (size_t i = 0; i < m; i++)
			own->row[i] = w->x + (first + own->index[i]) * w->d;
		look(w, own, group, m);
		for (size_t i = 0; i < m; i++) {
			const uint32_t r = own->index[i];

			if (bound)
				bound[r] = reach_of(w, own->top[i]);
			if (own->top[i] > own->best[r]) {
				own->best[r] = own->top[i];
				own->nearest[r] = own->arg[i];
			}
		}
	}
	w->changed[tile] = 0;
	for (size_t i = 0; i < rows; i++) {
		w->changed[tile] += w->cluster[first + i] != own->nearest[i];
		w->cluster[first + i] = own->nearest[i];
		w->score[first + i] = own->best[i];
	}
}

/* Whether any row changed its cluster. */
static bool
assign(struct work *w, struct cn_pool *pool)
{
	uint64_t changed = 0;

	cn_pool_run(pool, tiles_of(w->n), assign_tile, w);
	for (size_t i = 0; i < tiles_of(w->n); i++)
		changed += w->changed[i];
	w->fresh = false;
	return changed > 0;
}

/* Moves key[i] down a heap of n keys whose least is on top. */
static void
sink(uint64_t *key, size_t n, size_t i)
{
	const uint64_t sinking = key[i];

	for (size_t child = 2 * i + 1; child < n; i = child, child = 2 * i + 1) {
		child += child + 1 < n && key[child + 1] < key[child];
		if (sinking < key[child])
			break;
		key[i] = key[child];
	}
	key[i] = sinking;
}

/* A heap of all rows by score, the worst on top, equal ones by number. */
static void
heap_rows(struct work *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const float score = w->score[i] + 0.0f;
		uint32_t bits;

		memcpy(&bits, &score, sizeof bits);
		w->key[i] = (uint64_t)(bits & 0x80000000u ? ~bits : bits | 0x80000000u) << 32 | i;
	}
	for (size_t i = w->n / 2; i-- > 0;)
		sink(w->key, w->n, i);
}

/* Gives each cluster without rows the worst row of those that have company. */
static void
fill_empty(struct work *w)
{
	size_t left = 0;

	for (size_t c = 0; c < w->clusters; c++)
		w->start[c] = 0;
	for (size_t i = 0; i < w->n; i++)
		w->start[w->cluster[i]]++;
	for (size_t c = 0; c < w->clusters; c++) {
		if (w->start[c])
			continue;
		if (!left) {
			heap_rows(w);
			left = w->n;
		}

		uint32_t row;

		do {
			row = (uint32_t)w->key[0];
			w->key[0] = w->key[--left];
			sink(w->key, left, 0);
		} while (w->start[w->cluster[row]] < 2);
		w->start[w->cluster[row]]--;
		w->cluster[row] = (uint32_t)c;
		w->start[c] = 1;
	}
}

void
cn_kmeans_sort(const uint32_t *cluster, size_t n, size_t clusters, size_t *start, uint32_t *row)
{
	memset(start, 0, (clusters + 1) * sizeof *start);
	for (size_t i = 0; i < n; i++)
		start[cluster[i]]++;
	for (size_t c = 0, before = 0; c <= clusters; c++) {
		const size_t size = start[c];

		start[c] = before;
		before += size;
	}
	for (size_t i = 0; i < n; i++)
		row[start[cluster[i]]++] = (uint32_t)i;
	memmove(start + 1, start, clusters * sizeof *start);
	start[0] = 0;
}

CN_CLONES static void
add_row(double *sum, const float *x, size_t d)
{
	for (size_t i = 0; i < d; i++)
		sum[i] += (double)x[i];
}

static double
length_of(const double *x, size_t d)
{
	double sum = 0;

	for (size_t i = 0; i < d; i++)
		sum += x[i] * x[i];
	return sqrt(sum);
}

/* Moves a centroid to the mean of its rows, and notes how far that is. */
static void
update_one(void *context, size_t c, size_t worker)
{
	const struct work *w = context;
	double *sum = w->worker[worker].sum, moved = 0;
	float *centroid = w->centroid + c * w->d;

	memset(sum, 0, w->d * sizeof *sum);
	for (size_t i = w->start[c]; i < w->start[c + 1]; i++)
		add_row(sum, w->x + (size_t)w->order[i] * w->d, w->d);

	const double by = w->metric == CN_KMEANS_COSINE ? length_of(sum, w->d) : (double)(w->start[c + 1] - w->start[c]);

	for (size_t i = 0; i < w->d && by > 0; i++) {
		const float to = (float)(sum[i] / by);
		const double step = (double)to - (double)centroid[i];

		moved += step * step;
		centroid[i] = to;
	}
	w->moved[c] = (float)(sqrt(moved) * (1 + 1e-6));
}

static void
update(struct work *w, struct cn_pool *pool)
{
	cn_kmeans_sort(w->cluster, w->n, w->clusters, w->start, w->order);
	cn_pool_run(pool, w->clusters, update_one, w);
	for (size_t g = 0; g < w->groups; g++) {
		float most = 0;

		for (size_t c = w->group[g]; c < w->group[g + 1]; c++)
			most = w->moved[c] > most ? w->moved[c] : most;
		if (w->metric == CN_KMEANS_COSINE)
			most *= w->longest * (1 + 0x1p-22f);
		w->drift[g] = most;
	}
}

static size_t
learn(struct work *w, size_t iterations, struct cn_pool *pool)
{
	size_t done = 0;

	w->fresh = true;
	while (done < iterations && (assign(w, pool) || done == 0)) {
		fill_empty(w);
		update(w, pool);
		done++;
	}
	return done;
}

/* What rounding may add to a difference of bound and score, by far. */
static void
set_margin(struct work *w, size_t iterations)
{
	double square = w->metric == CN_KMEANS_COSINE;	/* the length of centroids */

	for (size_t i = 0; i < w->n; i++) {
		const double s = cn_kernel_squares(w->x + i * w->d, w->d);

		square = s > square ? s : square;
	}
	w->longest = (float)(sqrt(square) * (1 + 1e-4));
	w->margin = (float)((double)(4 * w->d + 8 * iterations + 64) * 0x1p-23 * (w->metric == CN_KMEANS_COSINE ? 1.0 : 2.0)
		* (double)w->longest * (w->metric == CN_KMEANS_COSINE ? (double)w->longest : 1.0)) + 1e-18f;
}

/* k-means++: each next centroid is a row drawn by its squared distance to those before. */
struct spread {
	const struct work *work;
	const float *centre;
	float *distance;	/* (n) */
	double *sum;		/* (tiles) */
};

static void
spread_tile(void *context, size_t tile, size_t worker)
{
	struct spread *s = context;
	const struct work *w = s->work;
	const size_t end = (tile + 1) * TILE < w->n ? (tile + 1) * TILE : w->n;

	(void)worker;
	s->sum[tile] = 0;
	for (size_t i = tile * TILE; i < end; i++) {
		const float score = measure(w, s->centre, w->x + i * w->d);
		const float far = w->metric == CN_KMEANS_COSINE ? 1 - score : -score, distance = far > 0 ? far : 0;

		if (distance < s->distance[i])
			s->distance[i] = distance;
		s->sum[tile] += (double)s->distance[i];
	}
}

/* A row drawn by distance; any row where all are at none. */
static size_t
draw_far(const struct spread *s, struct cn_rng *rng)
{
	const size_t n = s->work->n;
	size_t tile = 0, last = n;
	double total = 0, left;

	for (size_t t = 0; t < tiles_of(n); t++)
		total += s->sum[t];
	if (!(total > 0) || !isfinite(total))
		return cn_rng_below(rng, (uint32_t)n);
	left = (double)(cn_rng_word64(rng) >> 11) * 0x1p-53 * total;
	while (tile + 1 < tiles_of(n) && left >= s->sum[tile])
		left -= s->sum[tile++];
	for (size_t i = tile * TILE; i < n; i++)
		if (s->distance[i] > 0) {
			last = i;
			if (left < (double)s->distance[i])
				break;
			left -= (double)s->distance[i];
		}
	return last < n ? last : cn_rng_below(rng, (uint32_t)n);
}

static void
start_spread(struct work *w, struct cn_rng *rng, struct cn_pool *pool, struct cn_err *err)
{
	struct spread s = { w, NULL, cn_mem_array(w->n, sizeof(float), err), cn_mem_array(tiles_of(w->n), sizeof(double), err) };
	size_t row = cn_rng_below(rng, (uint32_t)w->n);

	for (size_t i = 0; i < w->n && !err->code; i++)
		s.distance[i] = INFINITY;
	for (size_t c = 0; c < w->clusters && !err->code; c++) {
		memcpy(w->centroid + c * w->d, w->x + row * w->d, w->d * sizeof *w->x);
		s.centre = w->centroid + c * w->d;
		cn_pool_run(pool, tiles_of(w->n), spread_tile, &s);
		row = draw_far(&s, rng);
	}
	cn_mem_free(s.distance);
	cn_mem_free(s.sum);
}

static void
start_drawn(struct work *w, struct cn_rng *rng)
{
	cn_rng_choose(rng, (uint32_t)w->n, (uint32_t)w->clusters, w->order);
	for (size_t c = 0; c < w->clusters; c++)
		memcpy(w->centroid + c * w->d, w->x + (size_t)w->order[c] * w->d, w->d * sizeof *w->x);
}

/* Numbers the centroids so that near ones follow each other in groups: a k-means of its own. */
static int
group_centroids(struct work *w, uint64_t seed, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_kmeans_config config = { .clusters = w->groups, .metric = w->metric, .iterations = 5, .seed = seed };
	struct cn_kmeans kmeans = { 0 };
	float *copy = cn_mem_array(w->clusters * w->d, sizeof *copy, err);
	uint32_t *order = cn_mem_array(w->clusters, sizeof *order, err);

	if (!err->code && cn_kmeans_run(&kmeans, &config, w->centroid, w->clusters, w->d, pool, err) == 0) {
		memcpy(copy, w->centroid, w->clusters * w->d * sizeof *copy);
		cn_kmeans_sort(kmeans.cluster, w->clusters, w->groups, w->group, order);
		for (size_t c = 0; c < w->clusters; c++)
			memcpy(w->centroid + c * w->d, copy + order[c] * w->d, w->d * sizeof *copy);
	}
	cn_kmeans_release(&kmeans);
	cn_mem_free(order);
	cn_mem_free(copy);
	return err->code ? -1 : 0;
}

/* Bounds take no more room than the rows; one group proves nothing. */
static size_t
count_groups(size_t clusters, size_t d)
{
	size_t groups = clusters / GROUP;

	if (groups > d)
		groups = d;
	return groups < 4 ? 1 : groups;
}

/* What assigning needs. */
static int
prepare(struct work *w, struct cn_pool *pool, struct cn_err *err)
{
	w->workers = cn_pool_threads(pool);
	w->group = cn_mem_array(w->groups + 1, sizeof *w->group, err);
	w->changed = cn_mem_array(tiles_of(w->n) + 1, sizeof *w->changed, err);
	w->worker = cn_mem_array(w->workers, sizeof *w->worker, err);
	for (size_t t = 0; t < w->workers && !err->code; t++) {
		w->worker[t].sum = cn_mem_array(w->d + 1, sizeof(double), err);
		for (size_t j = 0; j < CHUNK; j++)
			w->worker[t].score[j] = w->worker[t].scores + j * TILE;
	}
	if (err->code)
		return -1;
	w->group[w->groups] = w->clusters;
	return 0;
}

/* What learning needs besides. */
static int
prepare_learning(struct work *w, struct cn_err *err)
{
	w->cluster = cn_mem_array(w->n, sizeof *w->cluster, err);
	w->score = cn_mem_array(w->n, sizeof *w->score, err);
	w->order = cn_mem_array(w->n, sizeof *w->order, err);
	w->key = cn_mem_array(w->n, sizeof *w->key, err);
	w->start = cn_mem_array(w->clusters + 1, sizeof *w->start, err);
	w->moved = cn_mem_array(w->clusters, sizeof *w->moved, err);
	w->drift = cn_mem_array(w->groups, sizeof *w->drift, err);
	if (w->groups > 1)
		w->bound = cn_mem_array(tiles_of(w->n) * w->groups, TILE * sizeof *w->bound, err);
	return err->code ? -1 : 0;
}

static void
release(struct work *w)
{
	for (size_t t = 0; t < w->workers && w->worker; t++)
		cn_mem_free(w->worker[t].sum);
	cn_mem_free(w->worker);
	cn_mem_free(w->changed);
	cn_mem_free(w->group);
}

static void
release_learning(struct work *w)
{
	cn_mem_free(w->cluster);
	cn_mem_free(w->score);
	cn_mem_free(w->order);
	cn_mem_free(w->key);
	cn_mem_free(w->start);
	cn_mem_free(w->moved);
	cn_mem_free(w->drift);
	cn_mem_free(w->bound);
}

int
cn_kmeans_assign(const struct cn_kmeans *kmeans, const float *x, size_t m, uint32_t *cluster, float *score,
	struct cn_pool *pool, struct cn_err *err)
{
	struct work w = { .metric = kmeans->metric, .x = x, .n = m, .d = kmeans->d, .clusters = kmeans->clusters, .groups = 1,
		.centroid = kmeans->centroid, .cluster = cluster, .score = score };

	if (err->code)
		return -1;
	memset(cluster, 0, m * sizeof *cluster);
	if (prepare(&w, pool, err) == 0)
		assign(&w, pool);
	release(&w);
	return err->code ? -1 : 0;
}

/* Learns the centroids from rows x (n, d), all of them. */
static int
learn_from(struct cn_kmeans *kmeans, const struct cn_kmeans_config *config, const float *x, size_t n, struct cn_pool *pool,
	struct cn_err *err)
{
	struct work w = { .metric = config->metric, .x = x, .n = n, .d = kmeans->d, .clusters = kmeans->clusters,
		.groups = count_groups(kmeans->clusters, kmeans->d), .centroid = kmeans->centroid };
	const size_t iterations = config->iterations ? config->iterations : 10;
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, config->seed, "kmeans-start");
	cn_rng_start(&rng, &key, 0, 0);
	if (prepare(&w, pool, err) == 0 && prepare_learning(&w, err) == 0) {
		set_margin(&w, iterations);
		if ((double)n * (double)w.clusters * (double)w.d <= SPREADING)
			start_spread(&w, &rng, pool, err);
		else
			start_drawn(&w, &rng);
		if (w.groups > 1 && !err->code)
			group_centroids(&w, config->seed, pool, err);
	}
	if (!err->code) {
		kmeans->iterations = learn(&w, iterations, pool);
		if (n == kmeans->n) {
			assign(&w, pool);
			memcpy(kmeans->cluster, w.cluster, n * sizeof *w.cluster);
		}
	}
	release_learning(&w);
	release(&w);
	return err->code ? -1 : 0;
}

/* Learns from a keyed sample and assigns all. */
static int
learn_from_sample(struct cn_kmeans *kmeans, const struct cn_kmeans_config *config, const float *x, size_t sample,
	struct cn_pool *pool, struct cn_err *err)
{
	const size_t d = kmeans->d;
	float *copy = cn_mem_array(sample * d, sizeof *copy, err), *score = cn_mem_array(kmeans->n, sizeof *score, err);
	uint32_t *chosen = cn_mem_array(sample, sizeof *chosen, err);
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, config->seed, "kmeans-sample");
	cn_rng_start(&rng, &key, 0, 0);
	if (!err->code) {
		cn_rng_choose(&rng, (uint32_t)kmeans->n, (uint32_t)sample, chosen);
		for (size_t i = 0; i < sample; i++)
			memcpy(copy + i * d, x + (size_t)chosen[i] * d, d * sizeof *copy);
		if (learn_from(kmeans, config, copy, sample, pool, err) == 0)
			cn_kmeans_assign(kmeans, x, kmeans->n, kmeans->cluster, score, pool, err);
	}
	cn_mem_free(chosen);
	cn_mem_free(score);
	cn_mem_free(copy);
	return err->code ? -1 : 0;
}

int
cn_kmeans_run(struct cn_kmeans *kmeans, const struct cn_kmeans_config *config, const float *x, size_t n, size_t d,
	struct cn_pool *pool, struct cn_err *err)
{
	const size_t clusters = config->clusters < n ? config->clusters : n, points = config->points ? config->points : 256;

	*kmeans = (struct cn_kmeans){ .metric = config->metric, .n = n, .d = d, .clusters = clusters };
	if (err->code)
		return -1;
	if (n >= UINT32_MAX)
		return cn_err_set(err, CN_FAILED, "%zu rows are too many for clusters, at most 4294967294 are possible", n);
	kmeans->centroid = cn_mem_array(clusters * d + 1, sizeof *kmeans->centroid, err);
	kmeans->cluster = cn_mem_array(n + 1, sizeof *kmeans->cluster, err);
	kmeans->size = cn_mem_array(clusters + 1, sizeof *kmeans->size, err);
	if (err->code || clusters == 0)
		return err->code ? -1 : 0;
	if (points < n / clusters)
		learn_from_sample(kmeans, config, x, clusters * points, pool, err);
	else
		learn_from(kmeans, config, x, n, pool, err);
	for (size_t i = 0; i < n && !err->code; i++)
		kmeans->size[kmeans->cluster[i]]++;
	return err->code ? -1 : 0;
}

void
cn_kmeans_release(struct cn_kmeans *kmeans)
{
	cn_mem_free(kmeans->centroid);
	cn_mem_free(kmeans->cluster);
	cn_mem_free(kmeans->size);
	*kmeans = (struct cn_kmeans){ 0 };
}
