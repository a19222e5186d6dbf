/* augmenter - what the samples are is settled once; then rows are made in parallel, each by itself. */
#include <string.h>

#include "augment/augmenter.h"
#include "augment/perturb.h"
#include "augment/picture.h"
#include "base/mem.h"
#include "stream/limits.h"

#include "base/banned.h"

enum { PART = 16 };	/* rows of one piece of work */

struct cn_augmenter {
	struct cn_augmenter_config config;
	struct cn_plan_keys keys;
	struct cn_schema in, out;
	int id, epoch, side[CN_VIEW_SIDES];	/* fields of in; epoch -1 = none */
	int out_epoch, out_side[CN_VIEW_SIDES];
	int from[CN_SCHEMA_FIELDS];		/* field of in that a field of out passes on, or -1 */
	bool picture;
	uint32_t height, width;
	size_t count;				/* numbers of a vector */
	struct cn_picture **bench;		/* one per thread */
	struct cn_origin *origin;		/* of a streamed chunk */
	size_t room;
};

static int
refuse_type(const struct cn_augmenter *a, const char *file, const char *word, const char *needs, struct cn_err *err)
{
	const struct cn_field *x = &a->in.field[a->side[CN_VIEW_X]];
	char text[96];

	cn_shape_text(x->dtype, &x->shape, text, sizeof text);
	if (!word)
		return cn_err_set(err, CN_FAILED, "%s: field 'x' is %s, not pictures u8 [H,W,C] or vectors f32 [D]; "
			"give samples of one of these types", file, text);
	return cn_err_set(err, CN_FAILED, "%s: %s is for %s, but field 'x' is %s; leave it out", file, word, needs, text);
}

static int
plan_type(struct cn_augmenter *a, const char *file, struct cn_err *err)
{
	const struct cn_field *x = &a->in.field[a->side[CN_VIEW_X]];
	const unsigned rank = x->shape.rank;
	const uint32_t channels = rank == 3 ? x->shape.dim[2] : 1;
	const char *word = NULL;

	a->picture = x->dtype == CN_DTYPE_U8 && (rank == 2 || rank == 3);
	if (!a->picture && !(x->dtype == CN_DTYPE_F32 && rank == 1))
		return refuse_type(a, file, NULL, NULL, err);
	if (a->picture && cn_plan_wants_vectors(&a->config.plan, &word))
		return refuse_type(a, file, word, "vectors f32 [D]", err);
	if (!a->picture && (cn_plan_wants_pictures(&a->config.plan, &word) || a->config.height))
		return refuse_type(a, file, word ? word : "--size", "pictures u8 [H,W,C]", err);
	if (a->picture && channels != 1 && channels != 3 && cn_plan_wants_colour(&a->config.plan, &word))
		return refuse_type(a, file, word, "pictures of 1 or 3 channels", err);
	a->count = cn_shape_count(&x->shape);
	if (a->picture && (x->shape.dim[0] > 65535 || x->shape.dim[1] > 65535))
		return refuse_type(a, file, "cn-augment", "pictures of at most 65535 pixels across", err);
	return 0;
}

static int
plan_fields(struct cn_augmenter *a, const char *file, struct cn_err *err)
{
	const struct cn_schema *in = &a->in;
	const int pos = cn_schema_find(in, "pos"), epoch = cn_schema_find(in, "epoch");

	a->id = cn_schema_need(in, file, "id", CN_DTYPE_U64, 0, "rows are told apart by their id, which cn-import gives", err);
	a->side[CN_VIEW_X] = cn_schema_need(in, file, "x", 0, -1, "samples come from cn-import", err);
	if (err->code || plan_type(a, file, err) < 0)
		return -1;
	a->side[CN_VIEW_POS] = pos < 0 ? a->side[CN_VIEW_X] : pos;
	const struct cn_field *x = &in->field[a->side[CN_VIEW_X]], *p = &in->field[a->side[CN_VIEW_POS]];
	if (p->dtype != x->dtype || !cn_shape_equal(&p->shape, &x->shape))
		return cn_err_set(err, CN_FAILED, "%s: fields 'x' and 'pos' differ in type or shape; import both alike", file);
	if (epoch >= 0 && (in->field[epoch].dtype != CN_DTYPE_U32 || in->field[epoch].shape.rank != 0))
		return cn_err_set(err, CN_FAILED, "%s: field 'epoch' is not u32; rename it with cn-cat", file);
	a->epoch = epoch;
	return 0;
}

static int
plan_output(struct cn_augmenter *a, struct cn_err *err)
{
	const struct cn_field x = a->in.field[a->side[CN_VIEW_X]];
	const struct cn_shape scalar = { 0 };
	struct cn_shape shape = x.shape;

	if (a->config.height) {
		shape.dim[0] = a->config.height;
		shape.dim[1] = a->config.width;
	}
	a->height = a->picture ? shape.dim[0] : 0;
	a->width = a->picture ? shape.dim[1] : 0;
	a->out = a->in;
	a->out_side[CN_VIEW_X] = cn_schema_put(&a->out, "x", x.dtype, &shape, err);
	a->out_side[CN_VIEW_POS] = cn_schema_put(&a->out, "pos", x.dtype, &shape, err);
	a->out_epoch = cn_schema_put(&a->out, "epoch", CN_DTYPE_U32, &scalar, err);
	for (size_t f = 0; !err->code && f < a->out.n; f++) {
		const bool made = (int)f == a->out_side[CN_VIEW_X] || (int)f == a->out_side[CN_VIEW_POS];

		a->from[f] = made ? -1 : cn_schema_find(&a->in, a->out.field[f].name);
	}
	return err->code ? -1 : 0;
}

