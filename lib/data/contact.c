/* contact - which pictures stand where; data/sheet.h draws them. */
#include "data/contact.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/mem.h"
#include "data/sheet.h"
#include "stream/batch.h"
#include "base/banned.h"

#define NOBODY UINT64_MAX	/* a neg_id that stands for none */

/* Frames: blue, green, red, orange. */
enum { ANCHOR = 0x2b6cb0, POSITIVE = 0x2f9e44, NEGATIVE = 0xd9363e, FALSE_NEGATIVE = 0xf08c00 };

struct page {
	struct cn_batch rows;
	int x, pos, neg, neg_id, label;		/* fields, or -1 */
	uint32_t k;				/* negatives of a row */
	struct cn_batch bank;			/* rows that are wanted, in the order of the bank */
};

static int
read_first(struct cn_reader *in, size_t left, struct cn_batch *rows, struct cn_err *err)
{
	struct cn_batch batch = { 0 };

	if (cn_batch_shape(rows, cn_reader_schema(in), 0, err))
		return -1;
	while (left && cn_reader_next(in, &batch, err) > 0) {
		const size_t n = batch.rows < left ? batch.rows : left;
		if (cn_batch_append(rows, &batch, 0, n, err))
			break;
		left -= n;
	}
	cn_batch_release(&batch);
	return err->code ? -1 : 0;
}

/* A field that shows pictures like x, perhaps several of them; -1 if there is none. */
static int
find_like(const struct cn_schema *schema, const char *name, int x, bool several)
{
	const int f = cn_schema_find(schema, name);

	if (f < 0 || schema->field[f].dtype != CN_DTYPE_U8)
		return -1;
	const struct cn_shape want = several ? cn_shape_stack(schema->field[f].shape.dim[0],
		&schema->field[x].shape)
		: schema->field[x].shape;
	return cn_shape_equal(&schema->field[f].shape, &want) ? f : -1;
}

