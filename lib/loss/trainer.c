/* trainer - one step after the other: gather, forward, loss, backward, move. */
#include <math.h>

#include "base/mem.h"
#include "data/safetensors.h"
#include "loss/checkpoint.h"
#include "loss/extra.h"
#include "loss/trainer.h"
#include "nn/model.h"
#include "nn/origin.h"

#include "base/banned.h"

enum { CHECK_EACH = 10, CHECKS = 5, CHECK_DIM = 4, CHECK_ROWS = 8 };	/* for collapse; see trainer.h */

#define LEAST_RANK 1.05			/* all on a line; small networks begin near 1.5 */
#define LEAST_RANK_LABELLED 0.5		/* anything but 0 */

/* What is kept of a training, and where. */
struct keeping {
	const char *path;		/* or NULL */
	const struct cn_meta *node;
	uint64_t every;			/* rows */
	struct cn_weights taken;	/* the state at some moment, of which it is not known yet whether it is good; or empty */
	uint64_t step;			/* how many were done then */
	bool kept;			/* something is in the file: the state after */
	uint64_t kept_step;
};

struct cn_trainer {
	struct cn_trainer_config config;
	struct cn_reader *in, *bank;
	struct cn_pool *pool;
	struct cn_model *model;
	struct cn_learner *learner;
	struct cn_objective *loss;
	struct cn_memory memory;	/* of length 0 without a queue */
	struct cn_spread *spread;
	struct cn_extra extra;
	const void **sample;	/* what goes through the network: 2B views, then further negatives */
	int32_t *label;		/* of each view, or NULL where the loss needs none */
	float *z;		/* (samples, dim) candidates, with neg_z behind */
	float *anchor;		/* (2B, dim) where these are targets, else NULL */
	float *dz;		/* (samples, dim) gradient of the loss by what is learned through */
	int id;			/* field, or -1 */
	size_t dim;
	uint64_t step;
	uint64_t first, last;	/* row of the step that is being made; and of the last one that was */
	size_t taken;		/* batches of the step, */
	struct cn_objective_result mean;	/* and their mean so far */
	unsigned low;		/* checks in a row with too low a rank, CHECKS = told */
	struct keeping keeping;
};

/* Rows of one epoch, as cn-augment notes them; all rows when it does not. */
static uint64_t
epoch_rows(const struct cn_reader *in, uint64_t rows)
{
	const char *noted = cn_schema_find(cn_reader_schema(in), "epoch") < 0 ? NULL : cn_meta_get(cn_reader_meta(in), "epoch.rows");
	const unsigned long long n = noted ? strtoull(noted, NULL, 10) : 0;

	return n > 0 && n < rows ? n : rows;
}

uint64_t
cn_trainer_steps(const struct cn_reader *in, size_t batch, uint64_t limit)
{
	const uint64_t promised = cn_reader_rows_promised(in), rows = promised ? promised : cn_reader_rows_hint(in);
	const uint64_t all = limit && limit < rows ? limit : rows, epoch = epoch_rows(in, rows);

	return epoch ? all / epoch * (epoch / batch) + all % epoch / batch : 0;
}

static int
check_fields(struct cn_trainer *t, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(t->in);
	const char *name = cn_reader_name(t->in);
	const int x = cn_schema_need(schema, name, "x", 0, -1, NULL, err);
	const int pos = cn_schema_need(schema, name, "pos", 0, -1, "make it with cn-augment", err);

	if (x < 0 || pos < 0)
		return -1;
	if (schema->field[x].dtype != schema->field[pos].dtype
	    || !cn_shape_equal(&schema->field[x].shape, &schema->field[pos].shape))
		return cn_err_set(err, CN_FAILED, "%s: fields 'x' and 'pos' differ in type or shape; they must be two views "
			"of the same kind", name);
	if (cn_schema_find(schema, "epoch") >= 0
	    && cn_schema_need(schema, name, "epoch", CN_DTYPE_U32, 0, NULL, err) < 0)
		return -1;
	if (cn_schema_find(schema, "id") >= 0 && cn_schema_need(schema, name, "id", CN_DTYPE_U64, 0, NULL, err) < 0)
		return -1;
	return 0;
}

