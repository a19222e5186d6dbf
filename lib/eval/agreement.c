/* agreement - the other stream's rows in order of id and epoch, each with its ids as a sorted set. */
#include "eval/agreement.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stream/batch.h"
#include "base/banned.h"

enum { ID, EPOCH, NEGATIVE, ROOMS };

struct cn_agreement {
	size_t rows, k, own_k;		/* k: of the other stream */
	bool epochs;			/* are compared */
	uint64_t *id;			/* (rows) */
	uint32_t *epoch;		/* (rows); 0 if not compared */
	uint64_t *negative;		/* (rows, k) sorted, each once, filled up with UINT64_MAX */
	uint32_t *order;		/* rows by (id, epoch, row) */
	uint32_t *used;			/* (rows) in that order: of rows that look the same, how many have a counterpart */
	uint64_t *own;			/* (own_k) of a row of ours */
	uint64_t added, matched, rows_with_ids, rows_with_any;
	double common, jaccard;		/* sums */
	size_t room[ROOMS];
};

static int
by_value(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* A sorted set in place; returns its size. */
static size_t
make_set(uint64_t *id, size_t k)
{
	size_t n = 0;

	qsort(id, k, sizeof *id, by_value);
	for (size_t i = 0; i < k && id[i] != UINT64_MAX; i++)
		if (n == 0 || id[i] != id[n - 1])
			id[n++] = id[i];
	for (size_t i = n; i < k; i++)
		id[i] = UINT64_MAX;
	return n;
}

static int
by_id_epoch_row(const void *left, const void *right, void *context)
{
	const struct cn_agreement *a = context;
	const uint32_t x = *(const uint32_t *)left, y = *(const uint32_t *)right;

	if (a->id[x] != a->id[y])
		return a->id[x] < a->id[y] ? -1 : 1;
	if (a->epoch[x] != a->epoch[y])
		return a->epoch[x] < a->epoch[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int
check_size(const struct cn_agreement *a, const char *file, uint64_t rows, uint64_t memory, struct cn_err *err)
{
	const uint64_t each = (a->k + 1) * sizeof *a->id + sizeof *a->epoch + sizeof *a->order + sizeof *a->used;

	if (rows >= UINT32_MAX)
		return cn_err_set(err, CN_FAILED, "%s: %llu rows are too many to compare with, at most 4294967294 are possible",
			file, (unsigned long long)rows);
	if (memory && rows > memory / each)
		return cn_err_set(err, CN_FAILED, "%s: %llu rows to compare with take %llu KiB, more than --memory allows (%llu KiB)",
			file, (unsigned long long)rows, (unsigned long long)((rows * each + 1023) >> 10), (unsigned long long)(memory >> 10));
	return 0;
}

/* Fields of the other stream; epoch -1: not compared. */
struct fields {
	int id, epoch, neg_id;
};

static int
append(struct cn_agreement *a, const struct cn_batch *batch, const struct fields *field, struct cn_err *err)
{
	const size_t at = a->rows, rows = at + batch->rows;

	cn_mem_grow((void **)&a->id, &a->room[ID], rows, sizeof *a->id, err);
	cn_mem_grow((void **)&a->epoch, &a->room[EPOCH], rows, sizeof *a->epoch, err);
	cn_mem_grow((void **)&a->negative, &a->room[NEGATIVE], rows, a->k * sizeof *a->negative, err);
	if (err->code)
		return -1;
	memcpy(a->id + at, batch->column[field->id], batch->rows * sizeof *a->id);
	if (field->epoch >= 0)
		memcpy(a->epoch + at, batch->column[field->epoch], batch->rows * sizeof *a->epoch);
	memcpy(a->negative + at * a->k, batch->column[field->neg_id], batch->rows * a->k * sizeof *a->negative);
	for (size_t row = at; row < rows; row++)
		make_set(a->negative + row * a->k, a->k);
	a->rows = rows;
	return 0;
}

static int
read_rows(struct cn_agreement *a, struct cn_reader *other, bool epochs, uint64_t memory, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(other);
	const char *file = cn_reader_name(other);
	const struct fields field = {
		cn_schema_need(schema, file, "id", CN_DTYPE_U64, 0, "rows are matched by it", err),
		epochs ? cn_schema_find_as(schema, "epoch", CN_DTYPE_U32, 0) : -1,
		cn_schema_need(schema, file, "neg_id", CN_DTYPE_U64, 1, "choose negatives with cn-mine", err),
	};
	struct cn_batch batch = { 0 };

	if (err->code)
		return -1;
	a->k = schema->field[field.neg_id].shape.dim[0];
	a->epochs = field.epoch >= 0;
	check_size(a, file, cn_reader_rows_hint(other), memory, err);
	while (!err->code && cn_reader_next(other, &batch, err) > 0)
		if (check_size(a, file, a->rows + batch.rows, memory, err) == 0)
			append(a, &batch, &field, err);
	cn_batch_release(&batch);
	return err->code ? -1 : 0;
}

struct cn_agreement *
cn_agreement_read(struct cn_reader *other, bool epochs, size_t k, uint64_t memory, struct cn_err *err)
{
	struct cn_agreement *a = cn_mem_array(1, sizeof *a, err);

	if (!a)
		return NULL;
	a->own_k = k;
	a->own = cn_mem_array(k, sizeof *a->own, err);
	if (!err->code && read_rows(a, other, epochs, memory, err) == 0) {
		a->order = cn_mem_array(a->rows, sizeof *a->order, err);
		a->used = cn_mem_array(a->rows, sizeof *a->used, err);
	}
	if (err->code) {
		cn_agreement_free(a);
		return NULL;
	}
	for (size_t i = 0; i < a->rows; i++)
		a->order[i] = (uint32_t)i;
	if (a->rows)
		qsort_r(a->order, a->rows, sizeof *a->order, by_id_epoch_row, a);
	return a;
}

static bool
is_before(const struct cn_agreement *a, size_t place, uint64_t id, uint32_t epoch)
{
	const uint32_t row = a->order[place];

	return a->id[row] < id || (a->id[row] == id && a->epoch[row] < epoch);
}

/* The first counterpart that is not used yet, which is used now; NULL where there is none. */
static const uint64_t *
take_counterpart(struct cn_agreement *a, uint64_t id, uint32_t epoch)
{
	size_t low = 0, high = a->rows;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (is_before(a, middle, id, epoch))
			low = middle + 1;
		else
			high = middle;
	}
	const size_t place = low < a->rows ? low + a->used[low] : a->rows;

	if (place == a->rows || a->id[a->order[place]] != id || a->epoch[a->order[place]] != epoch)
		return NULL;
	a->used[low]++;
	return a->negative + a->order[place] * a->k;
}

void
cn_agreement_add(struct cn_agreement *a, uint64_t id, uint32_t epoch, const uint64_t *neg_id)
{
	const uint64_t *other = take_counterpart(a, id, a->epochs ? epoch : 0);
	size_t both = 0, there = 0, own;

	a->added++;
	if (!other)
		return;
	a->matched++;
	memcpy(a->own, neg_id, a->own_k * sizeof *a->own);
	own = make_set(a->own, a->own_k);
	while (there < a->k && other[there] != UINT64_MAX)
		there++;
	for (size_t i = 0, j = 0; i < own && j < there;) {
		both += a->own[i] == other[j];
		if (a->own[i] <= other[j])
			i++;
		else
			j++;
	}
	if (own > 0) {
		a->rows_with_ids++;
		a->common += (double)both / (double)own;
	}
	if (own + there > 0) {
		a->rows_with_any++;
		a->jaccard += (double)both / (double)(own + there - both);
	}
}

void
cn_agreement_conclude(const struct cn_agreement *a, struct cn_agreement_result *result)
{
	result->matched = a->matched;
	result->unmatched = a->added + a->rows - 2 * a->matched;
	result->common = a->rows_with_ids ? a->common / (double)a->rows_with_ids : (double)NAN;
	result->jaccard = a->rows_with_any ? a->jaccard / (double)a->rows_with_any : (double)NAN;
}

void
cn_agreement_free(struct cn_agreement *a)
{
	if (!a)
		return;
	cn_mem_free(a->id);
	cn_mem_free(a->epoch);
	cn_mem_free(a->negative);
	cn_mem_free(a->order);
	cn_mem_free(a->used);
	cn_mem_free(a->own);
	cn_mem_free(a);
}
