/*
 * contact - the first rows of a stream as a picture: anchor, positive and negatives side by side.
 *
 * Frames are blue around the anchor (x), green around pos, red around negatives, and orange around a negative
 * known to have the anchor's label.  Negatives are shown by value (neg) or, named by neg_id, out of a bank.
 */
#ifndef CN_DATA_CONTACT_H
#define CN_DATA_CONTACT_H

#include <stddef.h>

#include "base/err.h"
#include "base/output.h"
#include "stream/batch.h"
#include "stream/reader.h"

/*
 * Writes a PNG of at most rows rows of in; zoom is the side of a pixel.  bank (may be NULL) must hold id and
 * pictures x of the same size when in has neg_id and no neg; ids it does not hold leave their cell empty.
 */
int cn_contact_write(struct cn_reader *in, struct cn_reader *bank, size_t rows, unsigned zoom,
	struct cn_output *out,
	struct cn_err *err);

/* The same of rows that are at hand, with negatives by neg (then bank may be empty) or by neg_id; bank: id, x, perhaps label. */
int cn_contact_draw(const struct cn_batch *rows, const struct cn_batch *bank, const char *file, unsigned zoom,
	struct cn_output *out, struct cn_err *err);

#endif
