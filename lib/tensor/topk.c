/* Feeding slabs to the shortlist, and reading its lists. */
#include <string.h>

#include "base/mem.h"
#include "tensor/shortlist.h"
#include "tensor/topk.h"

#include "base/banned.h"

struct cn_topk {
	struct cn_shortlist s;
	uint32_t rows;			/* fed so far */
	struct cn_topk_hit *hits;	/* where finish wants them */
};

struct cn_topk *
cn_topk_new(const struct cn_topk_config *config, struct cn_err *err)
{
	struct cn_topk *t = cn_mem_array(1, sizeof *t, err);

	if (t && cn_shortlist_init(&t->s, config, err) < 0) {
		cn_topk_free(t);
		return NULL;
	}
	return t;
}

void
cn_topk_free(struct cn_topk *t)
{
	if (t)
		cn_shortlist_release(&t->s);
	cn_mem_free(t);
}

size_t
cn_topk_bytes(size_t k)
{
	return sizeof(struct cn_toplist) + cn_toplist_capacity(k) * sizeof(struct cn_toplist_entry) +
		sizeof(double) + sizeof(uint32_t) + sizeof(struct cn_quantise_query);
}

int
cn_topk_feed(struct cn_topk *t, size_t first_row, const float *bank, size_t n, struct cn_err *err)
{
	const size_t slab = t ? t->s.slab_rows : 0;

	if (err->code)
		return -1;
	if (n >= UINT32_MAX || first_row >= UINT32_MAX - n)
		return cn_err_set(err, CN_FAILED, "a bank of %zu rows is too large to search, at most 4294967294 are possible",
			first_row + n);
	t->rows += (uint32_t)n;
	for (size_t i = 0; i < n && t->s.m && t->s.k && !err->code; i += slab)
		cn_shortlist_walk(&t->s, bank + i * t->s.d, first_row + i, n - i < slab ? n - i : slab, err);
	return err->code ? -1 : 0;
}

/* The hits of a query, and what stands before the last of them without counting. */
static void
report(const struct cn_topk *t, const struct cn_toplist *list, size_t query, struct cn_topk_hit *hit)
{
	const uint32_t above = t->s.above[query];
	uint32_t dropped[CN_TOPK_REASONS] = { [CN_TOPK_ABOVE] = above };
	size_t found = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct cn_toplist_entry *e = list->entry + i;

		if (e->reason)
			dropped[e->reason]++;
		else
			hit[found++] = (struct cn_topk_hit){ cn_toplist_score(e), cn_toplist_row(e), above + (uint32_t)i };
	}
	if (found < t->s.k)
		dropped[CN_TOPK_BELOW] += t->rows - above - (uint32_t)list->n;
	while (found < t->s.k)
		hit[found++] = (struct cn_topk_hit){ 0, UINT32_MAX, UINT32_MAX };
	if (t->s.rule.dropped)
		memcpy(t->s.rule.dropped + query * CN_TOPK_REASONS, dropped, sizeof dropped);
}

static void
report_part(void *context, size_t part, size_t worker)
{
	struct cn_topk *t = context;

	for (size_t i = part * t->s.part; i < (part + 1) * t->s.part && i < t->s.m; i++) {
		const struct cn_toplist *list = cn_shortlist_settle(&t->s, i, worker);

		if (list)
			report(t, list, i, t->hits + i * t->s.k);
	}
}

int
cn_topk_finish(struct cn_topk *t, struct cn_topk_hit *hits, struct cn_err *err)
{
	if (err->code)
		return -1;
	t->hits = hits;
	if (t->s.m && t->s.k)
		cn_pool_run(t->s.pool, (t->s.m + t->s.part - 1) / t->s.part, report_part, t);
	return cn_shortlist_check(&t->s, err);
}

int
cn_topk_select(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	const struct cn_topk_rule *rule, struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_topk_config config = { .query = query, .m = m, .d = d, .k = k, .rule = *rule, .pool = pool };
	struct cn_topk *t = cn_topk_new(&config, err);

	if (t && cn_topk_feed(t, 0, bank, n, err) == 0)
		cn_topk_finish(t, hits, err);
	cn_topk_free(t);
	return err->code ? -1 : 0;
}

/* The plain search in terms of the other one. */
struct allowance {
	int (*allow)(void *context, size_t query, uint32_t row);
	void *context;
};

static unsigned
judge_allowance(void *context, size_t query, uint32_t row)
{
	const struct allowance *a = context;

	return a->allow(a->context, query, row) ? 0 : CN_TOPK_REASONS - 1;
}

int
cn_topk_search(const float *bank, size_t n, const float *query, size_t m, size_t d, size_t k,
	int (*allow)(void *context, size_t query, uint32_t row), void *context,
	struct cn_topk_hit *hits, struct cn_pool *pool, struct cn_err *err)
{
	struct allowance a = { allow, context };
	const struct cn_topk_rule rule = { .judge = allow ? judge_allowance : NULL, .context = &a };

	return cn_topk_select(bank, n, query, m, d, k, &rule, hits, pool, err);
}