static int
make_model(struct cn_trainer *t, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(t->in);
	const struct cn_field *x = &schema->field[cn_schema_find(schema, "x")];

	if (t->config.init)
		t->model = cn_model_load(t->config.init, t->pool, err);
	else
		t->model = cn_model_new(t->config.arch, t->config.head, x, t->config.seed, t->pool, err);
	if (!t->model)
		return -1;
	t->dim = cn_network_dim(cn_model_network(t->model), CN_NETWORK_HEAD);
	if (cn_model_check(t->model, x, cn_reader_name(t->in), err) != 0)
		return -1;
	return t->config.freeze ? cn_network_freeze(cn_model_network(t->model), t->config.freeze, err) : 0;
}

static void
need_labels(struct cn_trainer *t, struct cn_err *err)
{
	if (cn_schema_need(cn_reader_schema(t->in), cn_reader_name(t->in), "label", CN_DTYPE_I32, 0,
		"this loss takes samples of one label for positives", err) >= 0)
		t->label = cn_mem_array(2 * t->config.batch, sizeof(*t->label), err);
}

static int
make_learner(struct cn_trainer *t, size_t samples, struct cn_err *err)
{
	struct cn_learner_config config = t->config.learner;

	config.samples = samples;
	config.seed = t->config.seed;
	t->learner = cn_learner_new(&config, t->model, t->pool, err);
	if (t->learner && cn_learner_targets(t->learner))
		t->anchor = cn_mem_array(2 * t->config.batch, t->dim * sizeof(float), err);
	return err->code ? -1 : 0;
}

static int
make_loss(struct cn_trainer *t, size_t vectors, struct cn_err *err)
{
	const struct cn_objective_sizes sizes = { .rows = t->config.batch, .dim = t->dim, .slots = t->extra.slots,
		.vectors = vectors, .temperature = t->config.temperature, .targets = t->anchor != NULL, .memory = t->config.queue };

	t->loss = cn_objective_new(t->config.loss, &sizes, t->pool, err);
	if (t->loss && cn_objective_labelled(t->loss))
		need_labels(t, err);
	if (t->loss && !cn_objective_compares(t->loss) && (t->config.queue || t->config.learner.momentum > 0))
		return cn_err_set(err, CN_USAGE, "%s: no loss of --loss '%s' compares anchors with anything; leave it out",
			t->config.queue ? "--queue" : "--momentum-encoder", t->config.loss);
	t->id = cn_schema_find(cn_reader_schema(t->in), "id");
	return err->code ? -1 : cn_memory_init(&t->memory, t->config.queue, t->dim, t->id >= 0, t->label != NULL, err);
}

/* Everything whose size depends on the batch. */
static int
make_room(struct cn_trainer *t, struct cn_err *err)
{
	const size_t rows = t->config.batch;

	const struct cn_space head = { .layer = cn_origin_of_model(cn_model_meta(t->model), CN_ENCODER_HEAD), .dim = t->dim };

	if (cn_extra_init(&t->extra, t->in, t->bank, rows, &head, err) != 0)
		return -1;
	const struct cn_batch *bank = cn_extra_bank(&t->extra);
	const size_t samples = 2 * rows + t->extra.samples_max, vectors = samples + t->extra.vectors_max;

	t->sample = cn_mem_array(samples, sizeof(*t->sample), err);
	t->z = cn_mem_array(vectors, t->dim * sizeof(float), err);
	t->dz = cn_mem_array(samples, t->dim * sizeof(float), err);
	if (bank)
		cn_model_check_rows(t->model, bank, cn_schema_find(&bank->schema, "x"), cn_reader_name(t->bank), err);
	t->spread = cn_spread_new(rows, t->dim, t->pool, err);
	if (make_learner(t, samples, err) != 0)
		return -1;
	return make_loss(t, vectors - 2 * rows, err);
}

struct cn_trainer *
cn_trainer_new(const struct cn_trainer_config *config, struct cn_reader *in, struct cn_reader *bank,
	struct cn_pool *pool, struct cn_err *err)
{
	if (err->code)
		return NULL;
	struct cn_trainer *t = cn_mem_array(1, sizeof(*t), err);

	if (!t)
		return NULL;
	t->config = *config;
	t->in = in;
	t->bank = bank;
	t->pool = pool;
	if (check_fields(t, err) == 0 && make_model(t, err) == 0)
		make_room(t, err);
	if (!err->code)
		return t;
	cn_trainer_free(t);
	return NULL;
}