static int
make_benches(struct cn_augmenter *a, struct cn_err *err)
{
	const struct cn_shape *shape = &a->in.field[a->side[CN_VIEW_X]].shape;
	const size_t threads = cn_pool_threads(a->config.pool);

	if (!a->picture)
		return 0;
	a->bench = cn_mem_array(threads, sizeof *a->bench, err);
	for (size_t i = 0; a->bench && i < threads; i++)
		a->bench[i] = cn_picture_new(shape->dim[0], shape->dim[1], a->height, a->width,
			shape->rank == 3 ? shape->dim[2] : 1, err);
	return err->code ? -1 : 0;
}

struct cn_augmenter *
cn_augmenter_new(const struct cn_augmenter_config *config, const struct cn_schema *in, const char *file, struct cn_err *err)
{
	struct cn_augmenter *a;

	if (err->code || cn_plan_check(&config->plan, err) < 0 || !(a = cn_mem_array(1, sizeof *a, err)))
		return NULL;
	a->config = *config;
	a->in = *in;
	cn_plan_keys_init(&a->keys, config->seed);
	if (plan_fields(a, file, err) == 0 && plan_output(a, err) == 0 && make_benches(a, err) == 0)
		return a;
	cn_augmenter_free(a);
	return NULL;
}

void
cn_augmenter_free(struct cn_augmenter *a)
{
	if (!a)
		return;
	for (size_t i = 0; a->bench && i < cn_pool_threads(a->config.pool); i++)
		cn_picture_free(a->bench[i]);
	cn_mem_free(a->bench);
	cn_mem_free(a->origin);
	cn_mem_free(a);
}

const struct cn_schema *
cn_augmenter_schema(const struct cn_augmenter *a)
{
	return &a->out;
}

int
cn_augmenter_has_epoch(const struct cn_augmenter *a)
{
	return a->epoch >= 0;
}

uint64_t
cn_augmenter_id(const struct cn_augmenter *a, const struct cn_batch *batch, size_t row)
{
	uint64_t id;

	memcpy(&id, cn_batch_at(batch, a->id, row), sizeof id);
	return id;
}

struct job {
	struct cn_augmenter *a;
	const struct cn_origin *origin;
	size_t n;
	struct cn_batch *out;
};

static void
make_row(struct cn_augmenter *a, const struct cn_origin *origin, struct cn_batch *out, size_t row, size_t worker)
{
	const struct cn_plan_config *config = &a->config.plan;
	const uint64_t id = cn_augmenter_id(a, origin->batch, origin->row);
	uint32_t epoch = origin->epoch;
	struct cn_plan plan;

	for (size_t f = 0; f < a->out.n; f++)
		if (a->from[f] >= 0)
			memcpy(cn_batch_at(out, (int)f, row), cn_batch_at(origin->batch, a->from[f], origin->row),
				cn_field_bytes(&a->out.field[f]));
	if (a->epoch >= 0)
		memcpy(&epoch, cn_batch_at(origin->batch, a->epoch, origin->row), sizeof epoch);
	else
		memcpy(cn_batch_at(out, a->out_epoch, row), &epoch, sizeof epoch);
	for (int s = 0; s < CN_VIEW_SIDES; s++) {
		const enum cn_view_side side = (enum cn_view_side)s;
		const void *from = cn_batch_at(origin->batch, a->side[s], origin->row);
		const struct cn_shape *shape = &a->in.field[a->side[s]].shape;
		void *to = cn_batch_at(out, a->out_side[s], row);

		if (!a->picture) {
			cn_perturb_view(config, &a->keys, side, id, epoch, from, to, a->count);
			continue;
		}
		cn_plan_draw(&plan, config, &a->keys, side, id, epoch, shape->dim[0], shape->dim[1]);
		cn_picture_view(a->bench[worker], &plan, from, to);
	}
}

static void
make_part(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t end = i * PART + cn_pool_part_size(job->n, i, PART);

	for (size_t row = i * PART; row < end; row++)
		make_row(job->a, job->origin + row, job->out, row, worker);
}

int
cn_augmenter_make(struct cn_augmenter *a, const struct cn_origin *origin, size_t n, struct cn_batch *out, struct cn_err *err)
{
	struct job job = { a, origin, n, out };

	if (err->code || cn_batch_shape(out, &a->out, n, err) < 0)
		return -1;
	cn_pool_run(a->config.pool, cn_pool_parts(n, PART), make_part, &job);
	return 0;
}

int
cn_augmenter_stream(void *augmenter, const struct cn_batch *in, struct cn_batch *out, struct cn_err *err)
{
	struct cn_augmenter *a = augmenter;

	if (err->code || cn_mem_grow((void **)&a->origin, &a->room, in->rows, sizeof *a->origin, err) < 0)
		return -1;
	for (size_t i = 0; i < in->rows; i++)
		a->origin[i] = (struct cn_origin){ in, i, 0 };
	return cn_augmenter_make(a, a->origin, in->rows, out, err);
}
