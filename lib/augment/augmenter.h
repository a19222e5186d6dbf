/*
 * augmenter - samples in, pairs of views out.
 *
 * Samples are x: pictures u8 [H,W,C] (or [H,W]) or vectors f32 [D].  Rows leave with two views, x and pos,
 * and the epoch they belong to; all other fields pass through.  Where rows come with a positive of their own,
 * x is a view of x and pos a view of pos.  A view is a function of (seed, id, epoch) and its sample.
 */
#ifndef CN_AUGMENT_AUGMENTER_H
#define CN_AUGMENT_AUGMENTER_H

#include <stddef.h>
#include <stdint.h>

#include "augment/plan.h"
#include "base/err.h"
#include "base/pool.h"
#include "stream/batch.h"
#include "stream/schema.h"

struct cn_augmenter_config {
	struct cn_plan_config plan;
	uint32_t height, width;		/* of the views of pictures; 0 = as the samples */
	uint64_t seed;
	struct cn_pool *pool;		/* may be NULL; not owned */
};

struct cn_augmenter;

/* Refuses samples that the plan cannot be made of; file is for messages, and must outlive the augmenter. */
struct cn_augmenter *cn_augmenter_new(const struct cn_augmenter_config *config, const struct cn_schema *in, const char *file,
	struct cn_err *err);

const struct cn_schema *cn_augmenter_schema(const struct cn_augmenter *augmenter);

/* True if rows come with an epoch already, which they keep. */
int cn_augmenter_has_epoch(const struct cn_augmenter *augmenter);

/* The id of a row. */
uint64_t cn_augmenter_id(const struct cn_augmenter *augmenter, const struct cn_batch *batch, size_t row);

/* Where a row of the output comes from. */
struct cn_origin {
	const struct cn_batch *batch;
	size_t row;
	uint32_t epoch;		/* which the row gets, unless it has one */
};

/* n rows of output, shaped here, in the order of their origins. */
int cn_augmenter_make(struct cn_augmenter *augmenter, const struct cn_origin *origin, size_t n, struct cn_batch *out, struct cn_err *err);

/* For cn_step_run: every row of in once, as epoch 0. */
int cn_augmenter_stream(void *augmenter, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err);

void cn_augmenter_free(struct cn_augmenter *augmenter);

#endif
