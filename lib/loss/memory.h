/*
 * memory - embeddings of past batches, which the next ones are compared with: the queue of MoCo (He et al. 2020), the
 * cross-batch memory of XBM (Wang et al. 2020).
 *
 * It holds the last vectors put in, up to a length; the oldest goes first.  They are constant: nothing is learned
 * through them.  Vectors of a network that moves fast grow stale; a momentum encoder makes ones that last.
 */
#ifndef CN_LOSS_MEMORY_H
#define CN_LOSS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Its arrays are its own; the place of a vector does not change while it is held. */
struct cn_memory {
	size_t length, dim;	/* at most so many vectors of so many numbers */
	size_t n;		/* vectors held, in places 0..n-1 */
	size_t next;		/* place of the next one to come: of the oldest, when all are taken */
	float *u;		/* (length, dim) of unit length */
	uint64_t *id;		/* (length) of the samples they were made of, or NULL */
	int32_t *label;		/* (length) of these, or NULL */
};

/* Prepares an empty one.  0 or -1. */
int cn_memory_init(struct cn_memory *memory, size_t length, size_t dim, bool ids, bool labels, struct cn_err *err);

/* Takes vectors z (rows, dim) of any length, of samples with these ids and labels (NULL where the memory holds none). */
void cn_memory_push(struct cn_memory *memory, const float *z, const uint64_t *id, const int32_t *label, size_t rows);

void cn_memory_release(struct cn_memory *memory);

#endif
