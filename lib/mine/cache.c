/* cache - an open hash table of ids, and rows in the order the ids came. */
#include "base/mem.h"
#include "mine/cache.h"

#include "base/banned.h"

void
cn_cache_init(struct cn_cache *cache, size_t kept)
{
	*cache = (struct cn_cache){ .kept = kept };
}

/* Where an id is in the table, or would be.  Ids are multiplied by 2^64 / golden ratio (Knuth 6.4). */
static size_t
find_bucket(const struct cn_cache *c, uint64_t id)
{
	size_t at = (size_t)(id * 0x9e3779b97f4a7c15u >> 20) & (c->buckets - 1);

	while (c->table[at] && c->id[c->table[at] - 1] != id)
		at = (at + 1) & (c->buckets - 1);
	return at;
}

static int
grow_table(struct cn_cache *c, struct cn_err *err)
{
	struct cn_cache larger = *c;

	larger.buckets = c->buckets ? 2 * c->buckets : 1024;
	if (!(larger.table = cn_mem_array(larger.buckets, sizeof *larger.table, err)))
		return -1;
	for (size_t i = 0; i < c->n; i++)
		larger.table[find_bucket(&larger, c->id[i])] = (uint32_t)i + 1;
	cn_mem_free(c->table);
	*c = larger;
	return 0;
}

size_t
cn_cache_slot(struct cn_cache *c, uint64_t id, struct cn_err *err)
{
	size_t at;

	if (2 * c->n >= c->buckets && grow_table(c, err) < 0)
		return SIZE_MAX;
	at = find_bucket(c, id);
	if (c->table[at])
		return c->table[at] - 1;
	if (cn_mem_grow((void **)&c->id, &c->room, c->n + 1, sizeof *c->id, err) < 0 ||
	    cn_mem_grow((void **)&c->row, &c->row_room, c->n + 1, c->kept * sizeof *c->row, err) < 0)
		return SIZE_MAX;
	c->id[c->n] = id;
	for (size_t i = 0; i < c->kept; i++)
		c->row[c->n * c->kept + i] = UINT32_MAX;
	c->table[at] = (uint32_t)++c->n;
	return c->n - 1;
}

void
cn_cache_release(struct cn_cache *c)
{
	cn_mem_free(c->id);
	cn_mem_free(c->row);
	cn_mem_free(c->table);
	*c = (struct cn_cache){ 0 };
}
