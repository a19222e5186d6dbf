/* cn-gen - make negatives for every row: by a generator and a discriminator, or by mixing. */
#include <stddef.h>

#include "base/output.h"
#include "base/tool.h"
#include "gen/generator.h"
#include "nn/encoder.h"
#include "stream/step.h"
#include "tensor/blas.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *model, *log;
	int method, replace;
	long long k, round, steps, warmup, mined, hardest;
	double latent_norm, margin, target, diversity, realism, guard, lr, query_share;
};

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 0, "method", CN_CHOICE(method), "name", "gan", .choices = CN_METHOD_CHOICES, .help = "Let a generator and a discriminator learn to make negatives, or mix hard ones" },
	{ 0, "k", CN_INT(k), "count", "4", 1, 1024, .help = "Make this many negatives per row" },
	{ 'm', "model", CN_PATH(model), "file", .help = "Work in the space of this encoder's head, on x and pos; by default on fields z and pos_z" },
	{ 0, "guard", CN_REAL(guard), "cosine", "0", -2, 2, .help = "No negative is more similar to the anchor than the positive less this; such are drawn anew, then turned away" },
	{ 0, "target", CN_REAL(target), "cosine", "0.8", -1, 1, .help = "gan: draw negatives to this similarity with the anchor, or to the positive's if that is less" },
	{ 0, "margin", CN_REAL(margin), "distance", "0.1", 0, 2, .help = "gan: push negatives this much farther from the anchor than the positive is, 0 for no such push" },
	{ 0, "latent-norm", CN_REAL(latent_norm), "length", "1", 0, 100, .help = "gan: the generator moves an anchor by this much at most before both are brought to unit length, 0 for no bound" },
	{ 0, "diversity", CN_REAL(diversity), "weight", "0.2", 0, 100, .help = "gan: weight of the distance between two draws for one row" },
	{ 0, "realism", CN_REAL(realism), "weight", "1", 0, 100, .help = "gan: weight of what the discriminator says" },
	{ 0, "lr", CN_REAL(lr), "rate", "0.002", 1e-9, 1, .help = "gan: learning rate of both networks" },
	{ 0, "steps", CN_INT(steps), "count", "2", 1, 100, .help = "gan: train this many steps on each round" },
	{ 0, "warmup", CN_INT(warmup), "rows", "1024", 0, 9e15, .help = "gan: give mixed negatives to this many rows first, while the networks learn" },
	{ 0, "round", CN_INT(round), "rows", "256", 2, 4096, .help = "Rows that are looked at, and learned from, together" },
	{ 0, "hardest", CN_INT(hardest), "count", "16", 1, 256, .help = "Mix, and show the discriminator, this many of the round's true vectors most similar to an anchor" },
	{ 0, "mined", CN_INT(mined), "count", "1", 0, 1024, .help = "Count this many of the negatives a row comes with (neg_z, or neg with a model) among the round's true vectors" },
	{ 0, "query-share", CN_REAL(query_share), "share", "0.5", 0, 1, .help = "Share of the mixed negatives that are mixed with the anchor itself" },
	{ 0, "replace", CN_FLAG(replace), .help = "Leave out the negatives that rows come with" },
	{ 0, "log", CN_PATH(log), "file", .silent = 1, .writes = CN_OPT_NOTES, .help = "gan: write a line about each round here" },
	CN_OPT_SEED_ROW, CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW, CN_OPT_QUIET_ROWS,
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-gen", "make negatives for every row", "[file]", NULL, 0, 1, opts, offsetof(struct config, common),
	cn_writer_refuse_usage
};

static struct cn_generator_config
generator_config(const struct config *c, struct cn_encoder *encoder, struct cn_output *log, struct cn_pool *pool)
{
	return (struct cn_generator_config){
		.kind = cn_method_kind(c->method), .warmup = (uint64_t)c->warmup, .replace = c->replace, .log = log,
		.rounds = { .rows = (size_t)c->round, .mined = (size_t)c->mined, .hardest = (size_t)c->hardest, .guard = c->guard,
			.encoder = encoder, .pool = pool },
		.method = { .k = (size_t)c->k, .seed = (uint64_t)c->common.seed, .target = c->target, .lr = c->lr,
			.steps = (unsigned)c->steps, .query_share = c->query_share,
			.gan = { .latent_norm = c->latent_norm, .margin = c->margin, .diversity = c->diversity, .realism = c->realism } },
	};
}

/* Opens the output, says in its metadata what the numbers of neg_rule mean, and runs. */
static void
run(struct cn_step *step, struct cn_generator *generator, const struct config *c, struct cn_err *err)
{
	if (!generator || cn_step_output(step, cn_generator_schema(generator), NULL, 0, err) < 0)
		return;
	cn_meta_remove(cn_writer_meta(step->out), "mine.rules");
	cn_meta_set(cn_writer_meta(step->out), "gen.rules", CN_MADE_RULES, err);
	cn_progress_start(&step->progress, &tool, c, "rows", cn_reader_rows_hint(step->in));
	cn_generator_run(generator, step->out, (uint64_t)c->common.rows, &step->progress, err);
	cn_progress_end(&step->progress);
}

static void
tell(const struct config *c, const uint64_t *n)
{
	if (c->common.verbose)
		cn_tool_say(&tool, "%llu negatives generated, %llu of these at a later draw, %llu turned away by the guard, "
			"%llu mixed, %llu of noise",
			(unsigned long long)(n[CN_MADE_GENERATED] + n[CN_MADE_AGAIN]), (unsigned long long)n[CN_MADE_AGAIN],
			(unsigned long long)n[CN_MADE_PUSHED], (unsigned long long)(n[CN_MADE_MIXED] + n[CN_MADE_QUERY]),
			(unsigned long long)n[CN_MADE_NOISE]);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct cn_step step = { 0 };
	struct cn_encoder *encoder = NULL;
	struct cn_output *log = NULL;
	struct cn_generator *generator = NULL;
	const char *operand = cn_tool_begin(&tool, &c, argc, &argv) > 0 ? argv[0] : NULL;

	cn_blas_begin();
	if (c.log && !cn_method_kind(c.method)->learn)
		cn_err_set(&err, CN_USAGE, "--log tells of learning, and --method %s learns nothing", cn_method_kind(c.method)->word);
	if (cn_step_open(&step, &tool, &c, operand, &err) == 0) {
		encoder = c.model ? cn_encoder_load(c.model, step.pool, &err) : NULL;
		cn_encoder_trace(encoder, c.model, &step, &err);
		log = c.log ? cn_output_open(c.log, CN_OUTPUT_TEXT, &err) : NULL;
		if (!err.code) {
			const struct cn_generator_config config = generator_config(&c, encoder, log, step.pool);

			generator = cn_generator_new(&config, step.in, &err);
		}
	}
	run(&step, generator, &c, &err);
	cn_output_finish(log, &err);
	if (!err.code)
		tell(&c, cn_generator_counts(generator));
	cn_output_free(log);
	cn_generator_free(generator);
	cn_encoder_free(encoder);
	return cn_step_end(&step, &err);
}
