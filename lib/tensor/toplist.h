/*
 * toplist - the best k rows for one query, gathered one row at a time in any order.
 *
 * Rows are ordered by score descending, then row ascending.  A row may be noted before its score is
 * known, with what it is at least and at most; most rows turn out not to matter before anyone has to
 * know better.  The list keeps every row that may stand before the k-th row that counts, those that do
 * not count (a reason is given) included: so it knows ranks and can tell how many did not count.
 */
#ifndef CN_TENSOR_TOPLIST_H
#define CN_TENSOR_TOPLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Greater keys are better: the score in the high half, the reversed row below. */
struct cn_toplist_entry {
	uint64_t most;		/* key of the greatest score it can have */
	uint32_t least;		/* high half of the key of the least */
	uint32_t reason;
};

struct cn_toplist {
	struct cn_toplist_entry *entry;
	size_t k, n, capacity;
	size_t room;		/* of entries that are the list's own, once it has grown; else 0 */
	float floor;		/* a row that scores less is not among the best k, or below what the list began with */
};

/* How many entries a list of k begins with. */
size_t cn_toplist_capacity(size_t k);

/* entry: capacity entries, which stay with the caller.  floor: rows below it will not be noted; -INFINITY for none. */
void cn_toplist_init(struct cn_toplist *list, size_t k, float floor, struct cn_toplist_entry *entry);
void cn_toplist_release(struct cn_toplist *list);

/*
 * Drops what cannot be among the best k and raises the floor; false if the list is still rather full.
 * scratch: as many numbers as the list has capacity.
 */
bool cn_toplist_cut(struct cn_toplist *list, uint32_t *scratch);

/* Doubles the capacity. */
int cn_toplist_grow(struct cn_toplist *list, struct cn_err *err);

/* n must be less than capacity.  reason 0: the row counts.  A score that is no number stands last. */
void cn_toplist_note(struct cn_toplist *list, float least, float most, uint32_t row, unsigned reason);

/* What is known of an entry's score, and to know it. */
bool cn_toplist_is_exact(const struct cn_toplist_entry *entry);
void cn_toplist_set(struct cn_toplist_entry *entry, float score);

/* Cuts and sorts, best first; all entries must be exact.  More rows may be noted afterwards. */
void cn_toplist_settle(struct cn_toplist *list, uint32_t *scratch);

float cn_toplist_score(const struct cn_toplist_entry *entry);
uint32_t cn_toplist_row(const struct cn_toplist_entry *entry);

#endif
