/* cn-train - train an encoder by contrast: pairs in, a safetensors file out. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/opt.h"
#include "base/output.h"
#include "base/tool.h"
#include "loss/feed.h"
#include "loss/publish.h"
#include "loss/trainer.h"
#include "nn/preset.h"
#include "stream/reader.h"
#include "tensor/blas.h"
#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *arch, *head, *predictor, *init, *freeze, *bank, *loss, *checkpoint, *log;
	double temperature, lr, momentum, beta2, trust, weight_decay, clip_norm, ema, momentum_encoder, gamma;
	long long batch, accumulate, chunk, queue, steps, warmup, every;
	int optimizer, nesterov, decay_of, schedule, resume;
	struct cn_reals milestones;
	struct cn_texts publish;
};

static const struct cn_opt opts[] = {
	{ 0, "arch", CN_TEXT(arch), "words", .help = "Build this trunk, as 'conv:32 conv:64/2 gap', or a preset as resnet8" },
	{ 0, "head", CN_TEXT(head), "words", "", .help = "Put this head on it for the loss, as 'linear:256 relu linear:64'" },
	{ 0, "predictor", CN_TEXT(predictor), "words", "",
		.help = "Put this behind the head, for anchors alone, and compare with what the head puts out" },
	{ 0, "momentum-encoder", CN_REAL(momentum_encoder), "decay", "0", 0, 0.9999999,
		.help = "Compare with what a network puts out that follows the weights, keeping this part of its own each step" },
	{ 0, "init", CN_PATH(init), "model", .help = "Start from this model's weights instead of fresh ones" },
	{ 0, "freeze", CN_TEXT(freeze), "layers", .help = "Leave so many first layers of it, or its whole trunk, as they are" },
	{ 0, "loss", CN_TEXT(loss), "words", "infonce", .help = "Minimise this, a sum of losses as 'hcl:beta=1 + 0.1*uniformity'" },
	{ 0, "temperature", CN_REAL(temperature), "number", "0.2", 0.001, 100, .help = "Divide similarities by this" },
	{ 0, "batch", CN_INT(batch), "rows", "256", 2, 65536, .help = "Compare this many rows with each other" },
	{ 0, "accumulate", CN_INT(accumulate), "batches", "1", 1, 1000, .help = "Make one step of the mean gradient of so many batches" },
	{ 0, "queue", CN_INT(queue), "rows", "0", 0, 1048576, .help = "Compare with the pos of so many earlier rows, too" },
	{ 0, "chunk", CN_INT(chunk), "samples", "0", 0, 9e15,
		.help = "Put so many samples at once through the network, twice, to save memory; 0 for all" },
	{ 0, "bank", CN_PATH(bank), "file", .help = "Find the samples that neg_id names in this stream" },
	{ 0, "optimizer", CN_CHOICE(optimizer), "name", "adam", .choices = CN_OPTIMIZER_CHOICES, .help = "Move the weights by this rule" },
	{ 0, "momentum", CN_REAL(momentum), "number", "0.9", 0, 0.99999,
		.help = "Keep this part of the last direction (adam's first beta); onecycle has its own" },
	{ 0, "beta2", CN_REAL(beta2), "number", "0.999", 0, 0.9999999,
		.help = "Keep this part of the last squares of the gradient, in adam, adamw and lamb" },
	{ 0, "nesterov", CN_FLAG(nesterov), .help = "Look ahead along the momentum, in sgd and lars" },
	{ 0, "trust", CN_REAL(trust), "number", "0.001", 0, 1000, .help = "Move a tensor by this part of its length, in lars" },
	{ 0, "lr", CN_REAL(lr), "rate", "0.002", 0, 1000, .help = "Learn at this rate, at most" },
	{ 0, "schedule", CN_CHOICE(schedule), "name", "onecycle", .choices = CN_SCHEDULE_CHOICES,
		.help = "Vary the rate over the steps in this way" },
	{ 0, "warmup", CN_INT(warmup), "steps", "0", 0, 9e15, .help = "Raise the rate to --lr over so many steps first" },
	{ 0, "milestones", CN_REALS(milestones), "parts", "0.6,0.8", 0, 1, .help = "Lower the rate after these parts of schedule step" },
	{ 0, "gamma", CN_REAL(gamma), "number", "0.1", 0, 1, .help = "Multiply the rate by this at each milestone" },
	{ 0, "weight-decay", CN_REAL(weight_decay), "number", "1e-6", 0, 1000, .help = "Pull the weights towards 0 by this part" },
	{ 0, "decay-of", CN_CHOICE(decay_of), "which", "auto", .choices = "auto|all|weights",
		.help = "Decay all, or neither biases nor norms, as is auto in lars and lamb" },
	{ 0, "clip-norm", CN_REAL(clip_norm), "length", "0", 0, 1e30, .help = "Shorten a longer gradient to this, 0 for none" },
	{ 0, "ema", CN_REAL(ema), "decay", "0", 0, 0.9999999,
		.help = "Write the exponential moving average of the weights, keeping this part each step" },
	{ 0, "steps", CN_INT(steps), "count", "0", 0, 9e15, .help = "Stop after this many steps, 0 for as many as the input has batches" },
	{ 0, "checkpoint", CN_PATH(checkpoint), "file", .silent = 1, .writes = CN_OPT_NOTES, .help = "Keep the state of the training there, to go on from" },
	{ 0, "every", CN_INT(every), "rows", "0", 0, 9e15, .silent = 1,
		.help = "Keep it, and publish, after each so many rows, 0 for 100 batches" },
	{ 0, "resume", CN_FLAG(resume), .silent = 1, .help = "Go on from --checkpoint if that file is there" },
	{ 0, "publish", CN_PATHS(publish), "file", .silent = 1, .writes = CN_OPT_NOTES,
		.help = "Give the encoder away as it learns, through this FIFO or in files that are named so; may be repeated" },
	{ 0, "log", CN_PATH(log), "file", .silent = 1, .writes = CN_OPT_NOTES, .help = "Write a line of numbers for each step there" },
	CN_OPT_ROWS_ROW, CN_OPT_SEED_ROW, CN_OPT_THREADS_ROW, CN_OPT_QUIET_ROWS, CN_OPT_OUT_ROWS,
	{ 0, "verify-key", CN_PATH(common.verify_key), "file", .silent = 1,
		.help = "Refuse input not signed with this minisign public key" },
	CN_OPT_PROGRESS_ROW, CN_OPT_END
};

static const struct cn_tool tool = {
	.name = "cn-train", .summary = "train an encoder by contrast",
	.operands = "[file]", .max_operands = 1, .opts = opts, .common = offsetof(struct config, common),
};

/* What is open while the program runs. */
struct job {
	const struct config *c;
	struct cn_pool *pool;
	struct cn_reader *in, *bank;
	struct cn_trainer *trainer;
	struct cn_feed *feed;
	struct cn_output *out, *log;
	struct cn_publish *publish;
	struct cn_meta node;	/* what this program says of itself */
	uint64_t steps;
};

