/* rounds - chunks are cut and joined, vectors read or embedded, and the hard ones around each anchor found. */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "gen/hard.h"
#include "gen/rounds.h"
#include "nn/vector.h"
#include "tensor/kernel.h"

#include "base/banned.h"

struct cn_rounds {
	struct cn_rounds_config config;
	struct cn_reader *in;
	struct cn_step *step;			/* or NULL */
	struct cn_vector vector, pos_vector;
	int id, epoch, neg, neg_id, neg_z;	/* fields of the input; -1 = none */
	size_t kept;				/* negatives a row of the input has */
	struct cn_batch chunk, batch;		/* as read; of the round */
	size_t used;				/* rows of the chunk */
	uint64_t before, left;			/* rows of earlier rounds; that may still be read */
	struct cn_round round;
	float *anchor, *positive;		/* (rows, dim) */
	float *pos_score, *ceiling;		/* (rows) */
	float *mined;				/* (rows, mined, dim), zeros = none */
	unsigned char *sample;			/* (rows, mined) samples to embed */
	uint64_t *ids;
	uint32_t *epochs;
	struct cn_hard *hard;			/* (rows) */
};

static int
find_vectors(struct cn_rounds *r, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(r->in);
	const char *file = cn_reader_name(r->in);
	const bool embed = r->config.encoder != NULL;

	if (cn_vector_init(&r->vector, schema, file, embed ? "x" : "z", r->config.encoder, CN_ENCODER_HEAD, err) < 0 ||
	    cn_vector_init(&r->pos_vector, schema, file, embed ? "pos" : "pos_z", r->config.encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	const struct cn_space own = cn_rounds_space(r), positive = cn_vector_space(&r->pos_vector, r->in);
	const size_t dim = r->round.dim = own.dim;

	if (cn_space_match(&own, &positive, err) < 0)
		return -1;
	if (dim < 2 || dim > 65536)
		return cn_err_set(err, CN_FAILED, "%s: vectors of %zu numbers; negatives are made of 2 to 65536", file, dim);
	return 0;
}

/* Whether the vectors the rows come with can be compared with theirs. */
static bool
comparable(const struct cn_rounds *r)
{
	const struct cn_space own = cn_rounds_space(r), mined = cn_space_of_field(r->in, "neg_z");

	return cn_space_same(&own, &mined);
}

/* Negatives the rows come with, if they can be compared: vectors of this space, or samples and an encoder. */
static void
find_mined(struct cn_rounds *r)
{
	const struct cn_schema *schema = cn_reader_schema(r->in);
	const struct cn_field *x = &schema->field[r->vector.field];
	const int z = cn_schema_find_as(schema, "neg_z", CN_DTYPE_F32, 2), value = cn_schema_find(schema, "neg");
	const int id = cn_schema_find_as(schema, "neg_id", CN_DTYPE_U64, 1);

	r->neg = r->neg_id = r->neg_z = -1;
	if (r->config.mined == 0)
		return;
	if (z >= 0 && !r->config.by_value && comparable(r)) {
		r->neg_z = z;
		r->kept = schema->field[z].shape.dim[0];
	} else if (value >= 0 && r->config.encoder && schema->field[value].shape.rank > 0) {
		const uint32_t k = schema->field[value].shape.dim[0];
		const struct cn_shape wanted = cn_shape_stack(k, &x->shape);

		if (schema->field[value].dtype == x->dtype && cn_shape_equal(&wanted, &schema->field[value].shape)) {
			r->neg = value;
			r->kept = k;
		}
		if (id >= 0 && schema->field[id].shape.dim[0] == k)
			r->neg_id = id;
	}
	r->round.mined = r->config.mined < r->kept ? r->config.mined : r->kept;
}

static int
allocate(struct cn_rounds *r, struct cn_err *err)
{
	const size_t n = r->config.rows, mined = r->round.mined, vector = r->round.dim * sizeof(float);
	const size_t sample = r->neg >= 0 ? cn_field_bytes(&cn_reader_schema(r->in)->field[r->vector.field]) : 1;

	r->anchor = cn_mem_array(n, vector, err);
	r->positive = cn_mem_array(n, vector, err);
	r->pos_score = cn_mem_array(n, sizeof *r->pos_score, err);
	r->ceiling = cn_mem_array(n, sizeof *r->ceiling, err);
	r->mined = cn_mem_array(n * (mined + 1), vector, err);
	r->sample = cn_mem_array(n * (mined + 1), sample, err);
	r->ids = cn_mem_array(n, sizeof *r->ids, err);
	r->epochs = cn_mem_array(n, sizeof *r->epochs, err);
	r->hard = cn_mem_array(n, sizeof *r->hard, err);
	return err->code ? -1 : cn_batch_shape(&r->batch, cn_reader_schema(r->in), 0, err);
}

static int
plan(struct cn_rounds *r, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(r->in);

	r->id = cn_schema_need(schema, cn_reader_name(r->in), "id", CN_DTYPE_U64, 0,
		"rows are told apart by their id, which cn-import gives", err);
	r->epoch = cn_schema_find_as(schema, "epoch", CN_DTYPE_U32, 0);
	if (err->code || find_vectors(r, err) < 0)
		return -1;
	find_mined(r);
	if (allocate(r, err) < 0)
		return -1;
	r->round = (struct cn_round){ .full = r->config.rows, .dim = r->round.dim, .mined = r->round.mined, .anchor = r->anchor,
		.positive = r->positive, .mined_z = r->mined, .id = r->ids, .epoch = r->epochs, .pos_score = r->pos_score,
		.ceiling = r->ceiling, .hard = r->hard };
	if (r->config.encoder)
		r->round.bytes = cn_field_bytes(cn_rounds_sample(r));
	return 0;
}

struct cn_rounds *
cn_rounds_new(const struct cn_rounds_config *config, struct cn_reader *in, struct cn_err *err)
{
	struct cn_rounds *r;

	if (err->code || !(r = cn_mem_array(1, sizeof *r, err)))
		return NULL;
	r->config = *config;
	r->in = in;
	r->left = UINT64_MAX;
	if (plan(r, err) == 0)
		return r;
	cn_rounds_free(r);
	return NULL;
}

void
cn_rounds_free(struct cn_rounds *r)
{
	if (!r)
		return;
	void *const block[] = { r->anchor, r->positive, r->pos_score, r->ceiling, r->mined, r->sample, r->ids, r->epochs, r->hard };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_batch_release(&r->chunk);
	cn_batch_release(&r->batch);
	cn_mem_free(r);
}

struct cn_space
cn_rounds_space(const struct cn_rounds *r)
{
	return cn_vector_space(&r->vector, r->in);
}

size_t
cn_rounds_mined(const struct cn_rounds *r)
{
	return r->round.mined;
}

const struct cn_field *
cn_rounds_sample(const struct cn_rounds *r)
{
	return &cn_reader_schema(r->in)->field[r->vector.field];
}

void
cn_rounds_limit(struct cn_rounds *r, uint64_t limit)
{
	r->left = limit ? limit : UINT64_MAX;
}

void
cn_rounds_follow(struct cn_rounds *r, struct cn_step *step)
{
	r->step = step;
}

const struct cn_batch *
cn_rounds_batch(const struct cn_rounds *r)
{
	return &r->batch;
}

/* 1, 0 at the end, -1. */
static int
read_chunk(struct cn_rounds *r, struct cn_err *err)
{
	const int got = r->left ? cn_reader_next(r->in, &r->chunk, err) : 0;

	if (got <= 0)
		return got;
	if (r->chunk.rows > r->left) {
		cn_reader_give_back(r->in, r->chunk.rows - (size_t)r->left);
		r->chunk.rows = (size_t)r->left;
	}
	r->left -= r->chunk.rows;
	r->used = 0;
	return 1;
}

/* As many rows as a round has, or as are left to where it must end. */
static int
fill(struct cn_rounds *r, struct cn_err *err)
{
	int got = 1;

	r->before += r->batch.rows;
	const size_t full = cn_step_most(r->step, r->before, r->config.rows);

	if (cn_batch_shape(&r->batch, cn_reader_schema(r->in), 0, err) < 0)
		return -1;
	while (r->batch.rows < full) {
		if (r->used == r->chunk.rows && (got = read_chunk(r, err)) <= 0)
			break;
		const size_t room = full - r->batch.rows, left = r->chunk.rows - r->used, n = left < room ? left : room;

		if (r->batch.rows == 0)
			r->batch.first_row = r->chunk.first_row + r->used;
		if (cn_batch_append(&r->batch, &r->chunk, r->used, n, err) < 0)
			return -1;
		r->used += n;
	}
	return got < 0 ? -1 : 0;
}

/* The negatives the rows came with, as unit vectors; those marked as none stay zero. */
static int
look_at_mined(struct cn_rounds *r, struct cn_err *err)
{
	const size_t n = r->batch.rows, mined = r->round.mined, dim = r->round.dim, vector = dim * sizeof(float);
	const size_t sample = cn_field_bytes(&r->batch.schema.field[r->vector.field]);

	for (size_t i = 0; i < n && r->neg_z >= 0; i++)
		memcpy(r->mined + i * mined * dim, cn_batch_at(&r->batch, r->neg_z, i), mined * vector);
	if (r->neg >= 0) {
		for (size_t i = 0; i < n; i++)
			memcpy(r->sample + i * mined * sample, cn_batch_at(&r->batch, r->neg, i), mined * sample);
		if (cn_encoder_check_rows(r->config.encoder, &r->batch, r->neg, cn_reader_name(r->in), err) < 0
		    || cn_encoder_embed(r->config.encoder, r->sample, n * mined, CN_ENCODER_HEAD, r->mined, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < n && r->neg_id >= 0; i++)
		for (size_t m = 0; m < mined; m++)
			if (((const uint64_t *)cn_batch_at(&r->batch, r->neg_id, i))[m] == UINT64_MAX)
				memset(r->mined + (i * mined + m) * dim, 0, vector);
	const size_t bad = cn_dtype_find_nonfinite(CN_DTYPE_F32, r->mined, n * mined * dim);
	if (mined && bad < n * mined * dim)
		return cn_err_set(err, CN_FAILED, "%s: row %llu: a negative is not finite; look at it with cn-info --text",
			cn_reader_name(r->in), (unsigned long long)(r->before + bad / dim / mined));
	cn_kernel_normalize(r->mined, n * mined, dim);
	return 0;
}

static void
look_around(void *context, size_t row, size_t worker)
{
	struct cn_rounds *r = context;

	(void)worker;
	cn_hard_find(r->hard + row, &r->round, row, r->config.hardest);
}

/* What is known of the round's rows: vectors, ceilings, and the hard true ones around each. */
static int
look(struct cn_rounds *r, struct cn_err *err)
{
	const size_t n = r->round.rows = r->batch.rows, dim = r->round.dim;

	if (cn_vector_read_unit(&r->vector, &r->batch, r->anchor, err) < 0 ||
	    cn_vector_read_unit(&r->pos_vector, &r->batch, r->positive, err) < 0 || look_at_mined(r, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const float s = cn_kernel_dot(r->anchor + i * dim, r->positive + i * dim, dim), ceiling = s - (float)r->config.guard;

		r->pos_score[i] = s;
		r->ceiling[i] = ceiling > -1 ? ceiling : -1;
		memcpy(r->ids + i, cn_batch_at(&r->batch, r->id, i), sizeof *r->ids);
		r->epochs[i] = 0;
		if (r->epoch >= 0)
			memcpy(r->epochs + i, cn_batch_at(&r->batch, r->epoch, i), sizeof *r->epochs);
	}
	if (r->config.encoder) {
		r->round.x = r->batch.column[r->vector.field];
		r->round.pos = r->batch.column[r->pos_vector.field];
		r->round.mined_x = r->neg >= 0 ? r->sample : NULL;
	}
	cn_pool_run(r->config.pool, n, look_around, r);
	return 0;
}

const struct cn_round *
cn_rounds_next(struct cn_rounds *r, struct cn_err *err)
{
	if (cn_reader_check(r->in, err) < 0 || fill(r, err) < 0 || r->batch.rows == 0)
		return NULL;
	if (cn_step_renew(r->step, r->before, err) <= 0) {
		cn_reader_give_back(r->in, r->batch.rows + r->chunk.rows - r->used);
		return NULL;
	}
	return look(r, err) < 0 ? NULL : &r->round;
}
