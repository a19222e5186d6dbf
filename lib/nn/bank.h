/*
 * bank - a whole stream in memory as rows to compare with: identity, content hash, label, vector, sample.
 *
 * A bank is read from whole, verified streams (or made of a batch) and then never changes; it is shared by all threads.
 * It answers which row carries an id, and gives back samples and vectors by row.
 */
#ifndef CN_NN_BANK_H
#define CN_NN_BANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nn/vector.h"
#include "stream/reader.h"
#include "stream/schema.h"

#define CN_BANK_NONE UINT32_MAX

struct cn_bank {
	size_t rows, dim;
	uint64_t *id;		/* (rows) */
	uint64_t *content;	/* (rows) hashes of the content field, or NULL */
	int32_t *label;		/* (rows), or NULL */
	uint64_t *group;	/* (rows), or NULL */
	float *weight;		/* (rows) how often it is drawn, or NULL */
	float *unit;		/* (rows, dim) of unit length (unless raw), or NULL */
	unsigned char *value;	/* (rows, value_bytes), or NULL */
	size_t value_bytes;
	uint32_t *by_id;	/* row numbers in the order of (id, row) */
	size_t room[8];		/* rows allocated of each of the above, for cn_mem_grow */
};

/* What to keep of a stream.  Field indices are of the reader's schema; -1 = do not keep. */
struct cn_bank_config {
	const struct cn_vector *vector;	/* NULL: no vectors */
	int id, content, label, group, weight, value;
	bool raw;			/* leave vectors as long as they are */
	bool later;			/* vectors are made by cn_bank_embed of value, the field that vector names */
	uint64_t memory;		/* the most bytes the bank may take; 0 = no limit */
};

#define CN_BANK_KEEP_NOTHING { .id = -1, .content = -1, .label = -1, .group = -1, .weight = -1, .value = -1 }

/* Bytes each row takes. */
uint64_t cn_bank_row_bytes(const struct cn_bank_config *config, const struct cn_schema *schema);

/* Appends all rows of a stream; what is kept must be the same each time.  A bank that would take more than memory is refused with its size and the option to raise. */
int cn_bank_read(struct cn_bank *bank, struct cn_reader *reader, const struct cn_bank_config *config, struct cn_err *err);

/* Appends the rows of a batch; append leaves cn_bank_find as it was, for who does not ask it. */
int cn_bank_append(struct cn_bank *bank, const struct cn_batch *batch, const struct cn_bank_config *config, struct cn_err *err);
int cn_bank_add(struct cn_bank *bank, const struct cn_batch *batch, const struct cn_bank_config *config, struct cn_err *err);

/* Makes the vectors of all rows of their samples, with the encoder as it is now; of a config with later. */
int cn_bank_embed(struct cn_bank *bank, const struct cn_bank_config *config, struct cn_err *err);

/* Forgets the rows, but not the memory for them. */
void cn_bank_clear(struct cn_bank *bank);

/* The first row with this id, or CN_BANK_NONE. */
uint32_t cn_bank_find(const struct cn_bank *bank, uint64_t id);

/* How many rows have the id of an earlier one. */
size_t cn_bank_repeats(const struct cn_bank *bank);

/* 64 bits of BLAKE2b over the bytes: equal bytes, equal hash. */
uint64_t cn_bank_hash(const void *bytes, size_t size);

void cn_bank_release(struct cn_bank *bank);

#endif
