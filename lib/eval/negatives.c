/* negatives - sums over rows, in order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/negatives.h"
#include "nn/bank.h"
#include "nn/vector.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"

#include "base/banned.h"

/* A mean in the making. */
struct mean {
	double sum;
	uint64_t n;
};

enum { ANCHOR, POSITIVE, MADE, HIT, SEEN, ROOMS };

struct measure {
	const struct cn_negatives_config *config;
	struct cn_reader *in;
	const struct cn_schema *schema;
	int neg_id, neg_z, neg_score, pos_score, label;	/* fields of in; -1 = none */
	size_t k, dim;
	struct cn_vector vector, pos_vector, bank_vector;	/* field -1 = none */
	struct cn_bank bank;
	bool banked;
	float *anchor, *positive, *made;		/* (rows, dim), (rows, dim), (rows, k, dim) of unit length, of one chunk */
	struct cn_topk_hit *hit;			/* (rows, k) nearest rows of the bank to what was made */
	uint64_t *seen;					/* ids of all negatives */
	size_t n_seen, room[ROOMS];
	struct mean similarity, hardest, positive_score, above, wrong, diversity;
	struct cn_negatives_result *result;
};

static void
add(struct mean *mean, double value)
{
	mean->sum += value;
	mean->n++;
}

static double
of(const struct mean *mean)
{
	return mean->n ? mean->sum / (double)mean->n : (double)NAN;
}

static int
find(const struct cn_schema *schema, const char *name, enum cn_dtype dtype, unsigned rank)
{
	const int at = cn_schema_find(schema, name);

	return at >= 0 && schema->field[at].dtype == dtype && schema->field[at].shape.rank == rank ? at : -1;
}

/* Vectors of a stream where it has the field; none otherwise. */
static int
find_vector(const struct measure *m, struct cn_vector *vector, struct cn_reader *reader, const char *name, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(reader);

	vector->field = -1;
	if (cn_schema_find(schema, name) < 0)
		return 0;
	return cn_vector_init(vector, schema, cn_reader_name(reader), name, m->config->encoder, CN_ENCODER_HEAD, err);
}

static int
plan(struct measure *m, struct cn_err *err)
{
	const struct cn_schema *schema = m->schema = cn_reader_schema(m->in);
	const bool embed = m->config->encoder != NULL;

	m->neg_id = find(schema, "neg_id", CN_DTYPE_U64, 1);
	m->neg_z = find(schema, "neg_z", CN_DTYPE_F32, 2);
	m->neg_score = find(schema, "neg_score", CN_DTYPE_F32, 1);
	m->pos_score = find(schema, "pos_score", CN_DTYPE_F32, 0);
	m->label = find(schema, "label", CN_DTYPE_I32, 0);
	if (m->neg_id < 0 && m->neg_z < 0)
		return cn_err_set(err, CN_FAILED, "%s: no field 'neg_id' or 'neg_z'; choose negatives with cn-mine, or make them "
			"with cn-gen", cn_reader_name(m->in));
	m->k = schema->field[m->neg_z >= 0 ? m->neg_z : m->neg_id].shape.dim[0];
	if (m->neg_score >= 0 && schema->field[m->neg_score].shape.dim[0] != m->k)
		m->neg_score = -1;
	if (find_vector(m, &m->vector, m->in, embed ? "x" : "z", err) < 0 ||
	    find_vector(m, &m->pos_vector, m->in, embed ? "pos" : "pos_z", err) < 0)
		return -1;
	m->dim = m->neg_z >= 0 ? schema->field[m->neg_z].shape.dim[1] : m->vector.field >= 0 ? m->vector.dim : 0;
	if (m->vector.field >= 0 && m->vector.dim != m->dim)
		m->vector.field = -1;
	if (m->pos_vector.field >= 0 && (m->vector.field < 0 || m->pos_vector.dim != m->dim))
		m->pos_vector.field = -1;
	return 0;
}

