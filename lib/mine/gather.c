/* gather - hashes, vectors and positives of a chunk, into memory that is kept from chunk to chunk. */
#include <math.h>

#include "base/mem.h"
#include "mine/gather.h"
#include "tensor/topk.h"

#include "base/banned.h"

enum { CONTENT, POS_CONTENT, HOME_CONTENT, UNIT, POS_UNIT, POS_SCORE, GUIDE, GUIDE_SCORE, CLUSTER };

static const void *
column(const struct cn_batch *in, int field)
{
	return field >= 0 ? in->column[field] : NULL;
}

static uint64_t *
hash_rows(const struct cn_batch *in, int field, uint64_t **hash, size_t *room, struct cn_err *err)
{
	if (cn_mem_grow((void **)hash, room, in->rows, sizeof **hash, err) < 0)
		return NULL;
	for (size_t i = 0; i < in->rows; i++)
		(*hash)[i] = cn_bank_hash(cn_batch_at(in, field, i), cn_field_bytes(&in->schema.field[field]));
	return *hash;
}

static int
gather_content(struct cn_gather *g, const struct cn_mine_fields *f, const struct cn_bank *bank, const struct cn_batch *in,
	struct cn_anchors *a, struct cn_err *err)
{
	if (f->content < 0)
		return 0;
	a->content = hash_rows(in, f->content, &g->content, &g->room[CONTENT], err);
	if (f->pos_content >= 0)
		a->pos_content = hash_rows(in, f->pos_content, &g->pos_content, &g->room[POS_CONTENT], err);
	cn_mem_grow((void **)&g->home_content, &g->room[HOME_CONTENT], in->rows, sizeof *g->home_content, err);
	for (size_t i = 0; i < in->rows && !err->code; i++) {
		const uint32_t home = cn_bank_find(bank, a->id[i]);

		g->home_content[i] = home == CN_BANK_NONE ? a->content[i] : bank->content[home];
	}
	a->home_content = g->home_content;
	return err->code ? -1 : 0;
}

/* The least similar of the known partners that have a vector; NaN if none has. */
static float
least_known(const struct cn_pairs *known, const struct cn_bank *bank, enum cn_metric metric, uint64_t id, const float *unit)
{
	size_t n = 0;
	const uint64_t *partner = cn_pairs_of(known, id, &n);
	float least = NAN;

	for (size_t i = 0; i < n; i++) {
		const uint32_t row = cn_bank_find(bank, partner[i]);

		if (row != CN_BANK_NONE)
			least = fminf(least, cn_metric_score(metric, unit, bank->unit + (size_t)row * bank->dim, bank->dim));
	}
	return least;
}

struct kin {
	const struct cn_bank *bank;
	const uint64_t *id;
	const int32_t *label;
};

/* Only other rows of the anchor's label count. */
static unsigned
judge_kin(void *context, size_t anchor, uint32_t row)
{
	const struct kin *k = context;

	return k->label[anchor] < 0 || k->bank->label[row] != k->label[anchor] || k->bank->id[row] == k->id[anchor] ? CN_MINE_LABEL : 0;
}

static int
nearest_kin(const struct cn_miner_config *c, const struct cn_bank *bank, const struct cn_anchors *a, float *score, struct cn_err *err)
{
	struct kin kin = { bank, a->id, a->label };
	const struct cn_topk_config config = { .query = a->unit, .m = a->rows, .d = bank->dim, .k = 1,
		.metric = c->metric == CN_METRIC_L2 ? CN_TOPK_L2 : CN_TOPK_DOT, .rule = { .judge = judge_kin, .context = &kin }, .pool = c->pool };
	struct cn_topk_hit *hit = cn_mem_array(a->rows, sizeof *hit, err);
	struct cn_topk *topk = cn_topk_new(&config, err);

	cn_topk_feed(topk, 0, bank->unit, bank->rows, err);
	cn_topk_finish(topk, hit, err);
	cn_topk_free(topk);
	for (size_t i = 0; i < a->rows && !err->code; i++)
		score[i] = hit[i].row == UINT32_MAX ? NAN : hit[i].score;
	cn_mem_free(hit);
	return err->code ? -1 : 0;
}

static int
read_vectors(const struct cn_miner_config *c, const struct cn_vector *vector, const struct cn_batch *in, float *to, struct cn_err *err)
{
	return (c->metric == CN_METRIC_COSINE ? cn_vector_read_unit : cn_vector_read)(vector, in, to, err);
}

