/* cn-embed - turn samples into vectors with an encoder. */
#include <stddef.h>

#include "base/opt.h"
#include "base/tool.h"
#include "nn/encoder.h"
#include "nn/origin.h"
#include "stream/step.h"
#include "tensor/blas.h"
#include "tensor/kernel.h"
#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *model;
	int layer, normalize, keep, pos;
};

static const struct cn_opt opts[] = {
	{ 'm', "model", CN_PATH(model), "file", .help = "Use this encoder, a safetensors file by cn-train; required" },
	{ 0, "layer", CN_CHOICE(layer), "name", "trunk", .choices = "trunk|head",
		.help = "Take the output of the trunk, or of the head it was trained with" },
	{ 0, "normalize", CN_FLAG(normalize), .help = "Bring vectors to unit length" },
	{ 0, "keep", CN_FLAG(keep), .help = "Keep x, pos and neg, which are left out otherwise" },
	{ 0, "pos", CN_FLAG(pos), .help = "Embed pos too, as pos_z" },
	CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW, CN_OPT_QUIET_ROWS, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW,
	CN_OPT_END
};

static const struct cn_tool tool = {
	.name = "cn-embed", .summary = "turn samples into vectors with an encoder",
	.operands = "[file]", .max_operands = 1, .opts = opts, .common = offsetof(struct config, common),
	.refuse = cn_writer_refuse_usage,
};

/* What is open while the program runs. */
struct job {
	const struct config *c;
	struct cn_step step;
	struct cn_encoder *encoder;
	struct cn_schema schema;	/* of the output */
};

/* The output: what passes, then z and pos_z. */
static int
plan(struct job *job, struct cn_err *err)
{
	const enum cn_encoder_layer layer = (enum cn_encoder_layer)job->c->layer;
	const struct cn_schema *in = cn_reader_schema(job->step.in);
	const char *name = cn_reader_name(job->step.in);
	const struct cn_shape shape = { .rank = 1, .dim = { (uint32_t)cn_encoder_dim(job->encoder, layer) } };
	static const char *const from[] = { "x", "pos" }, *const to[] = { "z", "pos_z" };

	job->schema = *in;
	for (int i = 0; i <= job->c->pos; i++) {
		const int f = cn_schema_need(in, name, from[i], 0, -1, NULL, err);

		if (f < 0 || cn_encoder_check(job->encoder, &in->field[f], name, err) != 0
		    || cn_schema_put(&job->schema, to[i], CN_DTYPE_F32, &shape, err) < 0)
			return -1;
	}
	if (!job->c->keep) {
		cn_schema_remove(&job->schema, "x");
		cn_schema_remove(&job->schema, "pos");
		cn_schema_remove(&job->schema, "neg");
	}
	return 0;
}

static int
embed_field(struct job *job, const struct cn_batch *in, const char *from, struct cn_batch *out, const char *to,
	struct cn_err *err)
{
	const int f = cn_schema_find(&in->schema, from), z = cn_schema_find(&out->schema, to);
	float *vectors = (float *)(void *)out->column[z];

	if (cn_encoder_check_rows(job->encoder, in, f, cn_reader_name(job->step.in), err) != 0
	    || cn_encoder_embed(job->encoder, in->column[f], in->rows, (enum cn_encoder_layer)job->c->layer, vectors, err) != 0)
		return -1;
	if (job->c->normalize)
		cn_kernel_normalize(vectors, in->rows, cn_shape_count(&out->schema.field[z].shape));
	return 0;
}

static int
make(void *context, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err)
{
	struct job *job = context;

	if (cn_batch_shape(out, &job->schema, in->rows, err) != 0)
		return -1;
	cn_step_pass(in, out);
	if (embed_field(job, in, "x", out, "z", err) != 0)
		return -1;
	return job->c->pos ? embed_field(job, in, "pos", out, "pos_z", err) : 0;
}

/* Opens the output and says in its metadata which layer z and pos_z are of. */
static void
open_output(struct job *job, struct cn_err *err)
{
	const char *origin = cn_origin_of_layer(job->encoder, (enum cn_encoder_layer)job->c->layer);

	if (cn_step_output(&job->step, &job->schema, NULL, 0, err) < 0)
		return;
	cn_origin_note(cn_writer_meta(job->step.out), "z", origin, err);
	if (job->c->pos)
		cn_origin_note(cn_writer_meta(job->step.out), "pos_z", origin, err);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	struct job job = { .c = &c, .step = { .tool = &tool } };

	const int n = cn_tool_begin(&tool, &c, argc, &argv);

	cn_blas_begin();
	if (!c.model)
		cn_err_set(&err, CN_USAGE, "which encoder? name its file with -m");
	cn_step_open(&job.step, &tool, &c, n ? argv[0] : NULL, &err);
	job.encoder = cn_encoder_load(c.model, job.step.pool, &err);
	cn_encoder_trace(job.encoder, c.model, &job.step, &err);
	if (job.encoder && plan(&job, &err) == 0) {
		open_output(&job, &err);
		cn_step_run(&job.step, make, &job, &err);
	}
	cn_encoder_free(job.encoder);
	return cn_step_end(&job.step, &err);
}
