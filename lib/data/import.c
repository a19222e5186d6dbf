/* import - ids and row counts, which are the same for every outside format. */
#include "data/import.h"

#include "base/banned.h"

int
cn_import_init(struct cn_import *import, const char *format, struct cn_err *err)
{
	static const struct cn_shape scalar = { 0 };

	cn_schema_add(&import->schema, "id", CN_DTYPE_U64, &scalar, err);
	return cn_meta_set(&import->meta, "source.format", format, err);
}

int
cn_import_next(struct cn_import *import, struct cn_batch *batch, size_t rows, struct cn_err *err)
{
	if (err->code)
		return -1;
	if (import->rows && import->rows - import->given < rows)
		rows = (size_t)(import->rows - import->given);
	if (!rows || !import->read)
		return 0;
	if (cn_batch_shape(batch, &import->schema, rows, err))
		return -1;
	batch->first_row = import->given;
	if (import->read(import, batch, err))
		return -1;
	for (size_t i = 0; i < batch->rows; i++) {
		const uint64_t id = import->first_id + import->given + i;
		memcpy(cn_batch_at(batch, 0, i), &id, sizeof id);
	}
	import->given += batch->rows;
	return batch->rows > 0;
}

void
cn_import_close(struct cn_import *import)
{
	if (import->close)
		import->close(import);
	cn_meta_release(&import->meta);
	*import = (struct cn_import){ 0 };
}
