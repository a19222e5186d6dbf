/*
 * toplist - the best k rows for one query, gathered one row at a time in any order.
 *
 * Rows are ordered by score descending, then row ascending.  The list keeps every row that was noted and
 * stands before the k-th row that counts, those that do not count (a reason is given) included: so it
 * knows ranks and can tell how many did not count.  It outgrows its room now and then and is cut back to
 * what may still matter; floor rises with each cut, and rows that score below floor need not be noted.
 */
#ifndef CN_TENSOR_TOPLIST_H
#define CN_TENSOR_TOPLIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Greater keys are better: the score in the high half, the reversed row below. */
struct cn_toplist_entry {
	uint64_t key;
	unsigned reason;
};

struct cn_toplist {
	struct cn_toplist_entry *entry;
	size_t k, n, room;
	size_t capacity;	/* cut back when n reaches it */
	float floor;		/* the k-th best score so far, or what the list began with */
};

/* floor: rows below it will not be noted; -INFINITY for none. */
int cn_toplist_init(struct cn_toplist *list, size_t k, float floor, struct cn_err *err);
void cn_toplist_release(struct cn_toplist *list);

/* reason 0: the row counts.  A score that is no number stands last. */
int cn_toplist_note(struct cn_toplist *list, float score, uint32_t row, unsigned reason, struct cn_err *err);

/* Cuts and sorts, best first.  More rows may be noted afterwards. */
void cn_toplist_settle(struct cn_toplist *list);

float cn_toplist_score(const struct cn_toplist_entry *entry);
uint32_t cn_toplist_row(const struct cn_toplist_entry *entry);

#endif
