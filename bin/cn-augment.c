/* cn-augment - make two random views of every sample. */
#include <stddef.h>

#include "augment/augmenter.h"
#include "augment/epochs.h"
#include "base/tool.h"
#include "data/image.h"
#include "stream/step.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	struct cn_reals crop, ratio, jitter, blur_sigma;
	double flip, jitter_p, grey, blur, noise, dropout;
	const char *size;
	long long epochs, memory;
	int shuffle;
};

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 0, "crop", CN_REALS(crop), "low,high", NULL, 1e-6, 1, .help = "Keep a random part of this share of a picture's area, resized to the whole" },
	{ 0, "ratio", CN_REALS(ratio), "low,high", "0.75,1.3333", 0.01, 100, .help = "Width per height of what --crop keeps" },
	{ 0, "flip", CN_REAL(flip), "probability", "0", 0, 1, .help = "Mirror left and right with this probability" },
	{ 0, "jitter", CN_REALS(jitter), "b,c,s,h", NULL, 0, 100,
		.help = "Change brightness, contrast and saturation by up to these factors and hue by up to this part of a circle (at most 0.5), in random order" },
	{ 0, "jitter-p", CN_REAL(jitter_p), "probability", "0.8", 0, 1, .help = "Probability of --jitter" },
	{ 0, "grey", CN_REAL(grey), "probability", "0", 0, 1, .help = "Take the colour away with this probability" },
	{ 0, "blur", CN_REAL(blur), "probability", "0", 0, 1, .help = "Blur with this probability" },
	{ 0, "blur-sigma", CN_REALS(blur_sigma), "low,high", "0.1,2", 0.01, 1000, .help = "Width of the blur in pixels" },
	{ 0, "size", CN_TEXT(size), "pixels", .help = "Make views of this size, as 96 or 128x96 (width x height), instead of the samples' own" },
	{ 0, "noise", CN_REAL(noise), "sigma", "0", 0, 1e9, .help = "Add normal noise of this deviation to every number of a vector" },
	{ 0, "dropout", CN_REAL(dropout), "probability", "0", 0, 1, .help = "Set each number of a vector to zero with this probability" },
	{ 'e', "epochs", CN_INT(epochs), "count", "1", 1, 1000000, .help = "Pass over the input this many times, with new views each time" },
	{ 0, "shuffle", CN_FLAG(shuffle), .help = "Order the rows of each epoch at random, over the whole input" },
	{ 0, "memory", CN_SIZE(memory), "size", "4G", .silent = 1, .help = "Refuse to hold more than this for --epochs and --shuffle" },
	CN_OPT_SEED_ROW, CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW, CN_OPT_QUIET_ROWS,
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-augment", "make two random views of every sample", "[file]", NULL, 0, 1, opts, offsetof(struct config, common),
	cn_writer_refuse_usage
};

static struct cn_augmenter *
make_augmenter(const struct config *c, const struct cn_step *step, struct cn_err *err)
{
	struct cn_augmenter_config config = {
		.plan = { c->crop, c->ratio, c->jitter, c->blur_sigma, c->flip, c->jitter_p, c->grey, c->blur, c->noise, c->dropout },
		.seed = (uint64_t)c->common.seed, .pool = step->pool,
	};

	if (err->code || (c->size && cn_image_parse_size("size", c->size, &config.width, &config.height, err) < 0))
		return NULL;
	return cn_augmenter_new(&config, cn_reader_schema(step->in), cn_reader_name(step->in), err);
}

/* Batches do not cross epochs, so a trainer that plans its steps must know how long one is. */
static void
note_epochs(struct cn_step *step, const struct config *c, struct cn_err *err)
{
	const uint64_t rows = cn_reader_rows_promised(step->in);
	char text[32];

	if (c->epochs == 1 || rows == 0 || err->code)
		return;
	snprintf(text, sizeof text, "%llu", (unsigned long long)rows);
	cn_meta_set(cn_writer_meta(step->out), "epoch.rows", text, err);
}

/* Rows flow through if they can; otherwise they are held, and written epoch by epoch. */
static void
run(struct cn_step *step, struct cn_augmenter *augmenter, const struct config *c, struct cn_err *err)
{
	const struct cn_epochs_config epochs = {
		(uint32_t)c->epochs, c->shuffle, (uint64_t)c->common.seed, (uint64_t)c->memory, (uint64_t)c->common.rows
	};

	if (!cn_epochs_hold(&epochs)) {
		cn_step_run(step, cn_augmenter_stream, augmenter, err);
		return;
	}
	cn_progress_start(&step->progress, &tool, c, "rows", cn_reader_rows_hint(step->in) * epochs.epochs);
	cn_epochs_run(&epochs, augmenter, step->in, step->out, &step->progress, err);
	cn_progress_end(&step->progress);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct cn_step step = { 0 };
	struct cn_augmenter *augmenter = NULL;
	const char *operand = cn_tool_begin(&tool, &c, argc, &argv) > 0 ? argv[0] : NULL;

	if (cn_step_open(&step, &tool, &c, operand, &err) == 0)
		augmenter = make_augmenter(&c, &step, &err);
	step.passes = (uint64_t)c.epochs;
	if (augmenter && cn_step_output(&step, cn_augmenter_schema(augmenter), NULL, 0, &err) == 0) {
		note_epochs(&step, &c, &err);
		run(&step, augmenter, &c, &err);
	}
	cn_augmenter_free(augmenter);
	return cn_step_end(&step, &err);
}
