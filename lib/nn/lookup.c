/* lookup - a table's rows for tokens, each by itself or their mean.  A token is a number; what is not in the table has no row. */
#include <string.h>

#include "nn/layer.h"

#include "base/banned.h"

#define LONGEST_TABLE ((size_t)1 << 24)	/* rows: numbers that a float holds exactly */
#define NO_ROW SIZE_MAX

static int
fit(struct cn_layer *l, const char *word, struct cn_err *err)
{
	if (l->times == 0)
		return cn_err_set(err, CN_USAGE, "layer '%s': how many numbers for a token? say so as in %s:%zux128", word, l->kind->word,
			l->number);
	l->out = (struct cn_extent){ 1, l->kind == &cn_table_kind ? cn_extent_count(&l->in) : 1, l->times };
	return 0;
}

static size_t
tensors(struct cn_layer *l, struct cn_layer_tensor *t)
{
	const struct cn_shape shape = { 2, { (uint32_t)l->number, (uint32_t)l->times } };

	cn_layer_list(t, "", "weight", shape, l->times, 0, &l->weight, &l->dweight);
	return 1;
}

static size_t
row_of(const struct cn_layer *l, float token)
{
	return token >= 0 && token < (float)l->number ? (size_t)token : NO_ROW;
}

static void
table_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t length = cn_extent_count(&l->in), dim = l->times;
	const float *token = job->x + i * length;
	float *y = job->y + i * length * dim;

	(void)worker;
	for (size_t t = 0; t < length; t++, y += dim) {
		const size_t row = row_of(l, token[t]);

		if (row == NO_ROW)
			memset(y, 0, dim * sizeof(float));
		else
			memcpy(y, l->weight + row * dim, dim * sizeof(float));
	}
}

static size_t
count_rows(const struct cn_layer *l, const float *token)
{
	const size_t length = cn_extent_count(&l->in);
	size_t count = 0;

	for (size_t t = 0; t < length; t++)
		count += row_of(l, token[t]) != NO_ROW;
	return count;
}

static void
bag_sample(void *context, size_t i, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t length = cn_extent_count(&l->in), dim = l->times, count = count_rows(l, job->x + i * length);
	float *y = job->y + i * dim;

	(void)worker;
	memset(y, 0, dim * sizeof(float));
	for (size_t t = 0; t < length; t++) {
		const size_t row = row_of(l, job->x[i * length + t]);

		for (size_t c = 0; c < dim && row != NO_ROW; c++)
			y[c] += l->weight[row * dim + c];
	}
	for (size_t c = 0; c < dim && count; c++)
		y[c] /= (float)count;
}

/* One of CN_LAYER_PARTS runs of the table's rows: each takes from all samples, in order, what is its own. */
static void
back_part(void *context, size_t part, size_t worker)
{
	const struct cn_layer_job *job = context;
	const struct cn_layer *l = job->layer;
	const size_t length = cn_extent_count(&l->in), dim = l->times;
	const size_t from = l->number * part / CN_LAYER_PARTS, to = l->number * (part + 1) / CN_LAYER_PARTS;
	const bool each = l->kind == &cn_table_kind;

	(void)worker;
	memset(l->dweight + from * dim, 0, (to - from) * dim * sizeof(float));
	for (size_t i = 0; i < job->n; i++) {
		const float *token = job->x + i * length, share = each ? 1 : 1 / (float)count_rows(l, token);

		for (size_t t = 0; t < length; t++) {
			const size_t row = row_of(l, token[t]);
			const float *dy = job->dy + (each ? i * length + t : i) * dim;

			for (size_t c = 0; c < dim && row >= from && row < to; c++)
				l->dweight[row * dim + c] += share * dy[c];
		}
	}
}

/* Nothing is in front of a table, so dx is never wanted. */
static void
backward(struct cn_layer *l, const float *x, const float *y, float *dy, float *dx, size_t n, struct cn_pool *pool)
{
	struct cn_layer_job job = { .layer = l, .x = x, .dy = dy, .n = n };

	(void)y;
	(void)dx;
	cn_pool_run(pool, CN_LAYER_PARTS, back_part, &job);
}

const struct cn_layer_kind cn_bag_kind = {
	.word = "bag", .grammar = ":VxD", .most = LONGEST_TABLE, .most_times = CN_LAYER_WIDEST, .tokens = true,
	.fit = fit, .tensors = tensors, .sample = bag_sample, .backward = backward,
};

const struct cn_layer_kind cn_table_kind = {
	.word = "table", .grammar = ":VxD", .most = LONGEST_TABLE, .most_times = CN_LAYER_WIDEST, .tokens = true,
	.fit = fit, .tensors = tensors, .sample = table_sample, .backward = backward,
};
