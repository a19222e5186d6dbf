/* layout - makes the parts that are asked for. */
#include <math.h>

#include "base/mem.h"
#include "mine/layout.h"
#include "tensor/kernel.h"

#include "base/banned.h"

static int
fill_urn(struct cn_urn *urn, const struct cn_bank *bank, const struct cn_span *span, double power, const char *file, struct cn_err *err)
{
	const float *weight = bank->weight + span->first;
	double total = 0;

	for (size_t r = 0; r < span->rows; r++) {
		if (!(weight[r] >= 0 && weight[r] < 1e30f))
			return cn_err_set(err, CN_FAILED, "%s: the row of id %llu: %g is no count; rows are drawn in proportion to the field "
				"of --weight", file, (unsigned long long)bank->id[span->first + r], (double)weight[r]);
		total += (double)weight[r];
	}
	if (span->rows && !(total > 0))
		return cn_err_set(err, CN_FAILED, "%s: the field of --weight is 0 in every row, so none can be drawn", file);
	return cn_urn_init(urn, weight, span->rows, power, err);
}

/* Lists of a span; how many are read is measured with its own rows as queries, which find themselves besides. */
static int
make_lists(struct cn_layout *l, size_t i, const struct cn_layout_config *c, const struct cn_bank *bank, const struct cn_span *span,
	struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_ivf_config config = { .seed = c->seed };
	const struct cn_ivf_target target = { .recall = c->recall, .seed = c->seed };
	const float *unit = bank->unit + (size_t)span->first * bank->dim;
	const size_t k = c->depth + 1 < span->rows ? c->depth + 1 : span->rows;

	if (cn_ivf_build(&l->ivf[i], &config, unit, span->rows, bank->dim, pool, err) < 0)
		return -1;
	l->probes[i] = c->probes;
	if (c->probes || !span->rows)
		return 0;
	return cn_ivf_calibrate(&l->ivf[i], unit, span->rows, k, NULL, &target, &l->probes[i], &l->reached[i], pool, err);
}

int
cn_layout_init(struct cn_layout *l, const struct cn_layout_config *c, const struct cn_bank *bank,
	const struct cn_span *span, size_t spans, const char *const *file, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_kmeans_config kmeans = { .clusters = c->clusters, .metric = CN_KMEANS_COSINE, .seed = c->seed };

	*l = (struct cn_layout){ 0 };
	for (size_t i = 0; i < spans && c->urns && !err->code; i++)
		fill_urn(&l->urn[i], bank, span + i, c->power, file[i], err);
	if (c->clusters && !err->code)
		cn_kmeans_run(&l->kmeans, &kmeans, bank->unit, bank->rows, bank->dim, pool, err);
	if (c->neighbours && !err->code)
		cn_graph_build(&l->graph, bank->unit, bank->rows, bank->dim, c->neighbours, true, pool, err);
	for (size_t i = 0; i < spans && c->recall > 0 && !err->code; i++)
		make_lists(l, i, c, bank, span + i, pool, err);
	return err->code ? -1 : 0;
}

/* The centroid nearest to x but for one; ties to the smaller number. */
static uint32_t
nearest_other(const struct cn_kmeans *k, const float *x, uint32_t own)
{
	float most = -INFINITY;
	uint32_t best = UINT32_MAX;	/* which no row has */

	for (uint32_t c = 0; c < k->clusters; c++) {
		const float score = cn_kernel_dot(x, k->centroid + c * k->d, k->d);

		if (c != own && score > most) {
			most = score;
			best = c;
		}
	}
	return best;
}

int
cn_layout_clusters(const struct cn_layout *l, const float *unit, size_t n, bool next, uint32_t *cluster, struct cn_pool *pool, struct cn_err *err)
{
	float *score = cn_mem_array(n, sizeof *score, err);

	if (!err->code)
		cn_kmeans_assign(&l->kmeans, unit, n, cluster, score, pool, err);
	for (size_t i = 0; i < n && next && !err->code; i++)
		cluster[i] = nearest_other(&l->kmeans, unit + i * l->kmeans.d, cluster[i]);
	cn_mem_free(score);
	return err->code ? -1 : 0;
}

void
cn_layout_release(struct cn_layout *l)
{
	for (size_t i = 0; i < CN_SPANS; i++) {
		cn_urn_release(&l->urn[i]);
		cn_ivf_release(&l->ivf[i]);
	}
	cn_kmeans_release(&l->kmeans);
	cn_graph_release(&l->graph);
	*l = (struct cn_layout){ 0 };
}
