/* step - the common frame of programs: pool, reader, writer, history, progress. */
#include "stream/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"

#include "base/banned.h"

static const struct cn_common *
common_of(const struct cn_tool *tool, const void *config)
{
	return (const void *)((const char *)config + tool->common);
}

struct cn_reader *
cn_step_reader(struct cn_step *step, const char *path, struct cn_err *err)
{
	const struct cn_reader_config config = {
		.path = path, .pool = step->pool, .verify_key = step->common->verify_key,
	};

	return cn_reader_open(&config, err);
}

int
cn_step_open(struct cn_step *step, const struct cn_tool *tool, const void *config, const char *operand, struct cn_err *err)
{
	/* even after an error, so that cn_step_end can tell it */
	*step = (struct cn_step){ .tool = tool, .config = config, .common = common_of(tool, config) };
	if (err->code)
		return -1;
	cn_output_check(step->common->output, step->common->force ? CN_OUTPUT_FORCE : 0, err);
	step->pool = cn_pool_new((size_t)step->common->threads, err);
	step->in = cn_step_reader(step, operand, err);
	return err->code ? -1 : 0;
}

/* This program's node: what it was told, and the names of its inputs as typed. */
static int
describe(struct cn_step *step, struct cn_reader *const *extra, size_t n_extra, struct cn_err *err)
{
	const struct cn_history none = { 0 };
	struct cn_meta node = { 0 };
	size_t n = 0;
	char key[32];

	cn_tool_describe(step->tool, step->config, &node, err);
	for (size_t i = 0; i <= n_extra && !err->code; i++) {
		struct cn_reader *input = i == 0 ? step->in : extra[i - 1];

		if (!input)
			continue;
		snprintf(key, sizeof(key), "input.%zu", ++n);
		cn_meta_set(&node, key, cn_reader_typed(input), err);
		cn_writer_input(step->out, input, err);
	}
	if (step->model) {
		snprintf(key, sizeof(key), "input.%zu", ++n);
		cn_meta_set(&node, key, step->model, err);
		cn_writer_origin(step->out, &step->model_history, err);
	}
	if (step->side) {
		snprintf(key, sizeof(key), "input.%zu", ++n);
		cn_meta_set(&node, key, step->side, err);
		cn_writer_origin(step->out, &none, err);
	}
	cn_writer_node(step->out, &node, err);
	cn_meta_release(&node);
	return err->code ? -1 : 0;
}

/* Rows the output will have, as far as the header of the input promises; the same for a file and a pipe. */
static uint64_t
promise(const struct cn_step *step)
{
	const uint64_t in = step->joins ? step->promised : cn_reader_rows_promised(step->in), limit = (uint64_t)step->common->rows;
	const uint64_t passes = step->passes ? step->passes : 1, rows = in <= UINT64_MAX / passes ? in * passes : 0;

	return limit && limit < rows ? limit : rows;
}

int
cn_step_output(struct cn_step *step, const struct cn_schema *schema, struct cn_reader *const *extra, size_t n_extra,
	struct cn_err *err)
{
	const struct cn_common *common = step->common;

	if (!step->every)
		step->every = cn_reader_part(step->in);
	const struct cn_writer_config config = {
		.program = step->tool->name, .path = common->output, .force = common->force, .key = common->key,
		.level = common->level ? (int)strtol(common->level, NULL, 10) : CN_LEVEL_AUTO,
		.chunk_rows = (uint32_t)common->chunk_rows, .pool = step->pool,
		.rows_hint = promise(step), .every = step->every * (step->passes ? step->passes : 1),
	};

	if (err->code)
		return -1;
	step->out = cn_writer_open(&config, schema, err);
	if (!step->out)
		return -1;
	if (step->every)
		cn_meta_format(cn_writer_meta(step->out), "follow.every", "%llu", err, (unsigned long long)config.every);
	cn_meta_merge(cn_writer_meta(step->out), cn_reader_meta(step->in), err);
	return describe(step, extra, n_extra, err);
}

int
cn_step_flush(struct cn_step *step, uint64_t done, struct cn_err *err)
{
	return step && step->every && done % step->every == 0 ? cn_writer_flush(step->out, err) : 0;
}

int
cn_step_renew(struct cn_step *step, uint64_t done, struct cn_err *err)
{
	return step && step->every && step->renew && done % step->every == 0 ? step->renew(step->renew_context, err) : 1;
}