static int
read_bank(struct measure *m, struct cn_reader *reader, struct cn_err *err)
{
	struct cn_bank_config keep = CN_BANK_KEEP_NOTHING;

	keep.memory = m->config->memory;

	m->bank_vector.field = -1;
	if (!reader)
		return 0;
	const struct cn_schema *schema = cn_reader_schema(reader);

	keep.id = cn_schema_need(schema, cn_reader_name(reader), "id", CN_DTYPE_U64, 0, "negatives are looked up by it", err);
	keep.label = find(schema, "label", CN_DTYPE_I32, 0);
	if (err->code || find_vector(m, &m->bank_vector, reader, m->config->encoder ? "x" : "z", err) < 0)
		return -1;
	if (m->bank_vector.field >= 0 && m->dim && m->bank_vector.dim != m->dim)
		m->bank_vector.field = -1;
	m->dim = m->bank_vector.field >= 0 ? m->bank_vector.dim : m->dim;
	keep.vector = m->bank_vector.field >= 0 ? &m->bank_vector : NULL;
	m->banked = true;
	return cn_bank_read(&m->bank, reader, &keep, err);
}

static int
make_room(struct measure *m, size_t rows, struct cn_err *err)
{
	const size_t vector = m->dim * sizeof(float);

	if (m->dim) {
		cn_mem_grow((void **)&m->anchor, &m->room[ANCHOR], rows, vector, err);
		cn_mem_grow((void **)&m->positive, &m->room[POSITIVE], rows, vector, err);
		cn_mem_grow((void **)&m->made, &m->room[MADE], rows * m->k, vector, err);
	}
	cn_mem_grow((void **)&m->hit, &m->room[HIT], rows * m->k, sizeof *m->hit, err);
	cn_mem_grow((void **)&m->seen, &m->room[SEEN], m->n_seen + rows * m->k, sizeof *m->seen, err);
	return err->code ? -1 : 0;
}

/* The vectors of a chunk; for what was made, the nearest rows of the bank, if there are labels to compare. */
static int
look(struct measure *m, const struct cn_batch *in, struct cn_err *err)
{
	const size_t n = in->rows * m->k;

	if (m->vector.field >= 0 && cn_vector_read_unit(&m->vector, in, m->anchor, err) < 0)
		return -1;
	if (m->pos_vector.field >= 0 && cn_vector_read_unit(&m->pos_vector, in, m->positive, err) < 0)
		return -1;
	if (m->neg_z < 0)
		return 0;
	memcpy(m->made, in->column[m->neg_z], n * m->dim * sizeof *m->made);
	if (cn_dtype_find_nonfinite(CN_DTYPE_F32, m->made, n * m->dim) < n * m->dim)
		return cn_err_set(err, CN_FAILED, "%s: field 'neg_z' is not finite in the rows from %llu; look at it with "
			"cn-info --text", cn_reader_name(m->in), (unsigned long long)in->first_row);
	cn_kernel_normalize(m->made, n, m->dim);
	if (m->label >= 0 && m->bank_vector.field >= 0 && m->bank.label && m->bank.rows)
		return cn_topk_search(m->bank.unit, m->bank.rows, m->made, n, m->dim, 1, NULL, NULL, m->hit, m->config->pool, err);
	return 0;
}

/* What is known of negative j of a row: its vector and the bank's row it is, or is nearest to. */
struct one {
	bool there;
	const float *vector;	/* NULL = not known */
	uint32_t row;		/* CN_BANK_NONE = not known */
};

static struct one
take(struct measure *m, const struct cn_batch *in, size_t row, size_t j)
{
	struct one one = { true, NULL, CN_BANK_NONE };

	if (m->neg_z >= 0) {
		one.vector = m->made + (row * m->k + j) * m->dim;
		one.there = cn_kernel_dot(one.vector, one.vector, m->dim) > 0;
		if (m->bank_vector.field >= 0 && m->label >= 0 && m->bank.label && m->bank.rows)
			one.row = m->hit[row * m->k + j].row;
		return one;
	}
	const uint64_t id = ((const uint64_t *)cn_batch_at(in, m->neg_id, row))[j];

	one.there = id != UINT64_MAX;
	if (!one.there)
		return one;
	m->seen[m->n_seen++] = id;
	one.row = m->banked ? cn_bank_find(&m->bank, id) : CN_BANK_NONE;
	if (one.row != CN_BANK_NONE && m->bank.unit)
		one.vector = m->bank.unit + one.row * m->dim;
	return one;
}

