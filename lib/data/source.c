/* source - ids and row counts, which are the same for every outside format. */
#include "data/source.h"

#include "base/banned.h"

int
cn_source_init(struct cn_source *source, const char *format, struct cn_err *err)
{
	static const struct cn_shape scalar = { 0 };

	cn_schema_add(&source->schema, "id", CN_DTYPE_U64, &scalar, err);
	return cn_meta_set(&source->meta, "source.format", format, err);
}

int
cn_source_next(struct cn_source *source, struct cn_batch *batch, size_t rows, struct cn_err *err)
{
	if (err->code)
		return -1;
	if (source->rows && source->rows - source->given < rows)
		rows = (size_t)(source->rows - source->given);
	if (!rows || !source->read)
		return 0;
	if (cn_batch_shape(batch, &source->schema, rows, err))
		return -1;
	batch->first_row = source->given;
	if (source->read(source, batch, err))
		return -1;
	for (size_t i = 0; i < batch->rows; i++) {
		const uint64_t id = source->first_id + source->given + i;
		memcpy(cn_batch_at(batch, 0, i), &id, sizeof id);
	}
	source->given += batch->rows;
	return batch->rows > 0;
}

void
cn_source_close(struct cn_source *source)
{
	if (source->close)
		source->close(source);
	cn_meta_release(&source->meta);
	*source = (struct cn_source){ 0 };
}
