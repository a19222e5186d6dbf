/* gallery - two small batches as data/contact.h wants them: rows that name their negatives, and what they name. */
#include "eval/gallery.h"

#include "base/mem.h"
#include "data/contact.h"
#include "stream/batch.h"
#include "base/banned.h"

enum { ZOOM = 2 };	/* pixels of the sheet for one of a picture, each way */

struct cn_gallery {
	const char *file;
	size_t rows, k;
	struct cn_batch kept;		/* x, pos and label where they are, neg_id */
	struct cn_batch real;		/* id, x, label */
};

static const char *const kept_fields[] = { "x", "pos", "label" };

static int
check_pictures(const struct cn_schema *in, const char *file, const struct cn_schema *bank, const char *bank_file, struct cn_err *err)
{
	const int x = cn_schema_need(in, file, "x", CN_DTYPE_U8, 3, "a sheet shows pictures", err);
	const int real = x < 0 ? -1 : cn_schema_need(bank, bank_file, "x", CN_DTYPE_U8, 3, "a sheet shows pictures", err);

	if (real >= 0 && !cn_shape_equal(&in->field[x].shape, &bank->field[real].shape))
		return cn_err_set(err, CN_FAILED, "%s: its pictures have another size than the anchors of %s; leave out --sheet", bank_file, file);
	return real < 0 ? -1 : 0;
}

struct cn_gallery *
cn_gallery_new(struct cn_reader *in, struct cn_reader *bank, size_t rows, size_t k, struct cn_err *err)
{
	static const struct cn_shape one = { 0 };
	const struct cn_shape ids = { .rank = 1, .dim = { (uint32_t)k } };
	const struct cn_schema *schema = cn_reader_schema(in);
	struct cn_schema kept = { 0 }, real = { 0 };

	if (err->code || check_pictures(schema, cn_reader_name(in), cn_reader_schema(bank), cn_reader_name(bank), err) < 0)
		return NULL;
	struct cn_gallery *g = cn_mem_array(1, sizeof *g, err);

	if (!g)
		return NULL;
	g->file = cn_reader_name(in);
	g->rows = rows;
	g->k = k;
	for (size_t i = 0; i < sizeof kept_fields / sizeof *kept_fields; i++) {
		const int f = cn_schema_find(schema, kept_fields[i]);

		if (f >= 0)
			cn_schema_add(&kept, kept_fields[i], schema->field[f].dtype, &schema->field[f].shape, err);
	}
	cn_schema_add(&kept, "neg_id", CN_DTYPE_U64, &ids, err);
	cn_schema_add(&real, "id", CN_DTYPE_U64, &one, err);
	cn_schema_add(&real, "x", CN_DTYPE_U8, &kept.field[0].shape, err);
	cn_schema_add(&real, "label", CN_DTYPE_I32, &one, err);
	cn_batch_shape(&g->kept, &kept, 0, err);
	cn_batch_shape(&g->real, &real, 0, err);
	if (!err->code)
		return g;
	cn_gallery_free(g);
	return NULL;
}

int
cn_gallery_keep(struct cn_gallery *g, const struct cn_batch *batch, struct cn_err *err)
{
	const size_t at = g->kept.rows, left = g->rows - at, n = batch->rows < left ? batch->rows : left;

	if (err->code || !n || cn_batch_grow(&g->kept, at + n, err) < 0)
		return err->code ? -1 : 0;
	for (size_t i = 0; i + 1 < g->kept.schema.n; i++) {
		const int f = cn_schema_find(&batch->schema, g->kept.schema.field[i].name);

		memcpy(cn_batch_at(&g->kept, (int)i, at), batch->column[f], n * cn_field_bytes(&batch->schema.field[f]));
	}
	return 0;
}

/* A row of the bank; its number serves as its id. */
static int
add_real(struct cn_gallery *g, const struct cn_bank *bank, uint32_t row, struct cn_err *err)
{
	const size_t at = g->real.rows;
	const uint64_t id = row;
	const int32_t label = bank->label ? bank->label[row] : -1;

	if (cn_batch_grow(&g->real, at + 1, err) < 0)
		return -1;
	memcpy(cn_batch_at(&g->real, 0, at), &id, sizeof id);
	memcpy(cn_batch_at(&g->real, 1, at), bank->value + row * bank->value_bytes, bank->value_bytes);
	memcpy(cn_batch_at(&g->real, 2, at), &label, sizeof label);
	return 0;
}

int
cn_gallery_write(struct cn_gallery *g, const struct cn_bank *bank, const uint32_t *shown, struct cn_output *out, struct cn_err *err)
{
	const int neg_id = cn_schema_find(&g->kept.schema, "neg_id");

	for (size_t i = 0; i < g->kept.rows * g->k && !err->code; i++) {
		uint64_t *id = (uint64_t *)cn_batch_at(&g->kept, neg_id, i / g->k) + i % g->k;

		*id = shown[i] == CN_BANK_NONE ? UINT64_MAX : shown[i];
		if (shown[i] != CN_BANK_NONE)
			add_real(g, bank, shown[i], err);
	}
	return cn_contact_draw(&g->kept, &g->real, g->file, ZOOM, out, err);
}

void
cn_gallery_free(struct cn_gallery *g)
{
	if (!g)
		return;
	cn_batch_release(&g->kept);
	cn_batch_release(&g->real);
	cn_mem_free(g);
}