/* Layers to freeze; 0 when nothing is said, or no number. */
static size_t
freeze(const struct config *c)
{
	if (!c->freeze || strspn(c->freeze, "0123456789") != strlen(c->freeze) || strlen(c->freeze) > 5)
		return c->freeze && strcmp(c->freeze, "trunk") == 0 ? CN_NETWORK_ALL : 0;
	return strtoul(c->freeze, NULL, 10);
}

/* A network must be told or taken over, not both; --head "" cannot be told from none given. */
static int
check_options(const struct config *c, struct cn_err *err)
{
	if (!c->arch && !c->init)
		return cn_err_set(err, CN_USAGE, "which network? describe it with --arch (and --head), or start from a model with --init");
	if (c->init && (c->arch || *c->head))
		return cn_err_set(err, CN_USAGE, "--init brings its own network; leave out --arch and --head");
	if (c->freeze && !c->init)
		return cn_err_set(err, CN_USAGE, "--freeze keeps layers of a trained model; name it with --init");
	if (c->freeze && freeze(c) == 0)
		return cn_err_set(err, CN_USAGE, "--freeze takes a number of layers or 'trunk', not '%s'", c->freeze);
	if (c->checkpoint && strcmp(c->checkpoint, "-") == 0)
		return cn_err_set(err, CN_USAGE, "--checkpoint is written over and over; name a file, not '-'");
	if (c->resume && !c->checkpoint)
		return cn_err_set(err, CN_USAGE, "--resume goes on from a file; name it with --checkpoint");
	if (c->resume && c->publish.n)
		return cn_err_set(err, CN_USAGE, "--publish begins with the first weights, which --resume does not have; leave one of them out");
	if (c->publish.n && !c->every)
		return cn_err_set(err, CN_USAGE, "--publish needs --every: how many rows the encoder learns from before it is given away again");
	if (c->publish.n > CN_PUBLISH_PATHS)
		return cn_err_set(err, CN_USAGE, "--publish: at most %d are possible", CN_PUBLISH_PATHS);
	if (c->warmup && c->schedule == CN_SCHEDULE_ONECYCLE)
		return cn_err_set(err, CN_USAGE, "--schedule onecycle has a warm-up of its own; leave out --warmup or take another schedule");
	if (c->nesterov && c->optimizer != CN_OPTIMIZER_SGD && c->optimizer != CN_OPTIMIZER_LARS)
		return cn_err_set(err, CN_USAGE, "--nesterov belongs to --optimizer sgd and lars");
	return cn_objective_check(c->loss, err);
}

