/* urn - slots that are filled up in pairs. */
#include <math.h>

#include "base/mem.h"
#include "mine/urn.h"

#include "base/banned.h"

/* Slots short of their share are filled up by one that has too much. */
static void
pair_up(struct cn_urn *urn, uint32_t *stack)
{
	size_t shorts = 0, longs = urn->n;

	for (size_t i = 0; i < urn->n; i++)
		stack[urn->keep[i] < 1 ? shorts++ : --longs] = (uint32_t)i;
	while (shorts && longs < urn->n) {
		const uint32_t low = stack[--shorts], high = stack[longs];

		urn->alias[low] = high;
		urn->keep[high] -= 1 - urn->keep[low];
		if (urn->keep[high] < 1) {
			longs++;
			stack[shorts++] = high;
		}
	}
	while (shorts)		/* by rounding only */
		urn->keep[stack[--shorts]] = 1;
}

int
cn_urn_init(struct cn_urn *urn, const float *weight, size_t n, double power, struct cn_err *err)
{
	uint32_t *stack = cn_mem_array(n, sizeof *stack, err);
	double total = 0, top = -INFINITY;

	*urn = (struct cn_urn){ .n = n };
	urn->keep = cn_mem_array(n, sizeof *urn->keep, err);
	urn->alias = cn_mem_array(n, sizeof *urn->alias, err);
	urn->log_p = cn_mem_array(n, sizeof *urn->log_p, err);
	for (size_t i = 0; i < n && !err->code; i++) {
		urn->log_p[i] = weight[i] > 0 ? power * cn_rng_log((double)weight[i]) : -INFINITY;
		top = fmax(top, urn->log_p[i]);
	}
	for (size_t i = 0; i < n && !err->code; i++) {	/* the greatest is 1: nothing overflows, and not all vanish */
		urn->keep[i] = weight[i] > 0 ? cn_rng_exp(urn->log_p[i] - top) : 0;
		total += urn->keep[i];
	}
	for (size_t i = 0; i < n && !err->code; i++) {
		urn->log_p[i] = urn->keep[i] > 0 ? cn_rng_log(urn->keep[i] / total) : -INFINITY;
		urn->keep[i] *= (double)n / total;
	}
	if (!err->code)
		pair_up(urn, stack);
	cn_mem_free(stack);
	return err->code ? -1 : 0;
}

uint32_t
cn_urn_draw(const struct cn_urn *urn, struct cn_rng *rng)
{
	const uint32_t slot = cn_rng_below(rng, (uint32_t)urn->n);

	return (double)cn_rng_unit(rng) < urn->keep[slot] ? slot : urn->alias[slot];
}

void
cn_urn_release(struct cn_urn *urn)
{
	cn_mem_free(urn->keep);
	cn_mem_free(urn->alias);
	cn_mem_free(urn->log_p);
	*urn = (struct cn_urn){ 0 };
}
