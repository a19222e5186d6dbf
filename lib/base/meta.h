/*
 * meta - a small sorted list of text keys and byte values: stream metadata, history nodes, model headers.
 *
 * Keys are unique and sorted by bytes; values are any bytes with a length, and are
 * followed by a NUL so that text can be used as a string.  "= { 0 }" is an empty list.
 */
#ifndef CN_BASE_META_H
#define CN_BASE_META_H

#include <stddef.h>

#include "base/err.h"

struct cn_pair {
	char *key, *value;	/* owned by the list, NUL-terminated */
	size_t size;		/* bytes of value, without the NUL */
};

struct cn_meta {
	struct cn_pair *pair;
	size_t n, capacity;
};

/* Sets or replaces; copies both.  0 or -1. */
int cn_meta_set(struct cn_meta *meta, const char *key, const char *value, struct cn_err *err);
int cn_meta_set_bytes(struct cn_meta *meta, const char *key, const void *value, size_t size,
	struct cn_err *err);

/* As cn_meta_set with a printf format. */
__attribute__((format(printf, 3, 5)))
int cn_meta_format(struct cn_meta *meta, const char *key, const char *format, struct cn_err *err, ...);

/* The value, or NULL.  Belongs to the list. */
const char *cn_meta_get(const struct cn_meta *meta, const char *key);

/* Adds every pair of from that to does not have yet. */
int cn_meta_merge(struct cn_meta *to, const struct cn_meta *from, struct cn_err *err);

/* Takes out of meta what other says otherwise. */
void cn_meta_agree(struct cn_meta *meta, const struct cn_meta *other);

void cn_meta_remove(struct cn_meta *meta, const char *key);
void cn_meta_release(struct cn_meta *meta);

#endif