/* Of a loop nobody should have to ask what it waits for; of files nobody has to be told. */
static void
say(const char *words)
{
	cn_tool_say(&tool, "%s", words);
}

/* Before the input is opened, which in a loop does not begin before its maker knows what network this will be. */
static int
announce(struct job *job, struct cn_err *err)
{
	const struct config *c = job->c;
	struct cn_model *init = c->publish.n && c->init ? cn_model_load(c->init, job->pool, err) : NULL;
	const struct cn_publish_config config = {
		.path = c->publish.value, .paths = c->publish.n, .every = (uint64_t)c->every,
		.arch = init ? cn_meta_get(cn_model_meta(init), "cn.arch") : c->arch ? cn_preset_words(c->arch) : NULL,
		.head = init ? cn_meta_get(cn_model_meta(init), "cn.head") : c->head,
		.say = c->common.quiet ? NULL : say,
	};

	if (c->publish.n)
		job->publish = cn_publish_open(&config, err);
	cn_model_free(init);
	return err->code ? -1 : 0;
}

static int
open_inputs(struct job *job, const char *path, struct cn_err *err)
{
	struct cn_reader_config config = { .path = path, .verify_key = job->c->common.verify_key };

	job->in = cn_reader_open(&config, err);	/* without the pool: rows are decoded beside the computing */
	if (job->in && job->c->bank) {
		config.path = job->c->bank;
		config.pool = job->pool;
		job->bank = cn_reader_open(&config, err);
	}
	return err->code ? -1 : 0;
}

