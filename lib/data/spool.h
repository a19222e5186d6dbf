/*
 * spool - bytes kept in a file without a name ($TMPDIR or /tmp) until they are wanted: memory stays bounded
 * where an order or a count is known only at the end.
 */
#ifndef CN_DATA_SPOOL_H
#define CN_DATA_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cn_spool;

struct cn_spool *cn_spool_new(struct cn_err *err);

/* Appends; the place of the first byte is what cn_spool_size said before. */
int cn_spool_append(struct cn_spool *spool, const void *bytes, size_t size, struct cn_err *err);
uint64_t cn_spool_size(const struct cn_spool *spool);

/* Bytes at a place, which must have been appended.  Several threads may read at once. */
int cn_spool_read(const struct cn_spool *spool, uint64_t at, void *to, size_t size, struct cn_err *err);

/* Forgets all bytes: the next go where the first were. */
void cn_spool_clear(struct cn_spool *spool);

void cn_spool_free(struct cn_spool *spool);

#endif
