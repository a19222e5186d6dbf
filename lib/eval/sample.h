/*
 * sample - labelled vectors out of a stream, for measuring: a whole stream's id, z and label in memory.
 */
#ifndef CN_EVAL_SAMPLE_H
#define CN_EVAL_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nn/space.h"
#include "stream/reader.h"

struct cn_sample {
	size_t n, d;
	float *z;		/* (n, d), finite; owned, as are the others */
	int32_t *label;		/* (n), or NULL without a field of that name */
	uint64_t *id;		/* (n), or NULL */
	struct cn_space space;	/* of z; its file is the reader's */
	int32_t classes;	/* one more than the greatest label */
};

/* Reads a stream to its end.  z: f32 [D], needed; label: i32, needed if labelled, each at least 0.  0 or -1. */
int cn_sample_read(struct cn_sample *sample, struct cn_reader *reader, int labelled, struct cn_err *err);

/* Refuses two sets whose vectors lie in different spaces, or that are empty; their readers are still there.  0 or -1. */
int cn_sample_match(const struct cn_sample *train, const struct cn_sample *test, struct cn_err *err);

void cn_sample_release(struct cn_sample *sample);

#endif
