/*
 * splice - some rows and fields of streams, one after the other: what cn-cat does.
 *
 * Rows are counted over all inputs: the first skip are left out, then every shards-th is taken beginning with
 * number shard - 1, until rows are taken.  Fields are chosen and renamed.  Where nothing is left out, batches
 * are passed on as they are, digests and all.
 */
#ifndef CN_STREAM_SPLICE_H
#define CN_STREAM_SPLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "base/tool.h"
#include "stream/reader.h"
#include "stream/schema.h"
#include "stream/step.h"

struct cn_splice_config {
	uint64_t skip, rows;		/* rows: 0 = all */
	uint64_t shard, shards;		/* 1..shards; 1, 1 = all */
	const char *fields;		/* "id,z", in this order; NULL = all */
	const struct cn_texts *rename;	/* "old=new" */
};

struct cn_splice {
	struct cn_splice_config config;
	struct cn_schema in, out;
	int from[CN_SCHEMA_FIELDS];	/* which field of in a field of out is */
	bool plain;			/* all fields, as they are named and ordered */
	bool alone;			/* there is one input, which may be entered anywhere: its batches tell where they are */
	uint64_t seen, taken;
};

/* Reads "2/8"; a CN_USAGE error names --shard. */
int cn_splice_parse_shard(const char *text, uint64_t *shard, uint64_t *shards, struct cn_err *err);

/* Makes the output schema from the first input's; file names it in messages. */
int cn_splice_init(struct cn_splice *splice, const struct cn_splice_config *config, const struct cn_schema *in,
	const char *file, struct cn_err *err);

/* How many rows are taken of inputs of so many in all. */
uint64_t cn_splice_count(const struct cn_splice_config *config, uint64_t all);

/*
 * Takes what is wanted of one input, whose schema must be the first one's, into step's output; in a loop what was taken is written
 * at the end of each of its parts.  1: enough rows are taken; 0; -1.
 */
int cn_splice_run(struct cn_splice *splice, struct cn_reader *reader, struct cn_step *step, struct cn_err *err);

#endif
