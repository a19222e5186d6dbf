/* cn-gen - make negatives for every row: by what learns to make or choose them, or by mixing. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/tool.h"
#include "gen/generator.h"
#include "nn/encoder.h"
#include "nn/follow.h"
#include "nn/origin.h"
#include "stream/step.h"
#include "tensor/blas.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	struct cn_follow_options follow;
	const char *model, *log, *state;
	int method, replace, freeze, game, space;
	long long k, round, steps, warmup, mined, hardest, bank_size, critic, pgd_steps;
	double latent_norm, margin, target, diversity, realism, guard, lr, query_share, temperature;
	double bank_lr, bank_temperature, bank_momentum, pull, hardness, violation;
	double apart, seeking, penalty, input_margin, epsilon, step_size;
};

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 0, "method", CN_CHOICE(method), "name", "gan", .choices = CN_METHOD_CHOICES, 
		.help = "By a generator against a discriminator, a bank that learns to be hard, a generator that learns to be hard yet true, "
		"true ones moved towards the anchor, a choice that is learned, mixtures of hard ones, or samples moved by the encoder's gradient" },
	{ 0, "k", CN_INT(k), "count", "4", 1, 1024, .help = "Make this many negatives per row" },
	{ 'm', "model", CN_PATH(model), "file", .help = "Work in the space of this encoder's head, on x and pos; by default on fields z and pos_z" },
	CN_FOLLOW_ROWS,
	{ 0, "guard", CN_REAL(guard), "cosine", "0", -2, 2, .help = "No negative is more similar to the anchor than the positive less this; such are drawn anew, then turned away" },
	{ 0, "target", CN_REAL(target), "cosine", "0.8", -1, 1, .of = CN_METHOD_LEARNERS ", mix",
		.help = "Aim at this similarity with the anchor, or at the positive's if that is less (gan, adversary, select); noise, where true "
		"vectors are missing, has it, too" },
	{ 0, "margin", CN_REAL(margin), "distance", "0.1", 0, 2, .of = "gan, daml",
		.help = "Push negatives until they are this much farther from the anchor than the positive is, 0 for no such push (gan), or pull "
		"them until they are no more than this much farther (daml)" },
	{ 0, "apart", CN_REAL(apart), "distance", "0", 0, 2, .of = "gan", .help = "Push negatives at least this far from the positive itself, 0 for no such push" },
	{ 0, "latent-norm", CN_REAL(latent_norm), "length", "1", 0, 100, .of = "gan", .help = "The generator moves an anchor by this much at most before both are brought to unit length, 0 for no bound" },
	{ 0, "diversity", CN_REAL(diversity), "weight", "0.2", 0, 100, .of = "gan, select",
		.help = "Weight of the distance between two draws for one row (gan), or of a tenth of the entropy of the choice (select)" },
	{ 0, "mode-seeking", CN_REAL(seeking), "weight", "0", 0, 100, .of = "gan", .help = "Weight of the distance of two draws over that of the noise they were drawn from" },
	{ 0, "adversarial", CN_CHOICE(game), "loss", "nonsaturating", .choices = CN_GAN_GAMES, .of = "gan", .help = "What the discriminator and the generator minimise against each other" },
	{ 0, "penalty", CN_REAL(penalty), "weight", "10", 0, 1e6, .of = "gan", .help = "Weight of the gradient penalty of --adversarial wasserstein" },
	{ 0, "critic", CN_INT(critic), "count", "0", 0, 100, .of = "gan", .help = "Train the discriminator this often for each step of the generator, 0 for 5 with wasserstein and once otherwise" },
	{ 0, "space", CN_CHOICE(space), "name", "embedding", .choices = "embedding|input", .of = "gan", .help = "Make vectors, or samples whose vectors are the encoder's" },
	{ 0, "input-margin", CN_REAL(input_margin), "deviations", "0", 0, 1e6, .of = "gan", .help = "With --space input, push samples at least this far from those of anchor and positive, 0 for no such push" },
	{ 0, "realism", CN_REAL(realism), "weight", "1", 0, 100, .of = "gan, daml", .help = "Weight of what the discriminator says (gan), or of the nearness to a true negative (daml)" },
	{ 0, "hardness", CN_REAL(hardness), "weight", "1", 0, 100, .of = "daml", .help = "Weight of the nearness to the anchor" },
	{ 0, "violation", CN_REAL(violation), "weight", "1", 0, 100, .of = "daml", .help = "Weight of the distance by which the margin is not violated" },
	{ 0, "pull", CN_REAL(pull), "number", "2", 0, 1e6, .of = "hdml", .help = "Leave e^(-this / average loss) of the way between the positive's distance and the negative's" },
	{ 0, "temperature", CN_REAL(temperature), "number", "0.2", 0.001, 100, .of = "hdml, select", .help = "Divide similarities by this" },
	{ 0, "bank-size", CN_INT(bank_size), "count", "2048", 1, CN_ADVERSARY_MOST, .of = "adversary", .help = "So many negatives learn" },
	{ 0, "bank-temperature", CN_REAL(bank_temperature), "number", "0.07", 0.001, 100, .of = "adversary", .help = "Divide similarities by this" },
	{ 0, "bank-lr", CN_REAL(bank_lr), "rate", "3", 0, 1000, .of = "adversary", .help = "Learning rate of the bank" },
	{ 0, "bank-momentum", CN_REAL(bank_momentum), "share", "0.9", 0, 0.999, .of = "adversary", .help = "Keep this part of the last step" },
	{ 0, "lr", CN_REAL(lr), "rate", "0.002", 1e-9, 1, .of = "gan, daml, select", .help = "Learning rate of the networks" },
	{ 0, "steps", CN_INT(steps), "count", "2", 1, 100, .of = "gan, adversary, daml, select", .help = "Learn this many steps from each round" },
	{ 0, "warmup", CN_INT(warmup), "rows", "1024", 0, 9e15, .of = CN_METHOD_LEARNERS, .help = "Give mixed negatives to this many rows first, while the method learns" },
	{ 0, "round", CN_INT(round), "rows", "256", 2, 4096, .help = "Rows that are looked at, and learned from, together" },
	{ 0, "hardest", CN_INT(hardest), "count", "16", 1, 256, .help = "Mix, and show the discriminator, this many of the round's true vectors most similar to an anchor" },
	{ 0, "mined", CN_INT(mined), "count", "1", 0, 1024, .help = "Count this many of the negatives a row comes with (neg_z, or neg with a model) among the round's true vectors" },
	{ 0, "query-share", CN_REAL(query_share), "share", "0.5", 0, 1, .of = CN_METHOD_LEARNERS ", mix", .help = "Share of the mixed negatives that are mixed with the anchor itself" },
	{ 0, "epsilon", CN_REAL(epsilon), "size", "0", 0, 1e30, .of = "gradient", .help = "Move a number of a sample by this at most; 0 for 8, where they are bytes" },
	{ 0, "step-size", CN_REAL(step_size), "size", "0", 0, 1e30, .of = "gradient", .help = "Move each number by this in a step, 0 for 2.5 epsilon over the steps, or epsilon if that is less" },
	{ 0, "pgd-steps", CN_INT(pgd_steps), "count", "1", 1, 1000, .of = "gradient", .help = "Take this many steps" },
	{ 0, "replace", CN_FLAG(replace), .help = "Leave out the negatives that rows come with" },
	{ 0, "log", CN_PATH(log), "file", .silent = 1, .writes = CN_OPT_NOTES, .of = CN_METHOD_LEARNERS, .help = "Write a line about each round here" },
	{ 0, "state", CN_PATH(state), "file", .writes = CN_OPT_NOTES, .of = CN_METHOD_LEARNERS, .help = "Go on from what was learned, if this file is there, and keep what is learned in it" },
	{ 0, "freeze", CN_FLAG(freeze), .of = CN_METHOD_LEARNERS, .help = "Make negatives by what --state has, and learn nothing" },
	CN_OPT_SEED_ROW, CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW, CN_OPT_QUIET_ROWS,
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	.name = "cn-gen", .summary = "make negatives for every row", .operands = "[file]", .max_operands = 1, .opts = opts,
	.common = offsetof(struct config, common), .refuse = cn_writer_refuse_usage, .chooser = "method",
};

/* A run, and what it has opened. */
struct job {
	const struct config *c;
	struct cn_step step;
	struct cn_encoder *model;	/* of --model */
	struct cn_follow *follow;
	struct cn_encoder *encoder;	/* in use: one of these two's, or NULL */
	struct cn_generator *generator;
	struct cn_meta settings;	/* that a state depends on */
	struct cn_output *state, *log;
};