static int
gather_positive(struct cn_gather *g, const struct cn_mine_fields *f, const struct cn_miner_config *c, const struct cn_bank *bank,
	const struct cn_batch *in, struct cn_anchors *a, struct cn_err *err)
{
	const size_t dim = f->vector.dim;

	if (f->pos.field >= 0) {
		cn_mem_grow((void **)&g->pos_unit, &g->room[POS_UNIT], in->rows, dim * sizeof(float), err);
		if (read_vectors(c, &f->pos, in, g->pos_unit, err) < 0)
			return -1;
		a->pos_unit = g->pos_unit;
	}
	if (f->pos.field < 0 && f->positive == CN_POSITIVE_FIELD)
		return 0;
	if (cn_mem_grow((void **)&g->pos_score, &g->room[POS_SCORE], in->rows, sizeof *g->pos_score, err) < 0)
		return -1;
	for (size_t i = 0; i < in->rows; i++)
		g->pos_score[i] = f->positive == CN_POSITIVE_FIELD ? cn_metric_score(c->metric, a->unit + i * dim, a->pos_unit + i * dim, dim) :
			f->positive == CN_POSITIVE_KNOWN ? least_known(c->known, bank, c->metric, a->id[i], a->unit + i * dim) : NAN;
	a->pos_score = g->pos_score;
	return f->positive == CN_POSITIVE_LABEL ? nearest_kin(c, bank, a, g->pos_score, err) : 0;
}

static int
gather_guide(struct cn_gather *g, const struct cn_miner_config *c, const struct cn_bank *guide, struct cn_anchors *a, struct cn_err *err)
{
	const size_t dim = guide->dim;

	cn_mem_grow((void **)&g->guide, &g->room[GUIDE], a->rows, dim * sizeof(float), err);
	cn_mem_grow((void **)&g->guide_score, &g->room[GUIDE_SCORE], a->rows, sizeof *g->guide_score, err);
	for (size_t i = 0; i < a->rows && !err->code; i++) {
		const uint32_t row = cn_bank_find(guide, a->id[i]);

		if (row == CN_BANK_NONE)
			return cn_err_set(err, CN_FAILED, "%s: row %llu: the guide has no vector for id %llu; embed this stream with it, too",
				a->file, (unsigned long long)(a->first_row + i), (unsigned long long)a->id[i]);
		memcpy(g->guide + i * dim, guide->unit + (size_t)row * dim, dim * sizeof(float));
		g->guide_score[i] = least_known(c->known, guide, CN_METRIC_COSINE, a->id[i], g->guide + i * dim);
	}
	a->guide = g->guide;
	a->guide_score = g->guide_score;
	a->guide_dim = dim;
	return err->code ? -1 : 0;
}

int
cn_gather_anchors(struct cn_gather *g, const struct cn_mine_fields *f, const struct cn_miner_config *c, const struct cn_bank *bank,
	const struct cn_bank *guide, const struct cn_layout *layout, const struct cn_batch *in, struct cn_anchors *a, struct cn_err *err)
{
	*a = (struct cn_anchors){ .file = f->file, .first_row = in->first_row, .rows = in->rows, .dim = f->vector.dim,
		.id = column(in, f->id), .epoch = column(in, f->epoch), .label = column(in, f->label), .group = column(in, f->group) };
	if (gather_content(g, f, bank, in, a, err) < 0)
		return -1;
	if (f->vector.field >= 0) {
		cn_mem_grow((void **)&g->unit, &g->room[UNIT], in->rows, f->vector.dim * sizeof(float), err);
		if (read_vectors(c, &f->vector, in, g->unit, err) < 0)
			return -1;
		a->unit = g->unit;
		if (gather_positive(g, f, c, bank, in, a, err) < 0)
			return -1;
	}
	if (layout->kmeans.clusters) {
		cn_mem_grow((void **)&g->cluster, &g->room[CLUSTER], in->rows, sizeof *g->cluster, err);
		if (err->code || cn_layout_clusters(layout, a->unit, in->rows, c->next_cluster, g->cluster, c->pool, err) < 0)
			return -1;
		a->cluster = g->cluster;
	}
	return guide ? gather_guide(g, c, guide, a, err) : 0;
}

uint64_t
cn_gather_paired(const struct cn_pairs *known, const struct cn_bank *bank, const struct cn_anchors *a)
{
	uint64_t paired = 0;

	for (size_t i = 0; i < a->rows && known; i++) {
		size_t n = 0;
		const uint64_t *partner = cn_pairs_of(known, a->id[i], &n);

		while (n > 0 && cn_bank_find(bank, partner[n - 1]) == CN_BANK_NONE)
			n--;
		paired += n > 0;
	}
	return paired;
}

void
cn_gather_release(struct cn_gather *g)
{
	cn_mem_free(g->content);
	cn_mem_free(g->pos_content);
	cn_mem_free(g->home_content);
	cn_mem_free(g->unit);
	cn_mem_free(g->pos_unit);
	cn_mem_free(g->pos_score);
	cn_mem_free(g->guide);
	cn_mem_free(g->guide_score);
	cn_mem_free(g->cluster);
	*g = (struct cn_gather){ 0 };
}
