/* fields - looks for what a miner needs and plans what it writes. */
#include "mine/fields.h"

#include "base/banned.h"

static bool
same_type(const struct cn_schema *a, int i, const struct cn_schema *b, int j)
{
	return i >= 0 && j >= 0 && a->field[i].dtype == b->field[j].dtype &&
		cn_shape_equal(&a->field[i].shape, &b->field[j].shape);
}

/* Whether every bank has this field in the type the input has it. */
static bool
shared(const struct cn_mine_fields *f, const char *name)
{
	const int ours = cn_schema_find(f->in, name);

	for (size_t b = 0; b < f->banks; b++)
		if (!same_type(f->in, ours, f->bank[b].schema, cn_schema_find(f->bank[b].schema, name)))
			return false;
	return true;
}

/* Content is compared by x, or by z, whichever all streams have in the same type. */
static void
plan_content(struct cn_mine_fields *f)
{
	static const char *const names[][2] = { { "x", "pos" }, { "z", "pos_z" } };

	for (size_t i = 0; i < 2 && f->content < 0; i++) {
		const int pos = cn_schema_find(f->in, names[i][1]);

		if (!shared(f, names[i][0]))
			continue;
		f->content = cn_schema_find(f->in, names[i][0]);
		f->pos_content = same_type(f->in, pos, f->in, f->content) ? pos : -1;
		for (size_t b = 0; b < f->banks; b++)
			f->bank[b].keep.content = cn_schema_find(f->bank[b].schema, names[i][0]);
	}
}

static bool
needs_vectors(const struct cn_miner_config *c)
{
	return cn_selector_compares(&c->strategy) || c->encoder || c->emit == CN_EMIT_Z || c->near < CN_GUARD_OFF || c->cluster != CN_RELATION_ANY;
}

