/*
 * table - a whole stream in memory: banks, evaluation sets.
 *
 * Reads every row of a stream (verified to its end) into one batch.  keep names the fields to hold
 * (NULL-terminated list, NULL = all); others are skipped after verification.  limit bounds the bytes
 * (0 = none): a larger stream is refused with its size and the option that raises the limit.
 */
#ifndef CN_STREAM_TABLE_H
#define CN_STREAM_TABLE_H

#include <stddef.h>

#include "base/err.h"
#include "stream/batch.h"
#include "stream/reader.h"

int cn_table_read(struct cn_batch *table, struct cn_reader *reader, const char *const *keep, struct cn_err *err);

#endif
