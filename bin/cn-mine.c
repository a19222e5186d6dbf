/* cn-mine - choose negatives for every row from a bank. */
#include <stddef.h>

#include "base/tool.h"
#include "mine/miner.h"
#include "nn/encoder.h"
#include "stream/step.h"
#include "tensor/blas.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *bank, *model;
	int strategy, label_aware, policy, emit;
	long long k, memory;
	double margin, max_score, max_share;
};

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 'b', "bank", CN_PATH(bank), "file", .help = "Choose negatives from the rows of this stream" },
	{ 0, "strategy", CN_CHOICE(strategy), "name", "hard", .choices = "random|hard|semihard", .help = "Choose by chance, the most similar, or the most similar below the positive" },
	{ 0, "k", CN_INT(k), "count", "16", 1, 65536, .help = "Choose this many negatives per row" },
	{ 'm', "model", CN_PATH(model), "file", .help = "Compare samples by the head of this encoder instead of comparing field z" },
	{ 0, "emit", CN_CHOICE(emit), "what", "auto", .choices = "auto|id|value|z", .help = "Add beside the ids nothing, samples (neg), or vectors (neg_z); auto: samples where z was not compared" },
	{ 0, "label-aware", CN_FLAG(label_aware), .help = "Pass over candidates with the row's own label" },
	{ 0, "margin", CN_REAL(margin), "cosine", "0", 0, 2, .help = "With semihard: stay below the positive's similarity by this much" },
	{ 0, "max-score", CN_REAL(max_score), "cosine", "2", -1, 2, .help = "Pass over candidates more similar than this" },
	{ 0, "max-share", CN_REAL(max_share), "share", "0", 0, 1, .help = "Pass over candidates above this share of the positive's similarity, 0 for no such guard" },
	{ 0, "short", CN_CHOICE(policy), "what", "pad", .choices = "pad|error|keep|resample", .help = "Where fewer than k are left: mark the rest as none, fail, repeat, or draw the rest by chance" },
	{ 0, "memory", CN_SIZE(memory), "size", "4G", .silent = 1, .help = "Refuse a bank that takes more memory than this" },
	CN_OPT_SEED_ROW, CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW, CN_OPT_QUIET_ROWS,
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-mine", "choose negatives for every row from a bank", "[file]", NULL, 0, 1, opts, offsetof(struct config, common),
	cn_writer_refuse_usage
};

/* What the options cannot say row by row. */
static void
check(const struct config *c, struct cn_err *err)
{
	if (!c->bank)
		cn_err_set(err, CN_USAGE, "--bank is needed: name a stream to choose from, "
			"or the input file once more (a pipe cannot be read twice)");
	if (c->margin > 0 && c->strategy != CN_STRATEGY_SEMIHARD)
		cn_err_set(err, CN_USAGE, "--margin is for --strategy semihard");
	if ((c->max_score <= 1 || c->max_share > 0) && c->strategy == CN_STRATEGY_RANDOM)
		cn_err_set(err, CN_USAGE, "--max-score and --max-share are for --strategy hard or semihard");
}

static struct cn_miner_config
miner_config(const struct config *c, struct cn_encoder *encoder, struct cn_pool *pool)
{
	const bool semihard = c->strategy == CN_STRATEGY_SEMIHARD;

	return (struct cn_miner_config){
		.strategy = { (enum cn_strategy)c->strategy, (size_t)c->k, { c->max_score, c->max_share, c->margin, semihard },
			(enum cn_short)c->policy, (uint64_t)c->common.seed },
		.emit = (enum cn_emit)c->emit, .label_aware = c->label_aware, .memory = (uint64_t)c->memory,
		.encoder = encoder, .pool = pool,
	};
}

/* The story in numbers: always if rows stayed short, else on request. */
static void
tell(const struct config *c, const struct cn_mine_counts *n)
{
	if (c->common.verbose)
		cn_tool_say(&tool, "%llu rows got %llu negatives; passed over: %llu above the ceiling, %llu the row itself, "
			"%llu with its content, %llu with its label",
			(unsigned long long)n->anchors, (unsigned long long)n->picked,
			(unsigned long long)n->dropped[CN_MINE_ABOVE], (unsigned long long)n->dropped[CN_MINE_SELF],
			(unsigned long long)n->dropped[CN_MINE_CONTENT], (unsigned long long)n->dropped[CN_MINE_LABEL]);
	if (n->short_rows && !c->common.quiet)
		cn_tool_say(&tool, "%llu of %llu rows had fewer than %lld candidates (see --short)",
			(unsigned long long)n->short_rows, (unsigned long long)n->anchors, c->k);
}

/* Opens the output and says in its metadata what the numbers of neg_rule mean. */
static void
open_output(struct cn_step *step, const struct cn_miner *miner, struct cn_reader *bank, struct cn_err *err)
{
	struct cn_schema schema;

	if (err->code || cn_miner_schema(miner, &schema, err) < 0 || cn_step_output(step, &schema, &bank, 1, err) < 0)
		return;
	cn_meta_set(cn_writer_meta(step->out), "mine.rules", CN_RULE_NAMES, err);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct cn_step step = { 0 };
	struct cn_reader *bank = NULL;
	struct cn_encoder *encoder = NULL;
	struct cn_miner *miner = NULL;
	const char *operand = cn_tool_begin(&tool, &c, argc, &argv) > 0 ? argv[0] : NULL;

	cn_blas_begin();
	check(&c, &err);
	if (cn_step_open(&step, &tool, &c, operand, &err) == 0) {
		bank = cn_step_reader(&step, c.bank, &err);
		encoder = c.model ? cn_encoder_load(c.model, step.pool, &err) : NULL;
		cn_encoder_trace(encoder, c.model, &step, &err);
		if (!err.code) {
			const struct cn_miner_config config = miner_config(&c, encoder, step.pool);

			miner = cn_miner_new(&config, step.in, bank, &err);
		}
	}
	open_output(&step, miner, bank, &err);
	cn_step_run(&step, cn_miner_make, miner, &err);
	if (!err.code)
		tell(&c, cn_miner_counts(miner));
	cn_miner_free(miner);
	cn_encoder_free(encoder);
	const int status = cn_step_end(&step, &err);	/* notes in the output how the bank ended */
	cn_reader_free(bank);
	return status;
}