static int
plan_bank_vector(struct cn_mine_bank *bank, const struct cn_miner_config *c, struct cn_err *err)
{
	if (cn_vector_init(&bank->vector, bank->schema, bank->file, c->encoder ? "x" : "z", c->encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	bank->keep.vector = &bank->vector;
	bank->keep.later = c->follows && !c->batch;
	if (bank->keep.later)
		bank->keep.value = bank->vector.field;
	return 0;
}

/* What is compared with each other lies in one space: rows, their positives, and those of all banks. */
static int
check_spaces(const struct cn_mine_fields *f, const struct cn_miner_config *c, struct cn_err *err)
{
	struct cn_space space[CN_SPANS + 2];
	size_t n = 0;

	space[n++] = cn_vector_space(&f->vector, f->reader);
	if (f->pos.field >= 0)
		space[n++] = cn_vector_space(&f->pos, f->reader);
	for (size_t b = 0; b < c->banks; b++)
		space[n++] = cn_vector_space(&f->bank[b].vector, c->bank[b]);
	return cn_space_match_all(space, n, err);
}

/* The field of the positive, if there is one fit to be compared. */
static int
plan_positive_field(struct cn_mine_fields *f, const struct cn_miner_config *c, struct cn_err *err)
{
	const char *pos = c->encoder ? "pos" : "pos_z";
	const int at = cn_schema_find(f->in, pos);

	if (at >= 0 && (!c->encoder || same_type(f->in, at, f->in, f->vector.field)) &&
	    cn_vector_init(&f->pos, f->in, f->file, pos, c->encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	return 0;
}

/* Who asks for the positive, or NULL. */
static const char *
asks_for_positive(const struct cn_miner_config *c)
{
	const struct cn_selector_config *s = &c->strategy;

	return cn_mixture_has(&s->mixture, CN_STRATEGY_SEMIHARD) ? "--strategy semihard" :
		cn_mixture_has(&s->mixture, CN_STRATEGY_SIMANS) || s->way == CN_WAY_SIMANS ? "--strategy simans" :
		s->guard.max_share > 0 ? "--max-share" : s->guard.margin > -CN_GUARD_OFF ? "--margin" : NULL;
}

static int
plan_positive(struct cn_mine_fields *f, const struct cn_miner_config *c, struct cn_err *err)
{
	const char *who = asks_for_positive(c), *pos = c->encoder ? "pos" : "pos_z";
	const char *remedy = c->encoder ? "make it with cn-augment" : "give rows with 'pos' and a model with -m";

	if (plan_positive_field(f, c, err) < 0)
		return -1;
	if (f->positive == CN_POSITIVE_AUTO)
		f->positive = f->pos.field >= 0 || !c->known ? CN_POSITIVE_FIELD : CN_POSITIVE_KNOWN;
	if (f->positive == CN_POSITIVE_KNOWN && !c->known)
		return cn_err_set(err, CN_USAGE, "--positive known needs the pairs: name their file with --known");
	if (f->positive == CN_POSITIVE_FIELD && who && f->pos.field < 0)
		return cn_err_set(err, CN_FAILED, "%s: no positives to measure against (%s): field '%s' is missing; %s, "
			"or see --positive", f->file, who, pos, remedy);
	if (c->near < CN_GUARD_OFF && f->pos.field < 0)
		return cn_err_set(err, CN_FAILED, "%s: no positives to compare with (--near): field '%s' is missing; %s", f->file, pos, remedy);
	return 0;
}

static int
plan_vectors(struct cn_mine_fields *f, const struct cn_miner_config *c, struct cn_err *err)
{
	f->vector.field = f->pos.field = -1;
	if (!needs_vectors(c))
		return 0;
	if (cn_vector_init(&f->vector, f->in, f->file, c->encoder ? "x" : "z", c->encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	for (size_t b = 0; b < f->banks; b++)
		if (plan_bank_vector(f->bank + b, c, err) < 0)
			return -1;
	return plan_positive(f, c, err) < 0 ? -1 : check_spaces(f, c, err);
}

/* A scalar both sides must have; returns the input's. */
static int
plan_scalar(struct cn_mine_fields *f, const char *name, enum cn_dtype dtype, size_t keep, const char *hint, struct cn_err *err)
{
	for (size_t b = 0; b < f->banks; b++)
		*(int *)(void *)((char *)&f->bank[b].keep + keep) =
			cn_schema_need(f->bank[b].schema, f->bank[b].file, name, dtype, 0, hint, err);
	return cn_schema_need(f->in, f->file, name, dtype, 0, hint, err);
}

static int
plan_weight(struct cn_mine_fields *f, const char *name, struct cn_err *err)
{
	for (size_t b = 0; b < f->banks && name; b++)
		f->bank[b].keep.weight = cn_schema_need(f->bank[b].schema, f->bank[b].file, name, 0, 0,
			"--weight names the field with the count of each row", err);
	return err->code ? -1 : 0;
}

/* Settles --emit auto, and what the banks must hold for it. */
static int
plan_emit(struct cn_mine_fields *f, const struct cn_miner_config *c, struct cn_err *err)
{
	f->emit = c->emit;
	if (f->emit == CN_EMIT_AUTO)
		f->emit = shared(f, "x") && (c->encoder || !needs_vectors(c)) ? CN_EMIT_VALUE : CN_EMIT_ID;
	for (size_t b = 0; b < f->banks && f->emit == CN_EMIT_VALUE; b++) {
		struct cn_mine_bank *bank = f->bank + b;
		const int ours = cn_schema_find(b ? f->bank->schema : f->in, "x");

		bank->keep.value = cn_schema_need(bank->schema, bank->file, "x", 0, -1, "only samples can be given by value: --emit id", err);
		if (bank->keep.value >= 0 && ours >= 0 && !same_type(b ? f->bank->schema : f->in, ours, bank->schema, bank->keep.value))
			return cn_err_set(err, CN_FAILED, "%s and %s have samples 'x' of different shape or type; choose --emit id",
				b ? f->bank->file : f->file, bank->file);
		if (bank->keep.value >= 0 && bank->schema->field[bank->keep.value].shape.rank == CN_SHAPE_RANK)
			return cn_err_set(err, CN_FAILED, "%s: samples of %d dimensions leave none for k of them; choose --emit id",
				bank->file, CN_SHAPE_RANK);
	}
	return err->code ? -1 : 0;
}

static void
add_field(struct cn_mine_fields *f, size_t k, const char *name, enum cn_dtype dtype, const struct cn_shape *shape, struct cn_err *err)
{
	const struct cn_shape stacked = cn_shape_stack((uint32_t)k, shape);

	cn_schema_put(&f->out, name, dtype, &stacked, err);
}

static int
plan_schema(struct cn_mine_fields *f, const struct cn_miner_config *c, struct cn_err *err)
{
	static const char *const old[] = { "neg", "neg_id", "neg_z", "neg_score", "neg_rank", "neg_logq", "neg_weight",
		"neg_source", "neg_rule", "pos_score" };
	const struct cn_shape one = { 0 }, vector = { 1, { (uint32_t)f->vector.dim } };
	const struct cn_mine_bank *bank = f->bank;
	const struct cn_field *value = bank->keep.value >= 0 ? &bank->schema->field[bank->keep.value] : NULL;
	const size_t k = c->strategy.k;

	f->out = *f->in;
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		cn_schema_remove(&f->out, old[i]);
	if (f->pos.field >= 0 || (f->vector.field >= 0 && f->positive > CN_POSITIVE_FIELD))
		cn_schema_put(&f->out, "pos_score", CN_DTYPE_F32, &one, err);
	add_field(f, k, "neg_id", CN_DTYPE_U64, &one, err);
	if (f->vector.field >= 0)
		add_field(f, k, "neg_score", CN_DTYPE_F32, &one, err);
	if (cn_selector_ranks(&c->strategy))
		add_field(f, k, "neg_rank", CN_DTYPE_U32, &one, err);
	if (cn_selector_draws(&c->strategy))
		add_field(f, k, "neg_logq", CN_DTYPE_F32, &one, err);
	if (f->banks > 1)
		add_field(f, k, "neg_source", CN_DTYPE_U8, &one, err);
	add_field(f, k, "neg_rule", CN_DTYPE_U8, &one, err);
	if (f->emit == CN_EMIT_VALUE)
		add_field(f, k, "neg", value->dtype, &value->shape, err);
	if (f->emit == CN_EMIT_Z)
		add_field(f, k, "neg_z", CN_DTYPE_F32, &vector, err);
	return err->code ? -1 : 0;
}

/* Whether all banks together fit, as far as they say how long they are. */
static bool
fits(const struct cn_mine_fields *f, const struct cn_miner_config *c)
{
	uint64_t left = c->memory;

	for (size_t b = 0; b < f->banks; b++) {
		const uint64_t rows = cn_reader_rows_hint(c->bank[b]), each = cn_bank_row_bytes(&f->bank[b].keep, f->bank[b].schema);

		if (rows > left / each)
			return false;
		left -= rows * each;
	}
	return true;
}

/* Leaves vectors in the files where memory is short and a search from beginning to end is all that is asked for. */
static void
plan_memory(struct cn_mine_fields *f, const struct cn_miner_config *c)
{
	if (c->batch || !c->memory || fits(f, c) || f->vector.field < 0 || cn_selector_needs_rows(&c->strategy) ||
	    f->emit != CN_EMIT_ID || f->positive > CN_POSITIVE_FIELD || c->cluster != CN_RELATION_ANY)
		return;
	for (size_t b = 0; b < f->banks; b++)
		if (!cn_segments_can_reread(c->bank[b]))
			return;
	f->streamed = true;
	for (size_t b = 0; b < f->banks; b++) {
		f->bank[b].keep.vector = NULL;
		f->bank[b].keep.value = -1;
	}
}

int
cn_mine_fields_init(struct cn_mine_fields *f, const struct cn_miner_config *c, struct cn_reader *in, struct cn_err *err)
{
	static const char unlabelled[] = "import labels, or leave out --label-aware and --positive label";

	*f = (struct cn_mine_fields){ .reader = in, .in = cn_reader_schema(in), .file = cn_reader_name(in), .label = -1, .group = -1,
		.content = -1, .pos_content = -1, .banks = c->batch ? 1 : c->banks, .positive = c->positive };
	for (size_t b = 0; b < f->banks; b++) {
		f->bank[b].schema = c->batch ? f->in : cn_reader_schema(c->bank[b]);
		f->bank[b].file = c->batch ? f->file : cn_reader_name(c->bank[b]);
		f->bank[b].keep = (struct cn_bank_config)CN_BANK_KEEP_NOTHING;
		f->bank[b].keep.memory = c->memory;
		f->bank[b].keep.raw = c->metric != CN_METRIC_COSINE;
	}
	f->id = plan_scalar(f, "id", CN_DTYPE_U64, offsetof(struct cn_bank_config, id),
		"rows are told apart by their id, which cn-import gives", err);
	f->epoch = cn_schema_find_as(f->in, "epoch", CN_DTYPE_U32, 0);
	if (c->label_aware || c->positive == CN_POSITIVE_LABEL)
		f->label = plan_scalar(f, "label", CN_DTYPE_I32, offsetof(struct cn_bank_config, label), unlabelled, err);
	if (c->group != CN_RELATION_ANY)
		f->group = plan_scalar(f, "group", CN_DTYPE_U64, offsetof(struct cn_bank_config, group), "leave out --group", err);
	if (err->code || plan_vectors(f, c, err) < 0 || plan_weight(f, c->weight, err) < 0 || plan_emit(f, c, err) < 0)
		return -1;
	plan_content(f);
	plan_memory(f, c);
	return plan_schema(f, c, err);
}
