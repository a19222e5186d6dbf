/* Finds the fields, reads the bank, gathers what is known of a chunk's anchors, and writes down the picks. */
#include "base/mem.h"
#include "mine/miner.h"
#include "stream/step.h"
#include "tensor/kernel.h"

#include "base/banned.h"

/* Fields of the input, by index; -1 = not there or not needed. */
struct fields {
	int id, epoch, label, content, pos_content, x;
};

enum { CONTENT, POS_CONTENT, HOME_CONTENT, UNIT, POS_UNIT, POS_SCORE, PICKS, SCRATCH };

struct cn_miner {
	struct cn_miner_config config;
	const struct cn_schema *in_schema, *bank_schema;
	const char *in_file, *bank_file;
	struct fields in;
	struct cn_vector vector, pos_vector, bank_vector;	/* field -1 = none */
	struct cn_bank_config keep;
	struct cn_schema schema;
	struct cn_bank bank;
	struct cn_mine_counts counts;
	uint64_t *content, *pos_content, *home_content;	/* of one chunk */
	float *unit, *pos_unit, *pos_score;
	struct cn_pick *picks;
	size_t room[SCRATCH];
};

static int
find_typed(const struct cn_schema *schema, const char *name, enum cn_dtype dtype)
{
	const int at = cn_schema_find(schema, name);

	return at >= 0 && schema->field[at].dtype == dtype && schema->field[at].shape.rank == 0 ? at : -1;
}

static bool
same_type(const struct cn_schema *a, int i, const struct cn_schema *b, int j)
{
	return i >= 0 && j >= 0 && a->field[i].dtype == b->field[j].dtype &&
		cn_shape_equal(&a->field[i].shape, &b->field[j].shape);
}

/* Content is compared by x, or by z, whichever both streams have in the same type. */
static void
plan_content(struct cn_miner *m)
{
	static const char *const names[][2] = { { "x", "pos" }, { "z", "pos_z" } };

	for (size_t i = 0; i < 2 && m->in.content < 0; i++) {
		const int ours = cn_schema_find(m->in_schema, names[i][0]), theirs = cn_schema_find(m->bank_schema, names[i][0]);
		const int pos = cn_schema_find(m->in_schema, names[i][1]);

		if (!same_type(m->in_schema, ours, m->bank_schema, theirs))
			continue;
		m->in.content = ours;
		m->keep.content = theirs;
		m->in.pos_content = same_type(m->in_schema, pos, m->bank_schema, theirs) ? pos : -1;
	}
}

static bool
needs_vectors(const struct cn_miner *m)
{
	return m->config.strategy.strategy != CN_STRATEGY_RANDOM || m->config.encoder || m->config.emit == CN_EMIT_Z;
}

