/*
 * A search goes by lists, not by queries: whoever reads a list is scored against it together, straight in fixed
 * order (tensor/dots.h), each into its own place of a score buffer; then each query chooses from its places.
 * As many queries are taken at once as the buffer holds.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "mine/ivf.h"
#include "mine/kmeans.h"
#include "tensor/clones.h"
#include "tensor/dots.h"
#include "tensor/order.h"

#include "base/banned.h"

enum { BLOCK = 16, QUERIES = 64, ROWS = 2048 };	/* scores looked at together; queries and rows scored together */

#define BUFFER ((size_t)1 << 24)	/* scores of a batch, or 4 times the bank's rows, unless one query needs more */
#define PROBES ((size_t)1 << 22)	/* probes of a round, unless one query has more */

/* A list in a query's scores: up to a block of -infinity follows the scores of its rows. */
struct segment {
	const uint32_t *row;
	size_t n;
};

struct worker {
	const float *query[QUERIES];
	const float *vector[ROWS];
	float *out[QUERIES];
	float *score;		/* (QUERIES, padded lists) */
	float *most;		/* for floor_of */
	size_t most_room;
	struct segment *segment;	/* (probes) */
	uint64_t *key;
	size_t key_room;
	struct cn_err err;
};

struct search {
	const struct cn_ivf *ivf;
	const float *query;
	size_t m, k, probes, room;	/* room: scores in buffer */
	const struct cn_topk_rule *rule;
	struct cn_topk_hit *hits;
	const float **centre;	/* (lists) */
	uint32_t *number;	/* (lists) 0, 1, 2... */
	size_t *part;		/* (lists + 1) parts of up to ROWS rows before each list */
	size_t first, count;	/* round: whose probes are known */
	uint32_t *probe;	/* (count, probes) lists, the nearest first */
	size_t from, end;	/* batch: whose scores are in the buffer */
	size_t *place;		/* (count) where the scores of a query begin in the buffer */
	size_t *readers;	/* (lists + 1) where those who read a list begin in reader */
	uint32_t *reader;	/* (count * probes) queries, counted from first */
	size_t *target;		/* (count * probes) where in the buffer their scores go */
	float *buffer;
	struct worker *worker;
};