/* Why there is nothing to do; the end of the stream may say so better. */
static int
refuse_steps(const struct job *job, struct cn_err *err)
{
	const char *name = cn_reader_name(job->in);
	struct cn_batch batch = { 0 };
	int got = 1;

	if (cn_reader_rows_hint(job->in) == 0 && cn_reader_rows(job->in) == 0)
		got = cn_reader_next(job->in, &batch, err);
	cn_batch_release(&batch);
	if (got == 0)
		return cn_err_set(err, CN_FAILED, "%s has no rows", name);
	if (got > 0 && cn_reader_rows_hint(job->in) == 0 && job->c->steps == 0)
		return cn_err_set(err, CN_USAGE, "%s does not say how many rows it has, which the schedule needs; give --steps", name);
	if (job->c->common.rows && job->c->common.rows < job->c->accumulate * job->c->batch)
		return cn_err_set(err, CN_FAILED, "-n %lld is less than %lld batch%s of %lld", job->c->common.rows, job->c->accumulate,
			job->c->accumulate > 1 ? "es" : "", job->c->batch);
	if (job->c->accumulate > 1)
		return cn_err_set(err, CN_FAILED, "%s has fewer rows than %lld batches of %lld; lower --accumulate or --batch", name,
			job->c->accumulate, job->c->batch);
	return cn_err_set(err, CN_FAILED, "%s has fewer rows than one batch of %lld; lower --batch", name, job->c->batch);
}

static bool
decay_all(const struct config *c)
{
	enum { AUTO, ALL };

	return c->decay_of == ALL
		|| (c->decay_of == AUTO && c->optimizer != CN_OPTIMIZER_LARS && c->optimizer != CN_OPTIMIZER_LAMB);
}

static struct cn_schedule
schedule(const struct config *c, uint64_t steps)
{
	struct cn_schedule s = { .kind = (enum cn_schedule_kind)c->schedule, .lr = c->lr, .momentum = c->momentum,
		.steps = steps, .warmup = (uint64_t)c->warmup, .gamma = c->gamma, .milestones = c->milestones.n };

	memcpy(s.milestone, c->milestones.value, sizeof s.milestone);
	return s;
}

static struct cn_learner_config
learner(const struct config *c)
{
	return (struct cn_learner_config){ .predictor = c->predictor, .momentum = c->momentum_encoder, .average = c->ema,
		.chunk = (size_t)c->chunk, .batches = (size_t)c->accumulate, .decay_all = decay_all(c),
		.optimizer = { .kind = (enum cn_optimizer_kind)c->optimizer, .beta2 = c->beta2, .weight_decay = c->weight_decay,
			.trust = c->trust, .nesterov = c->nesterov } };
}

static int
open_trainer(struct job *job, struct cn_err *err)
{
	const struct config *c = job->c;
	const uint64_t known = cn_trainer_steps(job->in, (size_t)c->batch, (uint64_t)c->common.rows) / (uint64_t)c->accumulate;

	job->steps = c->steps ? (uint64_t)c->steps : known;
	if (job->steps == 0)
		return refuse_steps(job, err);
	if ((uint64_t)c->warmup >= job->steps)
		return cn_err_set(err, CN_USAGE, "--warmup %lld leaves none of the %llu steps for the rest", c->warmup,
			(unsigned long long)job->steps);
	const struct cn_trainer_config config = {
		.arch = c->arch, .head = c->head, .init = c->init, .freeze = freeze(c), .batch = (size_t)c->batch,
		.loss = c->loss, .temperature = c->temperature, .seed = (uint64_t)c->common.seed,
		.learner = learner(c), .queue = (size_t)c->queue, .clip = c->clip_norm, .schedule = schedule(c, job->steps),
		.measure = c->log != NULL,
	};
	const struct cn_feed_config feed = { .rows = (size_t)c->batch, .limit = (uint64_t)c->common.rows,
		.batches = job->publish ? 0 : (uint64_t)c->steps * (uint64_t)c->accumulate, .every = job->publish ? (uint64_t)c->every : 0 };

	job->trainer = cn_trainer_new(&config, job->in, job->bank, job->pool, err);
	job->feed = cn_feed_new(job->in, &feed, err);
	return err->code ? -1 : 0;
}

