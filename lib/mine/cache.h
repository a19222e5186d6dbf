/*
 * cache - for each id some rows of the bank that were hard before, kept from epoch to epoch.
 *
 * NSCaching (Zhang et al., arXiv 1812.06410): when an id comes, fresh rows are drawn, and of these and the
 * cached ones so many are kept by chance, in proportion to e^(score / temperature); the negatives are drawn
 * from the cache with equal chance.  What an id gets depends on what the same id met before, on nothing else.
 */
#ifndef CN_MINE_CACHE_H
#define CN_MINE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cn_cache {
	size_t kept;		/* rows per id */
	size_t n, room;		/* ids */
	uint64_t *id;		/* (n) by slot, in the order they came */
	uint32_t *row;		/* (n, kept), UINT32_MAX = none */
	size_t row_room;
	uint32_t *table;	/* (buckets) slot + 1, or 0: open addressing, at most half full */
	size_t buckets;
};

/* Keeps so many rows per id; "= { 0 }" is empty otherwise. */
void cn_cache_init(struct cn_cache *cache, size_t kept);

/* The slot of an id, made if it is new; SIZE_MAX on err. */
size_t cn_cache_slot(struct cn_cache *cache, uint64_t id, struct cn_err *err);

void cn_cache_release(struct cn_cache *cache);

#endif
