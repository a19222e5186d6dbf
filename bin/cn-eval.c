/* cn-eval - measure encoders by their vectors, and negatives by how near and how true they are. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/output.h"
#include "base/pool.h"
#include "base/tool.h"
#include "eval/knn.h"
#include "eval/negatives.h"
#include "eval/probe.h"
#include "eval/sample.h"
#include "nn/encoder.h"
#include "tensor/blas.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *train, *bank, *model;
	long long k, iterations, memory;
	double temperature, strength;
	int apart;
};

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 0, "train", CN_PATH(train), "file", .help = "knn, linear: learn from these labelled vectors" },
	{ 0, "k", CN_INT(k), "count", "20", 1, 65536, .help = "knn: let this many neighbours vote" },
	{ 0, "temperature", CN_REAL(temperature), "number", "0.1", 0.001, 1000, .help = "knn: a vote weighs e to the cosine divided by this" },
	{ 0, "apart", CN_FLAG(apart), .help = "knn: a row never finds the training row of its own id" },
	{ 0, "strength", CN_REAL(strength), "number", "0.01", 1e-9, 1e9, .help = "linear: weight of the losses against that of the weights (C of logistic regression)" },
	{ 0, "iterations", CN_INT(iterations), "count", "300", 1, 1000000, .help = "linear: take this many steps at most" },
	{ 'b', "bank", CN_PATH(bank), "file", .help = "negatives: look up in this stream what neg_id names" },
	{ 'm', "model", CN_PATH(model), "file", .help = "negatives: compare samples by the head of this encoder instead of comparing field z" },
	{ 0, "memory", CN_SIZE(memory), "size", "4G", .silent = 1, .help = "negatives: refuse a bank that takes more memory than this" },
	CN_OPT_THREADS_ROW,
	CN_OPT_OUTPUT_ROW(CN_OPT_NOTES),
	{ 0, "verify-key", CN_PATH(common.verify_key), "file", .silent = 1, .help = "Refuse input not signed with this minisign public key" },
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-eval", "measure encoders and negatives", "task [file]", "knn|linear|negatives", 1, 2, opts, offsetof(struct config, common)
};

/* What a task works with, and the words it has found. */
struct task {
	const struct config *c;
	const char *operand;
	struct cn_pool *pool;
	char words[4096];
	size_t used;
};

static struct cn_reader *
open_stream(const struct task *task, const char *path, struct cn_err *err)
{
	const struct cn_reader_config config = { .path = path, .pool = task->pool, .verify_key = task->c->common.verify_key };

	return cn_reader_open(&config, err);
}

/* One line of name and value; a value that is not known is left out. */
static void
say(struct task *task, const char *name, double value, int digits)
{
	if (!isnan(value))
		task->used += (size_t)snprintf(task->words + task->used, sizeof task->words - task->used, "%s\t%.*f\n", name, digits, value);
}

static int
read_both(const struct task *task, struct cn_sample *train, struct cn_sample *test, struct cn_err *err)
{
	const char *const path[] = { task->c->train, task->operand };
	struct cn_sample *const sample[] = { train, test };
	struct cn_reader *reader[2] = { NULL };

	if (!task->c->train && !err->code)
		cn_err_set(err, CN_USAGE, "--train is needed: name a stream of labelled vectors to learn from");
	for (int i = 0; i < 2 && !err->code; i++)
		if ((reader[i] = open_stream(task, path[i], err)))
			cn_sample_read(sample[i], reader[i], 1, err);
	if (!err->code)
		cn_sample_match(train, cn_reader_name(reader[0]), test, cn_reader_name(reader[1]), err);
	cn_reader_free(reader[0]);
	cn_reader_free(reader[1]);
	return err->code ? -1 : 0;
}

static void
run_knn(struct task *task, struct cn_err *err)
{
	const struct cn_knn_config config = { (size_t)task->c->k, task->c->temperature, task->c->apart };
	struct cn_sample train = { 0 }, test = { 0 };
	double accuracy;

	if (read_both(task, &train, &test, err) == 0 && cn_knn_measure(&train, &test, &config, task->pool, &accuracy, err) == 0) {
		say(task, "rows", (double)test.n, 0);
		say(task, "accuracy", accuracy, 4);
	}
	cn_sample_release(&train);
	cn_sample_release(&test);
}

static void
run_linear(struct task *task, struct cn_err *err)
{
	const struct cn_probe_config config = { task->c->strength, (size_t)task->c->iterations };
	struct cn_sample train = { 0 }, test = { 0 };
	struct cn_probe_result result;

	if (read_both(task, &train, &test, err) == 0 && cn_probe_measure(&train, &test, &config, task->pool, &result, err) == 0) {
		say(task, "rows", (double)test.n, 0);
		say(task, "accuracy", result.accuracy, 4);
		say(task, "train_accuracy", result.train_accuracy, 4);
		say(task, "loss", result.loss, 6);
		say(task, "iterations", (double)result.iterations, 0);
	}
	cn_sample_release(&train);
	cn_sample_release(&test);
}

static void
say_negatives(struct task *task, const struct cn_negatives_result *r)
{
	say(task, "rows", (double)r->rows, 0);
	say(task, "negatives", (double)r->negatives, 0);
	say(task, "none", (double)r->none, 0);
	if (r->distinct)
		say(task, "distinct", (double)r->distinct, 0);
	say(task, "hardness", r->similarity, 4);
	say(task, "hardest", r->hardest, 4);
	say(task, "positive", r->positive, 4);
	say(task, "above_positive", r->above, 4);
	say(task, "false_negatives", r->false_share, 4);
	say(task, "diversity", r->diversity, 4);
}

static void
run_negatives(struct task *task, struct cn_err *err)
{
	struct cn_encoder *encoder = task->c->model && !err->code ? cn_encoder_load(task->c->model, task->pool, err) : NULL;
	struct cn_reader *in = err->code ? NULL : open_stream(task, task->operand, err);
	struct cn_reader *bank = task->c->bank && !err->code ? open_stream(task, task->c->bank, err) : NULL;
	const struct cn_negatives_config config = { encoder, (uint64_t)task->c->memory, task->pool };
	struct cn_negatives_result result;

	if (!err->code && cn_negatives_measure(&config, in, bank, &result, err) == 0)
		say_negatives(task, &result);
	cn_reader_free(bank);
	cn_reader_free(in);
	cn_encoder_free(encoder);
}

int
main(int argc, char **argv)
{
	static void (*const run[])(struct task *, struct cn_err *) = { run_knn, run_linear, run_negatives };
	struct config c = { 0 };
	struct cn_err err = { 0 };
	const int operands = cn_tool_begin(&tool, &c, argc, &argv);
	struct task task = { .c = &c, .operand = operands > 1 ? argv[1] : NULL };
	struct cn_output *output;

	cn_blas_begin();
	output = cn_output_open(c.common.output, CN_OUTPUT_TEXT, &err);
	task.pool = cn_pool_new((size_t)c.common.threads, &err);
	if (!err.code)
		run[argv[0][0] == 'k' ? 0 : argv[0][0] == 'l' ? 1 : 2](&task, &err);
	if (!err.code)
		cn_output_write(output, task.words, task.used, &err);
	cn_output_finish(output, &err);
	cn_output_free(output);
	cn_pool_free(task.pool);
	return cn_tool_end(&tool, &err);
}
