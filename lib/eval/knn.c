/* knn - votes over exact neighbours. */
#include "eval/knn.h"

#include <stdint.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"
#include "base/banned.h"

#define STEP 4096	/* test rows looked up at once, which bounds the memory for hits */

struct own {
	const struct cn_sample *train, *test;
	size_t from;
};

static int
is_other(void *context, size_t query, uint32_t row)
{
	const struct own *own = context;

	return own->train->id[row] != own->test->id[own->from + query];
}

/* The class with the most votes; vote is zero on entry and on return. */
static int32_t
decide(const struct cn_sample *train, const struct cn_topk_hit *hit, size_t k, double temperature, double *vote)
{
	int32_t best = -1;

	for (size_t j = 0; j < k && hit[j].row != UINT32_MAX; j++)
		vote[train->label[hit[j].row]] += cn_rng_exp(((double)hit[j].score - 1) / temperature);
	for (size_t j = 0; j < k && hit[j].row != UINT32_MAX; j++) {
		const int32_t label = train->label[hit[j].row];
		if (best < 0 || vote[label] > vote[best] || (vote[label] == vote[best] && label < best))
			best = label;
	}
	for (size_t j = 0; j < k && hit[j].row != UINT32_MAX; j++)
		vote[train->label[hit[j].row]] = 0;
	return best;
}

int
cn_knn_measure(struct cn_sample *train, struct cn_sample *test, const struct cn_knn_config *config,
	struct cn_pool *pool, double *accuracy, struct cn_err *err)
{
	const size_t step = test->n < STEP ? test->n : STEP;
	struct cn_topk_hit *hit = cn_mem_array(step * config->k, sizeof(*hit), err);
	double *vote = cn_mem_array((size_t)train->classes + 1, sizeof(*vote), err);
	struct own own = { train, test, 0 };
	const bool apart = config->apart && train->id && test->id;
	size_t right = 0;

	cn_kernel_normalize(train->z, train->n, train->d);
	cn_kernel_normalize(test->z, test->n, test->d);
	for (size_t i = 0; i < test->n && !err->code; i += step) {
		const size_t m = test->n - i < step ? test->n - i : step;

		own.from = i;
		if (cn_topk_search(train->z, train->n, test->z + i * test->d, m, train->d, config->k,
				apart ? is_other : NULL, &own, hit, pool, err))
			break;
		for (size_t q = 0; q < m; q++)
			right += decide(train, hit + q * config->k, config->k, config->temperature, vote) == test->label[i + q];
	}
	*accuracy = (double)right / (double)test->n;
	cn_mem_free(hit);
	cn_mem_free(vote);
	return err->code ? -1 : 0;
}