static size_t
pad(size_t n)
{
	return (n + BLOCK - 1) / BLOCK * BLOCK;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The k-th greatest of n numbers (k in 1..n), which are put out of order. */
static float
select_number(float *x, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	k--;
	while (low < high) {
		const float pivot = x[low + (high - low) / 2];
		size_t i = low, j = high;

		for (;;) {
			while (x[i] > pivot)
				i++;
			while (x[j] < pivot)
				j--;
			if (i >= j)
				break;

			const float t = x[i];

			x[i++] = x[j];
			x[j--] = t;
		}
		if (i == j && k == i)
			break;
		if (k < i)
			high = i - 1;
		else
			low = i == j ? j + 1 : i;
	}
	return x[k];
}

CN_CLONES static void
take_most(float *most, const float *score, size_t n)
{
	for (size_t i = 0; i < n; i++)
		most[i] = score[i] > most[i] ? score[i] : most[i];
}

/*
 * A score that at least wanted of n reach, and not many more: the wanted-th greatest of the maxima of three times
 * as many strides.  -FLT_MAX, which all reach, where n is small.
 */
static float
floor_of(struct worker *w, const float *score, size_t n, size_t wanted)
{
	const size_t strides = pad(3 * smaller(wanted, n));
	float found;

	if (2 * strides > n || cn_mem_grow((void **)&w->most, &w->most_room, strides, sizeof *w->most, &w->err) < 0)
		return -FLT_MAX;
	memcpy(w->most, score, strides * sizeof *score);
	for (size_t from = strides; from < n; from += strides)
		take_most(w->most, score + from, smaller(strides, n - from));
	found = select_number(w->most, strides, wanted);
	return found > -FLT_MAX ? found : -FLT_MAX;
}

/* Keys of what reaches floor among padded scores; key has room for all. */
CN_CLONES static size_t
collect(const float *score, const uint32_t *row, size_t n, float floor, uint64_t *key)
{
	size_t found = 0;

	for (size_t from = 0; from < n; from += BLOCK) {
		int reached = 0;

		for (size_t i = 0; i < BLOCK; i++)
			reached += score[from + i] >= floor;
		for (size_t i = 0; reached && i < BLOCK; i++)
			if (score[from + i] >= floor) {
				key[found++] = cn_order_key(score[from + i], row[from + i]);
				reached--;
			}
	}
	return found;
}

static int
by_key(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Greatest first. */
static void
sort_keys(uint64_t *key, size_t n)
{
	if (n > 100) {
		qsort(key, n, sizeof *key, by_key);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		const uint64_t moving = key[i];
		size_t j = i;

		for (; j > 0 && key[j - 1] < moving; j--)
			key[j] = key[j - 1];
		key[j] = moving;
	}
}

/* Keys of all scores that reach floor, sorted, into w->key. */
static size_t
best_of(struct worker *w, const float *score, size_t segments, float floor)
{
	size_t found = 0;

	for (size_t i = 0; i < segments; i++) {
		const size_t n = pad(w->segment[i].n);

		if (cn_mem_grow((void **)&w->key, &w->key_room, found + n, sizeof *w->key, &w->err) < 0)
			return 0;
		found += collect(score, w->segment[i].row, n, floor, w->key + found);
		score += n;
	}
	sort_keys(w->key, found);
	return found;
}

/* Up to QUERIES queries of the round from one on, against all centroids: into w->out, padded. */
static void
score_centroids(const struct search *s, struct worker *w, size_t from, size_t n)
{
	const size_t lists = s->ivf->lists, width = pad(lists);

	for (size_t i = 0; i < n; i++) {
		w->query[i] = s->query + (s->first + from + i) * s->ivf->d;
		w->out[i] = w->score + i * width;
		for (size_t j = lists; j < width; j++)
			w->out[i][j] = -INFINITY;
	}
	cn_dots(w->query, n, s->centre, lists, s->ivf->d, w->out);
}

/* The nearest lists of up to QUERIES queries of the round. */
static void
choose_lists(void *context, size_t part, size_t worker)
{
	struct search *s = context;
	struct worker *w = s->worker + worker;
	const size_t lists = s->ivf->lists, width = pad(lists), from = part * QUERIES, n = smaller(QUERIES, s->count - from);

	if (s->probes == lists) {	/* in any order */
		for (size_t i = 0; i < n; i++)
			memcpy(s->probe + (from + i) * lists, s->number, lists * sizeof *s->probe);
		return;
	}
	score_centroids(s, w, from, n);
	w->segment[0] = (struct segment){ s->number, lists };
	for (size_t i = 0; i < n; i++) {
		if (best_of(w, w->out[i], 1, floor_of(w, w->out[i], width, s->probes)) < s->probes)
			return;		/* no memory */
		for (size_t p = 0; p < s->probes; p++)
			s->probe[(from + i) * s->probes + p] = cn_order_row(w->key[p]);
	}
}

static size_t
size_of(const struct search *s, size_t list)
{
	return s->ivf->start[list + 1] - s->ivf->start[list];
}

/* As many queries of the round as the buffer holds, one at least; who reads each list, and where to. */
static void
plan_batch(struct search *s)
{
	size_t used = 0;

	memset(s->readers, 0, (s->ivf->lists + 1) * sizeof *s->readers);
	for (s->end = s->from; s->end < s->count; s->end++) {
		const uint32_t *probe = s->probe + s->end * s->probes;
		size_t size = 0;

		for (size_t p = 0; p < s->probes; p++)
			size += pad(size_of(s, probe[p]));
		if (used + size > s->room && s->end > s->from)
			break;
		for (size_t p = 0; p < s->probes; p++)
			s->readers[probe[p] + 1]++;
		s->place[s->end] = used;
		used += size;
	}
	for (size_t l = 0; l < s->ivf->lists; l++)
		s->readers[l + 1] += s->readers[l];
	for (size_t q = s->from; q < s->end; q++) {
		const uint32_t *probe = s->probe + q * s->probes;
		size_t place = s->place[q];

		for (size_t p = 0; p < s->probes; p++) {
			const size_t at = s->readers[probe[p]]++;

			s->reader[at] = (uint32_t)q;
			s->target[at] = place;
			place += pad(size_of(s, probe[p]));
		}
	}
	memmove(s->readers + 1, s->readers, s->ivf->lists * sizeof *s->readers);
	s->readers[0] = 0;
}

/* Which list a part belongs to. */
static size_t
list_of(const struct search *s, size_t part)
{
	size_t low = 0, high = s->ivf->lists;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (s->part[middle] <= part)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Up to ROWS rows of a list against all who read it. */
static void
score_list(void *context, size_t part, size_t worker)
{
	struct search *s = context;
	struct worker *w = s->worker + worker;
	const size_t list = list_of(s, part), size = size_of(s, list), d = s->ivf->d;
	const size_t first = (part - s->part[list]) * ROWS, rows = smaller(ROWS, size - first);

	if (s->readers[list] == s->readers[list + 1])
		return;
	for (size_t i = 0; i < rows; i++)
		w->vector[i] = s->ivf->vector + (s->ivf->start[list] + first + i) * d;
	for (size_t from = s->readers[list]; from < s->readers[list + 1]; from += QUERIES) {
		const size_t n = smaller(QUERIES, s->readers[list + 1] - from);

		for (size_t i = 0; i < n; i++) {
			w->query[i] = s->query + (s->first + s->reader[from + i]) * d;
			w->out[i] = s->buffer + s->target[from + i] + first;
			for (size_t j = rows; first + rows == size && j < pad(rows); j++)
				w->out[i][j] = -INFINITY;
		}
		cn_dots(w->query, n, w->vector, rows, d, w->out);
	}
}

/* Takes scores above the ceiling out, and counts them. */
CN_CLONES static uint32_t
cap(float *score, size_t n, float ceiling)
{
	uint32_t above = 0;

	for (size_t i = 0; i < n; i++) {
		above += score[i] > ceiling;
		score[i] = score[i] > ceiling ? -INFINITY : score[i];
	}
	return above;
}

/* Walks down from the best to the k-th that counts, of those that reach floor; returns how many were found. */
static size_t
walk(const struct search *s, struct worker *w, size_t query, size_t n, uint32_t above, uint32_t *dropped)
{
	struct cn_topk_hit *hit = s->hits + query * s->k;
	size_t found = 0;

	for (size_t i = 0; i < n && found < s->k; i++) {
		const uint32_t row = cn_order_row(w->key[i]);
		const bool below = s->rule->floor && cn_order_score(w->key[i]) < s->rule->floor[query];
		const unsigned reason = below ? CN_TOPK_BELOW : s->rule->judge ? s->rule->judge(s->rule->context, query, row) : 0;

		if (reason)
			dropped[reason % CN_TOPK_REASONS]++;
		else
			hit[found++] = (struct cn_topk_hit){ cn_order_score(w->key[i]), row, above + (uint32_t)i };
	}
	return found;
}

/* Looks at the best k scores, then at ever more until k rows count. */
static void
choose_hits(const struct search *s, struct worker *w, size_t q)
{
	const uint32_t *probe = s->probe + q * s->probes;
	const size_t query = s->first + q;
	struct cn_topk_hit *hit = s->hits + query * s->k;
	float *score = s->buffer + s->place[q], floor = 0;
	uint32_t dropped[CN_TOPK_REASONS] = { 0 }, above = 0;
	size_t n = 0, found = 0;

	for (size_t p = 0; p < s->probes; p++) {
		w->segment[p] = (struct segment){ s->ivf->row + s->ivf->start[probe[p]], size_of(s, probe[p]) };
		n += pad(w->segment[p].n);
	}
	if (s->rule->ceiling)
		above = cap(score, n, s->rule->ceiling[query]);
	for (size_t wanted = s->k + (s->rule->judge ? 8 : 0); found < s->k && floor > -FLT_MAX && !w->err.code; wanted *= 4) {
		memset(dropped, 0, sizeof dropped);
		floor = floor_of(w, score, n, wanted);
		found = walk(s, w, query, best_of(w, score, s->probes, floor), above, dropped);
	}
	while (found < s->k)
		hit[found++] = (struct cn_topk_hit){ 0, UINT32_MAX, UINT32_MAX };
	dropped[CN_TOPK_ABOVE] += above;
	if (s->rule->dropped)
		memcpy(s->rule->dropped + query * CN_TOPK_REASONS, dropped, sizeof dropped);
}

static void
choose_rows(void *context, size_t part, size_t worker)
{
	struct search *s = context;
	struct worker *w = s->worker + worker;
	const size_t from = s->from + part * QUERIES, end = smaller(from + QUERIES, s->end);

	for (size_t q = from; q < end && !w->err.code; q++)
		choose_hits(s, w, q);
}

static int
failed(const struct search *s, struct cn_pool *pool, struct cn_err *err)
{
	for (size_t t = 0; t < cn_pool_threads(pool); t++)
		if (s->worker[t].err.code)
			cn_err_set(err, s->worker[t].err.code, "%s", s->worker[t].err.text);
	return err->code != 0;
}

/* The queries from first on whose probes are chosen at once. */
static void
search_round(struct search *s, size_t round, struct cn_pool *pool, struct cn_err *err)
{
	s->count = smaller(round, s->m - s->first);
	cn_pool_run(pool, (s->count + QUERIES - 1) / QUERIES, choose_lists, s);
	for (s->from = 0; s->from < s->count && !failed(s, pool, err); s->from = s->end) {
		plan_batch(s);
		cn_pool_run(pool, s->part[s->ivf->lists], score_list, s);
		cn_pool_run(pool, (s->end - s->from + QUERIES - 1) / QUERIES, choose_rows, s);
	}
	failed(s, pool, err);
}

/* How many scores a batch may have: what the round will about need, within limits, and one query in any case. */
static size_t
buffer_for(const struct search *s, size_t round)
{
	const size_t n = s->ivf->n, limit = n > BUFFER / 4 ? 4 * n : BUFFER, lists = s->ivf->lists;
	size_t all = 0, one, need;

	for (size_t l = 0; l < lists; l++)
		all += pad(size_of(s, l));
	one = smaller(all, s->probes * pad(s->ivf->longest));
	need = smaller(round * s->probes * (all / lists + 1) / 4 * 5, limit);
	return need > one ? need : one;
}

static int
prepare(struct search *s, size_t round, struct cn_pool *pool, struct cn_err *err)
{
	const size_t lists = s->ivf->lists, threads = cn_pool_threads(pool);

	s->centre = cn_mem_array(lists, sizeof *s->centre, err);
	s->number = cn_mem_array(pad(lists), sizeof *s->number, err);
	s->part = cn_mem_array(lists + 1, sizeof *s->part, err);
	s->probe = cn_mem_array(round * s->probes, sizeof *s->probe, err);
	s->place = cn_mem_array(round, sizeof *s->place, err);
	s->readers = cn_mem_array(lists + 2, sizeof *s->readers, err);
	s->reader = cn_mem_array(round * s->probes, sizeof *s->reader, err);
	s->target = cn_mem_array(round * s->probes, sizeof *s->target, err);
	s->room = buffer_for(s, round);
	s->buffer = cn_mem_array(s->room, sizeof *s->buffer, err);
	s->worker = cn_mem_array(threads, sizeof *s->worker, err);
	for (size_t t = 0; t < threads && !err->code; t++) {
		s->worker[t].score = cn_mem_array(QUERIES * pad(lists), sizeof(float), err);
		s->worker[t].segment = cn_mem_array(s->probes, sizeof(struct segment), err);
	}
	for (size_t l = 0; l < lists && !err->code; l++) {
		s->centre[l] = s->ivf->centroid + l * s->ivf->d;
		s->number[l] = (uint32_t)l;
		s->part[l + 1] = s->part[l] + (size_of(s, l) + ROWS - 1) / ROWS;
	}
	return err->code ? -1 : 0;
}

static void
release(struct search *s, struct cn_pool *pool)
{
	for (size_t t = 0; t < cn_pool_threads(pool) && s->worker; t++) {
		cn_mem_free(s->worker[t].score);
		cn_mem_free(s->worker[t].most);
		cn_mem_free(s->worker[t].segment);
		cn_mem_free(s->worker[t].key);
	}
	cn_mem_free(s->worker);
	cn_mem_free(s->buffer);
	cn_mem_free(s->target);
	cn_mem_free(s->reader);
	cn_mem_free(s->readers);
	cn_mem_free(s->place);
	cn_mem_free(s->probe);
	cn_mem_free(s->part);
	cn_mem_free(s->number);
	cn_mem_free(s->centre);
}

/* No lists, no hits. */
static void
find_none(const struct search *s)
{
	for (size_t i = 0; i < s->m * s->k; i++)
		s->hits[i] = (struct cn_topk_hit){ 0, UINT32_MAX, UINT32_MAX };
	if (s->rule->dropped)
		memset(s->rule->dropped, 0, s->m * CN_TOPK_REASONS * sizeof *s->rule->dropped);
}

int
cn_ivf_search(const struct cn_ivf *ivf, size_t probes, const float *query, size_t m, size_t k,
	const struct cn_topk_rule *rule, struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err)
{
	struct search s = { .ivf = ivf, .query = query, .m = m, .k = k, .probes = smaller(probes, ivf->lists), .rule = rule, .hits = hits };

	if (err->code)
		return -1;
	if (m == 0 || k == 0)
		return 0;
	if (s.probes == 0) {
		find_none(&s);
		return 0;
	}

	const size_t most = PROBES / s.probes, round = smaller(m, most > QUERIES ? most : QUERIES);

	if (prepare(&s, round, pool, err) == 0)
		for (s.first = 0; s.first < m && !err->code; s.first += round)
			search_round(&s, round, pool, err);
	release(&s, pool);
	return err->code ? -1 : 0;
}

/* Building: rows in the order of lists. */
struct copying {
	const struct cn_ivf *ivf;
	const float *bank;
};

static void
copy_rows(void *context, size_t part, size_t worker)
{
	const struct copying *c = context;
	const size_t d = c->ivf->d, end = smaller((part + 1) * ROWS, c->ivf->n);

	(void)worker;
	for (size_t i = part * ROWS; i < end; i++)
		memcpy(c->ivf->vector + i * d, c->bank + (size_t)c->ivf->row[i] * d, d * sizeof *c->bank);
}

/* Takes the lists that have rows over from k-means. */
static void
take_lists(struct cn_ivf *ivf, const struct cn_kmeans *kmeans)
{
	cn_kmeans_sort(kmeans->cluster, ivf->n, kmeans->clusters, ivf->start, ivf->row);
	for (size_t c = 0; c < kmeans->clusters; c++) {
		const size_t size = kmeans->size[c];

		if (!size)
			continue;
		memcpy(ivf->centroid + ivf->lists * ivf->d, kmeans->centroid + c * ivf->d, ivf->d * sizeof *ivf->centroid);
		ivf->start[ivf->lists++] = ivf->start[c];
		ivf->longest = size > ivf->longest ? size : ivf->longest;
	}
	ivf->start[ivf->lists] = ivf->n;
}

int
cn_ivf_build(struct cn_ivf *ivf, const struct cn_ivf_config *config, const float *bank, size_t n, size_t d,
	struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_kmeans_config means = { .clusters = config->lists ? config->lists : (size_t)(4 * sqrt((double)n)),
		.iterations = config->iterations, .points = config->points, .seed = config->seed };
	struct copying copying = { ivf, bank };
	struct cn_kmeans kmeans = { 0 };

	*ivf = (struct cn_ivf){ .n = n, .d = d };
	if (cn_kmeans_run(&kmeans, &means, bank, n, d, pool, err) == 0) {
		ivf->centroid = cn_mem_array(kmeans.clusters * d + 1, sizeof *ivf->centroid, err);
		ivf->start = cn_mem_array(kmeans.clusters + 1, sizeof *ivf->start, err);
		ivf->row = cn_mem_array(n + 1, sizeof *ivf->row, err);
		ivf->vector = cn_mem_array(n * d + 1, sizeof *ivf->vector, err);
	}
	if (!err->code) {
		take_lists(ivf, &kmeans);
		cn_pool_run(pool, (n + ROWS - 1) / ROWS, copy_rows, &copying);
	}
	cn_kmeans_release(&kmeans);
	return err->code ? -1 : 0;
}

/* A rule that knows the queries of a sample by their numbers in the whole. */
struct sampled {
	const struct cn_topk_rule *rule;
	const uint32_t *chosen;
};

static unsigned
judge_sampled(void *context, size_t query, uint32_t row)
{
	const struct sampled *s = context;

	return s->rule->judge(s->rule->context, s->chosen[query], row);
}

/* Where the lists of hits stand among those of their query, nearest first. */
struct places {
	struct search search;
	const uint32_t *list;	/* (n) the list of each row */
	uint32_t *place;	/* (m, k); UINT32_MAX where there is no hit */
};

CN_CLONES static uint32_t
count_better(const float *score, size_t lists, size_t list)
{
	uint32_t better = 0;

	for (size_t i = 0; i < list; i++)
		better += score[i] >= score[list];
	for (size_t i = list + 1; i < lists; i++)
		better += score[i] > score[list];
	return better;
}

static void
find_part(void *context, size_t part, size_t worker)
{
	const struct places *p = context;
	const struct search *s = &p->search;
	struct worker *w = s->worker + worker;
	const size_t from = part * QUERIES, n = smaller(QUERIES, s->m - from);

	score_centroids(s, w, from, n);
	for (size_t i = 0; i < n * s->k; i++) {
		const uint32_t row = s->hits[from * s->k + i].row;

		p->place[from * s->k + i] = row == UINT32_MAX ? row : count_better(w->out[i / s->k], s->ivf->lists, p->list[row]);
	}
}

/* count[p]: hits whose list stands p-th. */
static int
find_places(const struct cn_ivf *ivf, const float *query, size_t m, size_t k, struct cn_topk_hit *hits, size_t *count,
	struct cn_pool *pool, struct cn_err *err)
{
	struct places p = { .search = { .ivf = ivf, .query = query, .m = m, .k = k, .probes = 1, .hits = hits } };
	uint32_t *list = cn_mem_array(ivf->n, sizeof *list, err);

	p.place = cn_mem_array(m * k, sizeof *p.place, err);
	if (prepare(&p.search, QUERIES, pool, err) == 0) {
		p.list = list;
		for (size_t l = 0; l < ivf->lists; l++)
			for (size_t i = ivf->start[l]; i < ivf->start[l + 1]; i++)
				list[ivf->row[i]] = (uint32_t)l;
		cn_pool_run(pool, (m + QUERIES - 1) / QUERIES, find_part, &p);
		for (size_t i = 0; i < m * k; i++)
			if (p.place[i] != UINT32_MAX)
				count[p.place[i]]++;
	}
	release(&p.search, pool);
	cn_mem_free(p.place);
	cn_mem_free(list);
	return err->code ? -1 : 0;
}

/* The fewest lists that hold the wanted share of all hits. */
static size_t
fewest(const size_t *count, size_t lists, double recall, double *reached)
{
	size_t all = 0, held = 0, probes = 0;

	for (size_t p = 0; p < lists; p++)
		all += count[p];
	do
		held += count[probes++];
	while (probes < lists && (double)held < recall * (double)all);
	if (reached)
		*reached = all ? (double)held / (double)all : 1;
	return probes;
}

/* The bounds of a sample of queries, or NULL where there are none. */
static float *
choose_bounds(const float *bound, const uint32_t *chosen, size_t n, struct cn_err *err)
{
	float *own = bound && !err->code ? cn_mem_array(n + 1, sizeof *own, err) : NULL;

	for (size_t i = 0; i < n && own; i++)
		own[i] = bound[chosen[i]];
	return own;
}

int
cn_ivf_calibrate(const struct cn_ivf *ivf, const float *query, size_t m, size_t k, const struct cn_topk_rule *rule,
	const struct cn_ivf_target *target, size_t *probes, double *reached, struct cn_pool *pool, struct cn_err *err)
{
	const size_t sample = smaller(m, target->sample ? target->sample : 1000);
	uint32_t *chosen = cn_mem_array(sample + 1, sizeof *chosen, err);
	float *copy = cn_mem_array(sample * ivf->d + 1, sizeof *copy, err);
	float *ceiling, *floor;
	struct cn_topk_hit *hits = cn_mem_array(sample * k + 1, sizeof *hits, err);
	size_t *count = cn_mem_array(ivf->lists + 1, sizeof *count, err);
	struct sampled sampled = { rule, chosen };
	struct cn_topk_rule rules = { .judge = rule && rule->judge ? judge_sampled : NULL, .context = &sampled };
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, target->seed, "ivf-calibrate");
	cn_rng_start(&rng, &key, 0, 0);
	if (!err->code && m >= UINT32_MAX)
		cn_err_set(err, CN_FAILED, "%zu queries are too many to draw from, at most 4294967294 are possible", m);
	if (!err->code)
		cn_rng_choose(&rng, (uint32_t)m, (uint32_t)sample, chosen);
	for (size_t i = 0; i < sample && !err->code; i++)
		memcpy(copy + i * ivf->d, query + (size_t)chosen[i] * ivf->d, ivf->d * sizeof *copy);
	rules.ceiling = ceiling = choose_bounds(rule ? rule->ceiling : NULL, chosen, sample, err);
	rules.floor = floor = choose_bounds(rule ? rule->floor : NULL, chosen, sample, err);
	*probes = smaller(1, ivf->lists);
	if (cn_ivf_search(ivf, ivf->lists, copy, sample, k, &rules, hits, pool, err) == 0 && sample && k && ivf->lists &&
		find_places(ivf, copy, sample, k, hits, count, pool, err) == 0)
		*probes = fewest(count, ivf->lists, target->recall, reached);
	cn_mem_free(count);
	cn_mem_free(hits);
	cn_mem_free(ceiling);
	cn_mem_free(floor);
	cn_mem_free(copy);
	cn_mem_free(chosen);
	return err->code ? -1 : 0;
}

void
cn_ivf_release(struct cn_ivf *ivf)
{
	cn_mem_free(ivf->centroid);
	cn_mem_free(ivf->start);
	cn_mem_free(ivf->row);
	cn_mem_free(ivf->vector);
	*ivf = (struct cn_ivf){ 0 };
}
