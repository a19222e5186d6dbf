/*
 * miner - what cn-mine does to a stream: every row leaves with its negatives and how they were chosen.
 *
 * A miner looks at the fields of its input and its banks, says which one is missing, reads the banks,
 * and then works chunk by chunk.  Fields added, K per row: neg_id, neg_score and neg_rank (where vectors
 * were compared), neg_logq (where chance decided), neg_source (of several banks), neg_rule, and neg or neg_z
 * if asked for; and pos_score where the positive is known.
 */
#ifndef CN_MINE_MINER_H
#define CN_MINE_MINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "data/pairs.h"
#include "mine/selector.h"
#include "nn/encoder.h"
#include "stream/batch.h"
#include "stream/reader.h"

/* What a negative is given as, beside its id.  Order is that of the option's choices. */
enum cn_emit {
	CN_EMIT_AUTO,	/* by value if x is at hand in all streams and no z was compared, else by id */
	CN_EMIT_ID, CN_EMIT_VALUE, CN_EMIT_Z,
};

/* What the similarity with the positive is measured from.  Order is that of the option's choices. */
enum cn_positive {
	CN_POSITIVE_AUTO,	/* the field, if there is one; else known pairs, if given */
	CN_POSITIVE_FIELD,	/* pos or pos_z of the row */
	CN_POSITIVE_KNOWN,	/* the least similar of the bank's rows that known pairs name */
	CN_POSITIVE_LABEL,	/* the most similar other row of the bank with the same label */
};

#define CN_MINER_GUIDES 4

struct cn_miner_config {
	struct cn_selector_config strategy;	/* spans: one share per bank, or none */
	enum cn_metric metric;
	enum cn_emit emit;
	enum cn_positive positive;
	enum cn_relation group;
	bool label_aware;
	size_t batch;			/* no bank: choose among each so many rows of the input; 0 = from banks */
	double near;			/* CN_GUARD_OFF = do not compare with the positive */
	const char *weight;		/* field of the bank for frequency, or NULL */
	struct cn_layout_config layout;
	enum cn_relation cluster;
	size_t kept;			/* rows in the cache of each id */
	bool next_cluster;		/* the cluster that is meant is the nearest other one */
	struct cn_guard guide;		/* with guides */
	const struct cn_pairs *known;	/* or NULL; not owned */
	uint64_t memory;		/* bytes for the banks and what is done with them; 0 = no bound */
	struct cn_encoder *encoder;	/* compare by its head; NULL = by field z; not owned */
	bool follows;			/* its weights come with cn_miner_renew, and change: see nn/follow.h */
	struct cn_pool *pool;		/* may be NULL; not owned */
	size_t banks, guides;
	struct cn_reader *bank[CN_SPANS], *guide_stream[CN_MINER_GUIDES];	/* not owned; must outlive the miner */
};

struct cn_miner;

/* Checks fields and reads the banks whole.  in must outlive the miner. */
struct cn_miner *cn_miner_new(const struct cn_miner_config *config, struct cn_reader *in, struct cn_err *err);

/* The encoder has other weights: makes the vectors of the banks again, and what is learned of them.  Caches stay. */
int cn_miner_renew(struct cn_miner *miner, struct cn_err *err);

/* The schema of the output: that of the input, its old negatives replaced. */
int cn_miner_schema(const struct cn_miner *miner, struct cn_schema *schema, struct cn_err *err);

/* How many rows cn_miner_make wants at a time; 0 = as they come. */
size_t cn_miner_group(const struct cn_miner *miner);

/* For cn_step_run: mines the rows of in into out, which is shaped here. */
int cn_miner_make(void *miner, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err);

/* Rows of the banks whose id an earlier one has. */
size_t cn_miner_repeats(const struct cn_miner *miner);

const struct cn_mine_counts *cn_miner_counts(const struct cn_miner *miner);
void cn_miner_free(struct cn_miner *miner);

#endif
