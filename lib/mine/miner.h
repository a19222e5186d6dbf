/*
 * miner - what cn-mine does to a stream: every row leaves with its negatives and how they were chosen.
 *
 * A miner looks at the fields of its input and its bank, says which one is missing, reads the bank,
 * and then works chunk by chunk.  Fields added, K per row: neg_id, neg_score and neg_rank (where vectors
 * were compared), neg_rule, and neg or neg_z if asked for; and pos_score where the positive is known.
 */
#ifndef CN_MINE_MINER_H
#define CN_MINE_MINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "mine/strategy.h"
#include "nn/encoder.h"
#include "stream/batch.h"
#include "stream/reader.h"

/* What a negative is given as, beside its id.  Order is that of the option's choices. */
enum cn_emit {
	CN_EMIT_AUTO,	/* by value if x is at hand in both streams and no z was compared, else by id */
	CN_EMIT_ID, CN_EMIT_VALUE, CN_EMIT_Z,
};

struct cn_miner_config {
	struct cn_strategy_config strategy;
	enum cn_emit emit;
	bool label_aware;
	uint64_t memory;		/* bound on the bank, bytes; 0 = none */
	struct cn_encoder *encoder;	/* compare by its head; NULL = by field z; not owned */
	struct cn_pool *pool;		/* may be NULL; not owned */
};

struct cn_miner;

/* Checks fields and reads the whole bank.  in and bank must outlive the miner. */
struct cn_miner *cn_miner_new(const struct cn_miner_config *config, struct cn_reader *in, struct cn_reader *bank, struct cn_err *err);

/* The schema of the output: that of the input, its old negatives replaced. */
int cn_miner_schema(const struct cn_miner *miner, struct cn_schema *schema, struct cn_err *err);

/* For cn_step_run: mines the rows of in into out, which is shaped here. */
int cn_miner_make(void *miner, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err);

const struct cn_mine_counts *cn_miner_counts(const struct cn_miner *miner);
void cn_miner_free(struct cn_miner *miner);

#endif
