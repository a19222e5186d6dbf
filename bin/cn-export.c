/* cn-export - a stream leaves: a field as a numpy array, or anchors and negatives as a picture to look at. */
#include <stddef.h>

#include "base/opt.h"
#include "base/output.h"
#include "base/pool.h"
#include "base/tool.h"
#include "data/contact.h"
#include "data/npy.h"
#include "stream/reader.h"
#include "base/banned.h"

struct config {
	struct cn_common common;
	const char *field, *bank;
	long long zoom;
};

static const struct cn_opt opts[] = {
	CN_OPT_ROWS_ROW,
	{ 0, "field", CN_TEXT(field), "name",
	.of = "npy", .help = "Export this field, by default z, or x if there is no z" },
	{ 'b', "bank", CN_PATH(bank), "file", .of = "png", .help = "Look up the pictures of neg_id in this stream" },
	{ 0, "zoom", CN_INT(zoom), "factor", "2", 1, 64, .of = "png", .help = "Make each pixel so wide and high" },
	CN_OPT_THREADS_ROW, CN_OPT_QUIET_ROWS, CN_OPT_OUT_ROWS,
	{ 0, "verify-key", CN_PATH(common.verify_key), "file", .silent = 1,
		.help = "Refuse input not signed with this minisign public key" },
	CN_OPT_END
};

static const struct cn_tool tool = {
	.name = "cn-export", .summary = "turn a stream into a numpy array or a contact sheet",
	.operands = "format [file]", .verbs = "npy|png", .min_operands = 1, .max_operands = 2,
	.opts = opts, .common = offsetof(struct config, common),
};

static struct cn_reader *
open_stream(const struct config *c, const char *path, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_reader_config config = { .path = path, .pool = pool,
		.verify_key = c->common.verify_key };

	return cn_reader_open(&config, err);
}

static int
export_npy(const struct config *c, struct cn_reader *in, struct cn_output *out, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(in);
	const char *name = c->field ? c->field : cn_schema_find(schema, "z") >= 0 ? "z" : "x";
	const int field = cn_schema_need(schema, cn_reader_name(in), name, 0, -1, "name one with --field",
		err);
	const uint64_t rows = c->common.rows ? (uint64_t)c->common.rows : UINT64_MAX;

	return field < 0 ? -1 : cn_npy_write(in, field, rows, out, err);
}

static int
export_png(const struct config *c, struct cn_reader *in, struct cn_pool *pool, struct cn_output *out,
	struct cn_err *err)
{
	struct cn_reader *bank = c->bank ? open_stream(c, c->bank, pool, err) : NULL;

	cn_contact_write(in, bank, c->common.rows ? (size_t)c->common.rows : 8, (unsigned)c->zoom, out, err);
	cn_reader_free(bank);
	return err->code ? -1 : 0;
}

int
main(int argc, char **argv)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };

	const int n = cn_tool_begin(&tool, &c, argc, &argv);

	struct cn_pool *pool = cn_pool_new((size_t)c.common.threads, &err);
	struct cn_output *out = cn_output_open(c.common.output, c.common.force ? CN_OUTPUT_FORCE : 0, &err);
	struct cn_reader *in = err.code ? NULL : open_stream(&c, n > 1 ? argv[1] : NULL, pool, &err);

	if (in && !strcmp(argv[0], "npy"))
		export_npy(&c, in, out, &err);
	else if (in)
		export_png(&c, in, pool, out, &err);
	cn_output_finish(out, &err);
	cn_output_free(out);
	cn_reader_free(in);
	cn_pool_free(pool);
	return cn_tool_end(&tool, &err);
}