/* Whether samples are made. */
static bool
by_value(const struct config *c)
{
	return cn_method_kind(c->method)->by_value || c->space;
}

static struct cn_generator_config
generator_config(const struct job *job)
{
	const struct config *c = job->c;

	return (struct cn_generator_config){
		.kind = cn_method_kind(c->method), .warmup = (uint64_t)c->warmup, .freeze = c->freeze, .replace = c->replace, .log = job->log,
		.rounds = { .rows = (size_t)c->round, .mined = (size_t)c->mined, .hardest = (size_t)c->hardest, .guard = c->guard,
			.encoder = job->encoder, .pool = job->step.pool },
		.method = { .k = (size_t)c->k, .seed = (uint64_t)c->common.seed, .target = c->target, .lr = c->lr,
			.steps = (unsigned)c->steps, .query_share = c->query_share, .margin = c->margin, .diversity = c->diversity,
			.realism = c->realism, .temperature = c->temperature, .by_value = by_value(c),
			.gradient = { .epsilon = c->epsilon, .step = c->step_size, .steps = (unsigned)c->pgd_steps },
			.gan = { .latent_norm = c->latent_norm, .apart = c->apart, .seeking = c->seeking, .penalty = c->penalty,
				.game = (enum cn_gan_game)c->game, .input_margin = c->input_margin, .critic = (unsigned)c->critic },
			.adversary = { .size = (size_t)c->bank_size, .temperature = c->bank_temperature, .lr = c->bank_lr,
				.momentum = c->bank_momentum },
			.daml = { .hardness = c->hardness, .violation = c->violation }, .hdml = { .pull = c->pull } },
	};
}

