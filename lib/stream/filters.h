/*
 * filters - reversible rearrangements of a column that make it compress better.
 *
 * Shuffle puts the first bytes of all elements first, then all second bytes, ...; delta subtracts
 * from each byte the one a pixel (the last dimension) before it.  Both are over the whole column of a chunk.
 */
#ifndef CN_STREAM_FILTERS_H
#define CN_STREAM_FILTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "stream/schema.h"

enum cn_filter { CN_FILTER_NONE, CN_FILTER_SHUFFLE, CN_FILTER_DELTA };

/* What suits this field: shuffle for elements of several bytes, delta for bytes of rank 2 and more. */
enum cn_filter cn_filter_choose(const struct cn_field *field);

/* Whether a stream may use this filter with this field. */
bool cn_filter_allowed(unsigned filter, const struct cn_field *field);

/* size bytes (whole rows of field) from in to out, which must not overlap. */
void cn_filter_apply(enum cn_filter filter, const struct cn_field *field, const unsigned char *in,
	unsigned char *out, size_t size);
void cn_filter_undo(enum cn_filter filter, const struct cn_field *field, const unsigned char *in,
	unsigned char *out, size_t size);

#endif
