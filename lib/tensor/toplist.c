/* Keys of 64 bits hold score and row, so that all comparing is of integers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/clones.h"
#include "tensor/order.h"
#include "tensor/toplist.h"

#include "base/banned.h"

float
cn_toplist_score(const struct cn_toplist_entry *entry)
{
	return cn_order_score(entry->most);
}

uint32_t
cn_toplist_row(const struct cn_toplist_entry *entry)
{
	return cn_order_row(entry->most);
}

bool
cn_toplist_is_exact(const struct cn_toplist_entry *entry)
{
	return entry->most >> 32 == entry->least;
}

void
cn_toplist_set(struct cn_toplist_entry *entry, float score)
{
	entry->least = cn_order_of(score);
	entry->most = (uint64_t)entry->least << 32 | (uint32_t)entry->most;
}

/* Long enough that cutting is rare, short enough that the floor rises early. */
size_t
cn_toplist_capacity(size_t k)
{
	return k < 43 ? 5 * k + 32 : 2 * k + 160;
}

void
cn_toplist_init(struct cn_toplist *list, size_t k, float floor, struct cn_toplist_entry *entry)
{
	*list = (struct cn_toplist){ .entry = entry, .k = k, .capacity = cn_toplist_capacity(k), .floor = floor };
}

void
cn_toplist_release(struct cn_toplist *list)
{
	if (list->room)
		cn_mem_free(list->entry);
	*list = (struct cn_toplist){ 0 };
}

int
cn_toplist_grow(struct cn_toplist *list, struct cn_err *err)
{
	const bool lent = list->room == 0;
	struct cn_toplist_entry *own = lent ? NULL : list->entry;

	if (cn_mem_grow((void **)&own, &list->room, list->capacity * 2, sizeof *own, err) < 0)
		return -1;
	if (lent)
		memcpy(own, list->entry, list->n * sizeof *own);
	list->entry = own;
	list->capacity *= 2;
	return 0;
}

CN_CLONES static size_t
count_from(const uint32_t *x, size_t n, uint32_t floor)
{
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += x[i] >= floor;
	return count;
}

CN_CLONES static uint32_t
least_from(const uint32_t *x, size_t n, uint32_t floor)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < n; i++)
		least = (x[i] < floor ? UINT32_MAX : x[i]) < least ? x[i] : least;
	return least;
}

/* The k-th greatest of n numbers (k in 1..n).  Halves the range, at most 32 times: counting does not branch. */
static uint32_t
select_number(const uint32_t *x, size_t n, size_t k)
{
	uint64_t low = 0, high = UINT64_C(1) << 32;	/* at least k reach low, less than k high */
	size_t count = n;

	while (count != k && high - low > 1) {
		const uint64_t middle = low + (high - low) / 2;
		const size_t reach = count_from(x, n, (uint32_t)middle);

		if (reach < k) {
			high = middle;
		} else {
			low = middle;
			count = reach;
		}
	}
	return least_from(x, n, (uint32_t)low);
}

/* The k-th greatest least key of the rows that count; 0 if there are not so many. */
static uint64_t
find_last(const struct cn_toplist *list, uint32_t *x)
{
	const struct cn_toplist_entry *e = list->entry;
	uint32_t score, row;
	size_t n = 0, above = 0;

	for (size_t i = 0; i < list->n; i++) {
		x[n] = e[i].least;
		n += !e[i].reason;
	}
	if (n < list->k)
		return 0;
	score = select_number(x, n, list->k);
	n = 0;
	for (size_t i = 0; i < list->n; i++) {		/* of equal scores the smaller row goes first */
		x[n] = (uint32_t)e[i].most;
		n += !e[i].reason && e[i].least == score;
		above += !e[i].reason && e[i].least > score;
	}
	row = select_number(x, n, list->k - above);
	return (uint64_t)score << 32 | row;
}

/* A row may go if what it is at most stands behind what k rows that count are at least. */
bool
cn_toplist_cut(struct cn_toplist *list, uint32_t *scratch)
{
	struct cn_toplist_entry *e = list->entry;
	const uint64_t last = find_last(list, scratch);
	size_t kept = 0;

	if (last) {
		for (size_t i = 0; i < list->n; i++) {
			e[kept] = e[i];
			kept += e[i].most >= last;
		}
		list->n = kept;
		list->floor = fmaxf(list->floor, cn_order_score(last));
	}
	return list->n + list->k / 8 + 16 <= list->capacity;
}

void
cn_toplist_note(struct cn_toplist *list, float least, float most, uint32_t row, unsigned reason)
{
	list->entry[list->n++] = (struct cn_toplist_entry){ cn_order_key(most, row), cn_order_of(least), reason };
}

static int
by_key(const void *a, const void *b)
{
	const uint64_t x = ((const struct cn_toplist_entry *)a)->most, y = ((const struct cn_toplist_entry *)b)->most;

	return x < y ? 1 : x > y ? -1 : 0;
}

void
cn_toplist_settle(struct cn_toplist *list, uint32_t *scratch)
{
	cn_toplist_cut(list, scratch);
	qsort(list->entry, list->n, sizeof *list->entry, by_key);
}
