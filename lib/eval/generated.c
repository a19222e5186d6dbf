/* generated - both sets in memory at unit length, then what manifold and frechet say of them. */
#include "eval/generated.h"

#include <stdbool.h>

#include "base/mem.h"
#include "eval/frechet.h"
#include "eval/gallery.h"
#include "eval/manifold.h"
#include "eval/negz.h"
#include "nn/bank.h"
#include "nn/vector.h"
#include "tensor/kernel.h"
#include "base/banned.h"

struct measure {
	const struct cn_generated_config *config;
	struct cn_reader *in;
	struct cn_negz negz;
	size_t k, dim;
	struct cn_vector real;
	struct cn_bank bank;
	float *made;			/* (vectors, dim) of unit length, those that are there */
	size_t vectors, made_room;
	float *chunk;			/* (rows, k, dim) */
	size_t chunk_room;
	uint32_t *nearest;		/* (vectors) rows of the bank */
	uint32_t *shown;		/* (first rows, k): number of the vector, then row of the bank; CN_BANK_NONE = none */
	struct cn_gallery *gallery;
	struct cn_generated_result *result;
};

/* Which negatives are measured, and in which space. */
static int
plan(struct measure *m, struct cn_err *err)
{
	struct cn_reader *bank = m->config->bank;
	struct cn_encoder *encoder = m->config->encoder;

	cn_negz_find(&m->negz, m->in, encoder, m->config->field);
	if (cn_negz_need(&m->negz, err) < 0 || cn_vector_init(&m->real, cn_reader_schema(bank), cn_reader_name(bank), encoder ? "x" : "z",
	    encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	const struct cn_space made = cn_negz_space(&m->negz), real = cn_vector_space(&m->real, bank);

	m->k = m->negz.k;
	m->dim = m->negz.dim;
	return cn_space_match(&made, &real, err);
}

static int
read_bank(struct measure *m, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(m->config->bank);
	struct cn_bank_config keep = CN_BANK_KEEP_NOTHING;

	if (m->config->sheet) {
		m->gallery = cn_gallery_new(m->in, m->config->bank, CN_GENERATED_ROWS, m->k, err);
		keep.label = cn_schema_find_as(schema, "label", CN_DTYPE_I32, 0);
		keep.value = cn_schema_find(schema, "x");
		m->shown = cn_mem_array(CN_GENERATED_ROWS, m->k * sizeof *m->shown, err);
	}
	keep.vector = &m->real;
	keep.memory = m->config->memory;
	return cn_bank_read(&m->bank, m->config->bank, &keep, err);
}

/* Negatives of a chunk (rows, k, dim), of any length. */
static int
look(struct measure *m, const struct cn_batch *batch, struct cn_err *err)
{
	if (cn_mem_grow((void **)&m->chunk, &m->chunk_room, batch->rows * m->k, m->dim * sizeof *m->chunk, err) < 0)
		return -1;
	return cn_negz_read(&m->negz, batch, m->chunk, err);
}

static int
check_size(const struct measure *m, size_t vectors, struct cn_err *err)
{
	const uint64_t each = m->dim * sizeof *m->made + sizeof *m->nearest;

	if (vectors >= UINT32_MAX || (m->config->memory && vectors > m->config->memory / each))
		return cn_err_set(err, CN_FAILED, "%s: %zu negatives take %llu KiB, more than --memory allows (%llu KiB); measure a part of "
			"them, by cn-cat -n", cn_reader_name(m->in), vectors, (unsigned long long)((vectors * each + 1023) >> 10),
			(unsigned long long)(m->config->memory >> 10));
	return 0;
}

/* Keeps those of a chunk that are there. */
static int
take(struct measure *m, const struct cn_batch *batch, struct cn_err *err)
{
	const size_t n = batch->rows * m->k, first = m->result->rows * m->k;

	if (check_size(m, m->vectors + n, err) < 0 ||
	    cn_mem_grow((void **)&m->made, &m->made_room, m->vectors + n, m->dim * sizeof *m->made, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const bool there = cn_negz_there(&m->negz, batch, m->chunk, i);

		if (m->shown && first + i < CN_GENERATED_ROWS * m->k)
			m->shown[first + i] = there ? (uint32_t)m->vectors : CN_BANK_NONE;
		if (there)
			memcpy(m->made + m->vectors++ * m->dim, m->chunk + i * m->dim, m->dim * sizeof *m->made);
		m->result->none += !there;
	}
	m->result->rows += batch->rows;
	return m->gallery ? cn_gallery_keep(m->gallery, batch, err) : 0;
}

static int
read_rows(struct measure *m, struct cn_err *err)
{
	struct cn_batch batch = { 0 };

	while (cn_reader_next(m->in, &batch, err) > 0)
		if (look(m, &batch, err) < 0 || take(m, &batch, err) < 0)
			break;
	cn_batch_release(&batch);
	if (err->code)
		return -1;
	cn_kernel_normalize(m->made, m->vectors, m->dim);
	m->result->generated = m->vectors;
	m->result->real = m->bank.rows;
	return 0;
}

/* Balls to the k-th nearest other one ask for more than k vectors, a covariance for two. */
static int
check_count(const struct measure *m, struct cn_reader *reader, size_t n, const char *what, struct cn_err *err)
{
	const size_t least = m->config->reach + 1;

	if (n < least)
		return cn_err_set(err, CN_FAILED, "%s: %zu %s, and --reach %zu asks for %zu at least", cn_reader_name(reader), n, what,
			m->config->reach, least);
	return 0;
}

static int
compare(struct measure *m, struct cn_err *err)
{
	const struct cn_manifold_config config = {
		.real = m->bank.unit, .n = m->bank.rows, .made = m->made, .m = m->vectors, .dim = m->dim, .k = m->config->reach,
		.copy2 = (float)(2 - 2 * m->config->copy), .pool = m->config->pool,
	};
	struct cn_generated_result *r = m->result;
	struct cn_manifold_result found = { 0 };

	if (check_count(m, m->config->bank, m->bank.rows, "real samples", err) < 0 || check_count(m, m->in, m->vectors, "negatives", err) < 0)
		return -1;
	m->nearest = found.nearest = cn_mem_array(m->vectors, sizeof *m->nearest, err);
	if (cn_manifold_measure(&config, &found, err) < 0)
		return -1;
	r->precision = found.precision;
	r->recall = found.recall;
	r->density = found.density;
	r->coverage = found.coverage;
	r->authenticity = found.authenticity;
	r->copies = found.copies;
	return cn_frechet_measure(m->bank.unit, m->bank.rows, m->made, m->vectors, m->dim, m->config->pool, &r->frechet, err);
}

static int
draw(struct measure *m, struct cn_err *err)
{
	const size_t rows = m->result->rows < CN_GENERATED_ROWS ? m->result->rows : CN_GENERATED_ROWS;

	if (!m->gallery)
		return 0;
	for (size_t i = 0; i < rows * m->k; i++)
		if (m->shown[i] != CN_BANK_NONE)
			m->shown[i] = m->nearest[m->shown[i]];
	return cn_gallery_write(m->gallery, &m->bank, m->shown, m->config->sheet, err);
}

int
cn_generated_measure(const struct cn_generated_config *config, struct cn_reader *in, struct cn_generated_result *result,
	struct cn_err *err)
{
	struct measure m = { .config = config, .in = in, .result = result };

	*result = (struct cn_generated_result){ 0 };
	if (!err->code && plan(&m, err) == 0 && read_bank(&m, err) == 0 && read_rows(&m, err) == 0 && compare(&m, err) == 0)
		draw(&m, err);
	cn_gallery_free(m.gallery);
	cn_bank_release(&m.bank);
	cn_mem_free(m.made);
	cn_mem_free(m.chunk);
	cn_mem_free(m.nearest);
	cn_mem_free(m.shown);
	return err->code ? -1 : 0;
}
