/* cn-eval - measure encoders by their vectors, and negatives by how near and how true they are. */
#include <stddef.h>
#include <string.h>

#include "base/output.h"
#include "base/pool.h"
#include "base/tool.h"
#include "data/pairs.h"
#include "eval/generated.h"
#include "eval/knn.h"
#include "eval/negatives.h"
#include "eval/probe.h"
#include "eval/report.h"
#include "eval/sample.h"
#include "nn/encoder.h"
#include "tensor/blas.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *train, *bank, *model, *known, *against, *sheet;
	long long k, iterations, memory, bins, reach;
	double temperature, strength, margin, copy;
	int apart, negatives, symmetric, json;
};

/* Of --negatives; auto leaves it open. */
static const char *const fields[] = { NULL, "neg_id", "neg_z", "neg" };

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 0, "train", CN_PATH(train), "file", .of = "knn, linear", .help = "Learn from these labelled vectors" },
	{ 0, "k", CN_INT(k), "count", "20", 1, 65536, .of = "knn", .help = "Let this many neighbours vote" },
	{ 0, "temperature", CN_REAL(temperature), "number", "0.1", 0.001, 1000, .of = "knn", .help = "A vote weighs e to the cosine divided by this" },
	{ 0, "apart", CN_FLAG(apart), .of = "knn", .help = "A row never finds the training row of its own id" },
	{ 0, "strength", CN_REAL(strength), "number", "0.01", 1e-9, 1e9, .of = "linear", .help = "Weight of the losses against that of the weights (C of logistic regression)" },
	{ 0, "iterations", CN_INT(iterations), "count", "300", 1, 1000000, .of = "linear", .help = "Take this many steps at most" },
	{ 'b', "bank", CN_PATH(bank), "file", .of = "negatives, generator", .help = "This stream has what neg_id names (negatives), or the real samples (generator)" },
	{ 'm', "model", CN_PATH(model), "file", .of = "negatives, generator", .help = "Compare samples by the head of this encoder instead of comparing field z" },
	{ 0, "negatives", CN_CHOICE(negatives), "field", "auto", .choices = "auto|neg_id|neg_z|neg", .of = "negatives, generator",
		.help = "Measure these; auto: neg_z where it is, otherwise neg_id (not generator), otherwise neg" },
	{ 0, "margin", CN_REAL(margin), "cosine", "0.05", 0, 2, .of = "negatives", .help = "Count as violations what is above the positive's cosine less this" },
	{ 0, "bins", CN_INT(bins), "count", "20", 0, CN_NEGATIVES_BINS, .of = "negatives", .help = "Write a histogram of the cosines in this many bins" },
	{ 0, "known", CN_PATH(known), "file", .of = "negatives", .help = "Look for the known positives of this text: two ids a line, an anchor's and a positive's" },
	{ 0, "symmetric", CN_FLAG(symmetric), .of = "negatives", .help = "A known pair counts both ways" },
	{ 0, "against", CN_PATH(against), "file", .of = "negatives", .help = "Compare with those that this stream has for the same rows" },
	{ 0, "memory", CN_SIZE(memory), "size", "4G", .silent = 1, .of = "negatives, generator", .help = "Refuse a bank, known pairs or a stream to compare with that take more memory than this" },
	{ 0, "reach", CN_INT(reach), "count", "5", 1, 65535, .of = "generator", .help = "Let the ball around a vector reach to its so many-th nearest" },
	{ 0, "copy", CN_REAL(copy), "cosine", "0.999", -1, 1, .of = "generator", .help = "Count as copies what has this cosine to a real sample, or a greater one" },
	{ 0, "sheet", CN_PATH(sheet), "file", .silent = 1, .writes = CN_OPT_NOTES, .of = "generator", .help = "Draw the first rows there, as PNG, with the real samples nearest to their negatives" },
	{ 0, "json", CN_FLAG(json), .help = "Say it as JSON" },
	CN_OPT_THREADS_ROW,
	CN_OPT_OUTPUT_ROW(CN_OPT_NOTES),
	{ 0, "verify-key", CN_PATH(common.verify_key), "file", .silent = 1, .help = "Refuse input not signed with this minisign public key" },
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-eval", "measure encoders and negatives", "task [file]", "knn|linear|negatives|generator", 1, 2, opts, offsetof(struct config, common)
};

/* What a task works with, and what it has found. */
struct task {
	const struct config *c;
	const char *operand;
	struct cn_pool *pool;
	struct cn_report *report;
};

static struct cn_reader *
open_stream(const struct task *task, const char *path, struct cn_err *err)
{
	const struct cn_reader_config config = { .path = path, .pool = task->pool, .verify_key = task->c->common.verify_key };

	return cn_reader_open(&config, err);
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
		cn_sample_match(train, test, err);
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
		cn_report_count(task->report, "rows", test.n);
		cn_report_real(task->report, "accuracy", accuracy, 4);
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
		cn_report_count(task->report, "rows", test.n);
		cn_report_real(task->report, "accuracy", result.accuracy, 4);
		cn_report_real(task->report, "train_accuracy", result.train_accuracy, 4);
		cn_report_real(task->report, "loss", result.loss, 6);
		cn_report_count(task->report, "iterations", result.iterations);
	}
	cn_sample_release(&train);
	cn_sample_release(&test);
}

