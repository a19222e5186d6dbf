/* portrait - the same facts three ways. */
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/command.h"
#include "data/historyjson.h"
#include "data/jsontext.h"
#include "data/portrait.h"
#include "stream/head.h"

#include "base/banned.h"

static void
hex(const unsigned char digest[32], char text[65])
{
	sodium_bin2hex(text, 65, digest, 32);
}

/* Text from a stream, cut to what a line can hold. */
static void
put_text(const char *text, FILE *to)
{
	char line[512];

	snprintf(line, sizeof line, "%s", text);
	for (char *at = line; (at = strchr(at, '\n'));)
		*at = ' ';
	fputs(cn_head_printable(line), to);
	if (strlen(text) >= sizeof line)
		fputs("...", to);
}

static void
put_meta(const struct cn_meta *meta, FILE *to)
{
	for (size_t i = 0; i < meta->n; i++) {
		if (!strcmp(meta->pair[i].key, "cn.provenance"))
			continue;
		fputs("meta        ", to);
		put_text(meta->pair[i].key, to);
		fputs(" = ", to);
		put_text(meta->pair[i].value, to);
		fputc('\n', to);
	}
}

/* A node on one line: what one would type, and what wrote it. */
static void
put_node(const struct cn_node *node, FILE *to)
{
	const char *version = cn_meta_get(&node->meta, "version"), *seed = cn_meta_get(&node->meta, "seed");
	char *line = NULL;
	size_t size;
	struct cn_command command = { .to = open_memstream(&line, &size) };

	if (command.to) {
		cn_command_write(&command, node, NULL);
		if (fclose(command.to) == 0)
			fputs(cn_head_printable(line), to);
	}
	free(line);
	fputs(version || seed ? "  (" : "", to);
	if (version) {
		fputs("version ", to);
		put_text(version, to);
	}
	if (seed) {
		fputs(version ? ", seed " : "seed ", to);
		put_text(seed, to);
	}
	fputs(version || seed ? ")\n" : "\n", to);
}

/* The last node first, its parents indented below it; a node met before is only named. */
static void
put_tree(const struct cn_history *history, size_t number, unsigned depth, bool *met, FILE *to)
{
	const struct cn_node *node = history->node + number;

	fprintf(to, "%-12s%*s", depth ? "" : "history", (int)(2 * depth), "");
	if (met[number]) {
		fprintf(to, "(step %zu, as above)\n", number + 1);
		return;
	}
	met[number] = true;
	fprintf(to, "%zu. ", number + 1);
	put_node(node, to);
	for (size_t i = 0; i < node->n_parents; i++)
		put_tree(history, node->parent[i], depth + 1, met, to);
}

static void
put_history(const struct cn_history *history, FILE *to)
{
	bool met[CN_HISTORY_NODES] = { false };

	if (history->n)
		put_tree(history, history->n - 1, 0, met, to);
}

/* Of the header, and what came at the end. */
static struct cn_meta
all_meta(const struct cn_reader *reader, struct cn_err *err)
{
	struct cn_meta all = { 0 };

	cn_meta_merge(&all, cn_reader_findings(reader), err);
	cn_meta_merge(&all, cn_reader_meta(reader), err);
	return all;
}

