/* Reads the banks, asks the strategy chunk by chunk, and writes down the picks. */
#include <math.h>

#include "base/mem.h"
#include "mine/gather.h"
#include "mine/miner.h"
#include "stream/step.h"

#include "base/banned.h"

struct cn_miner {
	struct cn_miner_config config;
	struct cn_mine_fields fields;
	struct cn_gather gather;
	struct cn_selector strategy;
	struct cn_bank bank, guide_bank;
	struct cn_guide guide;
	struct cn_segments segments;
	struct cn_layout layout;
	struct cn_cache cache[CN_SPANS];
	struct cn_pick *picks;
	size_t pick_room;
	struct cn_mine_counts counts;
};

/* What is learned of the banks before the first row. */
static int
lay_out(struct cn_miner *m, struct cn_err *err)
{
	struct cn_layout_config layout = m->config.layout;
	const struct cn_selector_config *c = &m->strategy.config;
	const char *file[CN_SPANS];

	for (size_t i = 0; i < c->spans; i++)
		file[i] = m->fields.bank[i].file;
	layout.urns = m->config.weight != NULL;
	if (m->config.cluster == CN_RELATION_ANY)
		layout.clusters = 0;
	else if (!layout.clusters)
		layout.clusters = (size_t)ceil(sqrt((double)m->bank.rows));
	if (layout.clusters > m->bank.rows)
		layout.clusters = m->bank.rows;
	if (cn_layout_init(&m->layout, &layout, &m->bank, c->span, c->spans, file, m->config.pool, err) < 0)
		return -1;
	m->strategy.filter.cluster = m->layout.kmeans.cluster;
	m->strategy.filter.cluster_relation = m->config.cluster;
	return 0;
}

/* A bank that is given twice would put its rows among a row's negatives twice. */
static int
refuse_twice(const struct cn_miner *m, size_t b, struct cn_err *err)
{
	const char *name = cn_reader_typed(m->config.bank[b]);

	for (size_t i = 0; i < b; i++)
		if (strcmp(cn_reader_typed(m->config.bank[i]), name) == 0)
			return cn_err_set(err, CN_USAGE, "--bank: %s is given twice, and its rows would be chosen twice; give it once", name);
	return 0;
}

/* Reads the banks one after the other; each becomes a span if shares are asked for, else all are one. */
static int
read_banks(struct cn_miner *m, struct cn_err *err)
{
	struct cn_selector_config *c = &m->strategy.config;
	const size_t shares = c->spans;

	for (size_t b = 0; b < m->config.banks && !err->code; b++) {
		const size_t first = m->bank.rows;

		if (refuse_twice(m, b, err) < 0)
			return -1;
		if (cn_bank_read(&m->bank, m->config.bank[b], &m->fields.bank[b].keep, err) < 0)
			return -1;
		m->segments.file[b] = (struct cn_segments_file){ m->config.bank[b], &m->fields.bank[b].vector, (uint32_t)first,
			(uint32_t)(m->bank.rows - first) };
		c->span[b] = (struct cn_span){ (uint32_t)first, (uint32_t)(m->bank.rows - first), c->span[b].share };
	}
	if (!shares) {
		c->spans = 1;
		c->span[0] = (struct cn_span){ 0, (uint32_t)m->bank.rows, 1 };
	}
	if (m->bank.rows == 0)
		return cn_err_set(err, CN_FAILED, "%s has no rows to choose from", cn_reader_name(m->config.bank[0]));
	m->bank.dim = m->fields.vector.dim;
	m->segments.files = m->config.banks;
	m->segments.streamed = m->fields.streamed;
	return m->config.follows ? 0 : lay_out(m, err);
}

int
cn_miner_renew(struct cn_miner *m, struct cn_err *err)
{
	if (m->config.batch || err->code)
		return err->code ? -1 : 0;
	if (!m->fields.streamed && cn_bank_embed(&m->bank, &m->fields.bank[0].keep, err) < 0)
		return -1;
	cn_layout_release(&m->layout);
	return lay_out(m, err);
}

