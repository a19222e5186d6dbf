/* assembler - fills a window, asks for its order, and writes the rows as they come in it. */
#include "base/mem.h"
#include "data/spool.h"
#include "mine/assembler.h"

#include "base/banned.h"

struct cn_assembler {
	struct cn_assembler_config config;
	const struct cn_schema *schema;
	struct cn_vector vector;
	struct cn_bank_config keep;
	int epoch;			/* field, or -1 */
	uint32_t now;			/* epoch of the window */
	size_t row_bytes;
	struct cn_bank bank;		/* the rows of the window */
	struct cn_spool *spool;		/* and their bytes, each row's fields one after the other */
	struct cn_batch some;		/* rows on their way in or out */
	unsigned char *packed;		/* some rows as the spool has them */
	size_t packed_room;
	uint32_t *order;
	size_t order_room;
	struct cn_assembler_counts counts;
};

static int
plan_fields(struct cn_assembler *a, const char *name, struct cn_err *err)
{
	const struct cn_assembler_config *c = &a->config;
	const int x = cn_schema_find(a->schema, "x");

	a->keep = (struct cn_bank_config)CN_BANK_KEEP_NOTHING;
	a->keep.raw = c->metric != CN_METRIC_COSINE;
	a->keep.content = x >= 0 ? x : cn_schema_find(a->schema, "z");
	a->keep.id = cn_schema_need(a->schema, name, "id", CN_DTYPE_U64, 0, "rows are told apart by their id, which cn-import gives", err);
	if (c->label_aware)
		a->keep.label = cn_schema_need(a->schema, name, "label", CN_DTYPE_I32, 0, "import labels, or leave out --label-aware", err);
	if (c->group != CN_RELATION_ANY)
		a->keep.group = cn_schema_need(a->schema, name, "group", CN_DTYPE_U64, 0, "leave out --group", err);
	a->epoch = cn_schema_find(a->schema, "epoch");
	if (a->epoch >= 0)
		cn_schema_need(a->schema, name, "epoch", CN_DTYPE_U32, 0, NULL, err);
	if (err->code || cn_vector_init(&a->vector, a->schema, name, c->encoder ? "x" : "z", c->encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	a->keep.vector = &a->vector;
	return 0;
}

static int
check_memory(const struct cn_assembler *a, const struct cn_reader *in, struct cn_err *err)
{
	const uint64_t each = cn_bank_row_bytes(&a->keep, a->schema) + cn_assembly_row_bytes() + sizeof *a->order;
	const uint64_t known = cn_reader_rows_hint(in), rows = known && known < a->config.window ? known : a->config.window;

	if (!a->config.memory || rows <= a->config.memory / each)
		return 0;
	return cn_err_set(err, CN_FAILED, "%s: a window of %llu rows takes %llu KiB, more than --memory allows (%llu KiB); lower --window "
		"or raise --memory", cn_reader_name(in), (unsigned long long)rows, (unsigned long long)((rows * each + 1023) >> 10),
		(unsigned long long)(a->config.memory >> 10));
}

struct cn_assembler *
cn_assembler_new(const struct cn_assembler_config *config, struct cn_reader *in, struct cn_err *err)
{
	struct cn_assembler *a;

	if (err->code || !(a = cn_mem_array(1, sizeof *a, err)))
		return NULL;
	a->config = *config;
	a->config.window -= config->window % config->assembly.size;
	a->schema = cn_reader_schema(in);
	a->row_bytes = cn_schema_row_bytes(a->schema);
	a->spool = cn_spool_new(err);
	if (!err->code && plan_fields(a, cn_reader_name(in), err) == 0)
		check_memory(a, in, err);
	if (!err->code)
		return a;
	cn_assembler_free(a);
	return NULL;
}

/* The bytes of row i of some, in packed as they are in the spool; or the other way. */
static void
pack_row(struct cn_assembler *a, size_t i, bool back)
{
	unsigned char *at = a->packed + (back ? 0 : i * a->row_bytes);

	for (size_t f = 0; f < a->schema->n; f++) {
		const size_t bytes = cn_field_bytes(&a->schema->field[f]);
		unsigned char *value = a->some.column[f] + i * bytes;

		memcpy(back ? value : at, back ? at : value, bytes);
		at += bytes;
	}
}

/* Rows of a chunk into the window. */
static int
take(struct cn_assembler *a, const struct cn_batch *chunk, size_t from, size_t n, struct cn_err *err)
{
	if (cn_batch_room(&a->some, a->schema, 0, err) < 0 || cn_batch_append(&a->some, chunk, from, n, err) < 0 ||
	    cn_mem_grow((void **)&a->packed, &a->packed_room, n, a->row_bytes, err) < 0)
		return -1;
	a->some.first_row = chunk->first_row + from;
	for (size_t i = 0; i < n; i++)
		pack_row(a, i, false);
	if (cn_spool_append(a->spool, a->packed, n * a->row_bytes, err) < 0)
		return -1;
	return cn_bank_append(&a->bank, &a->some, &a->keep, err);
}

static int
make_order(struct cn_assembler *a, struct cn_err *err)
{
	const struct cn_assembler_config *c = &a->config;
	const struct cn_bank *bank = &a->bank;
	const struct cn_anchors anchors = { .rows = bank->rows, .dim = bank->dim, .id = bank->id, .content = bank->content,
		.label = bank->label, .group = bank->group, .unit = bank->unit };
	struct cn_filter filter = { .bank = bank, .anchors = &anchors, .known = c->known, .group = c->group, .metric = c->metric,
		.near = (float)CN_GUARD_OFF };
	struct cn_assembly_config assembly = c->assembly;
	uint64_t clashing;

	assembly.first_row = a->counts.rows;
	if (cn_mem_grow((void **)&a->order, &a->order_room, bank->rows, sizeof *a->order, err) < 0)
		return -1;
	clashing = cn_assembly_order(&assembly, &filter, a->order, err);
	if (err->code)
		return -1;
	a->counts.clashing += clashing;
	a->counts.rows += bank->rows;
	a->counts.batches += cn_pool_parts(bank->rows, assembly.size);
	cn_assembly_measure(bank, c->metric, NULL, assembly.size, &a->counts.before, err);
	cn_assembly_measure(bank, c->metric, a->order, assembly.size, &a->counts.after, err);
	return err->code ? -1 : 0;
}

/* Rows of the window from place from of the order on. */
static int
give(struct cn_assembler *a, size_t from, size_t n, struct cn_writer *out, struct cn_err *err)
{
	if (cn_batch_room(&a->some, a->schema, n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (cn_spool_read(a->spool, a->order[from + i] * (uint64_t)a->row_bytes, a->packed, a->row_bytes, err) < 0)
			return -1;
		pack_row(a, i, true);
	}
	return cn_writer_put(out, &a->some, err);
}

/* Orders the rows of the window, writes them, and forgets them. */
static int
empty(struct cn_assembler *a, struct cn_step *step, struct cn_err *err)
{
	const size_t each = cn_schema_chunk_rows(a->schema), rows = a->bank.rows;

	if (err->code || rows == 0 || make_order(a, err) < 0)
		return err->code ? -1 : 0;
	for (size_t i = 0; i < cn_pool_parts(rows, each); i++)
		if (give(a, i * each, cn_pool_part_size(rows, i, each), step->out, err) < 0)
			return -1;
	cn_bank_clear(&a->bank);
	cn_spool_clear(a->spool);
	cn_progress_add(&step->progress, rows);
	return 0;
}

/* How many rows of a chunk, from one on, the window takes; 0: it is full, or of another epoch. */
static size_t
room_for(struct cn_assembler *a, const struct cn_batch *chunk, size_t from)
{
	size_t n = 0;

	for (; a->bank.rows + n < a->config.window && from + n < chunk->rows; n++) {
		const uint32_t epoch = a->epoch < 0 ? 0 : *(const uint32_t *)cn_batch_at(chunk, a->epoch, from + n);

		if (a->bank.rows + n == 0)
			a->now = epoch;
		if (epoch != a->now)
			break;
	}
	return n;
}

static int
take_chunk(struct cn_assembler *a, struct cn_step *step, const struct cn_batch *chunk, struct cn_err *err)
{
	for (size_t from = 0; from < chunk->rows && !err->code;) {
		const size_t n = room_for(a, chunk, from);

		if (n == 0)
			empty(a, step, err);
		else
			take(a, chunk, from, n, err);
		from += n;
	}
	return err->code ? -1 : 0;
}

int
cn_assembler_run(struct cn_assembler *a, struct cn_step *step, struct cn_err *err)
{
	const uint64_t limit = step->common->rows ? (uint64_t)step->common->rows : UINT64_MAX, known = cn_reader_rows_hint(step->in);
	struct cn_batch chunk = { 0 };
	uint64_t taken = 0;

	if (err->code)
		return -1;
	cn_progress_start(&step->progress, step->tool, step->config, "rows", known < limit ? known : limit);
	while (taken < limit && cn_reader_next(step->in, &chunk, err) > 0) {
		if (chunk.rows > limit - taken) {
			cn_reader_give_back(step->in, chunk.rows - (limit - taken));
			chunk.rows = (size_t)(limit - taken);
		}
		taken += chunk.rows;
		if (take_chunk(a, step, &chunk, err) < 0)
			break;
	}
	empty(a, step, err);
	cn_progress_end(&step->progress);
	cn_batch_release(&chunk);
	return err->code ? -1 : 0;
}

const struct cn_assembler_counts *
cn_assembler_counts(const struct cn_assembler *a)
{
	return &a->counts;
}

void
cn_assembler_free(struct cn_assembler *a)
{
	if (!a)
		return;
	cn_bank_release(&a->bank);
	cn_batch_release(&a->some);
	cn_spool_free(a->spool);
	cn_mem_free(a->packed);
	cn_mem_free(a->order);
	cn_mem_free(a);
}