/* Options that would do nothing beside the others are refused. */
static void
check(const struct config *c, struct cn_err *err)
{
	const struct cn_method_kind *kind = cn_method_kind(c->method);

	if (c->log && c->freeze)
		cn_err_set(err, CN_USAGE, "--log tells of learning, and --freeze leaves that out");
	if (c->freeze && cn_opt_given(opts, c, "warmup"))
		cn_err_set(err, CN_USAGE, "--warmup would do nothing here: what --freeze uses has learned before the first row");
	if (by_value(c) && !c->model && !c->follow.path)
		cn_err_set(err, CN_USAGE, "samples are made through an encoder: name it with -m or --follow");
	if (cn_opt_given(opts, c, "penalty") && c->game != CN_GAN_WASSERSTEIN)
		cn_err_set(err, CN_USAGE, "--penalty would do nothing here: it is for --adversarial wasserstein");
	if (cn_opt_given(opts, c, "query-share") && kind->learn && (c->space || c->freeze || !c->warmup))
		cn_err_set(err, CN_USAGE, "--query-share would do nothing here: %s nothing is mixed",
			c->space ? "with --space input" : c->freeze ? "with --freeze" : "with --warmup 0");
	if (c->input_margin > 0 && !c->space)
		cn_err_set(err, CN_USAGE, "--input-margin is a distance of samples; ask for them with --space input");
	if (kind->learn && !c->freeze && c->follow.every && c->follow.every < c->round)
		cn_err_set(err, CN_USAGE, "a round of %lld rows is never full where weights change every %lld, and nothing is learned: give "
			"--round %lld or less", c->round, c->follow.every, c->follow.every);
	if (c->freeze && !c->state)
		cn_err_set(err, CN_USAGE, "--freeze uses what was learned before: name it with --state");
	if (c->state && strcmp(c->state, "-") == 0)
		cn_err_set(err, CN_USAGE, "--state is read and written; name a file, not '-'");
}

/* What must be the same for a state to be of use: all settings but those that say what is made of what is learned. */
static void
list_settings(const struct config *c, struct cn_meta *settings, struct cn_err *err)
{
	static const char other[] = "method, model, follow, every, lag, k, rows, chunk-rows, query-share, warmup, state", prefix[] = "option.";
	struct cn_meta given = { 0 };

	cn_opt_history(opts, c, &given, err);
	for (size_t i = 0; i < given.n; i++) {
		const struct cn_pair *pair = &given.pair[i];

		if (strncmp(pair->key, prefix, strlen(prefix)) == 0 && !cn_opt_lists(other, pair->key + strlen(prefix)))
			cn_meta_set(settings, pair->key + strlen(prefix), pair->value, err);
	}
	cn_meta_release(&given);
}

/* What cn_step_renew comes to. */
static int
renew(void *follow, struct cn_err *err)
{
	return cn_follow_next(follow, err);
}

/* Opens the encoder, the log, and the generator that works in the encoder's space. */
static void
open_generator(struct job *job, struct cn_err *err)
{
	const struct config *c = job->c;
	struct cn_step *step = &job->step;

	job->model = c->model ? cn_encoder_load(c->model, step->pool, err) : NULL;
	cn_encoder_trace(job->model, c->model, step, err);
	job->follow = cn_follow_open(&c->follow, step, err);
	step->renew = job->follow ? renew : NULL;
	step->renew_context = job->follow;
	job->encoder = job->follow ? cn_follow_encoder(job->follow, "x", err) : job->model;
	job->log = c->log ? cn_output_open(c->log, CN_OUTPUT_TEXT, err) : NULL;
	if (err->code)
		return;
	const struct cn_generator_config config = generator_config(job);

	job->generator = cn_generator_new(&config, step->in, err);
}

