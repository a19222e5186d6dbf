/*
 * agreement - how alike the negatives are that two streams have for the same rows.
 *
 * Rows are the same that have one id (and one epoch, where both streams have that field); where several rows
 * of a stream do, the first goes with the first of the other, the second with the second.  The negatives of a
 * row are a set of ids: their order, and places that are none, do not count.
 */
#ifndef CN_EVAL_AGREEMENT_H
#define CN_EVAL_AGREEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/reader.h"

struct cn_agreement;

/* Means over matched rows; NaN over none. */
struct cn_agreement_result {
	uint64_t matched, unmatched;	/* rows with a counterpart; rows of either stream without */
	double common;			/* share of the row's ids that its counterpart has, too */
	double jaccard;			/* of the ids that either has, the share that both have */
};

/*
 * Reads the other stream to its end: id, neg_id, epoch if epochs says that ours has it.  Of ours, rows of k
 * negatives will be added.  memory: the most bytes it may take; 0 = no limit.
 */
struct cn_agreement *cn_agreement_read(struct cn_reader *other, bool epochs, size_t k, uint64_t memory, struct cn_err *err);

void cn_agreement_add(struct cn_agreement *agreement, uint64_t id, uint32_t epoch, const uint64_t *neg_id);
void cn_agreement_conclude(const struct cn_agreement *agreement, struct cn_agreement_result *result);
void cn_agreement_free(struct cn_agreement *agreement);

#endif