void
cn_portrait_words(const struct cn_reader *reader, const char *failure, FILE *to)
{
	const struct cn_reader_end *end = cn_reader_end(reader);
	const struct cn_schema *schema = cn_reader_schema(reader);
	struct cn_err err = { 0 };	/* its own: of a damaged stream the rest is said all the same */
	struct cn_meta meta = all_meta(reader, &err);
	char text[128];

	fprintf(to, "stream      %s: %s\n", cn_reader_name(reader),
		!end ? failure : end->verified ? "whole, digests right, signature right" : "whole, digests right");
	fprintf(to, "rows        %" PRIu64, cn_reader_rows(reader));
	if (end)
		fprintf(to, " in %" PRIu64 " chunk%s of up to %u", end->chunks, end->chunks == 1 ? "" : "s",
			(unsigned)cn_reader_chunk_rows(reader));
	fputc('\n', to);
	for (size_t f = 0; f < schema->n; f++)
		fprintf(to, "field       %-12s %s\n", schema->field[f].name,
			cn_shape_text(schema->field[f].dtype, &schema->field[f].shape, text, sizeof text));
	put_meta(&meta, to);
	if (end) {
		hex(end->data_root, text);
		fprintf(to, "data root   %s\n", text);
		hex(end->stream_root, text);
		fprintf(to, "stream root %s\n", text);
		fprintf(to, "signatures  %zu\n", end->signatures);
		if (end->status & 3)
			fprintf(to, "status      %s%s\n", end->status & 2 ? "an input was not read to its end" : "",
				end->status & 1 ? " salvaged from a damaged stream" : "");
	}
	put_history(cn_reader_history(reader), to);
	cn_meta_release(&meta);
}

void
cn_portrait_model_words(const char *name, const struct cn_weights *weights, const struct cn_history *history, FILE *to)
{
	size_t count = 0;
	char text[128];

	fprintf(to, "model       %s\n", name);
	put_meta(&weights->meta, to);
	for (size_t i = 0; i < weights->n; i++) {
		const struct cn_tensor *tensor = weights->tensor + i;

		count += cn_shape_count(&tensor->shape);
		fputs("tensor      ", to);
		put_text(tensor->name, to);
		fprintf(to, " %s\n", cn_shape_text(tensor->dtype, &tensor->shape, text, sizeof text));
	}
	fprintf(to, "numbers     %zu\n", count);
	put_history(history, to);
}

/* A value that is no text is given in hexadecimal digits, as historyjson does. */
static json_t *
meta_json(const struct cn_meta *meta)
{
	json_t *object = json_object();

	for (size_t i = 0; i < meta->n; i++) {
		const struct cn_pair *pair = meta->pair + i;

		if (strcmp(pair->key, "cn.provenance"))
			json_object_set_new(object, pair->key, json_stringn(pair->value, pair->size));
	}
	return object;
}

static json_t *
shape_json(const struct cn_shape *shape)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < shape->rank; i++)
		json_array_append_new(array, json_integer(shape->dim[i]));
	return array;
}

static json_t *
history_json(const struct cn_history *history)
{
	struct cn_err err = { 0 };	/* its own: of a damaged stream the history is known */
	char *text = cn_historyjson_write(history, &err);
	json_t *object = text ? json_loads(text, 0, NULL) : NULL;

	cn_mem_free(text);
	return object ? object : json_null();
}

int
cn_portrait_json(const struct cn_reader *reader, FILE *to, struct cn_err *err)
{
	const struct cn_reader_end *end = cn_reader_end(reader);
	const struct cn_schema *schema = cn_reader_schema(reader);
	struct cn_err own = { 0 };	/* as history_json */
	struct cn_meta meta = all_meta(reader, &own);
	json_t *root = json_object(), *fields = json_array();
	char digest[65];

	for (size_t f = 0; f < schema->n; f++) {
		json_t *field = json_object();

		json_object_set_new(field, "name", json_string(schema->field[f].name));
		json_object_set_new(field, "dtype", json_string(cn_dtype_name(schema->field[f].dtype)));
		json_object_set_new(field, "shape", shape_json(&schema->field[f].shape));
		json_array_append_new(fields, field);
	}
	json_object_set_new(root, "kind", json_string("stream"));
	json_object_set_new(root, "whole", json_boolean(end != NULL));
	json_object_set_new(root, "rows", json_integer((json_int_t)cn_reader_rows(reader)));
	json_object_set_new(root, "chunk_rows", json_integer(cn_reader_chunk_rows(reader)));
	json_object_set_new(root, "fields", fields);
	json_object_set_new(root, "meta", meta_json(&meta));
	cn_meta_release(&meta);
	if (end) {
		json_object_set_new(root, "chunks", json_integer((json_int_t)end->chunks));
		hex(end->data_root, digest);
		json_object_set_new(root, "data_root", json_string(digest));
		hex(end->stream_root, digest);
		json_object_set_new(root, "stream_root", json_string(digest));
		json_object_set_new(root, "signatures", json_integer((json_int_t)end->signatures));
		json_object_set_new(root, "verified", json_boolean(end->verified));
		json_object_set_new(root, "stopped_early", json_boolean((end->status & 2) != 0));
		json_object_set_new(root, "salvaged", json_boolean((end->status & 1) != 0));
	}
	json_object_set_new(root, "history", history_json(cn_reader_history(reader)));
	return cn_jsontext_write(root, to, err);
}

