/* splice - some rows and fields of streams, one after the other. */
#include "stream/splice.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

int
cn_splice_parse_shard(const char *text, uint64_t *shard, uint64_t *shards, struct cn_err *err)
{
	char *end = NULL;

	*shard = *shards = 1;
	if (!text)
		return 0;
	if (*text >= '0' && *text <= '9')
		*shard = strtoull(text, &end, 10);
	if (end && *end == '/' && end[1] >= '0' && end[1] <= '9')
		*shards = strtoull(end + 1, &end, 10);
	else
		end = NULL;
	if (!end || *end || *shard < 1 || *shard > *shards || *shards > UINT32_MAX)
		return cn_err_set(err, CN_USAGE, "--shard is a number and how many there are, as in 2/8, not '%s'", text);
	return 0;
}

/* The name a field goes by: "old=new" of the list, or its own. */
static const char *
renamed(const struct cn_texts *rename, const char *name)
{
	const size_t length = strlen(name);

	for (size_t i = 0; rename && i < rename->n; i++)
		if (!strncmp(rename->value[i], name, length) && rename->value[i][length] == '=')
			return rename->value[i] + length + 1;
	return name;
}

static int
add_field(struct cn_splice *splice, int from, struct cn_err *err)
{
	const struct cn_field *field = &splice->in.field[from];
	const char *name = renamed(splice->config.rename, field->name);
	int to = cn_schema_add(&splice->out, name, field->dtype, &field->shape, err);

	if (to < 0)
		return -1;
	splice->from[to] = from;
	splice->plain &= to == from && !strcmp(name, field->name);
	return 0;
}

static int
add_chosen(struct cn_splice *splice, const char *file, struct cn_err *err)
{
	char name[CN_FIELD_NAME + 1];

	for (const char *at = splice->config.fields;; at++) {
		const size_t length = strcspn(at, ",");
		int from;

		if (length == 0 || length > CN_FIELD_NAME)
			return cn_err_set(err, CN_USAGE, "--fields is a list of names, as in id,z, not '%s'",
				splice->config.fields);
		memcpy(name, at, length);
		name[length] = '\0';
		from = cn_schema_need(&splice->in, file, name, 0, -1, NULL, err);
		if (from < 0 || add_field(splice, from, err))
			return -1;
		at += length;
		if (!*at)
			return 0;
	}
}

static int
check_renames(const struct cn_splice *splice, const char *file, struct cn_err *err)
{
	const struct cn_texts *rename = splice->config.rename;
	char name[CN_FIELD_NAME + 1];

	for (size_t i = 0; rename && i < rename->n; i++) {
		const size_t length = strcspn(rename->value[i], "=");

		if (length == 0 || length > CN_FIELD_NAME || rename->value[i][length] != '=')
			return cn_err_set(err, CN_USAGE, "--rename is an old and a new name, as in z=z0, not '%s'",
				rename->value[i]);
		memcpy(name, rename->value[i], length);
		name[length] = '\0';
		if (cn_schema_need(&splice->in, file, name, 0, -1, NULL, err) < 0)
			return -1;
	}
	return 0;
}

int
cn_splice_init(struct cn_splice *splice, const struct cn_splice_config *config, const struct cn_schema *in,
	const char *file, struct cn_err *err)
{
	if (err->code)
		return -1;
	*splice = (struct cn_splice){ .config = *config, .in = *in, .plain = true };
	if (check_renames(splice, file, err))
		return -1;
	if (config->fields) {
		if (add_chosen(splice, file, err))
			return -1;
	} else {
		for (size_t f = 0; f < in->n; f++)
			if (add_field(splice, (int)f, err))
				return -1;
	}
	splice->plain &= splice->out.n == in->n;
	return 0;
}

static bool
enough(const struct cn_splice *splice)
{
	return splice->config.rows && splice->taken >= splice->config.rows;
}

/* Whether the row of this number, over all inputs, is taken. */
static bool
takes(const struct cn_splice *splice, uint64_t row)
{
	return row >= splice->config.skip
		&& (row - splice->config.skip) % splice->config.shards == splice->config.shard - 1;
}

uint64_t
cn_splice_count(const struct cn_splice_config *config, uint64_t all)
{
	const uint64_t left = all > config->skip ? all - config->skip : 0;
	const uint64_t n = (left + config->shards - config->shard) / config->shards;

	return config->rows && config->rows < n ? config->rows : n;
}

static void
copy_row(const struct cn_splice *splice, const struct cn_batch *in, size_t row, struct cn_batch *out, size_t to)
{
	for (size_t f = 0; f < out->schema.n; f++) {
		const size_t size = cn_field_bytes(&out->schema.field[f]);

		memcpy(out->column[f] + to * size, in->column[splice->from[f]] + row * size, size);
	}
}

/* The rows of a batch that are taken behind the first *used, at most so many, as out; *used is how many of it were looked at. */
static int
pick(struct cn_splice *splice, const struct cn_batch *in, size_t most, struct cn_batch *out, size_t *used, struct cn_err *err)
{
	size_t n = 0, i = *used;

	if (cn_batch_room(out, &splice->out, in->rows - i, err))
		return -1;
	for (; i < in->rows && n < most && !enough(splice); i++)
		if (takes(splice, splice->seen + i)) {
			copy_row(splice, in, i, out, n++);
			splice->taken++;
		}
	out->rows = n;
	*used = i;
	return 0;
}

/* Whether a whole batch goes through untouched. */
static bool
passes(const struct cn_splice *splice, const struct cn_batch *in)
{
	const struct cn_splice_config *config = &splice->config;

	return splice->plain && config->shards == 1 && splice->seen >= config->skip
		&& (!config->rows || config->rows - splice->taken >= in->rows);
}

static int
check_schema(const struct cn_splice *splice, const struct cn_reader *reader, struct cn_err *err)
{
	if (cn_schema_equal(&splice->in, cn_reader_schema(reader)))
		return 0;
	return cn_err_set(err, CN_FAILED,
		"%s: its fields are not those of the first input; choose common ones with --fields, one input at a time",
		cn_reader_name(reader));
}

/* Writes what is taken of a batch, in a loop no further than a part of it at a time; returns how many of its rows were looked at. */
static size_t
take(struct cn_splice *splice, const struct cn_batch *in, struct cn_batch *out, struct cn_step *step, struct cn_err *err)
{
	size_t used = 0;

	if (passes(splice, in) && cn_step_most(step, splice->taken, in->rows) == in->rows) {
		splice->taken += in->rows;
		cn_writer_put(step->out, in, err);
		return in->rows;
	}
	while (used < in->rows && !enough(splice) && cn_step_flush(step, splice->taken, err) == 0)
		if (pick(splice, in, cn_step_most(step, splice->taken, in->rows), out, &used, err) || cn_writer_put(step->out, out, err))
			break;
	return used;
}

int
cn_splice_run(struct cn_splice *splice, struct cn_reader *reader, struct cn_step *step, struct cn_err *err)
{
	struct cn_batch in = { 0 }, out = { 0 };

	if (err->code || check_schema(splice, reader, err))
		return -1;
	while (!enough(splice) && cn_step_flush(step, splice->taken, err) == 0 && cn_reader_next(reader, &in, err) > 0) {
		if (splice->alone)
			splice->seen = in.first_row;
		const size_t used = take(splice, &in, &out, step, err);

		cn_reader_give_back(reader, in.rows - used);
		splice->seen += used;
		cn_progress_add(&step->progress, used);
	}
	cn_batch_release(&in);
	cn_batch_release(&out);
	return err->code ? -1 : enough(splice);
}