/* Before the work, so that a name that cannot be written is noticed at once. */
static int
open_outputs(struct job *job, struct cn_err *err)
{
	const struct cn_common *common = &job->c->common;

	job->out = cn_output_open(common->output, common->force ? CN_OUTPUT_FORCE : 0, err);
	if (job->c->log)
		job->log = cn_output_open(job->c->log, CN_OUTPUT_TEXT, err);
	return err->code ? -1 : 0;
}

static void
write_log(struct job *job, const struct cn_trainer_report *r, struct cn_err *err)
{
	static const char names[] = "step\tloss\tlr\tpos_sim\tneg_sim\taccuracy\tgrad_norm\talignment\tuniformity\trank";
	const struct cn_objective_result *l = &r->loss;
	const int extra = cn_trainer_slots(job->trainer) > 0;
	char line[512];

	if (!job->log)
		return;
	if (cn_output_offset(job->log) == 0) {
		cn_output_write(job->log, names, strlen(names), err);
		cn_output_write(job->log, extra ? "\textra_sim\n" : "\n", extra ? 11 : 1, err);
	}
	int n = snprintf(line, sizeof line, "%llu\t%.6f\t%.9g\t%.6f\t%.6f\t%.6f\t%.6g\t%.6f\t%.6f\t%.4f",
		(unsigned long long)r->step, l->loss, r->lr, l->positive, l->negative, l->accuracy, r->gradient, r->spread.alignment,
		r->spread.uniformity, r->spread.rank);

	n += extra ? snprintf(line + n, sizeof line - (size_t)n, "\t%.6f", l->extra) : 0;
	line[n++] = '\n';
	cn_output_write(job->log, line, (size_t)n, err);
}

static void
warn(const struct cn_trainer_report *r)
{
	cn_tool_say(&tool, "the vectors have collapsed: their effective rank is %.2f at step %llu; try a lower --lr, a higher --temperature, "
		"or a loss that spreads them, as '+ uniformity' or '+ 0.1*vicreg'", r->spread.rank, (unsigned long long)r->step);
}

static void
describe(struct job *job, struct cn_err *err)
{
	cn_tool_describe(&tool, job->c, &job->node, err);
	cn_meta_set(&job->node, "input.1", cn_reader_typed(job->in), err);
	if (job->bank)
		cn_meta_set(&job->node, "input.2", cn_reader_typed(job->bank), err);
	if (job->c->init)
		cn_meta_set(&job->node, job->bank ? "input.3" : "input.2", job->c->init, err);
	cn_meta_set(&job->node, "blas", cn_blas_kernel(), err);
}

/* Takes the state from the checkpoint, if there is one, and leaves out the batches that it has seen. */
static void
resume(struct job *job, struct cn_progress *progress, struct cn_err *err)
{
	const struct cn_batch *batch;

	if (!job->c->resume || access(job->c->checkpoint, F_OK) != 0 || cn_trainer_resume(job->trainer, job->c->checkpoint, &job->node, err) != 0)
		return;
	for (uint64_t i = 0; i < cn_trainer_done(job->trainer) && cn_feed_next(job->feed, &batch, err) > 0; i++)
		cn_progress_add(progress, batch->rows);
}

/* Behind what went wrong, whatever it was. */
static void
tell_kept(const struct job *job, struct cn_err *err)
{
	const size_t used = strlen(err->text);
	uint64_t steps;

	if (err->code && job->trainer && cn_trainer_kept(job->trainer, &steps))
		snprintf(err->text + used, sizeof err->text - used, "; %s has what is known to be good, the training after %llu step%s",
			job->c->checkpoint, (unsigned long long)steps, steps == 1 ? "" : "s");
}

/* One batch, and what there is to say of it. */
static int
learn(struct job *job, const struct cn_batch *batch, struct cn_progress *progress, struct cn_err *err)
{
	struct cn_trainer_report report = { 0 };

	if (cn_trainer_step(job->trainer, batch, &report, err) != 0)
		return -1;
	if (report.complete)
		write_log(job, &report, err);
	if (report.collapsed)
		warn(&report);
	snprintf(progress->note, sizeof progress->note, "loss %.4f", report.loss.loss);
	cn_progress_add(progress, batch->rows);
	return err->code ? -1 : 0;
}