int
cn_portrait_model_json(const struct cn_weights *weights, FILE *to, struct cn_err *err)
{
	const char *history = cn_meta_get(&weights->meta, "cn.provenance");
	json_t *root = json_object(), *tensors = json_array(), *parsed = history ? json_loads(history, 0, NULL) : NULL;

	for (size_t i = 0; i < weights->n; i++) {
		json_t *tensor = json_object();

		json_object_set_new(tensor, "name", json_string(weights->tensor[i].name));
		json_object_set_new(tensor, "dtype", json_string(cn_dtype_name(weights->tensor[i].dtype)));
		json_object_set_new(tensor, "shape", shape_json(&weights->tensor[i].shape));
		json_array_append_new(tensors, tensor);
	}
	json_object_set_new(root, "kind", json_string("model"));
	json_object_set_new(root, "tensors", tensors);
	json_object_set_new(root, "meta", meta_json(&weights->meta));
	json_object_set_new(root, "history", parsed ? parsed : json_null());
	return cn_jsontext_write(root, to, err);
}

void
cn_portrait_names(const struct cn_schema *schema, FILE *to)
{
	for (size_t f = 0; f < schema->n; f++)
		fprintf(to, "%s%s", f ? "\t" : "", schema->field[f].name);
	fputc('\n', to);
}

static void
put_number(enum cn_dtype dtype, const void *array, size_t i, FILE *to)
{
	if (dtype == CN_DTYPE_U64)
		fprintf(to, "%" PRIu64, ((const uint64_t *)array)[i]);
	else if (dtype == CN_DTYPE_I64)
		fprintf(to, "%" PRId64, ((const int64_t *)array)[i]);
	else
		fprintf(to, "%.*g", dtype == CN_DTYPE_F64 ? 17 : cn_dtype_is_float(dtype) ? 6 : 10, cn_dtype_get(dtype, array, i));
}

/* Words for people stay words: u8 [L], up to the first zero. */
static void
put_value(const struct cn_field *field, const void *value, size_t width, FILE *to)
{
	const size_t count = cn_shape_count(&field->shape);

	if (!strcmp(field->name, "text") && field->dtype == CN_DTYPE_U8 && field->shape.rank == 1) {
		char words[512];

		snprintf(words, sizeof words, "%.*s", (int)(count < 500 ? count : 500), (const char *)value);
		fputs(cn_head_printable(words), to);
		return;
	}
	for (size_t i = 0; i < count && i < width; i++) {
		if (i)
			fputc(',', to);
		put_number(field->dtype, value, i, to);
	}
	if (count > width)
		fputs(",...", to);
}

void
cn_portrait_rows(const struct cn_batch *batch, size_t width, FILE *to)
{
	for (size_t row = 0; row < batch->rows; row++) {
		for (size_t f = 0; f < batch->schema.n; f++) {
			if (f)
				fputc('\t', to);
			put_value(&batch->schema.field[f], cn_batch_at(batch, (int)f, row), width, to);
		}
		fputc('\n', to);
	}
}