static void
report_negatives(const struct task *task, const struct cn_negatives_result *r)
{
	const struct { const char *name; uint64_t count; } counts[] = {
		{ "rows", r->rows }, { "negatives", r->negatives }, { "none", r->none }, { "distinct", r->distinct },
		{ "missing", r->missing }, { "itself", r->itself }, { "repeated_id", r->repeated_id },
		{ "repeated_content", r->repeated_content },
	};
	const struct { const char *name; double value; } reals[] = {
		{ "hardness", r->similarity }, { "hardest", r->hardest }, { "positive", r->positive }, { "above_positive", r->above },
		{ "violations", r->violations }, { "false_negatives", r->false_share }, { "known_positives", r->known_share },
		{ "coverage", r->coverage }, { "gini", r->gini }, { "diversity", r->diversity }, { "effective_rank", r->rank },
	};

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		cn_report_count(task->report, counts[i].name, counts[i].count);
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		cn_report_real(task->report, reals[i].name, reals[i].value, 4);
	cn_report_count(task->report, "matched", r->agreement.matched);
	cn_report_count(task->report, "unmatched", r->agreement.unmatched);
	cn_report_real(task->report, "common", r->agreement.common, 4);
	cn_report_real(task->report, "jaccard", r->agreement.jaccard, 4);
	if (r->scored && task->c->bins)
		cn_report_bins(task->report, "histogram", r->histogram, (size_t)task->c->bins, -1, 1);
}

/* Known pairs come first: a mistake in a small text is told before a bank is read. */
static void
run_negatives(struct task *task, struct cn_err *err)
{
	const struct config *c = task->c;
	const struct cn_pairs_config pairs = { c->known, c->symmetric, 0, (uint64_t)c->memory };
	struct cn_negatives_config config = {
		.field = fields[c->negatives], .margin = c->margin, .bins = (size_t)c->bins,
		.memory = (uint64_t)c->memory, .pool = task->pool,
	};
	struct cn_negatives_result result;

	if (c->symmetric && !c->known)
		cn_err_set(err, CN_USAGE, "--symmetric is about the pairs of --known");
	struct cn_pairs *known = c->known && !err->code ? cn_pairs_read(&pairs, err) : NULL;
	struct cn_encoder *encoder = c->model && !err->code ? cn_encoder_load(c->model, task->pool, err) : NULL;
	struct cn_reader *in = err->code ? NULL : open_stream(task, task->operand, err);

	config.known = known;
	config.encoder = encoder;
	config.bank = c->bank && !err->code ? open_stream(task, c->bank, err) : NULL;
	config.against = c->against && !err->code ? open_stream(task, c->against, err) : NULL;
	if (!err->code && cn_negatives_measure(&config, in, &result, err) == 0)
		report_negatives(task, &result);
	cn_reader_free(config.against);
	cn_reader_free(config.bank);
	cn_reader_free(in);
	cn_encoder_free(encoder);
	cn_pairs_free(known);
}

static void
report_generated(const struct task *task, const struct cn_generated_result *r)
{
	const struct { const char *name; double value; int digits; } reals[] = {
		{ "precision", r->precision, 4 }, { "recall", r->recall, 4 }, { "density", r->density, 4 }, { "coverage", r->coverage, 4 },
		{ "frechet", r->frechet, 6 }, { "copies", r->copies, 4 }, { "authenticity", r->authenticity, 4 },
	};

	cn_report_count(task->report, "rows", r->rows);
	cn_report_count(task->report, "generated", r->generated);
	cn_report_count(task->report, "none", r->none);
	cn_report_count(task->report, "real", r->real);
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		cn_report_real(task->report, reals[i].name, reals[i].value, reals[i].digits);
}

static void
run_generator(struct task *task, struct cn_err *err)
{
	const struct config *c = task->c;
	struct cn_generated_config config = {
		.field = fields[c->negatives], .reach = (size_t)c->reach, .copy = c->copy, .memory = (uint64_t)c->memory, .pool = task->pool,
	};
	struct cn_generated_result result;

	if (fields[c->negatives] && strcmp(fields[c->negatives], "neg_id") == 0)
		cn_err_set(err, CN_USAGE, "--negatives neg_id would do nothing here: those that ids name were not made");
	if (!c->bank)
		cn_err_set(err, CN_USAGE, "--bank is needed: name a stream of real samples to compare with");
	struct cn_encoder *encoder = c->model && !err->code ? cn_encoder_load(c->model, task->pool, err) : NULL;
	struct cn_reader *in = err->code ? NULL : open_stream(task, task->operand, err);

	config.encoder = encoder;
	config.bank = err->code ? NULL : open_stream(task, c->bank, err);
	config.sheet = c->sheet && !err->code ? cn_output_open(c->sheet, 0, err) : NULL;
	if (!err->code && cn_generated_measure(&config, in, &result, err) == 0)
		report_generated(task, &result);
	cn_output_finish(config.sheet, err);
	cn_output_free(config.sheet);
	cn_reader_free(config.bank);
	cn_reader_free(in);
	cn_encoder_free(encoder);
}

static const struct { const char *name; void (*run)(struct task *task, struct cn_err *err); } tasks[] = {
	{ "knn", run_knn }, { "linear", run_linear }, { "negatives", run_negatives }, { "generator", run_generator },
};

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	const int operands = cn_tool_begin(&tool, &c, argc, &argv);
	struct task task = { .c = &c, .operand = operands > 1 ? argv[1] : NULL };
	struct cn_output *output;
	size_t which = 0;

	while (strcmp(argv[0], tasks[which].name) != 0)
		which++;
	cn_blas_begin();
	output = cn_output_open(c.common.output, CN_OUTPUT_TEXT, &err);
	task.pool = cn_pool_new((size_t)c.common.threads, &err);
	task.report = cn_report_new(tasks[which].name, &err);
	if (!err.code)
		tasks[which].run(&task, &err);
	if (!err.code)
		cn_report_write(task.report, c.json, output, &err);
	cn_output_finish(output, &err);
	cn_output_free(output);
	cn_report_free(task.report);
	cn_pool_free(task.pool);
	return cn_tool_end(&tool, &err);
}
