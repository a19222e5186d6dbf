/* cn-import - outside data become a stream of samples, each with an id it keeps from here on. */
#include <stddef.h>
#include <string.h>

#include "base/opt.h"
#include "base/pool.h"
#include "base/tool.h"
#include "data/cifar.h"
#include "data/demo.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/import.h"
#include "data/npy.h"
#include "stream/writer.h"
#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *match, *resize, *field;
	long long id_base, classes, coarse, size;
	int channels, interleave, split, pairs;
};

static const struct cn_opt opts[] = {
	CN_OPT_ROWS_ROW,
	{ 0, "id-base", CN_INT(id_base), "number", "0", 0, 9e15,
		.help = "Add this to all ids, so that several sets can go together" },
	{ 0, "match", CN_TEXT(match), "glob",
		.of = "image", .help = "Take only members whose whole name matches; * matches / too" },
	{ 0, "interleave", CN_FLAG(interleave),
		.of = "image", .help = "Order by the number in the file's name, then by class; otherwise by name" },
	{ 0, "resize", CN_TEXT(resize), "size", .of = "image", .help = "Make all pictures N by N pixels, or WxH" },
	{ 0, "channels", CN_CHOICE(channels), "count", "0", .choices = "0|1|3",
		.of = "image", .help = "1 for grey, 3 for colour, 0 for what the first picture has" },
	{ 0, "field", CN_TEXT(field), "name",
		.of = "npy", .help = "The field's name; by default z for floats with two axes, x otherwise" },
	{ 0, "classes", CN_INT(classes), "count", "0", 0, CN_DEMO_CLASSES,
		.of = "demo, cifar", .help = "Fine classes, a multiple of --coarse, 0 for 100 (demo); 10 or 100, 0 for 10 (cifar)" },
	{ 0, "coarse", CN_INT(coarse), "count", "10", 1, 64,
		.of = "demo", .help = "Coarse classes, which differ by shape" },
	{ 0, "split", CN_CHOICE(split), "name", "train", .choices = "train|test",
		.of = "demo", .help = "Which of two sets without a common drawing or id" },
	{ 0, "size", CN_INT(size), "pixels", "32", 8, 512, .of = "demo", .help = "Width and height" },
	{ 0, "pairs", CN_FLAG(pairs), .of = "demo", .help = "Add pos, another drawing of the same fine class" },
	CN_OPT_SEED_ROW, CN_OPT_THREADS_ROW, CN_OPT_QUIET_ROWS, CN_OPT_WRITE_ROWS, CN_OPT_PROGRESS_ROW,
	CN_OPT_END
};

static const struct cn_tool tool = {
	.name = "cn-import", .summary = "turn outside data into a stream of samples",
	.operands = "format [file ...]", .verbs = "idx|image|cifar|npy|demo", .min_operands = 1,
	.max_operands = -1,
	.opts = opts, .common = offsetof(struct config, common),
	.refuse = cn_writer_refuse_usage,
};

/* What is open while the program runs. */
struct job {
	struct config *c;
	const char *format;
	const char *const *file;	/* operands behind the format */
	size_t n;
	struct cn_pool *pool;
	struct cn_import import;
	struct cn_writer *out;
};

static int
check_files(const struct job *job, struct cn_err *err)
{
	const bool two = !strcmp(job->format, "idx") || !strcmp(job->format, "npy");

	if (!strcmp(job->format, "demo"))
		return job->n ? cn_err_set(err, CN_USAGE, "demo takes no files, not '%s'", job->file[0]) : 0;
	if (!job->n)
		return cn_err_set(err, CN_USAGE, "%s wants a file; - is standard input", job->format);
	if (two && job->n > 2)
		return cn_err_set(err, CN_USAGE, "%s takes a file and perhaps a file of labels, not '%s'",
			job->format,
			job->file[2]);
	return 0;
}

static int
open_image(struct job *job, struct cn_err *err)
{
	const struct config *c = job->c;
	struct cn_image_config image = { .match = c->match, .interleave = c->interleave };

	image.channels = c->channels == 2 ? 3 : (unsigned)c->channels;	/* the choices are 0, 1 and 3 */
	if (c->resize && cn_image_parse_size("resize", c->resize, &image.width, &image.height, err))
		return -1;
	return cn_image_open(&job->import, job->file, job->n, &image, job->pool, err);
}

/* The words of the schema know nothing of options. */
static int
open_npy(struct job *job, struct cn_err *err)
{
	static const struct cn_shape scalar = { 0 };
	const char *field = job->c->field, *labels = job->n > 1 ? job->file[1] : NULL;
	struct cn_schema schema = { 0 };
	struct cn_err why = { 0 };

	if (field && (!strcmp(field, "id") || (labels && !strcmp(field, "label"))))
		return cn_err_set(err, CN_USAGE, "--field %s: cn-import makes a field of this name; take another, "
			"such as x", field);
	if (field && cn_schema_add(&schema, field, CN_DTYPE_U8, &scalar, &why) < 0)
		return cn_err_set(err, CN_USAGE, "--field '%s': %s", field, why.text);
	return cn_npy_open(&job->import, job->file[0], labels, field, err);
}

