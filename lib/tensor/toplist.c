/* Keys of 64 bits hold score and row, so that all comparing is of integers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/toplist.h"

#include "base/banned.h"

/* Floats in the order of unsigned integers; both zeros are one score. */
static uint32_t
order_of(float score)
{
	uint32_t bits;

	score = isnan(score) ? -INFINITY : score + 0.0f;
	memcpy(&bits, &score, sizeof bits);
	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float
score_of(uint64_t key)
{
	uint32_t bits = (uint32_t)(key >> 32);
	float score;

	bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
	memcpy(&score, &bits, sizeof score);
	return score;
}

static uint64_t
least_key(const struct cn_toplist_entry *e)
{
	return (uint64_t)e->least << 32 | (uint32_t)e->most;
}

float
cn_toplist_score(const struct cn_toplist_entry *entry)
{
	return score_of(entry->most);
}

uint32_t
cn_toplist_row(const struct cn_toplist_entry *entry)
{
	return ~(uint32_t)entry->most;
}

bool
cn_toplist_is_exact(const struct cn_toplist_entry *entry)
{
	return entry->most >> 32 == entry->least;
}

void
cn_toplist_set(struct cn_toplist_entry *entry, float score)
{
	entry->least = order_of(score);
	entry->most = (uint64_t)entry->least << 32 | (uint32_t)entry->most;
}

/* Long enough that cutting is rare, short enough that the floor rises early. */
static size_t
capacity_of(size_t k)
{
	return 2 * k + 32;
}

size_t
cn_toplist_bytes(size_t k)
{
	return sizeof(struct cn_toplist) + capacity_of(k) * sizeof(struct cn_toplist_entry);
}

int
cn_toplist_init(struct cn_toplist *list, size_t k, float floor, struct cn_err *err)
{
	*list = (struct cn_toplist){ .k = k, .capacity = capacity_of(k), .floor = floor };
	return cn_mem_grow((void **)&list->entry, &list->room, list->capacity, sizeof *list->entry, err);
}

void
cn_toplist_release(struct cn_toplist *list)
{
	cn_mem_free(list->entry);
	*list = (struct cn_toplist){ 0 };
}

int
cn_toplist_grow(struct cn_toplist *list, struct cn_err *err)
{
	if (cn_mem_grow((void **)&list->entry, &list->room, list->capacity * 2, sizeof *list->entry, err) < 0)
		return -1;
	list->capacity *= 2;
	return 0;
}

static void
swap(struct cn_toplist_entry *a, struct cn_toplist_entry *b)
{
	const struct cn_toplist_entry t = *a;

	*a = *b;
	*b = t;
}

/* The k-th greatest of n least keys (k in 1..n); reorders the entries.  Hoare's selection, median of three. */
static uint64_t
select_key(struct cn_toplist_entry *e, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	k--;
	while (low < high) {
		const uint64_t a = least_key(e + low), b = least_key(e + low + (high - low) / 2), c = least_key(e + high);
		const uint64_t pivot = a > b ? (b > c ? b : (a > c ? c : a)) : (a > c ? a : (b > c ? c : b));
		size_t i = low, j = high;

		for (;;) {
			while (least_key(e + i) > pivot)
				i++;
			while (least_key(e + j) < pivot)
				j--;
			if (i >= j)
				break;
			swap(e + i++, e + j--);
		}
		if (i == j && k == i)	/* the pivot stands alone between the two sides */
			break;
		if (k < i)
			high = i - 1;
		else
			low = j + 1;
	}
	return least_key(e + k);
}

/* A row may go if what it is at most stands behind what k rows that count are at least. */
bool
cn_toplist_cut(struct cn_toplist *list)
{
	struct cn_toplist_entry *e = list->entry;
	size_t counting = 0, kept = 0;
	uint64_t last;

	for (size_t i = 0; i < list->n; i++)
		if (!e[i].reason)
			swap(e + i, e + counting++);
	if (counting >= list->k) {
		last = select_key(e, counting, list->k);
		for (size_t i = 0; i < list->n; i++)
			if (e[i].most >= last)
				e[kept++] = e[i];
		list->n = kept;
		list->floor = fmaxf(list->floor, score_of(last));
	}
	return list->n <= list->k + (list->capacity - list->k) / 2;
}

void
cn_toplist_note(struct cn_toplist *list, float least, float most, uint32_t row, unsigned reason)
{
	list->entry[list->n++] = (struct cn_toplist_entry){ (uint64_t)order_of(most) << 32 | (uint32_t)~row, order_of(least), reason };
}

static int
by_key(const void *a, const void *b)
{
	const uint64_t x = ((const struct cn_toplist_entry *)a)->most, y = ((const struct cn_toplist_entry *)b)->most;

	return x < y ? 1 : x > y ? -1 : 0;
}

void
cn_toplist_settle(struct cn_toplist *list)
{
	cn_toplist_cut(list);
	qsort(list->entry, list->n, sizeof *list->entry, by_key);
}
