/* cn-cat - streams one after the other: joined, cut, sharded, their fields chosen, compressed anew, signed. */
#include <stddef.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/tool.h"
#include "nn/origin.h"
#include "stream/reader.h"
#include "stream/splice.h"
#include "stream/step.h"
#include "stream/writer.h"
#include "base/banned.h"

enum { INPUTS = 1024 };

struct config {
	struct cn_common common;
	const char *fields, *shard;
	struct cn_texts rename;
	long long skip;
};

static const struct cn_opt opts[] = {
	{ 0, "fields", CN_TEXT(fields), "names", .help = "Keep these fields, in this order, as in id,label,z; by the names they have before --rename" },
	{ 0, "rename", CN_TEXTS(rename), "old=new", .help = "Give a field another name; may be repeated" },
	{ 0, "skip", CN_INT(skip), "count", "0", 0, 9e15, .help = "Leave out this many rows at the beginning" },
	{ 0, "shard", CN_TEXT(shard), "i/n", .help = "Keep every n-th row, beginning with row i, from 1" },
	CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW, CN_OPT_QUIET_ROWS, CN_OPT_END
};

static const struct cn_tool tool = {
	.name = "cn-cat", .summary = "join, cut and recompress streams", .operands = "[file ...]",
	.max_operands = INPUTS, .opts = opts, .common = offsetof(struct config, common),
	.refuse = cn_writer_refuse_usage,
};

/* All inputs are opened before anything is written, so that a wrong name costs nothing. */
static size_t
open_others(struct cn_step *step, int operands, char **argv, struct cn_reader **other, struct cn_err *err)
{
	size_t n = 0;

	for (int i = 1; i < operands && !err->code; i++)
		if ((other[n] = cn_step_reader(step, argv[i], err)))
			n++;
	return n;
}

/* Rows there will be, if all inputs say in their header how many they have; the same for files and pipes. */
static uint64_t
promise(const struct cn_step *step, const struct cn_splice_config *config, struct cn_reader **other, size_t n)
{
	uint64_t all = cn_reader_rows_promised(step->in);

	for (size_t i = 0; i < n && all; i++) {
		const uint64_t rows = cn_reader_rows_promised(other[i]);

		all = rows ? all + rows : 0;
	}
	return all ? cn_splice_count(config, all) : 0;
}

/* A single input is entered at the row wanted, by its index. */
static void
enter(struct cn_step *step, struct cn_splice *splice, struct cn_err *err)
{
	splice->alone = true;
	if (splice->config.skip)
		cn_reader_seek(step->in, splice->config.skip, err);
}

/* The metadata of all inputs, where they do not contradict each other; of which layer vectors are only where all say it. */
static void
merge_meta(struct cn_step *step, const struct cn_texts *rename, struct cn_reader **other, size_t n, struct cn_err *err)
{
	struct cn_meta *meta = cn_writer_meta(step->out);

	for (size_t i = 0; i < n; i++)
		cn_meta_merge(meta, cn_reader_meta(other[i]), err);
	for (size_t i = 0; i < n; i++)
		cn_meta_agree(meta, cn_reader_meta(other[i]));
	for (size_t i = 0; i <= n; i++)
		cn_origin_join(meta, cn_reader_meta(i ? other[i - 1] : step->in));
	for (size_t i = 0; i < rename->n; i++)
		cn_origin_rename(meta, rename->value[i]);
}

static void
splice_all(struct cn_step *step, const struct cn_splice_config *config, struct cn_reader **other, size_t n,
	struct cn_err *err)
{
	struct cn_splice *splice = cn_mem_array(1, sizeof *splice, err);
	int done = 0;

	if (!splice || cn_splice_init(splice, config, cn_reader_schema(step->in), cn_reader_name(step->in), err)) {
		cn_mem_free(splice);
		return;
	}
	step->joins = true;
	step->promised = promise(step, config, other, n);
	for (size_t i = 0; i <= n && !step->every; i++)
		step->every = cn_reader_part(i ? other[i - 1] : step->in);
	if (cn_step_output(step, &splice->out, other, n, err)) {
		cn_mem_free(splice);
		return;
	}
	merge_meta(step, config->rename, other, n, err);
	if (n == 0)
		enter(step, splice, err);
	cn_progress_start(&step->progress, &tool, step->config, "rows", 0);
	for (size_t i = 0; i <= n && done == 0; i++)
		done = cn_splice_run(splice, i ? other[i - 1] : step->in, step, err);
	cn_progress_end(&step->progress);
	cn_mem_free(splice);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct cn_step step = { 0 };
	struct cn_reader *other[INPUTS] = { 0 };
	const int operands = cn_tool_begin(&tool, &c, argc, &argv);
	struct cn_splice_config config = {
		.skip = (uint64_t)c.skip, .rows = (uint64_t)c.common.rows, .fields = c.fields, .rename = &c.rename,
	};
	size_t n = 0;
	int status;

	cn_splice_parse_shard(c.shard, &config.shard, &config.shards, &err);
	if (cn_step_open(&step, &tool, &c, operands > 0 ? argv[0] : NULL, &err) == 0)
		n = open_others(&step, operands, argv, other, &err);
	if (!err.code)
		splice_all(&step, &config, other, n, &err);
	status = cn_step_end(&step, &err);
	for (size_t i = 0; i < n; i++)
		cn_reader_free(other[i]);
	return status;
}