/* Takes back what is there; then a file that cannot be written is noticed before the work. */
static void
open_state(struct job *job, struct cn_err *err)
{
	const struct config *c = job->c;

	list_settings(c, &job->settings, err);
	if (err->code || !c->state)
		return;
	if (c->freeze || access(c->state, F_OK) == 0)
		cn_generator_take_back(job->generator, &job->settings, c->state, err);
	job->state = c->freeze ? NULL : cn_output_open(c->state, 0, err);
}

/* Says in the output's metadata what the numbers of neg_rule mean, and, where vectors are made, of which layer these are. */
static void
note(const struct job *job, struct cn_err *err)
{
	struct cn_meta *meta = cn_writer_meta(job->step.out);

	cn_meta_remove(meta, "mine.rules");
	cn_meta_set(meta, "gen.rules", CN_MADE_RULES, err);
	if (!by_value(job->c))
		cn_origin_note(meta, "neg_z", job->encoder ? cn_origin_of_layer(job->encoder, CN_ENCODER_HEAD) : cn_origin_of_field(meta, "z"), err);
}

/* Opens the output and runs. */
static void
run(struct job *job, struct cn_err *err)
{
	struct cn_step *step = &job->step;

	if (err->code || cn_step_output(step, cn_generator_schema(job->generator), NULL, 0, err) < 0)
		return;
	note(job, err);
	cn_progress_start(&step->progress, &tool, job->c, "rows", cn_reader_rows_hint(step->in));
	cn_generator_follow(job->generator, step);
	cn_generator_run(job->generator, step->out, (uint64_t)job->c->common.rows, &step->progress, err);
	cn_progress_end(&step->progress);
}

/* State and log appear when the stream has ended whole. */
static void
finish(struct job *job, struct cn_err *err)
{
	struct cn_weights weights = { 0 };

	if (job->state && !err->code && cn_generator_keep(job->generator, &job->settings, &weights, err) == 0)
		cn_safetensors_put(job->state, &weights, err);
	cn_weights_release(&weights);
	cn_follow_finish(job->follow, &job->step, err);
	cn_output_finish(job->state, err);
	cn_output_finish(job->log, err);
}

/* What was made by a method that had no chance to learn is worth little. */
static void
warn(const struct config *c, const struct cn_generator *generator, uint64_t rows)
{
	if (!cn_method_kind(c->method)->learn || c->freeze)
		return;
	if (rows && !cn_generator_learned(generator))
		cn_tool_say(&tool, "nothing was learned: no round had --round %lld rows", c->round);
	else if (c->follow.every % c->round)
		cn_tool_say(&tool, "of each %lld rows %lld were in no full round, and not learned from; a --round that divides --every loses none",
			c->follow.every, c->follow.every % c->round);
}

/* How many negatives came about by each rule. */
static void
tell(const struct config *c, const uint64_t *count)
{
	const char *name = CN_MADE_RULES;
	char words[512] = "";
	size_t used = 0;

	if (!c->common.verbose)
		return;
	for (int rule = 0; rule < CN_MADE_KINDS; rule++) {
		const size_t length = strcspn(name, " ");

		if (count[rule])
			used += (size_t)snprintf(words + used, sizeof words - used, "%s%llu %.*s", used ? ", " : "",
				(unsigned long long)count[rule], (int)length, name);
		name += length + (name[length] != '\0');
	}
	cn_tool_say(&tool, "negatives: %s", used ? words : "none");
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct job job = { .c = &c };
	const char *operand = cn_tool_begin(&tool, &c, argc, &argv) > 0 ? argv[0] : NULL;

	cn_blas_begin();
	check(&c, &err);
	cn_follow_check(&c.follow, c.model, &err);
	if (cn_step_open(&job.step, &tool, &c, operand, &err) == 0) {
		open_generator(&job, &err);
		open_state(&job, &err);
		run(&job, &err);
	}
	finish(&job, &err);
	if (!err.code) {
		warn(&c, job.generator, cn_writer_rows(job.step.out));
		tell(&c, cn_generator_counts(job.generator));
	}
	cn_output_free(job.state);
	cn_output_free(job.log);
	cn_generator_free(job.generator);
	cn_encoder_free(job.model);
	cn_meta_release(&job.settings);
	cn_follow_free(job.follow);	/* whose thread looks at the input of step */
	return cn_step_end(&job.step, &err);
}