void
cn_trainer_free(struct cn_trainer *t)
{
	if (!t)
		return;
	cn_learner_free(t->learner);
	cn_model_free(t->model);
	cn_objective_free(t->loss);
	cn_spread_free(t->spread);
	cn_memory_release(&t->memory);
	cn_extra_release(&t->extra);
	cn_weights_release(&t->keeping.taken);
	cn_mem_free((void *)t->sample);
	cn_mem_free(t->label);
	cn_mem_free(t->z);
	cn_mem_free(t->anchor);
	cn_mem_free(t->dz);
	cn_mem_free(t);
}

/* Lists what goes through the network: x of all rows, pos of all rows, further negatives; returns how many. */
static size_t
list_samples(struct cn_trainer *t, const struct cn_batch *batch)
{
	const int x = cn_schema_find(&batch->schema, "x"), pos = cn_schema_find(&batch->schema, "pos");
	const size_t rows = batch->rows;

	for (size_t i = 0; i < rows && t->label; i++)
		t->label[i] = t->label[rows + i] = *(const int32_t *)cn_batch_at(batch, cn_schema_find(&batch->schema, "label"), i);
	for (size_t i = 0; i < rows; i++) {
		t->sample[i] = cn_batch_at(batch, x, i);
		t->sample[rows + i] = cn_batch_at(batch, pos, i);
	}
	for (size_t i = 0; i < t->extra.samples; i++)
		t->sample[2 * rows + i] = t->extra.sample[i];
	return 2 * rows + t->extra.samples;
}

/* Tokens must be in the model's table: those of the pairs, and of negatives by value. */
static int
check_rows(const struct cn_trainer *t, const struct cn_batch *batch, struct cn_err *err)
{
	static const char *const names[] = { "x", "pos", "neg" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const int field = cn_schema_find(&batch->schema, names[i]);

		if (field >= 0 && cn_model_check_rows(t->model, batch, field, cn_reader_name(t->in), err) != 0)
			return -1;
	}
	return 0;
}

static const uint64_t *
ids(const struct cn_trainer *t, const struct cn_batch *batch)
{
	return t->id < 0 ? NULL : (const uint64_t *)(const void *)batch->column[t->id];
}

/* Loss of the batch and its gradient in dz. */
static void
compare(struct cn_trainer *t, const struct cn_batch *batch, struct cn_objective_result *result)
{
	const size_t behind = 2 * batch->rows * t->dim;
	const struct cn_objective_extra extra = { .slots = t->extra.slots, .index = t->extra.index,
		.weight = t->extra.weight, .logq = t->extra.logq, .z = t->z + behind,
		.n = t->extra.samples + t->extra.vectors, .n_gradient = t->anchor ? 0 : t->extra.samples, .dz = t->dz + behind };

	if (t->extra.vectors)
		memcpy(t->z + behind + t->extra.samples * t->dim, t->extra.vector,
			t->extra.vectors * t->dim * sizeof(float));
	const struct cn_objective_batch views = { .rows = batch->rows, .z = t->anchor ? t->anchor : t->z, .label = t->label,
		.extra = t->extra.slots ? &extra : NULL, .dz = t->dz, .target = t->anchor ? t->z : NULL, .memory = &t->memory,
		.id = ids(t, batch) };

	cn_objective_run(t->loss, &views, result);
	cn_memory_push(&t->memory, t->z + batch->rows * t->dim, ids(t, batch), t->label, batch->rows);
}

/* Each step if somebody wants to know how the candidates lie, in its last batch; and where their rank is due to be checked. */
static void
watch(struct cn_trainer *t, size_t rows, struct cn_trainer_report *report)
{
	const bool due = t->step % CHECK_EACH == CHECK_EACH - 1 && t->low < CHECKS;

	if (t->config.measure)
		cn_spread_measure(t->spread, t->z, rows, &report->spread);
	else if (due)
		report->spread.rank = cn_spread_rank(t->spread, t->z, 2 * rows);
	if (!due || t->dim < CHECK_DIM || rows < CHECK_ROWS)
		return;
	t->low = report->spread.rank < (t->label ? LEAST_RANK_LABELLED : LEAST_RANK) ? t->low + 1 : 0;
	report->collapsed = t->low == CHECKS;
}