size_t
cn_step_most(const struct cn_step *step, uint64_t done, size_t most)
{
	const uint64_t left = step && step->every ? step->every - done % step->every : UINT64_MAX;

	return left < most ? (size_t)left : most;
}

/* What was read and not yet handed out. */
struct rest {
	struct cn_batch chunk;
	size_t used;
};

/* Refills in with the next rows, after so many: 1, 0 at the end, -1 error. */
static int
next_rows(const struct cn_step *step, uint64_t done, struct cn_batch *in, struct rest *rest, struct cn_err *err)
{
	const size_t most = cn_step_most(step, done, step->group ? step->group : SIZE_MAX);
	int got = 1;

	if (!step->group && !step->every)
		return cn_reader_next(step->in, in, err);
	cn_reader_check(step->in, err);
	cn_batch_room(in, cn_reader_schema(step->in), 0, err);
	while (!err->code && in->rows < most) {
		const size_t wanted = most - in->rows;

		if (rest->used == rest->chunk.rows) {
			if (!step->group && in->rows)
				break;
			rest->used = rest->chunk.rows = 0;
			if ((got = cn_reader_next(step->in, &rest->chunk, err)) <= 0)
				break;
		}
		const size_t held = rest->chunk.rows - rest->used, n = held < wanted ? held : wanted;

		if (in->rows == 0)
			in->first_row = rest->chunk.first_row + rest->used;
		cn_batch_append(in, &rest->chunk, rest->used, n, err);
		rest->used += n;
	}
	return err->code || got < 0 ? -1 : in->rows > 0;
}

int
cn_step_run(struct cn_step *step, int (*make)(void *context, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err),
	void *context, struct cn_err *err)
{
	const uint64_t limit = step->common->rows ? (uint64_t)step->common->rows : UINT64_MAX;
	struct cn_batch in = { 0 }, out = { 0 };
	struct rest rest = { 0 };
	uint64_t done = 0;

	if (err->code)
		return -1;
	const uint64_t known = cn_reader_rows_hint(step->in);
	cn_progress_start(&step->progress, step->tool, step->config, "rows", known < limit ? known : limit);
	while (done < limit && cn_step_flush(step, done, err) == 0 && next_rows(step, done, &in, &rest, err) > 0) {
		if (in.rows > limit - done) {
			cn_reader_give_back(step->in, in.rows - (limit - done));
			in.rows = (size_t)(limit - done);
		}
		if (cn_step_renew(step, done, err) <= 0) {
			cn_reader_give_back(step->in, in.rows);
			break;
		}
		if (make(context, &in, &out, err) || cn_writer_put(step->out, &out, err))
			break;
		done += in.rows;
		cn_progress_add(&step->progress, in.rows);
	}
	cn_reader_give_back(step->in, rest.chunk.rows - rest.used);
	cn_progress_end(&step->progress);
	cn_batch_release(&in);
	cn_batch_release(&rest.chunk);
	cn_batch_release(&out);
	return err->code ? -1 : 0;
}

void
cn_step_pass(const struct cn_batch *in, struct cn_batch *out)
{
	for (size_t f = 0; f < out->schema.n; f++) {
		const struct cn_field *field = &out->schema.field[f];
		const int from = cn_schema_find(&in->schema, field->name);

		if (from < 0 || in->schema.field[from].dtype != field->dtype
		    || !cn_shape_equal(&in->schema.field[from].shape, &field->shape))
			continue;
		const size_t rows = in->rows < out->rows ? in->rows : out->rows;
		if (rows > 0)
			memcpy(out->column[f], in->column[from], rows * cn_field_bytes(field));
	}
}

void
cn_step_finish(struct cn_step *step, struct cn_err *err)
{
	if (step->finished)
		return;
	step->finished = true;
	/* A signature asked for covers the whole input, so that is read to its end. */
	if (!err->code && step->in && step->common->verify_key && !cn_reader_end(step->in))
		cn_reader_finish(step->in, err);
	if (step->out)
		cn_writer_finish(step->out, err);
	else if (err->code)
		cn_writer_refuse(step->tool->name, step->common->output, step->in, err);
}

int
cn_step_end(struct cn_step *step, struct cn_err *err)
{
	cn_step_finish(step, err);
	cn_history_release(&step->model_history);
	cn_writer_free(step->out);
	cn_reader_free(step->in);
	cn_pool_free(step->pool);
	return cn_tool_end(step->tool, err);
}
