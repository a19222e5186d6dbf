/*
 * epochs - a stream passed over several times, or in another order: its rows are held in memory.
 *
 * Shuffled, the rows of each epoch go by (keyed hash of id and epoch, id), a permutation of the whole stream
 * that depends on nothing else; otherwise by their place in the stream.
 */
#ifndef CN_AUGMENT_EPOCHS_H
#define CN_AUGMENT_EPOCHS_H

#include <stdbool.h>
#include <stdint.h>

#include "augment/augmenter.h"
#include "base/err.h"
#include "base/tool.h"
#include "stream/reader.h"
#include "stream/writer.h"

struct cn_epochs_config {
	uint32_t epochs;
	bool shuffle;
	uint64_t seed, memory;	/* memory: the most bytes of rows to hold */
	uint64_t rows;		/* the most rows to write; 0 = all */
};

/* True if the rows must be held. */
bool cn_epochs_hold(const struct cn_epochs_config *config);

/* Reads everything, or refuses naming --memory; then writes all epochs. */
int cn_epochs_run(const struct cn_epochs_config *config, struct cn_augmenter *augmenter, struct cn_reader *in,
	struct cn_writer *out, struct cn_progress *progress, struct cn_err *err);

#endif
