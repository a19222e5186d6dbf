/* table - the columns that are wanted, chunk after chunk. */
#include "stream/table.h"

#include <stdbool.h>
#include <string.h>

#include "base/banned.h"

static bool
wanted(const char *name, const char *const *keep)
{
	for (; keep && *keep; keep++)
		if (strcmp(name, *keep) == 0)
			return true;
	return !keep;
}

/* Rows of a chunk behind those of the table; field f of the table is field from[f] of the chunk. */
static int
add(struct cn_batch *table, const struct cn_batch *chunk, const int *from, struct cn_err *err)
{
	const size_t at = table->rows;

	/* At least doubled, so that growing copies each row once on average. */
	if (at + chunk->rows > table->capacity && (cn_batch_grow(table, 2 * at + chunk->rows, err)))
		return -1;
	table->rows = at;
	if (cn_batch_grow(table, at + chunk->rows, err))
		return -1;
	for (size_t f = 0; f < table->schema.n && chunk->rows > 0; f++)
		memcpy(cn_batch_at(table, (int)f, at), chunk->column[from[f]],
			chunk->rows * cn_field_bytes(&table->schema.field[f]));
	return 0;
}

int
cn_table_read(struct cn_batch *table, struct cn_reader *reader, const char *const *keep, struct cn_err *err)
{
	const struct cn_schema *all = cn_reader_schema(reader);
	struct cn_schema schema = { 0 };
	struct cn_batch chunk = { 0 };
	int from[CN_SCHEMA_FIELDS];

	if (err->code)
		return -1;
	for (size_t f = 0; f < all->n; f++)
		if (wanted(all->field[f].name, keep)) {
			from[schema.n] = (int)f;
			schema.field[schema.n++] = all->field[f];
		}
	cn_batch_shape(table, &schema, 0, err);
	while (cn_reader_next(reader, &chunk, err) > 0)
		if (add(table, &chunk, from, err))
			break;
	cn_batch_release(&chunk);
	return err->code ? -1 : 0;
}