/* Something of the rows from first on to the end of the batch. */
static int
refuse_step(const struct cn_trainer *t, uint64_t first, const struct cn_batch *batch, const char *what, struct cn_err *err)
{
	return cn_err_set(err, CN_FAILED, "%s: the %s is not finite at step %llu (rows %llu to %llu); try a lower --lr "
		"or a higher --temperature", cn_reader_name(t->in), what, (unsigned long long)t->step,
		(unsigned long long)first, (unsigned long long)(batch->first_row + batch->rows - 1));
}

/* Moves the weights by the schedule; a gradient longer than clip is cut to it as torch's clip_grad_norm_ does. */
static void
move(struct cn_trainer *t, const struct cn_batch *batch, struct cn_trainer_report *report)
{
	const double clip = t->config.clip, most = clip / (report->gradient + 1e-6);
	struct cn_optimizer_rates rates = { .scale = clip > 0 && most < 1 ? most : 1 };

	cn_schedule_at(&t->config.schedule, t->step, &rates.lr, &rates.momentum);
	report->lr = rates.lr;
	cn_learner_move(t->learner, &rates);
	t->step++;
	t->last = batch->first_row + batch->rows - 1;
	t->taken = 0;
	t->mean = (struct cn_objective_result){ 0 };
	report->complete = true;
}

/* Another batch of the step. */
static void
add(struct cn_trainer *t, const struct cn_objective_result *r)
{
	const double part = 1 / (double)t->config.learner.batches;

	t->mean.loss += part * r->loss;
	t->mean.positive += part * r->positive;
	t->mean.negative += part * r->negative;
	t->mean.extra += part * r->extra;
	t->mean.accuracy += part * r->accuracy;
	t->taken++;
}

/* What the model's history is to be: node, made from the inputs and the initial model, in the order of their names there. */
static void
trace(const struct cn_trainer *t, const struct cn_meta *node, struct cn_history *history, struct cn_err *err)
{
	struct cn_history initial = { 0 };
	int origin[3];
	size_t n = 0;

	origin[n++] = cn_history_merge(history, cn_reader_history(t->in), err);
	if (t->bank)
		origin[n++] = cn_history_merge(history, cn_reader_history(t->bank), err);
	if (t->config.init && cn_model_history(t->model, t->config.init, &initial, err) == 0)
		origin[n++] = cn_history_merge(history, &initial, err);
	cn_history_step(history, node, origin, n, err);
	cn_history_release(&initial);
}

static struct cn_checkpoint
checkpoint(struct cn_trainer *t)
{
	struct cn_checkpoint now = { .memory = &t->memory, .step = t->step, .low = t->low };

	cn_learner_describe(t->learner, &now);
	return now;
}

/* A copy of the state, for put_taken. */
static int
take(struct cn_trainer *t, struct cn_err *err)
{
	struct keeping *k = &t->keeping;
	const struct cn_checkpoint now = checkpoint(t);
	struct cn_history history = { 0 };

	cn_weights_release(&k->taken);
	trace(t, k->node, &history, err);
	cn_checkpoint_take(&now, &history, &k->taken, err);
	cn_history_release(&history);
	k->step = t->step;
	return err->code ? -1 : 0;
}

/* After the step that makes the next multiple of every rows full. */
static int
take_if_due(struct cn_trainer *t, struct cn_err *err)
{
	const uint64_t batch = t->config.batch, rows = cn_trainer_done(t) * batch, step = t->config.learner.batches * batch;

	if (!t->keeping.path || rows / t->keeping.every == (rows - step) / t->keeping.every)
		return 0;
	return take(t, err);
}

/* What was taken has turned out to be good. */
static int
put_taken(struct cn_trainer *t, struct cn_err *err)
{
	struct keeping *k = &t->keeping;

	if (k->taken.n == 0 || cn_safetensors_write(k->path, 0, &k->taken, err) != 0)
		return err->code ? -1 : 0;
	cn_weights_release(&k->taken);
	k->kept = true;
	k->kept_step = k->step;
	return 0;
}

