/*
 * extra - the further negatives of a batch: which samples have to be encoded, and which slot holds which.
 *
 * A row has K slots for the negatives of neg (by value) or neg_id (by reference to a bank; neg goes first
 * when both are there, and neg_id then only says which are none), and K' more for those of neg_z (vectors).
 * A bank's sample that several rows refer to is encoded once.  neg_weight and neg_logq (K) belong to
 * neg or neg_id if there is one, else to neg_z.  A slot is empty when its id is 2^64 - 1 or its weight 0.
 */
#ifndef CN_LOSS_EXTRA_H
#define CN_LOSS_EXTRA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nn/space.h"
#include "stream/batch.h"
#include "stream/reader.h"

struct cn_extra {
	size_t slots;		/* K + K'; 0 = the stream has no further negatives */
	size_t samples_max, vectors_max;	/* of one batch */
	/* of the batch last gathered */
	uint32_t *index;	/* (rows, slots): number of a sample, or of a vector of neg_z behind the samples; UINT32_MAX = empty */
	float *weight, *logq;	/* (rows, slots), or NULL */
	const void **sample;	/* the samples to encode, in the type of x */
	size_t samples;
	const float *vector;	/* neg_z (vectors, dim) */
	size_t vectors;
	struct cn_extra_source *source;
};

/*
 * Prepares for batches of rows rows from in, with a head whose vectors lie in that space.  bank (NULL = none) is read whole.
 * Refuses fields of the wrong type, neg_z of another space, neg_id without neg or bank, and a bank that nothing refers to.  0 or -1.
 */
int cn_extra_init(struct cn_extra *extra, const struct cn_reader *in, struct cn_reader *bank, size_t rows, const struct cn_space *head,
	struct cn_err *err);

/* Fills the part "of the batch"; refuses an id that is not in the bank, and weights that are not numbers >= 0.  0 or -1. */
int cn_extra_gather(struct cn_extra *extra, const struct cn_batch *batch, struct cn_err *err);

/* The bank, of which one field is x; NULL without one. */
const struct cn_batch *cn_extra_bank(const struct cn_extra *extra);

void cn_extra_release(struct cn_extra *extra);

#endif