static int
find_fields(struct page *page, const char *file, struct cn_err *err)
{
	const struct cn_schema *schema = &page->rows.schema;

	page->x = cn_schema_need(schema, file, "x", CN_DTYPE_U8, 3, "a sheet shows pictures", err);
	if (page->x < 0)
		return -1;
	const uint32_t channels = schema->field[page->x].shape.dim[2];
	if (channels != 1 && channels != 3)
		return cn_err_set(err, CN_FAILED,
			"%s: pictures of %" PRIu32 " channels cannot be shown; 1 or 3 can", file, channels);
	page->pos = find_like(schema, "pos", page->x, false);
	page->neg = find_like(schema, "neg", page->x, true);
	page->label = cn_schema_find(schema, "label");
	page->neg_id = page->neg >= 0 ? -1 : cn_schema_find(schema, "neg_id");
	if (page->neg_id >= 0 && (schema->field[page->neg_id].dtype != CN_DTYPE_U64
	    || schema->field[page->neg_id].shape.rank != 1))
		return cn_err_set(err, CN_FAILED, "%s: field 'neg_id' is not u64 [K]", file);
	const int f = page->neg >= 0 ? page->neg : page->neg_id;
	page->k = f >= 0 ? schema->field[f].shape.dim[0] : 0;
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Keeps the rows of the bank whose id is among wanted (sorted). */
static void
keep_wanted(struct cn_reader *bank, const uint64_t *wanted, size_t n, struct cn_batch *kept,
	struct cn_err *err)
{
	const int id = cn_schema_need(cn_reader_schema(bank), cn_reader_name(bank), "id", CN_DTYPE_U64, 0,
		NULL, err);
	struct cn_batch batch = { 0 };

	if (id < 0 || cn_batch_shape(kept, cn_reader_schema(bank), 0, err))
		return;
	while (cn_reader_next(bank, &batch, err) > 0)
		for (size_t i = 0; i < batch.rows; i++)
			if (bsearch(cn_batch_at(&batch, id, i), wanted, n, sizeof *wanted, by_value)
			    && cn_batch_append(kept, &batch, i, 1, err))
				break;
	cn_batch_release(&batch);
}

static int
read_bank(struct page *page, struct cn_reader *bank, struct cn_err *err)
{
	const size_t n = page->rows.rows * page->k;
	uint64_t *wanted = cn_mem_array(n + 1, sizeof *wanted, err);

	if (!err->code) {
		memcpy(wanted, page->rows.column[page->neg_id], n * sizeof *wanted);
		qsort(wanted, n, sizeof *wanted, by_value);
		const struct cn_schema *schema = cn_reader_schema(bank);
		const int x = cn_schema_need(schema, cn_reader_name(bank), "x", CN_DTYPE_U8, 3, NULL, err);
		if (x >= 0 && !cn_shape_equal(&schema->field[x].shape,
			&page->rows.schema.field[page->x].shape))
			cn_err_set(err, CN_FAILED, "%s: its pictures have another size than the anchors",
			cn_reader_name(bank));
		if (!err->code)
			keep_wanted(bank, wanted, n, &page->bank, err);
	}
	cn_mem_free(wanted);
	return err->code ? -1 : 0;
}

/* The bank's row of an id, or SIZE_MAX. */
static size_t
find_id(const struct cn_batch *bank, uint64_t id)
{
	const int f = cn_schema_find(&bank->schema, "id");

	for (size_t i = 0; i < bank->rows; i++)
		if (!memcmp(cn_batch_at(bank, f, i), &id, sizeof id))
			return i;
	return SIZE_MAX;
}

static bool
same_label(const struct page *page, size_t row, size_t in_bank)
{
	const int label = cn_schema_find(&page->bank.schema, "label");

	return label >= 0 && page->label >= 0 && page->bank.schema.field[label].dtype == CN_DTYPE_I32
		&& page->rows.schema.field[page->label].dtype == CN_DTYPE_I32
		&& *(const int32_t *)cn_batch_at(&page->rows, page->label, row) >= 0
		&& !memcmp(cn_batch_at(&page->bank, label, in_bank), cn_batch_at(&page->rows, page->label,
		row), 4);
}

static void
draw_negatives(const struct page *page, struct cn_sheet *sheet, uint32_t row, uint32_t column)
{
	const size_t bytes = cn_field_bytes(&page->rows.schema.field[page->x]);

	for (uint32_t j = 0; j < page->k; j++) {
		if (page->neg >= 0) {
			const uint8_t *neg = cn_batch_at(&page->rows, page->neg, row);
			cn_sheet_put(sheet, row, column + j, neg + j * bytes, NEGATIVE);
			continue;
		}
		const uint64_t id = ((const uint64_t *)cn_batch_at(&page->rows, page->neg_id, row))[j];
		const size_t at = id == NOBODY ? SIZE_MAX : find_id(&page->bank, id);
		if (at != SIZE_MAX)
			cn_sheet_put(sheet, row, column + j, cn_batch_at(&page->bank,
				cn_schema_find(&page->bank.schema, "x"), at),
				same_label(page, row, at) ? FALSE_NEGATIVE : NEGATIVE);
	}
}

static void
draw_page(const struct page *page, unsigned zoom, struct cn_output *out, struct cn_err *err)
{
	const uint32_t *dim = page->rows.schema.field[page->x].shape.dim;
	const uint32_t first = page->pos >= 0 ? 2 : 1;
	struct cn_sheet sheet = {
		.rows = (uint32_t)page->rows.rows, .columns = first + page->k,
		.height = dim[0], .width = dim[1], .channels = dim[2], .zoom = zoom,
	};

	if (!cn_sheet_init(&sheet, err)) {
		for (uint32_t i = 0; i < sheet.rows; i++) {
			cn_sheet_put(&sheet, i, 0, cn_batch_at(&page->rows, page->x, i), ANCHOR);
			if (page->pos >= 0)
				cn_sheet_put(&sheet, i, 1, cn_batch_at(&page->rows, page->pos, i), POSITIVE);
			draw_negatives(page, &sheet, i, first);
		}
		cn_sheet_write(&sheet, out, err);
	}
	cn_sheet_release(&sheet);
}

int
cn_contact_write(struct cn_reader *in, struct cn_reader *bank, size_t rows, unsigned zoom,
	struct cn_output *out,
	struct cn_err *err)
{
	struct page page = { 0 };

	if (!err->code && !read_first(in, rows, &page.rows, err)
	    && !find_fields(&page, cn_reader_name(in), err)) {
		if (!page.rows.rows)
			cn_err_set(err, CN_FAILED, "%s: no rows to show", cn_reader_name(in));
		else if (page.neg_id >= 0 && !bank)
			cn_err_set(err, CN_USAGE,
				"%s: negatives are named by neg_id; give --bank with their pictures",
				cn_reader_name(in));
		else if (page.neg_id < 0 || !read_bank(&page, bank, err))
			draw_page(&page, zoom, out, err);
	}
	cn_batch_release(&page.rows);
	cn_batch_release(&page.bank);
	return err->code ? -1 : 0;
}

int
cn_contact_draw(const struct cn_batch *rows, const struct cn_batch *bank, const char *file, unsigned zoom,
	struct cn_output *out, struct cn_err *err)
{
	struct page page = { .rows = *rows, .bank = *bank };	/* both stay the caller's */

	if (err->code || find_fields(&page, file, err))
		return -1;
	if (!rows->rows)
		return cn_err_set(err, CN_FAILED, "%s: no rows to show", file);
	draw_page(&page, zoom, out, err);
	return err->code ? -1 : 0;
}
