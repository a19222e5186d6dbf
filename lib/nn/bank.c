/* A bank grows chunk by chunk as its stream is read; its size is checked before each step. */
#include <sodium.h>

#include "base/mem.h"
#include "nn/bank.h"
#include "stream/batch.h"
#include "tensor/dtype.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { ID, CONTENT, LABEL, GROUP, WEIGHT, UNIT, VALUE, BY_ID };

uint64_t
cn_bank_hash(const void *bytes, size_t size)
{
	unsigned char digest[crypto_generichash_BYTES_MIN];
	uint64_t hash = 0;

	crypto_generichash(digest, sizeof digest, bytes, size, NULL, 0);
	for (size_t i = 0; i < sizeof hash; i++)
		hash |= (uint64_t)digest[i] << 8 * i;
	return hash;
}

uint64_t
cn_bank_row_bytes(const struct cn_bank_config *config, const struct cn_schema *schema)
{
	const struct cn_bank *b = NULL;

	return sizeof *b->by_id + (config->id >= 0 ? sizeof *b->id : 0) + (config->content >= 0 ? sizeof *b->content : 0) +
		(config->label >= 0 ? sizeof *b->label : 0) + (config->group >= 0 ? sizeof *b->group : 0) +
		(config->weight >= 0 ? sizeof *b->weight : 0) + (config->vector ? config->vector->dim * sizeof *b->unit : 0) +
		(config->value >= 0 ? cn_field_bytes(&schema->field[config->value]) : 0);
}

static int
check_size(const char *file, const struct cn_schema *schema, const struct cn_bank_config *config, uint64_t rows, struct cn_err *err)
{
	const uint64_t each = cn_bank_row_bytes(config, schema);

	if (rows >= CN_BANK_NONE)
		return cn_err_set(err, CN_FAILED, "%s: a bank of %llu rows is too large, at most 4294967294 are possible",
			file, (unsigned long long)rows);
	if (config->memory && rows > config->memory / each)
		return cn_err_set(err, CN_FAILED, "%s: what is held of a bank of %llu rows takes %llu KiB, more than --memory allows (%llu KiB); raise it",
			file, (unsigned long long)rows, (unsigned long long)((rows * each + 1023) >> 10),
			(unsigned long long)(config->memory >> 10));
	return 0;
}

static int
grow(struct cn_bank *bank, const struct cn_bank_config *config, size_t rows, struct cn_err *err)
{
	if (config->id >= 0)
		cn_mem_grow((void **)&bank->id, &bank->room[ID], rows, sizeof *bank->id, err);
	if (config->content >= 0)
		cn_mem_grow((void **)&bank->content, &bank->room[CONTENT], rows, sizeof *bank->content, err);
	if (config->label >= 0)
		cn_mem_grow((void **)&bank->label, &bank->room[LABEL], rows, sizeof *bank->label, err);
	if (config->group >= 0)
		cn_mem_grow((void **)&bank->group, &bank->room[GROUP], rows, sizeof *bank->group, err);
	if (config->weight >= 0)
		cn_mem_grow((void **)&bank->weight, &bank->room[WEIGHT], rows, sizeof *bank->weight, err);
	if (config->vector)
		cn_mem_grow((void **)&bank->unit, &bank->room[UNIT], rows, bank->dim * sizeof *bank->unit, err);
	if (config->value >= 0)
		cn_mem_grow((void **)&bank->value, &bank->room[VALUE], rows, bank->value_bytes, err);
	cn_mem_grow((void **)&bank->by_id, &bank->room[BY_ID], rows, sizeof *bank->by_id, err);
	return err->code ? -1 : 0;
}

static int
append(struct cn_bank *bank, const struct cn_bank_config *config, const struct cn_batch *batch, struct cn_err *err)
{
	const size_t at = bank->rows;

	if (grow(bank, config, at + batch->rows, err) < 0)
		return -1;
	if (config->id >= 0)
		memcpy(bank->id + at, batch->column[config->id], batch->rows * sizeof *bank->id);
	if (config->label >= 0)
		memcpy(bank->label + at, batch->column[config->label], batch->rows * sizeof *bank->label);
	if (config->group >= 0)
		memcpy(bank->group + at, batch->column[config->group], batch->rows * sizeof *bank->group);
	if (config->weight >= 0)
		cn_dtype_to_f32(batch->schema.field[config->weight].dtype, batch->column[config->weight], bank->weight + at, batch->rows);
	if (config->value >= 0)
		memcpy(bank->value + at * bank->value_bytes, batch->column[config->value], batch->rows * bank->value_bytes);
	for (size_t i = 0; i < batch->rows && config->content >= 0; i++)
		bank->content[at + i] = cn_bank_hash(cn_batch_at(batch, config->content, i),
			cn_field_bytes(&batch->schema.field[config->content]));
	bank->rows += batch->rows;
	if (!config->vector)
		return 0;
	if (config->later)
		return cn_encoder_check_rows(config->vector->encoder, batch, config->vector->field, config->vector->file, err);
	return (config->raw ? cn_vector_read : cn_vector_read_unit)(config->vector, batch, bank->unit + at * bank->dim, err);
}

