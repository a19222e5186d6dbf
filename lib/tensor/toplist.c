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

float
cn_toplist_score(const struct cn_toplist_entry *entry)
{
	return score_of(entry->key);
}

uint32_t
cn_toplist_row(const struct cn_toplist_entry *entry)
{
	return ~(uint32_t)entry->key;
}

/* Long enough that cutting is rare, short enough that the floor rises early. */
int
cn_toplist_init(struct cn_toplist *list, size_t k, float floor, struct cn_err *err)
{
	*list = (struct cn_toplist){ .k = k, .capacity = 2 * k + 64, .floor = floor };
	return cn_mem_grow((void **)&list->entry, &list->room, list->capacity, sizeof *list->entry, err);
}

void
cn_toplist_release(struct cn_toplist *list)
{
	cn_mem_free(list->entry);
	*list = (struct cn_toplist){ 0 };
}

static void
swap(struct cn_toplist_entry *a, struct cn_toplist_entry *b)
{
	const struct cn_toplist_entry t = *a;

	*a = *b;
	*b = t;
}

/* The k-th greatest of n keys (k in 1..n); reorders the entries.  Hoare's selection, median of three. */
static uint64_t
select_key(struct cn_toplist_entry *e, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	k--;
	while (low < high) {
		const uint64_t a = e[low].key, b = e[low + (high - low) / 2].key, c = e[high].key;
		const uint64_t pivot = a > b ? (b > c ? b : (a > c ? c : a)) : (a > c ? a : (b > c ? c : b));
		size_t i = low, j = high;

		for (;;) {
			while (e[i].key > pivot)
				i++;
			while (e[j].key < pivot)
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
	return e[k].key;
}

/* Drops whatever stands behind the k-th row that counts, and raises the floor to its score. */
static void
cut(struct cn_toplist *list)
{
	struct cn_toplist_entry *e = list->entry;
	size_t counting = 0, kept = 0;
	uint64_t last;

	for (size_t i = 0; i < list->n; i++)
		if (!e[i].reason)
			swap(e + i, e + counting++);
	if (counting < list->k)
		return;
	last = select_key(e, counting, list->k);
	for (size_t i = 0; i < list->n; i++)
		if (e[i].key >= last)
			e[kept++] = e[i];
	list->n = kept;
	list->floor = score_of(last);
}

int
cn_toplist_note(struct cn_toplist *list, float score, uint32_t row, unsigned reason, struct cn_err *err)
{
	if (list->n == list->capacity) {
		cut(list);
		if (list->n > list->capacity / 2 + list->k / 2)
			list->capacity *= 2;
		if (cn_mem_grow((void **)&list->entry, &list->room, list->capacity, sizeof *list->entry, err) < 0) {
			list->n = 0;
			return -1;
		}
	}
	list->entry[list->n++] = (struct cn_toplist_entry){ (uint64_t)order_of(score) << 32 | (uint32_t)~row, reason };
	return 0;
}

static int
by_key(const void *a, const void *b)
{
	const uint64_t x = ((const struct cn_toplist_entry *)a)->key, y = ((const struct cn_toplist_entry *)b)->key;

	return x < y ? 1 : x > y ? -1 : 0;
}

void
cn_toplist_settle(struct cn_toplist *list)
{
	cut(list);
	qsort(list->entry, list->n, sizeof *list->entry, by_key);
}