/* What was published is all there will be: who follows ends in order, and so then does the stream, which is read to its end. */
static void
end_publishing(struct job *job, struct cn_err *err)
{
	const struct cn_batch *batch;

	if (!job->publish || cn_publish_end(job->publish, err) != 0)
		return;
	while (cn_feed_next(job->feed, &batch, err) > 0)
		;
	cn_reader_finish(job->in, err);
}

/* All steps; what the input has besides is read all the same, for its end to be seen. */
static void
make_steps(struct job *job, struct cn_progress *progress, struct cn_err *err)
{
	const uint64_t batches = job->steps * (uint64_t)job->c->accumulate;
	uint64_t given = cn_trainer_done(job->trainer);
	const struct cn_batch *batch;
	int got;

	while ((got = cn_feed_next(job->feed, &batch, err)) > 0) {
		if (got == CN_FEED_MARK)
			cn_publish_snapshot(job->publish, job->trainer, &job->node, err);
		else if (given++ < batches)
			learn(job, batch, progress, err);
		else if (job->publish)
			break;
	}
	end_publishing(job, err);
}

static void
train(struct job *job, struct cn_err *err)
{
	struct cn_progress progress = { 0 };

	cn_progress_start(&progress, &tool, job->c, "rows", job->steps * (uint64_t)(job->c->accumulate * job->c->batch));
	resume(job, &progress, err);
	if (job->c->checkpoint)
		cn_trainer_keep(job->trainer, job->c->checkpoint, (uint64_t)(job->c->every ? job->c->every : 100 * job->c->batch), &job->node, err);
	if (job->publish)
		cn_publish_snapshot(job->publish, job->trainer, &job->node, err);
	make_steps(job, &progress, err);
	cn_progress_end(&progress);
	const uint64_t done = cn_trainer_done(job->trainer) / (uint64_t)job->c->accumulate;

	if (!err->code && done == 0)
		refuse_steps(job, err);
	if (!err->code && done < job->steps)
		cn_tool_say(&tool, "%s ended after %llu of %llu steps", cn_reader_name(job->in), (unsigned long long)done,
			(unsigned long long)job->steps);
}

/* The model, then the log; and the last snapshots are on their way until they have come. */
static void
save(struct job *job, struct cn_err *err)
{
	cn_trainer_save(job->trainer, job->out, &job->node, err);
	cn_output_finish(job->out, err);
	if (job->log)
		cn_output_finish(job->log, err);
	if (job->publish)
		cn_publish_finish(job->publish, err);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct job job = { .c = &c };

	const int n = cn_tool_begin(&tool, &c, argc, &argv);

	cn_blas_begin();
	job.pool = cn_pool_new((size_t)c.common.threads, &err);
	if (check_options(&c, &err) == 0 && cn_output_check(c.common.output, c.common.force ? CN_OUTPUT_FORCE : 0, &err) == 0
	    && announce(&job, &err) == 0 && open_inputs(&job, n ? argv[0] : NULL, &err) == 0
	    && open_trainer(&job, &err) == 0 && open_outputs(&job, &err) == 0) {
		describe(&job, &err);
		train(&job, &err);
		save(&job, &err);
		tell_kept(&job, &err);
	}
	cn_publish_free(job.publish);
	cn_output_free(job.log);
	cn_output_free(job.out);
	cn_feed_free(job.feed);
	cn_trainer_free(job.trainer);
	cn_reader_free(job.bank);
	cn_reader_free(job.in);
	cn_pool_free(job.pool);
	cn_meta_release(&job.node);
	return cn_tool_end(&tool, &err);
}