static int
plan_vectors(struct cn_miner *m, struct cn_err *err)
{
	const char *name = m->config.encoder ? "x" : "z", *pos = m->config.encoder ? "pos" : "pos_z";
	const int at = cn_schema_find(m->in_schema, pos);
	const bool guarded = m->config.strategy.guard.below || m->config.strategy.guard.max_share > 0;

	m->vector.field = m->pos_vector.field = m->bank_vector.field = -1;
	if (!needs_vectors(m))
		return 0;
	if (cn_vector_init(&m->vector, m->in_schema, m->in_file, name, m->config.encoder, CN_ENCODER_HEAD, err) < 0 ||
	    cn_vector_init(&m->bank_vector, m->bank_schema, m->bank_file, name, m->config.encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	m->keep.vector = &m->bank_vector;
	if (m->vector.dim != m->bank_vector.dim)
		return cn_err_set(err, CN_FAILED, "%s has vectors of %zu numbers and %s of %zu; embed both with one model",
			m->in_file, m->vector.dim, m->bank_file, m->bank_vector.dim);
	if (at >= 0 && (!m->config.encoder || same_type(m->in_schema, at, m->in_schema, m->vector.field)) &&
	    cn_vector_init(&m->pos_vector, m->in_schema, m->in_file, pos, m->config.encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	if (m->pos_vector.field >= 0 && m->pos_vector.dim != m->vector.dim)
		return cn_err_set(err, CN_FAILED, "%s: field 'pos_z' has %zu numbers and 'z' %zu; embed both with one model",
			m->in_file, m->pos_vector.dim, m->vector.dim);
	if (guarded && m->pos_vector.field < 0)
		return cn_err_set(err, CN_FAILED, "%s: no positives to measure against (%s): field '%s' is missing; %s",
			m->in_file, m->config.strategy.guard.below ? "--strategy semihard" : "--max-share", pos,
			m->config.encoder ? "make it with cn-augment" : "give rows with 'pos' and a model with -m");
	return 0;
}

static int
plan_labels(struct cn_miner *m, struct cn_err *err)
{
	static const char hint[] = "import labels, or leave out --label-aware";

	if (!m->config.label_aware)
		return 0;
	m->in.label = cn_schema_need(m->in_schema, m->in_file, "label", CN_DTYPE_I32, 0, hint, err);
	m->keep.label = cn_schema_need(m->bank_schema, m->bank_file, "label", CN_DTYPE_I32, 0, hint, err);
	return err->code ? -1 : 0;
}

/* Settles --emit auto, and what the bank must hold for it. */
static int
plan_emit(struct cn_miner *m, struct cn_err *err)
{
	const int ours = cn_schema_find(m->in_schema, "x"), theirs = cn_schema_find(m->bank_schema, "x");

	if (m->config.emit == CN_EMIT_AUTO)
		m->config.emit = same_type(m->in_schema, ours, m->bank_schema, theirs) && (m->config.encoder || !needs_vectors(m)) ?
			CN_EMIT_VALUE : CN_EMIT_ID;
	if (m->config.emit != CN_EMIT_VALUE)
		return 0;
	m->keep.value = cn_schema_need(m->bank_schema, m->bank_file, "x", 0, -1, "only samples can be given by value: --emit id", err);
	if (m->keep.value >= 0 && ours >= 0 && !same_type(m->in_schema, ours, m->bank_schema, theirs))
		return cn_err_set(err, CN_FAILED, "%s and %s have samples 'x' of different shape or type; choose --emit id",
			m->in_file, m->bank_file);
	if (m->keep.value >= 0 && m->bank_schema->field[m->keep.value].shape.rank == CN_SHAPE_RANK)
		return cn_err_set(err, CN_FAILED, "%s: samples of %d dimensions leave none for k of them; choose --emit id",
			m->bank_file, CN_SHAPE_RANK);
	return err->code ? -1 : 0;
}

/* Adds one field of K per row. */
static void
add_field(struct cn_miner *m, const char *name, enum cn_dtype dtype, const struct cn_shape *shape, struct cn_err *err)
{
	const struct cn_shape stacked = cn_shape_stack((uint32_t)m->config.strategy.k, shape);

	cn_schema_put(&m->schema, name, dtype, &stacked, err);
}

static int
plan_schema(struct cn_miner *m, struct cn_err *err)
{
	static const char *const old[] = { "neg", "neg_id", "neg_z", "neg_score", "neg_rank", "neg_logq", "neg_weight",
		"neg_source", "neg_rule", "pos_score" };
	const struct cn_shape one = { 0 }, vector = { 1, { (uint32_t)m->bank_vector.dim } };
	const struct cn_field *value = m->keep.value >= 0 ? &m->bank_schema->field[m->keep.value] : NULL;

	m->schema = *m->in_schema;
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		cn_schema_remove(&m->schema, old[i]);
	if (m->pos_vector.field >= 0)
		cn_schema_put(&m->schema, "pos_score", CN_DTYPE_F32, &one, err);
	add_field(m, "neg_id", CN_DTYPE_U64, &one, err);
	if (m->keep.vector)
		add_field(m, "neg_score", CN_DTYPE_F32, &one, err);
	if (m->config.strategy.strategy != CN_STRATEGY_RANDOM)
		add_field(m, "neg_rank", CN_DTYPE_U32, &one, err);
	add_field(m, "neg_rule", CN_DTYPE_U8, &one, err);
	if (m->config.emit == CN_EMIT_VALUE)
		add_field(m, "neg", value->dtype, &value->shape, err);
	if (m->config.emit == CN_EMIT_Z)
		add_field(m, "neg_z", CN_DTYPE_F32, &vector, err);
	return err->code ? -1 : 0;
}

static int
plan(struct cn_miner *m, struct cn_err *err)
{
	static const char hint[] = "rows are told apart by their id, which cn-import gives";

	m->in = (struct fields){ -1, find_typed(m->in_schema, "epoch", CN_DTYPE_U32), -1, -1, -1, -1 };
	m->keep = (struct cn_bank_config){ NULL, -1, -1, -1, -1, false, m->config.memory };
	m->in.id = cn_schema_need(m->in_schema, m->in_file, "id", CN_DTYPE_U64, 0, hint, err);
	m->keep.id = cn_schema_need(m->bank_schema, m->bank_file, "id", CN_DTYPE_U64, 0, hint, err);
	if (err->code || plan_vectors(m, err) < 0 || plan_labels(m, err) < 0 || plan_emit(m, err) < 0)
		return -1;
	plan_content(m);
	return plan_schema(m, err);
}

struct cn_miner *
cn_miner_new(const struct cn_miner_config *config, struct cn_reader *in, struct cn_reader *bank, struct cn_err *err)
{
	struct cn_miner *m;

	if (err->code || !(m = cn_mem_array(1, sizeof *m, err)))
		return NULL;
	m->config = *config;
	m->in_schema = cn_reader_schema(in);
	m->bank_schema = cn_reader_schema(bank);
	m->in_file = cn_reader_name(in);
	m->bank_file = cn_reader_name(bank);
	if (plan(m, err) < 0 || cn_bank_read(&m->bank, bank, &m->keep, err) < 0) {
		cn_miner_free(m);
		return NULL;
	}
	return m;
}

int
cn_miner_schema(const struct cn_miner *m, struct cn_schema *schema, struct cn_err *err)
{
	if (err->code)
		return -1;
	*schema = m->schema;
	return 0;
}

static int
make_room(struct cn_miner *m, size_t rows, struct cn_err *err)
{
	const size_t vector = m->bank.dim * sizeof(float);

	cn_mem_grow((void **)&m->content, &m->room[CONTENT], rows, sizeof *m->content, err);
	cn_mem_grow((void **)&m->pos_content, &m->room[POS_CONTENT], rows, sizeof *m->pos_content, err);
	cn_mem_grow((void **)&m->home_content, &m->room[HOME_CONTENT], rows, sizeof *m->home_content, err);
	if (m->vector.field >= 0)
		cn_mem_grow((void **)&m->unit, &m->room[UNIT], rows, vector, err);
	if (m->pos_vector.field >= 0)
		cn_mem_grow((void **)&m->pos_unit, &m->room[POS_UNIT], rows, vector, err);
	cn_mem_grow((void **)&m->pos_score, &m->room[POS_SCORE], rows, sizeof *m->pos_score, err);
	cn_mem_grow((void **)&m->picks, &m->room[PICKS], rows, m->config.strategy.k * sizeof *m->picks, err);
	return err->code ? -1 : 0;
}

static void
hash_rows(const struct cn_batch *batch, int field, uint64_t *hash)
{
	for (size_t i = 0; i < batch->rows; i++)
		hash[i] = cn_bank_hash(cn_batch_at(batch, field, i), cn_field_bytes(&batch->schema.field[field]));
}

static void
gather_content(struct cn_miner *m, const struct cn_batch *in, struct cn_anchors *a)
{
	if (m->in.content < 0)
		return;
	hash_rows(in, m->in.content, m->content);
	for (size_t i = 0; i < in->rows; i++) {
		const uint32_t home = cn_bank_find(&m->bank, a->id[i]);

		m->home_content[i] = home == CN_BANK_NONE ? m->content[i] : m->bank.content[home];
	}
	a->content = m->content;
	a->home_content = m->home_content;
	if (m->in.pos_content >= 0) {
		hash_rows(in, m->in.pos_content, m->pos_content);
		a->pos_content = m->pos_content;
	}
}

static int
gather_vectors(struct cn_miner *m, const struct cn_batch *in, struct cn_anchors *a, struct cn_err *err)
{
	const size_t dim = m->bank.dim;

	if (m->vector.field < 0)
		return 0;
	if (cn_vector_read_unit(&m->vector, in, m->unit, err) < 0)
		return -1;
	a->unit = m->unit;
	if (m->pos_vector.field < 0)
		return 0;
	if (cn_vector_read_unit(&m->pos_vector, in, m->pos_unit, err) < 0)
		return -1;
	for (size_t i = 0; i < in->rows; i++)
		m->pos_score[i] = cn_kernel_dot(m->unit + i * dim, m->pos_unit + i * dim, dim);
	a->pos_score = m->pos_score;
	return 0;
}

static void *
column(const struct cn_batch *out, const char *name)
{
	const int at = cn_schema_find(&out->schema, name);

	return at < 0 ? NULL : out->column[at];
}

static void
write_picks(const struct cn_miner *m, struct cn_batch *out)
{
	const struct cn_bank *bank = &m->bank;
	const size_t vector = bank->dim * sizeof(float);
	uint64_t *id = column(out, "neg_id");
	float *score = column(out, "neg_score");
	uint32_t *rank = column(out, "neg_rank");
	uint8_t *rule = column(out, "neg_rule");
	unsigned char *value = m->config.emit == CN_EMIT_VALUE ? column(out, "neg") : NULL;
	unsigned char *z = m->config.emit == CN_EMIT_Z ? column(out, "neg_z") : NULL;

	for (size_t i = 0; i < out->rows * m->config.strategy.k; i++) {
		const struct cn_pick *pick = m->picks + i;
		const bool none = pick->row == CN_BANK_NONE;

		id[i] = none ? UINT64_MAX : bank->id[pick->row];
		rule[i] = (uint8_t)pick->rule;
		if (score)
			score[i] = pick->score;
		if (rank)
			rank[i] = pick->rank;
		if (value && !none)
			memcpy(value + i * bank->value_bytes, bank->value + pick->row * bank->value_bytes, bank->value_bytes);
		if (z && !none)
			memcpy(z + i * vector, bank->unit + pick->row * bank->dim, vector);
	}
}

int
cn_miner_make(void *miner, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err)
{
	struct cn_miner *m = miner;
	struct cn_anchors a = { .file = m->in_file, .first_row = in->first_row, .rows = in->rows };

	if (err->code || make_room(m, in->rows, err) < 0)
		return -1;
	a.id = (const uint64_t *)(const void *)in->column[m->in.id];
	a.epoch = m->in.epoch >= 0 ? (const uint32_t *)(const void *)in->column[m->in.epoch] : NULL;
	a.label = m->in.label >= 0 ? (const int32_t *)(const void *)in->column[m->in.label] : NULL;
	gather_content(m, in, &a);
	if (gather_vectors(m, in, &a, err) < 0 ||
	    cn_strategy_pick(&m->config.strategy, &m->bank, &a, m->picks, &m->counts, m->config.pool, err) < 0 ||
	    cn_batch_shape(out, &m->schema, in->rows, err) < 0)
		return -1;
	cn_step_pass(in, out);
	if (a.pos_score)
		memcpy(column(out, "pos_score"), a.pos_score, in->rows * sizeof *a.pos_score);
	write_picks(m, out);
	return 0;
}

const struct cn_mine_counts *
cn_miner_counts(const struct cn_miner *m)
{
	return &m->counts;
}

void
cn_miner_free(struct cn_miner *m)
{
	if (!m)
		return;
	cn_bank_release(&m->bank);
	cn_mem_free(m->content);
	cn_mem_free(m->pos_content);
	cn_mem_free(m->home_content);
	cn_mem_free(m->unit);
	cn_mem_free(m->pos_unit);
	cn_mem_free(m->pos_score);
	cn_mem_free(m->picks);
	cn_mem_free(m);
}