/* The similarity of a negative: by vectors, or as written when it was chosen; NaN if neither is there. */
static double
similarity(const struct measure *m, const struct cn_batch *in, size_t row, size_t j, const float *vector)
{
	if (vector && m->vector.field >= 0)
		return (double)cn_kernel_dot(m->anchor + row * m->dim, vector, m->dim);
	return m->neg_score < 0 ? (double)NAN : (double)((const float *)cn_batch_at(in, m->neg_score, row))[j];
}

static double
pos_similarity(const struct measure *m, const struct cn_batch *in, size_t row)
{
	if (m->pos_vector.field >= 0)
		return (double)cn_kernel_dot(m->anchor + row * m->dim, m->positive + row * m->dim, m->dim);
	return m->pos_score < 0 ? (double)NAN : (double)*(const float *)cn_batch_at(in, m->pos_score, row);
}

static void
measure_row(struct measure *m, const struct cn_batch *in, size_t row)
{
	const int32_t label = m->label < 0 ? -1 : *(const int32_t *)cn_batch_at(in, m->label, row);
	const double positive = pos_similarity(m, in, row);
	double most = -(double)INFINITY;
	struct mean alike = { 0 };

	if (!isnan(positive))
		add(&m->positive_score, positive);
	for (size_t j = 0; j < m->k; j++) {
		const struct one one = take(m, in, row, j);
		const double s = one.there ? similarity(m, in, row, j, one.vector) : (double)NAN;

		m->result->negatives += one.there;
		m->result->none += !one.there;
		if (!isnan(s)) {
			add(&m->similarity, s);
			most = s > most ? s : most;
			if (!isnan(positive))
				add(&m->above, s > positive);
		}
		if (one.there && label >= 0 && one.row != CN_BANK_NONE && m->bank.label && m->bank.label[one.row] >= 0)
			add(&m->wrong, m->bank.label[one.row] == label);
		for (size_t i = 0; one.vector && m->neg_z >= 0 && i < j; i++)
			add(&alike, (double)cn_kernel_dot(one.vector, m->made + (row * m->k + i) * m->dim, m->dim));
		for (size_t i = 0; one.vector && m->neg_z < 0 && i < j; i++) {
			const uint64_t id = ((const uint64_t *)cn_batch_at(in, m->neg_id, row))[i];
			const uint32_t other = id == UINT64_MAX ? CN_BANK_NONE : cn_bank_find(&m->bank, id);

			if (other != CN_BANK_NONE)
				add(&alike, (double)cn_kernel_dot(one.vector, m->bank.unit + other * m->dim, m->dim));
		}
	}
	if (most > -(double)INFINITY)
		add(&m->hardest, most);
	if (alike.n)
		add(&m->diversity, 1 - of(&alike));
}

static int
compare(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static void
conclude(struct measure *m)
{
	struct cn_negatives_result *result = m->result;

	if (m->n_seen)
		qsort(m->seen, m->n_seen, sizeof *m->seen, compare);
	for (size_t i = 0; i < m->n_seen; i++)
		result->distinct += i == 0 || m->seen[i] != m->seen[i - 1];
	result->similarity = of(&m->similarity);
	result->hardest = of(&m->hardest);
	result->positive = of(&m->positive_score);
	result->above = of(&m->above);
	result->false_share = of(&m->wrong);
	result->diversity = of(&m->diversity);
}

int
cn_negatives_measure(const struct cn_negatives_config *config, struct cn_reader *in, struct cn_reader *bank,
	struct cn_negatives_result *result, struct cn_err *err)
{
	struct measure m = { .config = config, .in = in, .result = result };
	struct cn_batch batch = { 0 };

	*result = (struct cn_negatives_result){ 0 };
	if (err->code)
		return -1;
	if (plan(&m, err) == 0 && read_bank(&m, bank, err) == 0)
		while (cn_reader_next(in, &batch, err) > 0) {
			if (make_room(&m, batch.rows, err) < 0 || look(&m, &batch, err) < 0)
				break;
			for (size_t row = 0; row < batch.rows; row++)
				measure_row(&m, &batch, row);
			result->rows += batch.rows;
		}
	conclude(&m);
	cn_bank_release(&m.bank);
	cn_mem_free(m.anchor);
	cn_mem_free(m.positive);
	cn_mem_free(m.made);
	cn_mem_free(m.hit);
	cn_mem_free(m.seen);
	cn_batch_release(&batch);
	return err->code ? -1 : 0;
}