static int
by_id_then_row(const void *a, const void *b, void *context)
{
	const uint64_t *id = context;
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (id[x] != id[y])
		return id[x] < id[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Checks and shapes before the first row. */
static void
begin(struct cn_bank *bank, const struct cn_schema *schema, const struct cn_bank_config *config)
{
	bank->dim = config->vector ? config->vector->dim : 0;
	if (config->value >= 0)
		bank->value_bytes = cn_field_bytes(&schema->field[config->value]);
}

static void
sort_by_id(struct cn_bank *bank)
{
	for (size_t i = 0; i < bank->rows; i++)
		bank->by_id[i] = (uint32_t)i;
	if (bank->id)
		qsort_r(bank->by_id, bank->rows, sizeof *bank->by_id, by_id_then_row, bank->id);
}

int
cn_bank_append(struct cn_bank *bank, const struct cn_batch *batch, const struct cn_bank_config *config, struct cn_err *err)
{
	if (err->code)
		return -1;
	begin(bank, &batch->schema, config);
	if (check_size("a batch of the input", &batch->schema, config, bank->rows + batch->rows, err) < 0)
		return -1;
	return append(bank, config, batch, err);
}

int
cn_bank_add(struct cn_bank *bank, const struct cn_batch *batch, const struct cn_bank_config *config, struct cn_err *err)
{
	if (cn_bank_append(bank, batch, config, err) < 0)
		return -1;
	sort_by_id(bank);
	return 0;
}

int
cn_bank_read(struct cn_bank *bank, struct cn_reader *reader, const struct cn_bank_config *config, struct cn_err *err)
{
	struct cn_batch batch = { 0 };

	if (err->code)
		return -1;
	begin(bank, cn_reader_schema(reader), config);
	check_size(cn_reader_name(reader), cn_reader_schema(reader), config, bank->rows + cn_reader_rows_hint(reader), err);
	while (!err->code && cn_reader_next(reader, &batch, err) > 0)
		if (check_size(cn_reader_name(reader), cn_reader_schema(reader), config, bank->rows + batch.rows, err) == 0)
			append(bank, config, &batch, err);
	cn_batch_release(&batch);
	if (err->code)
		return -1;
	sort_by_id(bank);
	return 0;
}

int
cn_bank_embed(struct cn_bank *bank, const struct cn_bank_config *config, struct cn_err *err)
{
	const struct cn_vector *vector = config->vector;
	const size_t count = bank->rows * bank->dim;

	if (err->code || cn_encoder_embed(vector->encoder, bank->value, bank->rows, vector->layer, bank->unit, err) < 0)
		return -1;
	const size_t bad = cn_dtype_find_nonfinite(CN_DTYPE_F32, bank->unit, count);

	if (bad < count)
		return cn_err_set(err, CN_FAILED, "the encoder makes a vector that is not finite of the bank's sample of id %llu; "
			"train it with a lower --lr", (unsigned long long)bank->id[bad / bank->dim]);
	if (!config->raw)
		cn_kernel_normalize(bank->unit, bank->rows, bank->dim);
	return 0;
}

void
cn_bank_clear(struct cn_bank *bank)
{
	bank->rows = 0;
}

uint32_t
cn_bank_find(const struct cn_bank *bank, uint64_t id)
{
	size_t low = 0, high = bank->id ? bank->rows : 0;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (bank->id[bank->by_id[middle]] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < bank->rows && bank->id && bank->id[bank->by_id[low]] == id ? bank->by_id[low] : CN_BANK_NONE;
}

size_t
cn_bank_repeats(const struct cn_bank *bank)
{
	size_t n = 0;

	for (size_t i = 1; i < bank->rows && bank->id; i++)
		n += bank->id[bank->by_id[i]] == bank->id[bank->by_id[i - 1]];
	return n;
}

void
cn_bank_release(struct cn_bank *bank)
{
	cn_mem_free(bank->id);
	cn_mem_free(bank->content);
	cn_mem_free(bank->label);
	cn_mem_free(bank->group);
	cn_mem_free(bank->weight);
	cn_mem_free(bank->unit);
	cn_mem_free(bank->value);
	cn_mem_free(bank->by_id);
	*bank = (struct cn_bank){ 0 };
}
