/* sample - a table's columns, copied out and checked. */
#include "eval/sample.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "stream/table.h"
#include "base/banned.h"

static int
copy_labels(struct cn_sample *sample, const struct cn_batch *table, const char *name, struct cn_err *err)
{
	const int f = cn_schema_need(&table->schema, name, "label", CN_DTYPE_I32, 0, "measuring needs classes", err);

	if (f < 0)
		return -1;
	sample->label = cn_mem_array(sample->n + 1, sizeof(*sample->label), err);
	for (size_t i = 0; sample->label && i < sample->n; i++) {
		memcpy(&sample->label[i], cn_batch_at(table, f, i), sizeof(*sample->label));
		if (sample->label[i] < 0 || sample->label[i] >= 1 << 20)
			return cn_err_set(err, CN_FAILED, "%s: row %zu: label %" PRId32 " is not in 0..%d", name, i,
				sample->label[i], (1 << 20) - 1);
		if (sample->label[i] >= sample->classes)
			sample->classes = sample->label[i] + 1;
	}
	return sample->label ? 0 : -1;
}

static int
copy_vectors(struct cn_sample *sample, const struct cn_batch *table, const struct cn_reader *reader, struct cn_err *err)
{
	const char *name = cn_reader_name(reader);
	const int f = cn_schema_need(&table->schema, name, "z", CN_DTYPE_F32, 1, "make one with cn-embed", err);

	if (f < 0)
		return -1;
	sample->space = cn_space_of_field(reader, "z");
	sample->d = sample->space.dim;
	sample->z = cn_mem_array(sample->n + 1, sample->d * sizeof(*sample->z), err);
	if (!sample->z)
		return -1;
	if (sample->n)
		memcpy(sample->z, table->column[f], sample->n * sample->d * sizeof(*sample->z));
	const size_t bad = cn_dtype_find_nonfinite(CN_DTYPE_F32, sample->z, sample->n * sample->d);
	if (bad < sample->n * sample->d)
		return cn_err_set(err, CN_FAILED, "%s: row %zu: field 'z' is not finite", name, bad / sample->d);
	return 0;
}

int
cn_sample_read(struct cn_sample *sample, struct cn_reader *reader, int labelled, struct cn_err *err)
{
	static const char *const keep[] = { "id", "z", "label", NULL };
	const char *name = cn_reader_name(reader);
	struct cn_batch table = { 0 };

	*sample = (struct cn_sample){ 0 };
	if (cn_table_read(&table, reader, keep, err) == 0) {
		sample->n = table.rows;
		const int id = cn_schema_find(&table.schema, "id");
		if (copy_vectors(sample, &table, reader, err) == 0 && labelled)
			copy_labels(sample, &table, name, err);
		if (!err->code && id >= 0 && table.schema.field[id].dtype == CN_DTYPE_U64) {
			sample->id = cn_mem_array(sample->n + 1, sizeof(*sample->id), err);
			if (sample->id && sample->n)
				memcpy(sample->id, table.column[id], sample->n * sizeof(*sample->id));
		}
	}
	cn_batch_release(&table);
	return err->code ? -1 : 0;
}

int
cn_sample_match(const struct cn_sample *train, const struct cn_sample *test, struct cn_err *err)
{
	if (err->code)
		return -1;
	if (!train->n || !test->n)
		return cn_err_set(err, CN_FAILED, "%s: no rows to measure with", train->n ? test->space.file : train->space.file);
	return cn_space_match(&test->space, &train->space, err);
}

void
cn_sample_release(struct cn_sample *sample)
{
	cn_mem_free(sample->z);
	cn_mem_free(sample->label);
	cn_mem_free(sample->id);
	*sample = (struct cn_sample){ 0 };
}