static int
read_guides(struct cn_miner *m, struct cn_err *err)
{
	struct cn_space space[CN_MINER_GUIDES];

	for (size_t i = 0; i < m->config.guides && !err->code; i++) {
		struct cn_reader *reader = m->config.guide_stream[i];
		const struct cn_schema *schema = cn_reader_schema(reader);
		struct cn_bank_config keep = CN_BANK_KEEP_NOTHING;
		struct cn_vector vector;

		keep.memory = m->config.memory;
		keep.id = cn_schema_need(schema, cn_reader_name(reader), "id", CN_DTYPE_U64, 0, "a guide is asked by id", err);
		if (err->code || cn_vector_init(&vector, schema, cn_reader_name(reader), "z", NULL, CN_ENCODER_HEAD, err) < 0)
			return -1;
		space[i] = cn_vector_space(&vector, reader);
		if (cn_space_match_all(space, i + 1, err) < 0)
			return -1;
		keep.vector = &vector;
		cn_bank_read(&m->guide_bank, reader, &keep, err);
	}
	m->guide = (struct cn_guide){ &m->guide_bank, m->config.guide };
	return err->code ? -1 : 0;
}

static void
set_up(struct cn_miner *m)
{
	m->strategy.config = m->config.strategy;
	m->strategy.pool = m->config.pool;
	m->strategy.segments = &m->segments;
	m->strategy.layout = &m->layout;
	m->strategy.cache = m->cache;
	for (size_t i = 0; i < CN_SPANS; i++)
		cn_cache_init(&m->cache[i], m->config.kept);
	m->segments.bank = &m->bank;
	m->segments.pool = m->config.pool;
	m->strategy.filter = (struct cn_filter){ .bank = &m->bank, .known = m->config.known,
		.guide = m->config.guides ? &m->guide : NULL, .group = m->config.group, .metric = m->config.metric, .near = (float)m->config.near };
	m->segments.raw = m->config.metric != CN_METRIC_COSINE;
}

