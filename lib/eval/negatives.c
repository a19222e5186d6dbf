/* negatives - rows are looked at on the pool, each for itself; what was seen is added up in order. */
#include "eval/negatives.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/negz.h"
#include "loss/spread.h"
#include "nn/bank.h"
#include "nn/space.h"
#include "nn/vector.h"
#include "tensor/kernel.h"
#include "tensor/topk.h"

#include "base/banned.h"

/* A mean in the making. */
struct mean {
	double sum;
	uint64_t n;
};

/* What is known of one negative. */
struct one {
	double similarity;	/* NaN = not known */
	uint64_t id;		/* its own, or of the nearest row of the bank; UINT64_MAX = not known */
	uint32_t row;		/* of the bank, likewise; CN_BANK_NONE = not known */
	bool there, known;	/* known: as a positive */
};

/* What is known of the negatives of a row together. */
struct whole {
	double positive, diversity, rank;	/* NaN = not known */
	size_t repeated_id, repeated_content;
};

/* For the work on one row. */
struct worker {
	float *vector;		/* (k, dim) of its negatives, those that are known */
	uint64_t *key;		/* (k) ids or contents to be sorted */
	struct cn_spread *spread;
};

enum { ANCHOR, POSITIVE, MADE, HIT, ONE, WHOLE, SEEN, ROOMS };

struct measure {
	const struct cn_negatives_config *config;
	struct cn_reader *in;
	int id, epoch, neg_id, neg_score, pos_score, label;	/* fields of in; -1 = none */
	struct cn_negz negz;
	bool vectors;				/* negatives are those of negz, not those that neg_id names */
	int against;				/* field of the ids that are compared; -1 = not wanted */
	size_t k, dim;
	struct cn_space space;			/* of what is measured: negatives that are vectors, else anchors; dim 0 = neither */
	struct cn_vector vector, pos_vector, bank_vector;	/* field -1 = none */
	struct cn_bank bank;
	bool banked, contents, nearest;		/* nearest: of made vectors, the bank's rows are looked for */
	uint64_t *chosen;			/* (rows of the bank) how often */
	struct cn_agreement *agreement;
	float *anchor, *positive, *made;	/* (rows, dim), (rows, dim), (rows, k, dim) of unit length, of one chunk */
	struct cn_topk_hit *hit;		/* (rows, k) nearest rows of the bank to what was made */
	struct one *one;			/* (rows, k) */
	struct whole *whole;			/* (rows) */
	uint64_t *seen;				/* ids of all negatives */
	size_t n_seen, room[ROOMS];
	struct worker *worker;
	const struct cn_batch *batch;		/* the chunk that is worked on */
	struct mean similarity, hardest, positive_score, above, violations, wrong, known, diversity, rank;
	struct cn_negatives_result *result;
};

static void
add(struct mean *mean, double value)
{
	mean->sum += value;
	mean->n++;
}

/* What is not known counts for nothing. */
static void
add_known(struct mean *mean, double value)
{
	if (!isnan(value))
		add(mean, value);
}

