/*
 * gallery - the first rows of a stream with the real samples that look most like what was made for them.
 *
 * A vector has no picture; the picture of its nearest real sample stands for it.  The sheet is that of data/contact.h:
 * anchor, positive, and a real sample for each negative, in orange if it has the anchor's label.
 */
#ifndef CN_EVAL_GALLERY_H
#define CN_EVAL_GALLERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/output.h"
#include "nn/bank.h"
#include "stream/reader.h"

struct cn_gallery;

/* For so many rows of in, each with k negatives; the pictures of bank must be of the same size.  Refuses what cannot be shown. */
struct cn_gallery *cn_gallery_new(struct cn_reader *in, struct cn_reader *bank, size_t rows, size_t k, struct cn_err *err);

/* Keeps the rows of a batch that are among the first. */
int cn_gallery_keep(struct cn_gallery *gallery, const struct cn_batch *batch, struct cn_err *err);

/*
 * Writes the sheet as PNG.  shown (rows of the stream, k): rows of the bank, CN_BANK_NONE for none; the bank has id and
 * pictures as values, perhaps labels.
 */
int cn_gallery_write(struct cn_gallery *gallery, const struct cn_bank *bank, const uint32_t *shown, struct cn_output *out, struct cn_err *err);

void cn_gallery_free(struct cn_gallery *gallery);

#endif