struct cn_miner *
cn_miner_new(const struct cn_miner_config *config, struct cn_reader *in, struct cn_err *err)
{
	struct cn_miner *m;

	if (err->code || !(m = cn_mem_array(1, sizeof *m, err)))
		return NULL;
	m->config = *config;
	m->config.label_aware |= config->positive == CN_POSITIVE_LABEL;
	set_up(m);
	if (cn_mine_fields_init(&m->fields, &m->config, in, err) < 0 || (!config->batch && read_banks(m, err) < 0) || read_guides(m, err) < 0) {
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
	*schema = m->fields.out;
	return 0;
}

/* Bytes of the columns of a row. */
static uint64_t
schema_bytes(const struct cn_schema *schema)
{
	uint64_t bytes = 0;

	for (size_t f = 0; f < schema->n; f++)
		bytes += cn_field_bytes(&schema->field[f]);
	return bytes;
}

/* As many as fit beside what is kept of the bank, so that its files are read seldom. */
static uint64_t
group_of_files(const struct cn_miner *m)
{
	const uint64_t aside = 64 << 20, most = 1 << 20, least = 256;	/* aside: chunks on their way, and the search's own */
	const uint64_t light = m->bank.rows * cn_bank_row_bytes(&m->fields.bank[0].keep, m->fields.bank[0].schema);
	const uint64_t each = 2 * schema_bytes(m->fields.in) + schema_bytes(&m->fields.out) + 2 * m->bank.dim * sizeof(float) +
		cn_selector_bytes(&m->strategy.config, m->bank.dim);
	const uint64_t fit = light + aside < m->config.memory ? (m->config.memory - light - aside) / each : 0;

	return fit < least ? least : fit > most ? most : fit;
}

size_t
cn_miner_group(const struct cn_miner *m)
{
	const uint64_t held = 32 << 20, most = 8192, least = 1024;	/* a search prepares the bank: worth it for many rows only */
	const uint64_t fit = held / (schema_bytes(m->fields.in) + schema_bytes(&m->fields.out));

	if (m->fields.streamed)
		return (size_t)group_of_files(m);
	if (m->config.batch || !cn_selector_ranks(&m->strategy.config) || fit < least)
		return m->config.batch;
	return (size_t)(fit < most ? fit : most);
}

static void *
column(const struct cn_batch *out, const char *name)
{
	const int at = cn_schema_find(&out->schema, name);

	return at < 0 ? NULL : out->column[at];
}

/* What of a pick is a number of its own, into the columns that are there. */
static void
write_numbers(const struct cn_miner *m, struct cn_batch *out)
{
	uint64_t *id = column(out, "neg_id");
	float *score = column(out, "neg_score"), *logq = column(out, "neg_logq");
	uint32_t *rank = column(out, "neg_rank");
	uint8_t *rule = column(out, "neg_rule"), *source = column(out, "neg_source");

	for (size_t i = 0; i < out->rows * m->config.strategy.k; i++) {
		const struct cn_pick *pick = m->picks + i;
		size_t b = m->config.banks;

		id[i] = pick->row == CN_BANK_NONE ? UINT64_MAX : m->bank.id[pick->row];
		rule[i] = (uint8_t)pick->rule;
		if (score)
			score[i] = pick->score;
		if (logq)
			logq[i] = pick->logq;
		if (rank)
			rank[i] = pick->rank;
		while (source && pick->row != CN_BANK_NONE && b > 1 && m->strategy.config.span[b - 1].first > pick->row)
			b--;
		if (source)
			source[i] = pick->row == CN_BANK_NONE ? UINT8_MAX : (uint8_t)(b - 1);
	}
}

/* The negatives themselves. */
static void
write_values(const struct cn_miner *m, struct cn_batch *out)
{
	const struct cn_bank *bank = &m->bank;
	const size_t vector = bank->dim * sizeof(float);
	unsigned char *value = m->fields.emit == CN_EMIT_VALUE ? column(out, "neg") : NULL;
	unsigned char *z = m->fields.emit == CN_EMIT_Z ? column(out, "neg_z") : NULL;

	for (size_t i = 0; i < out->rows * m->config.strategy.k; i++) {
		const struct cn_pick *pick = m->picks + i;

		if (pick->row == CN_BANK_NONE)
			continue;
		if (value)
			memcpy(value + i * bank->value_bytes, bank->value + pick->row * bank->value_bytes, bank->value_bytes);
		if (z)
			memcpy(z + i * vector, bank->unit + pick->row * bank->dim, vector);
	}
}

/* The rows that came together are the bank. */
static int
take_batch(struct cn_miner *m, const struct cn_batch *in, struct cn_err *err)
{
	struct cn_selector_config *c = &m->strategy.config;

	cn_bank_clear(&m->bank);
	c->spans = 1;
	c->span[0] = (struct cn_span){ 0, (uint32_t)in->rows, 1 };
	return cn_bank_add(&m->bank, in, &m->fields.bank[0].keep, err);
}

int
cn_miner_make(void *miner, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err)
{
	struct cn_miner *m = miner;
	struct cn_anchors a;

	if (err->code || (m->config.batch && take_batch(m, in, err) < 0))
		return -1;
	cn_mem_grow((void **)&m->picks, &m->pick_room, in->rows, m->config.strategy.k * sizeof *m->picks, err);
	if (cn_gather_anchors(&m->gather, &m->fields, &m->config, &m->bank, m->config.guides ? &m->guide_bank : NULL,
			&m->layout, in, &a, err) < 0)
		return -1;
	m->counts.paired += cn_gather_paired(m->config.known, &m->bank, &a);
	if (!m->config.label_aware)
		a.label = NULL;
	if (cn_selector_pick(&m->strategy, &a, m->picks, &m->counts, err) < 0 || cn_batch_shape(out, &m->fields.out, in->rows, err) < 0)
		return -1;
	cn_step_pass(in, out);
	if (a.pos_score)
		memcpy(column(out, "pos_score"), a.pos_score, in->rows * sizeof *a.pos_score);
	write_numbers(m, out);
	write_values(m, out);
	return 0;
}

size_t
cn_miner_repeats(const struct cn_miner *m)
{
	return m->config.batch ? 0 : cn_bank_repeats(&m->bank);
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
	cn_bank_release(&m->guide_bank);
	cn_layout_release(&m->layout);
	for (size_t i = 0; i < CN_SPANS; i++)
		cn_cache_release(&m->cache[i]);
	cn_gather_release(&m->gather);
	cn_mem_free(m->picks);
	cn_mem_free(m);
}