int
cn_trainer_step(struct cn_trainer *t, const struct cn_batch *batch, struct cn_trainer_report *report,
	struct cn_err *err)
{
	*report = (struct cn_trainer_report){ .step = t->step };
	if (err->code || check_rows(t, batch, err) != 0 || cn_extra_gather(&t->extra, batch, err) != 0)
		return -1;
	const uint64_t round = cn_trainer_done(t) + t->taken;

	if (cn_learner_forward(t->learner, t->sample, list_samples(t, batch), 2 * batch->rows, round, t->z, t->anchor, err) != 0)
		return -1;
	t->first = t->taken == 0 ? batch->first_row : t->first;
	compare(t, batch, &report->loss);
	if (!isfinite(report->loss.loss) || !isfinite(report->loss.positive) || !isfinite(report->loss.extra))
		return refuse_step(t, batch->first_row, batch, "loss", err);
	if (cn_learner_backward(t->learner, t->dz, err) != 0)
		return -1;
	add(t, &report->loss);
	if (t->taken < t->config.learner.batches)
		return 0;
	watch(t, batch->rows, report);
	report->loss = t->mean;
	report->gradient = cn_learner_slope(t->learner);
	if (!isfinite(report->gradient))
		return refuse_step(t, t->first, batch, "gradient", err);
	if (put_taken(t, err) != 0)
		return -1;
	move(t, batch, report);
	return take_if_due(t, err);
}

/* No loss has been made of the weights behind the last step. */
static int
check_weights(const struct cn_trainer *t, struct cn_err *err)
{
	const struct cn_network *network = cn_model_network(t->model);

	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);
		const size_t n = cn_shape_count(&tensor.shape);

		if (cn_dtype_find_nonfinite(CN_DTYPE_F32, tensor.data, n) < n)
			return cn_err_set(err, CN_FAILED, "%s: tensor '%s' has a NaN or infinity after %llu steps (rows up to %llu); "
				"try a lower --lr or --weight-decay", cn_reader_name(t->in), tensor.name, (unsigned long long)t->step,
				(unsigned long long)t->last);
	}
	return 0;
}

/* last: what was taken for the checkpoint will see no other step that shows it to be good. */
static int
write_model(struct cn_trainer *t, struct cn_output *output, const struct cn_meta *node, const struct cn_meta *more, bool last, struct cn_err *err)
{
	struct cn_history history = { 0 };

	if (err->code)
		return -1;
	trace(t, node, &history, err);
	cn_learner_swap(t->learner);
	if (check_weights(t, err) == 0 && (!last || put_taken(t, err) == 0))
		cn_model_save(t->model, output, &history, more, err);
	cn_learner_swap(t->learner);
	cn_history_release(&history);
	return err->code ? -1 : 0;
}

int
cn_trainer_save(struct cn_trainer *t, struct cn_output *output, const struct cn_meta *node, struct cn_err *err)
{
	return write_model(t, output, node, NULL, true, err);
}

int
cn_trainer_snapshot(struct cn_trainer *t, struct cn_output *output, const struct cn_meta *node, const struct cn_meta *more, struct cn_err *err)
{
	return write_model(t, output, node, more, false, err);
}

int
cn_trainer_keep(struct cn_trainer *t, const char *path, uint64_t every, const struct cn_meta *node, struct cn_err *err)
{
	t->keeping.path = path;
	t->keeping.node = node;
	t->keeping.every = every;
	if (err->code || t->keeping.kept)
		return err->code ? -1 : 0;
	return take(t, err);
}

bool
cn_trainer_kept(const struct cn_trainer *t, uint64_t *steps)
{
	*steps = t->keeping.kept_step;
	return t->keeping.kept;
}

int
cn_trainer_resume(struct cn_trainer *t, const char *path, const struct cn_meta *node, struct cn_err *err)
{
	struct cn_checkpoint now = checkpoint(t);
	struct cn_history history = { 0 };

	if (err->code)
		return -1;
	trace(t, node, &history, err);
	if (cn_checkpoint_read(&now, path, &history, err) == 0) {
		t->keeping.kept = true;
		t->keeping.kept_step = t->step = now.step;
		t->low = now.low;
	}
	cn_history_release(&history);
	return err->code ? -1 : 0;
}

uint64_t
cn_trainer_done(const struct cn_trainer *t)
{
	return t->step * t->config.learner.batches;
}

size_t
cn_trainer_slots(const struct cn_trainer *t)
{
	return t->extra.slots;
}