static int
open_cifar(struct job *job, struct cn_err *err)
{
	const long long classes = job->c->classes ? job->c->classes : 10;

	if (classes != 10 && classes != 100)
		return cn_err_set(err, CN_USAGE, "--classes must be 10 or 100 for cifar");
	return cn_cifar_open(&job->import, job->file, job->n, (unsigned)classes, err);
}

static int
open_demo(struct job *job, struct cn_err *err)
{
	struct config *c = job->c;
	const struct cn_demo_config demo = {
		.seed = (uint64_t)c->common.seed, .classes = c->classes ? (unsigned)c->classes : 100,
		.coarse = (unsigned)c->coarse, .size = (unsigned)c->size, .test = c->split, .pairs = c->pairs,
	};

	if (!c->common.rows)
		c->common.rows = 8000;
	return cn_demo_open(&job->import, &demo, job->pool, err);
}

static int
open_format(struct job *job, struct cn_err *err)
{
	const char *labels = job->n > 1 ? job->file[1] : NULL;

	if (err->code || check_files(job, err))
		return -1;
	switch (job->format[1]) {	/* the second letters differ */
	case 'd': return cn_idx_open(&job->import, job->file[0], labels, err);
	case 'p': return open_npy(job, err);
	case 'i': return open_cifar(job, err);
	case 'e': return open_demo(job, err);
	default: return open_image(job, err);
	}
}

/* How many rows there will be, or 0. */
static uint64_t
count_rows(const struct job *job)
{
	const uint64_t limit = (uint64_t)job->c->common.rows, all = job->import.rows;

	return limit && all ? (limit < all ? limit : all) : limit ? limit : all;
}

static int
open_output(struct job *job, struct cn_err *err)
{
	const struct cn_common *common = &job->c->common;
	const struct cn_writer_config config = {
		.program = tool.name, .path = common->output, .force = common->force, .key = common->key,
		.level = common->level ? (int)strtol(common->level, NULL, 10) : CN_LEVEL_AUTO,
		.chunk_rows = (uint32_t)common->chunk_rows, .rows_hint = count_rows(job), .pool = job->pool,
	};
	struct cn_meta node = { 0 };
	char key[32];

	if (!(job->out = cn_writer_open(&config, &job->import.schema, err)))
		return -1;
	cn_meta_merge(cn_writer_meta(job->out), &job->import.meta, err);
	cn_tool_describe(&tool, job->c, &node, err);
	for (size_t i = 0; i < job->n; i++) {
		snprintf(key, sizeof key, "input.%zu", i + 1);
		cn_meta_set(&node, key, job->file[i], err);
	}
	cn_writer_node(job->out, &node, err);
	cn_meta_release(&node);
	return err->code ? -1 : 0;
}

static void
copy_rows(struct job *job, struct cn_err *err)
{
	uint64_t left = job->c->common.rows ? (uint64_t)job->c->common.rows : UINT64_MAX;
	const uint64_t most = cn_schema_chunk_rows(&job->import.schema);
	struct cn_batch batch = { 0 };
	struct cn_progress progress = { 0 };

	cn_progress_start(&progress, &tool, job->c, "rows", count_rows(job));
	while (left && cn_import_next(&job->import, &batch, left < most ? (size_t)left : (size_t)most,
		err) > 0) {
		if (cn_writer_put(job->out, &batch, err))
			break;
		left -= batch.rows;
		cn_progress_add(&progress, batch.rows);
	}
	cn_progress_end(&progress);
	cn_batch_release(&batch);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };

	const int n = cn_tool_begin(&tool, &c, argc, &argv);
	struct job job = { .c = &c, .format = argv[0], .file = (const char *const *)argv + 1,
		.n = (size_t)n - 1 };

	job.pool = cn_pool_new((size_t)c.common.threads, &err);
	cn_output_check(c.common.output, c.common.force ? CN_OUTPUT_FORCE : 0, &err);
	if (!open_format(&job, &err)) {
		job.import.first_id += (uint64_t)c.id_base;
		if (!open_output(&job, &err))
			copy_rows(&job, &err);
	}
	if (job.out)
		cn_writer_finish(job.out, &err);
	else if (err.code)
		cn_writer_refuse(tool.name, c.common.output, NULL, &err);
	cn_writer_free(job.out);
	cn_import_close(&job.import);
	cn_pool_free(job.pool);
	return cn_tool_end(&tool, &err);
}
