/* cn-info - say what a stream or a model is, whether it is whole, and how it was made. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/output.h"
#include "base/tool.h"
#include "data/historyjson.h"
#include "data/portrait.h"
#include "data/remake.h"
#include "data/safetensors.h"
#include "stream/reader.h"

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
	{ 'o', "output", CN_PATH(common.output), "file", .silent = 1, .help = "Write here, whole or not at all; standard output otherwise" },
	{ 0, "verify-key", CN_PATH(common.verify_key), "file", .silent = 1, .help = "Refuse input not signed with this minisign public key" },
	CN_OPT_END
};
/* clang-format on */

static const struct cn_tool tool = {
	"cn-info", "say what a stream or a model is", "[file]", NULL, 0, 1, opts, offsetof(struct config, common)
};

/* A stream begins with the head of a skippable frame; what else there is must be a model. */
static int
is_model(const char *path)
{
	unsigned char begin[4] = { 0 };
	const int fd = path && strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	const int model = fd >= 0 && read(fd, begin, 4) == 4 && memcmp(begin, "\x5c\x2a\x4d\x18", 4) != 0 && begin[3] == 0;

	if (fd >= 0)
		close(fd);
	return model;
}

static void
show_model(const struct config *c, const char *path, FILE *to, struct cn_err *err)
{
	struct cn_weights weights = { 0 };
	struct cn_history history = { 0 };
	const char *text;

	if (c->text)
		cn_err_set(err, CN_USAGE, "--text is for streams; a model has no rows");
	if (err->code || cn_safetensors_read(path, &weights, err) < 0)
		return;
	if ((text = cn_meta_get(&weights.meta, "cn.provenance")))
		cn_historyjson_read(path, text, strlen(text), &history, err);
	if (err->code == CN_OK && c->json)
		cn_portrait_model_json(&weights, to, err);
	else if (err->code == CN_OK && c->make)
		cn_remake_write(&history, path, to);
	else if (err->code == CN_OK)
		cn_portrait_model_words(path, &weights, &history, to);
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

static void
show_stream(const struct config *c, const char *path, FILE *to, struct cn_err *err)
{
	const struct cn_reader_config config = { .path = path, .verify_key = c->common.verify_key };
	struct cn_reader *reader = cn_reader_open(&config, err);

	if (reader && !err->code) {
		read_through(c, reader, to, err);
		if (c->make && !err->code)
			cn_remake_write(cn_reader_history(reader), path && strcmp(path, "-") ? path : "stream.cns", to);
		else if (c->json)
			cn_portrait_json(reader, to, err);
		else if (!c->text && !c->make)
			cn_portrait_words(reader, to);
	}
	cn_reader_free(reader);
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 }, late = { 0 };
	const char *operand = cn_tool_begin(&tool, &c, argc, &argv) > 0 ? argv[0] : NULL;
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
	if (!err.code && is_model(operand))
		show_model(&c, operand, to, &err);
	else if (!err.code)
		show_stream(&c, operand, to, &err);
	/* what is known of a damaged stream is said all the same, but not into a file */
	if (to && fclose(to) == 0 && output && (!err.code || !c.common.output))
		cn_output_write(output, words, size, err.code ? &late : &err);
	cn_output_finish(output, &err);
	cn_output_free(output);
	free(words);
	return cn_tool_end(&tool, &err);
}