static double
of(const struct mean *mean)
{
	return mean->n ? mean->sum / (double)mean->n : (double)NAN;
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
refuse(const struct measure *m, bool samples, struct cn_err *err)
{
	const char *file = cn_reader_name(m->in), *field = m->config->field;

	if (field && strcmp(field, "neg_id") != 0)
		return cn_negz_need(&m->negz, err);
	if (field)
		return cn_err_set(err, CN_FAILED, "%s: no field 'neg_id', which --negatives asks for; choose it with cn-mine", file);
	if (samples)
		return cn_err_set(err, CN_FAILED, "%s: no field 'neg_id' or 'neg_z', and 'neg' asks for an encoder: name it with -m", file);
	return cn_err_set(err, CN_FAILED, "%s: no field 'neg_id', 'neg_z' or 'neg'; choose negatives with cn-mine, or make them with cn-gen",
		file);
}

/* Which negatives are measured. */
static int
plan_negatives(struct measure *m, const struct cn_schema *schema, struct cn_err *err)
{
	const char *field = m->config->field;
	const bool ids = !field || strcmp(field, "neg_id") == 0;

	cn_negz_find(&m->negz, m->in, m->config->encoder, field);
	m->neg_id = ids ? cn_schema_find_as(schema, "neg_id", CN_DTYPE_U64, 1) : -1;
	m->vectors = m->negz.neg_z >= 0 || (m->negz.neg >= 0 && m->neg_id < 0);
	if (!m->vectors && m->neg_id < 0)
		return refuse(m, cn_schema_find(schema, "neg") >= 0, err);
	m->k = m->vectors ? m->negz.k : schema->field[m->neg_id].shape.dim[0];
	if (m->vectors)
		m->neg_id = -1;
	return m->vectors ? cn_negz_need(&m->negz, err) : 0;
}

/* What --known and --against cannot do without. */
static int
plan_ids(struct measure *m, const struct cn_schema *schema, struct cn_err *err)
{
	const char *file = cn_reader_name(m->in);

	m->id = cn_schema_find_as(schema, "id", CN_DTYPE_U64, 0);
	m->epoch = cn_schema_find_as(schema, "epoch", CN_DTYPE_U32, 0);
	m->against = -1;
	if (m->config->known && cn_schema_need(schema, file, "id", CN_DTYPE_U64, 0, "--known asks for its positives", err) < 0)
		return -1;
	if (m->config->known && m->vectors && !m->config->bank)
		return cn_err_set(err, CN_FAILED, "%s: --known asks for the ids of negatives, and those in %s have none but that of "
			"the nearest row of a bank; name one with --bank", file, m->negz.neg_z >= 0 ? "neg_z" : "neg");
	if (!m->config->against)
		return 0;
	m->against = cn_schema_need(schema, file, "neg_id", CN_DTYPE_U64, 1, "--against compares it", err);
	return m->against < 0 ? -1 : cn_schema_need(schema, file, "id", CN_DTYPE_U64, 0, "--against matches rows by it", err);
}

/* The space in which negatives lie decides; anchors of another count as not there, unless an encoder makes them. */
static int
plan_space(struct measure *m, struct cn_err *err)
{
	const bool there = m->vector.field >= 0;
	const struct cn_space anchor = there ? cn_vector_space(&m->vector, m->in) : (struct cn_space){ 0 };

	m->space = m->vectors ? cn_negz_space(&m->negz) : anchor;
	m->dim = m->space.dim;
	if (there && m->vector.encoder && cn_space_match(&m->space, &anchor, err) < 0)
		return -1;
	if (!there || !cn_space_same(&m->space, &anchor))
		m->vector.field = m->pos_vector.field = -1;
	if (m->pos_vector.field < 0)
		return 0;
	const struct cn_space positive = cn_vector_space(&m->pos_vector, m->in);

	return cn_space_match(&anchor, &positive, err);
}

static int
plan(struct measure *m, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(m->in);
	const bool embed = m->config->encoder != NULL;

	if (plan_negatives(m, schema, err) < 0 || plan_ids(m, schema, err) < 0)
		return -1;
	m->neg_score = cn_schema_find_as(schema, "neg_score", CN_DTYPE_F32, 1);
	m->pos_score = cn_schema_find_as(schema, "pos_score", CN_DTYPE_F32, 0);
	m->label = cn_schema_find_as(schema, "label", CN_DTYPE_I32, 0);
	if (m->neg_score >= 0 && schema->field[m->neg_score].shape.dim[0] != m->k)
		m->neg_score = -1;
	if (find_vector(m, &m->vector, m->in, embed ? "x" : "z", err) < 0 ||
	    find_vector(m, &m->pos_vector, m->in, embed ? "pos" : "pos_z", err) < 0)
		return -1;
	return plan_space(m, err);
}

static int
read_bank(struct measure *m, struct cn_err *err)
{
	struct cn_reader *reader = m->config->bank;
	struct cn_bank_config keep = CN_BANK_KEEP_NOTHING;

	m->bank_vector.field = -1;
	if (!reader)
		return 0;
	const struct cn_schema *schema = cn_reader_schema(reader);

	keep.memory = m->config->memory;
	keep.id = cn_schema_need(schema, cn_reader_name(reader), "id", CN_DTYPE_U64, 0, "negatives are looked up by it", err);
	keep.label = cn_schema_find_as(schema, "label", CN_DTYPE_I32, 0);
	keep.content = m->vectors ? -1 : cn_schema_find(schema, "x");
	if (keep.content < 0 && !m->vectors)
		keep.content = cn_schema_find(schema, "z");
	if (err->code || find_vector(m, &m->bank_vector, reader, m->config->encoder ? "x" : "z", err) < 0)
		return -1;
	if (m->bank_vector.field >= 0) {
		const struct cn_space space = cn_vector_space(&m->bank_vector, reader);

		if (m->dim && cn_space_match(&m->space, &space, err) < 0)
			return -1;
		m->dim = space.dim;
		keep.vector = &m->bank_vector;
	}
	m->banked = true;
	m->contents = keep.content >= 0;
	if (cn_bank_read(&m->bank, reader, &keep, err) < 0)
		return -1;
	m->nearest = m->vectors && m->bank.unit && ((m->label >= 0 && m->bank.label) || m->config->known);
	m->chosen = cn_mem_array(m->bank.rows, sizeof *m->chosen, err);
	return m->chosen ? 0 : -1;
}

static int
read_against(struct measure *m, struct cn_err *err)
{
	if (m->against < 0)
		return 0;
	m->agreement = cn_agreement_read(m->config->against, m->epoch >= 0,
		cn_reader_schema(m->in)->field[m->against].shape.dim[0], m->config->memory, err);
	return m->agreement ? 0 : -1;
}

static int
make_workers(struct measure *m, struct cn_err *err)
{
	const size_t threads = cn_pool_threads(m->config->pool);

	m->worker = cn_mem_array(threads, sizeof *m->worker, err);
	for (size_t t = 0; t < threads && !err->code; t++) {
		m->worker[t].key = cn_mem_array(m->k, sizeof(uint64_t), err);
		if (m->dim) {
			m->worker[t].vector = cn_mem_array(m->k, m->dim * sizeof(float), err);
			m->worker[t].spread = cn_spread_new((m->k + 1) / 2, m->dim, NULL, err);
		}
	}
	return err->code ? -1 : 0;
}

static int
make_room(struct measure *m, size_t rows, struct cn_err *err)
{
	const size_t vector = m->dim * sizeof(float);

	if (m->dim) {
		cn_mem_grow((void **)&m->anchor, &m->room[ANCHOR], rows, vector, err);
		cn_mem_grow((void **)&m->positive, &m->room[POSITIVE], rows, vector, err);
	}
	if (m->vectors)
		cn_mem_grow((void **)&m->made, &m->room[MADE], rows * m->k, vector, err);
	if (m->nearest)
		cn_mem_grow((void **)&m->hit, &m->room[HIT], rows * m->k, sizeof *m->hit, err);
	cn_mem_grow((void **)&m->one, &m->room[ONE], rows * m->k, sizeof *m->one, err);
	cn_mem_grow((void **)&m->whole, &m->room[WHOLE], rows, sizeof *m->whole, err);
	if (m->neg_id >= 0)
		cn_mem_grow((void **)&m->seen, &m->room[SEEN], m->n_seen + rows * m->k, sizeof *m->seen, err);
	return err->code ? -1 : 0;
}

/* The vectors of a chunk; for what was made, the nearest rows of the bank, if they have something to compare. */
static int
look(struct measure *m, const struct cn_batch *in, struct cn_err *err)
{
	const size_t n = in->rows * m->k;

	if (m->vector.field >= 0 && cn_vector_read_unit(&m->vector, in, m->anchor, err) < 0)
		return -1;
	if (m->pos_vector.field >= 0 && cn_vector_read_unit(&m->pos_vector, in, m->positive, err) < 0)
		return -1;
	if (!m->vectors)
		return 0;
	if (cn_negz_read(&m->negz, in, m->made, err) < 0)
		return -1;
	cn_kernel_normalize(m->made, n, m->dim);
	if (m->nearest && m->bank.rows)
		return cn_topk_search(m->bank.unit, m->bank.rows, m->made, n, m->dim, 1, NULL, NULL, m->hit, m->config->pool, err);
	return 0;
}

/* The vector of negative j of a row, or NULL. */
static const float *
vector_of(const struct measure *m, size_t row, size_t j)
{
	const struct one *one = m->one + row * m->k + j;

	if (!one->there || !m->dim)
		return NULL;
	if (m->vectors)
		return m->made + (row * m->k + j) * m->dim;
	return one->row != CN_BANK_NONE && m->bank.unit ? m->bank.unit + one->row * m->dim : NULL;
}

/* The similarity of a negative: by vectors, or as written when it was chosen; NaN if neither is there. */
static double
similarity(const struct measure *m, size_t row, size_t j)
{
	const float *vector = vector_of(m, row, j);

	if (vector && m->vector.field >= 0)
		return (double)cn_kernel_dot(m->anchor + row * m->dim, vector, m->dim);
	return m->neg_score < 0 ? (double)NAN : (double)((const float *)cn_batch_at(m->batch, m->neg_score, row))[j];
}

static double
pos_similarity(const struct measure *m, size_t row)
{
	if (m->pos_vector.field >= 0)
		return (double)cn_kernel_dot(m->anchor + row * m->dim, m->positive + row * m->dim, m->dim);
	return m->pos_score < 0 ? (double)NAN : (double)*(const float *)cn_batch_at(m->batch, m->pos_score, row);
}

/* Which negative j of a row is. */
static void
identify(struct measure *m, size_t row, size_t j)
{
	struct one *one = m->one + row * m->k + j;

	*one = (struct one){ (double)NAN, UINT64_MAX, CN_BANK_NONE, true, false };
	if (m->vectors) {
		one->there = cn_negz_there(&m->negz, m->batch, m->made, row * m->k + j);
		one->row = one->there && m->nearest && m->bank.rows ? m->hit[row * m->k + j].row : CN_BANK_NONE;
		one->id = one->row != CN_BANK_NONE ? m->bank.id[one->row] : UINT64_MAX;
	} else {
		one->id = ((const uint64_t *)cn_batch_at(m->batch, m->neg_id, row))[j];
		one->there = one->id != UINT64_MAX;
		one->row = one->there && m->banked ? cn_bank_find(&m->bank, one->id) : CN_BANK_NONE;
	}
	if (one->there)
		one->similarity = similarity(m, row, j);
	if (m->config->known && one->id != UINT64_MAX)
		one->known = cn_pairs_has(m->config->known, *(const uint64_t *)cn_batch_at(m->batch, m->id, row), one->id);
}

static int
compare(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* How many of n keys are equal to one before them; sorts them. */
static size_t
repeated(uint64_t *key, size_t n)
{
	size_t count = 0;

	if (n > 1)
		qsort(key, n, sizeof *key, compare);
	for (size_t i = 1; i < n; i++)
		count += key[i] == key[i - 1];
	return count;
}

static size_t
repeated_ids(const struct measure *m, size_t row, uint64_t *key)
{
	const struct one *one = m->one + row * m->k;
	size_t n = 0;

	for (size_t j = 0; j < m->k && m->neg_id >= 0; j++)
		if (one[j].there)
			key[n++] = one[j].id;
	return repeated(key, n);
}

static size_t
repeated_contents(const struct measure *m, size_t row, uint64_t *key)
{
	const struct one *one = m->one + row * m->k;
	size_t n = 0;

	for (size_t j = 0; j < m->k; j++)
		if (one[j].there && m->vectors)
			key[n++] = cn_negz_content(&m->negz, m->batch, row * m->k + j);
		else if (one[j].row != CN_BANK_NONE && m->contents)
			key[n++] = m->bank.content[one[j].row];
	return repeated(key, n);
}

/* 1 - mean cosine of two of n unit vectors: the length of their sum has the cosines of all pairs. */
static double
diversity(const float *vector, size_t n, size_t dim)
{
	double all = 0;

	for (size_t d = 0; d < dim; d++) {
		double sum = 0, squares = 0;

		for (size_t i = 0; i < n; i++) {
			const double x = (double)vector[i * dim + d];

			sum += x;
			squares += x * x;
		}
		all += sum * sum - squares;
	}
	return 1 - all / ((double)n * (double)(n - 1));
}

/* Part of the pool's work: one row. */
static void
look_at_row(void *context, size_t row, size_t number)
{
	struct measure *m = context;
	struct worker *worker = m->worker + number;
	struct whole *whole = m->whole + row;
	size_t n = 0;

	*whole = (struct whole){ pos_similarity(m, row), (double)NAN, (double)NAN, 0, 0 };
	for (size_t j = 0; j < m->k; j++)
		identify(m, row, j);
	for (size_t j = 0; j < m->k; j++) {
		const float *vector = vector_of(m, row, j);

		if (vector)
			memcpy(worker->vector + n++ * m->dim, vector, m->dim * sizeof *vector);
	}
	if (n > 1) {
		whole->diversity = diversity(worker->vector, n, m->dim);
		whole->rank = cn_spread_rank(worker->spread, worker->vector, n);
	}
	whole->repeated_id = repeated_ids(m, row, worker->key);
	whole->repeated_content = repeated_contents(m, row, worker->key);
}

static void
add_to_histogram(struct measure *m, double similarity)
{
	const double bins = (double)m->config->bins, at = floor((similarity + 1) / 2 * bins);

	m->result->scored++;
	if (m->config->bins)
		m->result->histogram[at < 0 ? 0 : at < bins ? (size_t)at : m->config->bins - 1]++;
}

static void
add_one(struct measure *m, const struct one *one, size_t row)
{
	const int32_t label = m->label < 0 ? -1 : *(const int32_t *)cn_batch_at(m->batch, m->label, row);
	const double positive = m->whole[row].positive;

	m->result->negatives += one->there;
	m->result->none += !one->there;
	if (!one->there)
		return;
	if (m->neg_id >= 0) {
		m->seen[m->n_seen++] = one->id;
		m->result->itself += m->id >= 0 && one->id == *(const uint64_t *)cn_batch_at(m->batch, m->id, row);
		m->result->missing += one->row == CN_BANK_NONE;
		if (one->row != CN_BANK_NONE)
			m->chosen[one->row]++;
	}
	if (!isnan(one->similarity)) {
		add(&m->similarity, one->similarity);
		add_to_histogram(m, one->similarity);
		if (!isnan(positive)) {
			add(&m->above, one->similarity > positive);
			add(&m->violations, one->similarity > positive - m->config->margin);
		}
	}
	if (label >= 0 && one->row != CN_BANK_NONE && m->bank.label && m->bank.label[one->row] >= 0)
		add(&m->wrong, m->bank.label[one->row] == label);
	if (m->config->known && one->id != UINT64_MAX)
		add(&m->known, one->known);
}

static void
add_row(struct measure *m, size_t row)
{
	const struct whole *whole = m->whole + row;
	double most = -(double)INFINITY;

	for (size_t j = 0; j < m->k; j++) {
		const struct one *one = m->one + row * m->k + j;

		add_one(m, one, row);
		most = one->similarity > most ? one->similarity : most;
	}
	if (most > -(double)INFINITY)
		add(&m->hardest, most);
	add_known(&m->positive_score, whole->positive);
	add_known(&m->diversity, whole->diversity);
	add_known(&m->rank, whole->rank);
	m->result->repeated_id += whole->repeated_id;
	m->result->repeated_content += whole->repeated_content;
	if (m->agreement)
		cn_agreement_add(m->agreement, *(const uint64_t *)cn_batch_at(m->batch, m->id, row),
			m->epoch < 0 ? 0 : *(const uint32_t *)cn_batch_at(m->batch, m->epoch, row),
			cn_batch_at(m->batch, m->against, row));
}

static int
read_rows(struct measure *m, struct cn_err *err)
{
	struct cn_batch batch = { 0 };

	m->batch = &batch;
	while (cn_reader_next(m->in, &batch, err) > 0) {
		if (make_room(m, batch.rows, err) < 0 || look(m, &batch, err) < 0)
			break;
		cn_pool_run(m->config->pool, batch.rows, look_at_row, m);
		for (size_t row = 0; row < batch.rows; row++)
			add_row(m, row);
		m->result->rows += batch.rows;
	}
	m->batch = NULL;
	cn_batch_release(&batch);
	return err->code ? -1 : 0;
}

double
cn_negatives_gini(uint64_t *count, size_t n)
{
	double sum = 0, weighted = 0;

	qsort(count, n, sizeof *count, compare);
	for (size_t i = 0; i < n; i++) {
		sum += (double)count[i];
		weighted += (2 * (double)(i + 1) - (double)n - 1) * (double)count[i];
	}
	return sum > 0 ? weighted / ((double)n * sum) : (double)NAN;
}

/* How the choice is spread over the bank. */
static void
conclude_bank(struct measure *m)
{
	struct cn_negatives_result *result = m->result;
	uint64_t used = 0;

	result->coverage = result->gini = (double)NAN;
	if (!m->banked || m->neg_id < 0 || !m->bank.rows)
		return;
	for (size_t i = 0; i < m->bank.rows; i++)
		used += m->chosen[i] > 0;
	result->coverage = (double)used / (double)m->bank.rows;
	result->gini = cn_negatives_gini(m->chosen, m->bank.rows);
}

static void
conclude(struct measure *m)
{
	struct cn_negatives_result *result = m->result;

	result->distinct = m->n_seen - repeated(m->seen, m->n_seen);
	if (m->neg_id < 0)
		result->distinct = result->repeated_id = UINT64_MAX;
	if (m->neg_id < 0 || !m->banked)
		result->missing = UINT64_MAX;
	if (m->neg_id < 0 || m->id < 0)
		result->itself = UINT64_MAX;
	if (!m->vectors && !m->contents)
		result->repeated_content = UINT64_MAX;
	result->similarity = of(&m->similarity);
	result->hardest = of(&m->hardest);
	result->positive = of(&m->positive_score);
	result->above = of(&m->above);
	result->violations = of(&m->violations);
	result->false_share = of(&m->wrong);
	result->known_share = of(&m->known);
	result->diversity = of(&m->diversity);
	result->rank = of(&m->rank);
	conclude_bank(m);
	result->agreement = (struct cn_agreement_result){ UINT64_MAX, UINT64_MAX, (double)NAN, (double)NAN };
	if (m->agreement)
		cn_agreement_conclude(m->agreement, &result->agreement);
}

static void
release(struct measure *m)
{
	for (size_t t = 0; t < cn_pool_threads(m->config->pool) && m->worker; t++) {
		cn_mem_free(m->worker[t].vector);
		cn_mem_free(m->worker[t].key);
		cn_spread_free(m->worker[t].spread);
	}
	cn_mem_free(m->worker);
	cn_bank_release(&m->bank);
	cn_agreement_free(m->agreement);
	cn_mem_free(m->chosen);
	cn_mem_free(m->anchor);
	cn_mem_free(m->positive);
	cn_mem_free(m->made);
	cn_mem_free(m->hit);
	cn_mem_free(m->one);
	cn_mem_free(m->whole);
	cn_mem_free(m->seen);
}

int
cn_negatives_measure(const struct cn_negatives_config *config, struct cn_reader *in, struct cn_negatives_result *result,
	struct cn_err *err)
{
	struct measure m = { .config = config, .in = in, .result = result };

	*result = (struct cn_negatives_result){ 0 };
	if (err->code)
		return -1;
	if (plan(&m, err) == 0 && read_bank(&m, err) == 0 && read_against(&m, err) == 0 && make_workers(&m, err) == 0 &&
	    read_rows(&m, err) == 0)
		conclude(&m);
	if (!err->code && config->against && result->rows && !result->agreement.matched)
		cn_err_set(err, CN_FAILED, "%s and %s have no row in common by id%s; compare what was mined for the same rows",
			cn_reader_name(in), cn_reader_name(config->against), m.epoch >= 0 ? " and epoch" : "");
	release(&m);
	return err->code ? -1 : 0;
}
