/* extra - gathers the further negatives of a batch from its fields and from a bank. */
#include <math.h>

#include "base/mem.h"
#include "loss/extra.h"
#include "stream/table.h"

#include "base/banned.h"

#define NO_ID UINT64_MAX
#define EMPTY UINT32_MAX

struct place {
	uint64_t id;
	uint32_t row;
};

struct cn_extra_source {
	const char *name;		/* of the stream, for messages */
	char *bank_name;
	int neg, neg_id, neg_z, weight, logq;	/* fields, or -1 */
	size_t k, k_z;			/* slots of neg or neg_id, and of neg_z */
	size_t bytes;			/* of a sample */
	struct cn_batch bank;
	struct place *place;		/* the bank's rows in the order of their ids */
	uint32_t *taken;		/* per row of the bank: 1 + its number among the samples of the batch, 0 = not among them */
	uint32_t *used;			/* rows of the bank among the samples */
	size_t used_n;
};

static int
compare_places(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	return p->id != q->id ? (p->id > q->id) - (p->id < q->id) : (p->row > q->row) - (p->row < q->row);
}

/* The first row with this id, or EMPTY. */
static uint32_t
find_place(const struct cn_extra_source *s, uint64_t id)
{
	size_t low = 0, high = s->bank.rows;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (s->place[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->bank.rows && s->place[low].id == id ? s->place[low].row : EMPTY;
}

static int
read_bank(struct cn_extra_source *s, const struct cn_field *x, struct cn_reader *bank, struct cn_err *err)
{
	static const char *const keep[] = { "id", "x", NULL };
	const char *name = cn_reader_name(bank);
	const int id = cn_schema_need(cn_reader_schema(bank), name, "id", CN_DTYPE_U64, 0, NULL, err);
	const int sample = cn_schema_need(cn_reader_schema(bank), name, "x", x->dtype, (int)x->shape.rank, NULL, err);

	if (id < 0 || sample < 0)
		return -1;
	if (!cn_shape_equal(&cn_reader_schema(bank)->field[sample].shape, &x->shape))
		return cn_err_set(err, CN_FAILED, "%s: samples have another shape than those of %s; the bank must be of the same kind",
			name, s->name);
	s->bank_name = cn_mem_string(name, err);
	if (cn_table_read(&s->bank, bank, keep, err) != 0)
		return -1;
	s->place = cn_mem_array(s->bank.rows + 1, sizeof(*s->place), err);
	s->taken = cn_mem_array(s->bank.rows + 1, sizeof(*s->taken), err);
	if (err->code)
		return -1;
	for (size_t i = 0; i < s->bank.rows; i++)
		s->place[i] = (struct place){ *(const uint64_t *)cn_batch_at(&s->bank,
			cn_schema_find(&s->bank.schema, "id"), i), (uint32_t)i };
	qsort(s->place, s->bank.rows, sizeof(*s->place), compare_places);
	return 0;
}

/* A field of this type and rank whose first extent is its number of slots; -1 in *field when the stream has none. */
static int
find(struct cn_extra_source *s, const struct cn_schema *schema, const char *name, enum cn_dtype dtype, unsigned rank,
	int *field, size_t *k, struct cn_err *err)
{
	*field = cn_schema_find(schema, name);
	if (*field < 0)
		return 0;
	if (cn_schema_need(schema, s->name, name, dtype, (int)rank, NULL, err) < 0)
		return -1;
	const size_t here = schema->field[*field].shape.dim[0];

	if (*k > 0 && here != *k)
		return cn_err_set(err, CN_FAILED, "%s: field '%s' has %zu negatives in a row where %zu are needed", s->name, name,
			here, *k);
	*k = here;
	return 0;
}

static int
check_fields(struct cn_extra_source *s, const struct cn_schema *schema, const struct cn_field *x, struct cn_err *err)
{
	const struct cn_shape shape = cn_shape_stack(1, &x->shape);

	if (find(s, schema, "neg", x->dtype, shape.rank, &s->neg, &s->k, err) != 0
	    || find(s, schema, "neg_id", CN_DTYPE_U64, 1, &s->neg_id, &s->k, err) != 0
	    || find(s, schema, "neg_z", CN_DTYPE_F32, 2, &s->neg_z, &s->k_z, err) != 0)
		return -1;
	size_t *described = s->k > 0 ? &s->k : &s->k_z;

	if (find(s, schema, "neg_weight", CN_DTYPE_F32, 1, &s->weight, described, err) != 0
	    || find(s, schema, "neg_logq", CN_DTYPE_F32, 1, &s->logq, described, err) != 0)
		return -1;
	if (s->neg >= 0) {
		const struct cn_shape want = cn_shape_stack((uint32_t)s->k, &x->shape);

		if (!cn_shape_equal(&schema->field[s->neg].shape, &want))
			return cn_err_set(err, CN_FAILED, "%s: field 'neg' does not hold samples of the shape of 'x'", s->name);
	}
	return 0;
}

/* Vectors are compared with what the head puts out. */
static int
check_space(const struct cn_extra_source *s, const struct cn_reader *in, const struct cn_space *head, struct cn_err *err)
{
	if (s->neg_z < 0)
		return 0;
	const struct cn_space space = cn_space_of_field(in, "neg_z");

	if (cn_space_same(&space, head))
		return 0;
	if (space.dim != head->dim)
		return cn_err_set(err, CN_FAILED, "%s: field 'neg_z' has vectors of %zu numbers, but the head puts out %zu; "
			"make them with a model of the same head", s->name, space.dim, head->dim);
	return cn_err_set(err, CN_FAILED, "%s: field 'neg_z' has vectors of the %s, but is compared with what the %s puts out; "
		"make them with cn-gen -m, or from vectors of cn-embed --layer %s", s->name, space.layer, head->layer, head->layer);
}

static int
check_bank(const struct cn_extra_source *s, const struct cn_reader *bank, struct cn_err *err)
{
	if (s->neg < 0 && s->neg_id >= 0 && !bank)
		return cn_err_set(err, CN_USAGE, "%s: negatives are given by id; name the stream that has them with --bank", s->name);
	if (bank && (s->neg_id < 0 || s->neg >= 0))
		return cn_err_set(err, CN_USAGE, "%s: nothing refers to the bank (%s); leave out --bank", s->name,
			s->neg >= 0 ? "negatives are given by value" : "there is no field 'neg_id'");
	return 0;
}

static int
allocate(struct cn_extra *extra, size_t rows, struct cn_err *err)
{
	const struct cn_extra_source *s = extra->source;
	const size_t places = rows * extra->slots + 1;

	extra->samples_max = rows * s->k;
	extra->vectors_max = rows * s->k_z;
	extra->index = cn_mem_array(places, sizeof(*extra->index), err);
	extra->sample = cn_mem_array(extra->samples_max + 1, sizeof(*extra->sample), err);
	extra->source->used = cn_mem_array(extra->samples_max + 1, sizeof(uint32_t), err);
	if (s->weight >= 0)
		extra->weight = cn_mem_array(places, sizeof(float), err);
	if (s->logq >= 0)
		extra->logq = cn_mem_array(places, sizeof(float), err);
	return err->code ? -1 : 0;
}

int
cn_extra_init(struct cn_extra *extra, const struct cn_reader *in, struct cn_reader *bank, size_t rows, const struct cn_space *head,
	struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(in);
	const int x = cn_schema_need(schema, cn_reader_name(in), "x", 0, -1, NULL, err);

	*extra = (struct cn_extra){ 0 };
	if (x < 0)
		return -1;
	struct cn_extra_source *s = extra->source = cn_mem_array(1, sizeof(*s), err);

	if (!s)
		return -1;
	s->name = cn_reader_name(in);
	s->bytes = cn_field_bytes(&schema->field[x]);
	if (check_fields(s, schema, &schema->field[x], err) != 0 || check_bank(s, bank, err) != 0
	    || check_space(s, in, head, err) != 0 || (bank && read_bank(s, &schema->field[x], bank, err) != 0))
		return -1;
	extra->slots = s->k + s->k_z;
	return allocate(extra, rows, err);
}

/* Weight and correction of slot j of row r, from the fields; false when they are no numbers or the weight is negative. */
static int
describe(struct cn_extra *extra, const struct cn_batch *batch, size_t r, size_t j, size_t k, size_t place, struct cn_err *err)
{
	const struct cn_extra_source *s = extra->source;
	const float weight = s->weight < 0 ? 1 : ((const float *)(const void *)batch->column[s->weight])[r * k + j];
	const float logq = s->logq < 0 ? 0 : ((const float *)(const void *)batch->column[s->logq])[r * k + j];

	if (!(weight >= 0) || !isfinite(weight) || !isfinite(logq))
		return cn_err_set(err, CN_FAILED, "%s: field '%s' of row %llu is not a usable number", s->name,
			!(weight >= 0) || !isfinite(weight) ? "neg_weight" : "neg_logq",
			(unsigned long long)(batch->first_row + r));
	if (extra->weight)
		extra->weight[place] = weight;
	if (extra->logq)
		extra->logq[place] = logq;
	if (weight == 0)
		extra->index[place] = EMPTY;
	return 0;
}

/* The number of a bank's row among the samples. */
static uint32_t
take(struct cn_extra *extra, uint32_t row)
{
	struct cn_extra_source *s = extra->source;

	if (s->taken[row] == 0) {
		extra->sample[extra->samples++] = cn_batch_at(&s->bank, cn_schema_find(&s->bank.schema, "x"), row);
		s->taken[row] = (uint32_t)extra->samples;
		s->used[s->used_n++] = row;
	}
	return s->taken[row] - 1;
}

/* Slot j of row r: the sample it holds, by value or by id. */
static int
hold(struct cn_extra *extra, const struct cn_batch *batch, size_t r, size_t j, size_t place, struct cn_err *err)
{
	struct cn_extra_source *s = extra->source;
	const size_t cell = r * s->k + j;
	const uint64_t id = s->neg_id < 0 ? 0 : ((const uint64_t *)(const void *)batch->column[s->neg_id])[cell];

	if (s->neg_id >= 0 && id == NO_ID)
		return 0;
	extra->index[place] = 0;
	if (describe(extra, batch, r, j, s->k, place, err) != 0)
		return -1;
	if (extra->index[place] == EMPTY)
		return 0;
	if (s->neg >= 0) {
		extra->sample[extra->samples++] = batch->column[s->neg] + cell * s->bytes;
		extra->index[place] = (uint32_t)extra->samples - 1;
		return 0;
	}
	const uint32_t row = find_place(s, id);

	if (row == EMPTY)
		return cn_err_set(err, CN_FAILED, "%s: row %llu has negative %llu, which is not in %s; name the bank that was mined",
			s->name, (unsigned long long)(batch->first_row + r), (unsigned long long)id, s->bank_name);
	extra->index[place] = take(extra, row);
	return 0;
}

int
cn_extra_gather(struct cn_extra *extra, const struct cn_batch *batch, struct cn_err *err)
{
	struct cn_extra_source *s = extra->source;

	for (size_t i = 0; i < s->used_n; i++)
		s->taken[s->used[i]] = 0;
	s->used_n = extra->samples = 0;
	for (size_t p = 0; p < batch->rows * extra->slots; p++) {
		extra->index[p] = EMPTY;
		if (extra->weight)
			extra->weight[p] = 1;
		if (extra->logq)
			extra->logq[p] = 0;
	}
	for (size_t r = 0; r < batch->rows; r++)
		for (size_t j = 0; j < s->k; j++)
			if (hold(extra, batch, r, j, r * extra->slots + j, err) != 0)
				return -1;
	extra->vectors = batch->rows * s->k_z;
	extra->vector = s->neg_z < 0 ? NULL : (const float *)(const void *)batch->column[s->neg_z];
	for (size_t r = 0; r < batch->rows; r++)
		for (size_t j = 0; j < s->k_z; j++) {
			const size_t place = r * extra->slots + s->k + j;

			extra->index[place] = (uint32_t)(extra->samples + r * s->k_z + j);
			if (s->k == 0 && describe(extra, batch, r, j, s->k_z, place, err) != 0)
				return -1;
		}
	return 0;
}

const struct cn_batch *
cn_extra_bank(const struct cn_extra *extra)
{
	return extra->source->bank_name ? &extra->source->bank : NULL;
}

void
cn_extra_release(struct cn_extra *extra)
{
	struct cn_extra_source *s = extra->source;

	if (s) {
		cn_mem_free(s->bank_name);
		cn_batch_release(&s->bank);
		cn_mem_free(s->place);
		cn_mem_free(s->taken);
		cn_mem_free(s->used);
	}
	cn_mem_free(s);
	cn_mem_free(extra->index);
	cn_mem_free(extra->weight);
	cn_mem_free(extra->logq);
	cn_mem_free((void *)extra->sample);
	*extra = (struct cn_extra){ 0 };
}
