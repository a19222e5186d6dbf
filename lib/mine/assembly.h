/*
 * assembly - an order of rows in which each batch of so many consecutive ones is hard: its rows are near each other.
 *
 * Batches are made one after the other, in keyed order of their places: a row drawn by chance, then the rows nearest to it
 * that are still free and may be with all that are in the batch (of its 16384 nearest free ones), then, where the mixture
 * has random in it, rows drawn by chance.  Rows that may not be together are those the filter objects to, either way round,
 * and those that score above a ceiling.  A row for which no batch has a place goes where it may be with all, or
 * changes places with a row that makes that possible; the rest are counted.
 *
 * The order is a function of rows and seed, the same for any number of threads.
 */
#ifndef CN_MINE_ASSEMBLY_H
#define CN_MINE_ASSEMBLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "mine/filter.h"
#include "mine/mixture.h"

struct cn_assembly_config {
	size_t size;			/* rows of a batch, at least 2; the last has what is left */
	struct cn_mixture mixture;	/* of hard and random, by the row of the stream that a batch begins with */
	uint64_t first_row;		/* of these rows in the stream */
	float max_score;		/* rows that score more with each other may not be together; CN_GUARD_OFF = no ceiling */
	uint64_t seed;
	struct cn_pool *pool;		/* may be NULL */
};

/* Bytes held for each row while the order is made. */
size_t cn_assembly_row_bytes(void);

/*
 * Fills order with the numbers of all rows of filter->bank, which has ids and vectors; filter->anchors are the same rows.
 * Returns how many rows are in a batch with one they may not be with; UINT64_MAX if err is set.
 */
uint64_t cn_assembly_order(const struct cn_assembly_config *config, struct cn_filter *filter, uint32_t *order, struct cn_err *err);

/* Scores of all pairs within batches, summed, and how many they are. */
struct cn_assembly_hardness {
	double sum;
	uint64_t pairs;
};

/* Adds those of all batches to hardness; order NULL: as the rows stand. */
int cn_assembly_measure(const struct cn_bank *bank, enum cn_metric metric, const uint32_t *order, size_t size,
	struct cn_assembly_hardness *hardness, struct cn_err *err);

#endif
