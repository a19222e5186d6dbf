/* cn-info - say what a stream or a model is, whether it is whole, and how it was made. */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/tool.h"
#include "data/historyjson.h"
#include "data/portrait.h"
#include "data/remake.h"
#include "data/safetensors.h"
#include "stream/reader.h"
#include "stream/source.h"

#include "base/banned.h"

struct config {
	struct cn_common common;
	int json, text, make;
	long long width;
};

/* clang-format off */
static const struct cn_opt opts[] = {
	{ 0, "json", CN_FLAG(json), .help = "Say it as JSON" },
	{ 0, "text", CN_FLAG(text), .help = "Write the rows as text, one a line, under a line of field names" },
	{ 0, "make", CN_FLAG(make), .help = "Write a Makefile that makes the file again" },
	{ 'w', "width", CN_INT(width), "count", "8", 1, 1000000000, .help = "With --text: numbers of an array to write" },
	CN_OPT_ROWS_ROW, CN_OPT_THREADS_ROW,
	CN_OPT_OUTPUT_ROW(CN_OPT_NOTES),
	{ 0, "verify-key", CN_PATH(common.verify_key), "file", .silent = 1, .help = "Refuse input not signed with this minisign public key" },
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-info", "say what a stream or a model is", "[file]", NULL, 0, 1, opts, offsetof(struct config, common)
};

/* A model begins with the length of its header, which is JSON; whatever else is no stream, the reader can say. */
static bool
is_model(struct cn_source *source, struct cn_err *err)
{
	unsigned char begin[9];

	return cn_source_ahead(source, begin, sizeof begin, err) == sizeof begin && begin[8] == '{' && !memcmp(begin + 4, "\0\0\0\0", 4);
}

static void
show_model(const struct config *c, const char *path, struct cn_source *source, FILE *to, struct cn_err *err)
{
	const char *name = cn_source_name(source), *text;
	struct cn_weights weights = { 0 };
	struct cn_history history = { 0 };

	if (c->text)
		cn_err_set(err, CN_USAGE, "--text is for streams; a model has no rows");
	if (c->common.verify_key)
		cn_err_set(err, CN_INTEGRITY, "%s: is a model, and models carry no signature", name);
	if (err->code || cn_safetensors_read_source(source, &weights, err) < 0)
		return;
	if ((text = cn_meta_get(&weights.meta, "cn.provenance")))
		cn_historyjson_read(name, text, strlen(text), &history, err);
	if (err->code == CN_OK && c->json)
		cn_portrait_model_json(&weights, to, err);
	else if (err->code == CN_OK && c->make)
		cn_remake_write(&history, path, "model.safetensors", to, err);
	else if (err->code == CN_OK)
		cn_portrait_model_words(name, &weights, &history, to);
	cn_history_release(&history);
	cn_weights_release(&weights);
}

/* Rows as text go out chunk by chunk; a limit ends the reading early. */
static void
read_through(const struct config *c, struct cn_reader *reader, FILE *to, struct cn_err *err)
{
	const uint64_t limit = c->common.rows ? (uint64_t)c->common.rows : UINT64_MAX;
	struct cn_batch batch = { 0 };
	uint64_t shown = 0;

	if (c->text && !err->code)
		cn_portrait_names(cn_reader_schema(reader), to);
	while ((!c->text || shown < limit) && cn_reader_next(reader, &batch, err) > 0) {
		if (!c->text)
			continue;
		batch.rows = batch.rows < limit - shown ? batch.rows : (size_t)(limit - shown);
		cn_portrait_rows(&batch, (size_t)c->width, to);
		shown += batch.rows;
	}
	if (c->text && c->common.verify_key)
		cn_reader_finish(reader, err);
	cn_batch_release(&batch);
}

/* What is to be said of a stream whose end was not reached. */
static const char *
failure(const struct config *c, const struct cn_err *err)
{
	if (err->code == CN_INCOMPLETE)
		return "incomplete";
	return c->common.verify_key ? "damaged, or not signed as asked" : "damaged";
}

/* Takes over source. */
static void
show_stream(const struct config *c, const char *path, struct cn_source *source, FILE *to, struct cn_err *err)
{
	const struct cn_reader_config config = { .path = path, .source = source, .verify_key = c->common.verify_key };
	struct cn_reader *reader = cn_reader_open(&config, err);

	if (reader && !err->code) {
		read_through(c, reader, to, err);
		if (c->make)
			cn_remake_write(cn_reader_history(reader), path, "stream.cns", to, err);
		else if (c->json)
			cn_portrait_json(reader, to, err);
		else if (!c->text)
			cn_portrait_words(reader, failure(c, err), to);
	}
	cn_reader_free(reader);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 }, late = { 0 };
	const char *operand = cn_tool_begin(&tool, &c, argc, &argv) > 0 ? argv[0] : NULL;
	struct cn_source *source;
	struct cn_output *output;
	char *words = NULL;
	size_t size = 0;
	FILE *to;

	if (c.json + c.text + c.make > 1)
		cn_err_set(&err, CN_USAGE, "--json, --text and --make exclude each other");
	output = err.code ? NULL : cn_output_open(c.common.output, CN_OUTPUT_TEXT, &err);
	to = open_memstream(&words, &size);
	if (!to)
		cn_err_errno(&err, "cannot gather words");
	source = err.code ? NULL : cn_source_open(operand, &err);
	if (source && is_model(source, &err)) {
		show_model(&c, operand, source, to, &err);
		cn_source_free(source);
	} else if (source) {
		show_stream(&c, operand, source, to, &err);
	}
	/* what is known of a damaged stream is said all the same, but not into a file; a Makefile is whole or not there */
	if (to && fclose(to) == 0 && output && (!err.code || !(c.common.output || c.make)))
		cn_output_write(output, words, size, err.code ? &late : &err);
	cn_output_finish(output, &err);
	cn_output_free(output);
	free(words);
	return cn_tool_end(&tool, &err);
}
