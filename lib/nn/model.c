/* model - a network with its samples' type, read from and written to safetensors. */
#include <string.h>

#include "base/mem.h"
#include "data/historyjson.h"
#include "nn/model.h"
#include "nn/preset.h"

#include "base/banned.h"

struct cn_model {
	struct cn_field x;	/* type and shape of a sample; its name does not matter */
	struct cn_meta meta;
	struct cn_network *network;
	struct cn_pool *pool;
};

static const char *
norm_of(enum cn_dtype dtype)
{
	return dtype == CN_DTYPE_U8 ? "divide 255" : "none";
}

static struct cn_model *
make(const char *arch, const char *head, const struct cn_field *x, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_model *model = cn_mem_array(1, sizeof(*model), err);

	if (!model)
		return NULL;
	model->x = *x;
	model->pool = pool;
	model->network = cn_network_new(arch, head, x->dtype, &x->shape, pool, err);
	if (model->network)
		return model;
	cn_model_free(model);
	return NULL;
}

static int
describe(struct cn_model *model, const char *arch, const char *head, struct cn_err *err)
{
	char text[160];

	cn_meta_set(&model->meta, "cn.arch", arch, err);
	cn_meta_set(&model->meta, "cn.head", head, err);
	cn_meta_set(&model->meta, "cn.input", cn_shape_text(model->x.dtype, &model->x.shape, text, sizeof(text)), err);
	cn_meta_set(&model->meta, "cn.norm", norm_of(model->x.dtype), err);
	return cn_meta_format(&model->meta, "cn.dim", "%zu", err, cn_network_dim(model->network, CN_NETWORK_TRUNK));
}

struct cn_model *
cn_model_new(const char *arch, const char *head, const struct cn_field *x, uint64_t seed, struct cn_pool *pool,
	struct cn_err *err)
{
	if (err->code)
		return NULL;
	if (x->dtype != CN_DTYPE_U8 && x->dtype != CN_DTYPE_F32 && x->dtype != CN_DTYPE_U32) {
		cn_err_set(err, CN_FAILED, "cannot train on samples of type %s, only u8, f32 and u32 (tokens)", cn_dtype_name(x->dtype));
		return NULL;
	}
	const char *words = cn_preset_words(arch);
	struct cn_model *model = make(words, head ? head : "", x, pool, err);

	if (!model)
		return NULL;
	cn_network_init(model->network, seed);
	if (describe(model, words, head ? head : "", err) == 0)
		return model;
	cn_model_free(model);
	return NULL;
}

void
cn_model_free(struct cn_model *model)
{
	if (!model)
		return;
	cn_network_free(model->network);
	cn_meta_release(&model->meta);
	cn_mem_free(model);
}

/* "u8 [32,32,3]" as cn_shape_text writes it; by trying all types, so that nothing is parsed twice differently. */
static int
parse_input(const char *text, struct cn_field *x)
{
	static const enum cn_dtype known[] = { CN_DTYPE_U8, CN_DTYPE_F32, CN_DTYPE_U32 };
	char again[160];
	const char *at = strchr(text, '[');

	*x = (struct cn_field){ 0 };
	while (at && x->shape.rank < CN_SHAPE_RANK) {
		char *end;
		const unsigned long dim = strtoul(at + 1, &end, 10);

		if (end == at + 1 || dim < 1 || dim > INT32_MAX)
			return -1;
		x->shape.dim[x->shape.rank++] = (uint32_t)dim;
		at = *end == ',' ? end : NULL;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		x->dtype = known[i];
		if (strcmp(cn_shape_text(x->dtype, &x->shape, again, sizeof(again)), text) == 0)
			return 0;
	}
	return -1;
}

static int
take_tensor(const char *path, const struct cn_network_tensor *to, const struct cn_weights *weights, struct cn_err *err)
{
	const struct cn_tensor *from = cn_weights_find(weights, to->name);

	if (!from)
		return cn_err_set(err, CN_FAILED, "%s: no tensor '%s', which its cn.arch and cn.head ask for", path, to->name);
	if (from->dtype != CN_DTYPE_F32 || !cn_shape_equal(&from->shape, &to->shape)) {
		char want[160], got[160];

		return cn_err_set(err, CN_FAILED, "%s: tensor '%s' is %s where %s is needed", path, to->name,
			cn_shape_text(from->dtype, &from->shape, got, sizeof(got)),
			cn_shape_text(CN_DTYPE_F32, &to->shape, want, sizeof(want)));
	}
	if (cn_dtype_find_nonfinite(from->dtype, from->data, from->bytes / sizeof(float)) < from->bytes / sizeof(float))
		return cn_err_set(err, CN_FAILED, "%s: tensor '%s' has a NaN or infinity", path, to->name);
	memcpy(to->data, from->data, from->bytes);
	return 0;
}

static int
take_tensors(struct cn_model *model, const char *path, const struct cn_weights *weights, struct cn_err *err)
{
	const size_t n = cn_network_tensors(model->network);

	if (weights->n != n && !cn_meta_get(&weights->meta, "cn.step"))
		return cn_err_set(err, CN_FAILED, "%s: %zu tensors where its cn.arch and cn.head ask for %zu", path, weights->n, n);
	for (size_t i = 0; i < n; i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(model->network, i);

		if (take_tensor(path, &tensor, weights, err) != 0)
			return -1;
	}
	return 0;
}

/* What a file says of the moment in a training that it is of, and a model made from it is not. */
static const char *const of_a_moment[] = { "cn.step", "cn.memory", "cn.low", "cn.snapshot", "cn.rows", "cn.every" };

static struct cn_model *
from_weights(const char *path, const struct cn_weights *weights, struct cn_pool *pool, struct cn_err *err)
{
	const char *arch = cn_meta_get(&weights->meta, "cn.arch"), *head = cn_meta_get(&weights->meta, "cn.head");
	const char *input = cn_meta_get(&weights->meta, "cn.input"), *norm = cn_meta_get(&weights->meta, "cn.norm");
	struct cn_err inner = { 0 };
	struct cn_field x;

	if (!arch || !head || !input || !norm) {
		cn_err_set(err, CN_FAILED, "%s: not a model of cn-train: no %s in its metadata", path,
			!arch ? "cn.arch" : !head ? "cn.head" : !input ? "cn.input" : "cn.norm");
		return NULL;
	}
	if (parse_input(input, &x) != 0 || strcmp(norm, norm_of(x.dtype)) != 0) {
		cn_err_set(err, CN_FAILED, "%s: cannot feed cn.input '%s' with cn.norm '%s'", path, input, norm);
		return NULL;
	}
	struct cn_model *model = make(arch, head, &x, pool, &inner);

	if (!model) {
		cn_err_set(err, CN_FAILED, "%s: %s", path, inner.text);
		return NULL;
	}
	cn_meta_merge(&model->meta, &weights->meta, err);
	for (size_t i = 0; i < sizeof(of_a_moment) / sizeof(*of_a_moment); i++)
		cn_meta_remove(&model->meta, of_a_moment[i]);
	if (take_tensors(model, path, weights, err) == 0 && !err->code)
		return model;
	cn_model_free(model);
	return NULL;
}

struct cn_model *
cn_model_load(const char *path, struct cn_pool *pool, struct cn_err *err)
{
	struct cn_weights weights = { 0 };
	struct cn_model *model = NULL;

	if (err->code)
		return NULL;
	if (cn_safetensors_read(path, &weights, err) == 0)
		model = from_weights(path, &weights, pool, err);
	cn_weights_release(&weights);
	return model;
}

int
cn_model_update(struct cn_model *model, const struct cn_weights *weights, const char *name, struct cn_err *err)
{
	static const char *const same[] = { "cn.input", "cn.norm", "cn.arch", "cn.head" };

	for (size_t i = 0; i < sizeof(same) / sizeof(*same) && !err->code; i++) {
		const char *got = cn_meta_get(&weights->meta, same[i]), *want = cn_meta_get(&model->meta, same[i]);

		if (!got || strcmp(got, want) != 0)
			return cn_err_set(err, CN_FAILED, "%s: %s is '%s' where '%s' is needed; another training publishes there", name,
				same[i], got ? got : "", want);
	}
	return err->code ? -1 : take_tensors(model, name, weights, err);
}

int
cn_model_save(const struct cn_model *model, struct cn_output *output, const struct cn_history *history, const struct cn_meta *more, struct cn_err *err)
{
	struct cn_weights weights = { 0 };
	char *provenance = cn_historyjson_write(history, err);

	if (provenance)
		cn_meta_set(&weights.meta, "cn.provenance", provenance, err);
	cn_mem_free(provenance);
	if (more)
		cn_meta_merge(&weights.meta, more, err);
	cn_meta_merge(&weights.meta, &model->meta, err);
	for (size_t i = 0; i < cn_network_tensors(model->network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(model->network, i);

		cn_weights_add(&weights, tensor.name, CN_DTYPE_F32, &tensor.shape, tensor.data, err);
	}
	if (!err->code)
		cn_safetensors_put(output, &weights, err);
	cn_weights_release(&weights);
	return err->code ? -1 : 0;
}

int
cn_model_history(const struct cn_model *model, const char *name, struct cn_history *to, struct cn_err *err)
{
	const char *text = cn_meta_get(&model->meta, "cn.provenance");
	char place[300];

	snprintf(place, sizeof(place), "%.270s: cn.provenance", name);
	return text ? cn_historyjson_read(place, text, strlen(text), to, err) : 0;
}

int
cn_model_check(const struct cn_model *model, const struct cn_field *field, const char *file, struct cn_err *err)
{
	char got[160], want[160];

	if (field->dtype == model->x.dtype && cn_shape_equal(&field->shape, &model->x.shape))
		return 0;
	return cn_err_set(err, CN_FAILED, "%s: field '%s' is %s, but the model was made for %s", file, field->name,
		cn_shape_text(field->dtype, &field->shape, got, sizeof(got)),
		cn_shape_text(model->x.dtype, &model->x.shape, want, sizeof(want)));
}

/* The first number of a column that is a token without a row in the table, or n. */
static size_t
find_strange(const struct cn_model *model, const uint32_t *token, size_t n)
{
	const size_t rows = cn_network_tokens(model->network);

	for (size_t i = 0; i < n && rows; i++)
		if (token[i] >= rows && token[i] != CN_MODEL_NO_TOKEN)
			return i;
	return n;
}

int
cn_model_check_rows(const struct cn_model *model, const struct cn_batch *batch, int field, const char *file, struct cn_err *err)
{
	const size_t count = cn_shape_count(&batch->schema.field[field].shape);
	const uint32_t *token = (const void *)batch->column[field];
	const size_t at = find_strange(model, token, batch->rows * count);

	if (at == batch->rows * count)
		return cn_batch_check_finite(batch, field, file, err);
	return cn_err_set(err, CN_FAILED, "%s: token %lu in field '%s' of row %llu, but the model's table ends at %zu", file,
		(unsigned long)token[at], batch->schema.field[field].name, (unsigned long long)(batch->first_row + at / count),
		cn_network_tokens(model->network) - 1);
}

struct job {
	const struct cn_model *model;
	const void *const *sample;
	float *input;
};

static void
scale(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const size_t n = cn_model_input(job->model);
	float *to = job->input + i * n;

	(void)worker;
	cn_dtype_to_f32(job->model->x.dtype, job->sample[i], to, n);
	if (job->model->x.dtype == CN_DTYPE_U8)
		for (size_t k = 0; k < n; k++)
			to[k] /= cn_model_unit(job->model);
	for (size_t k = 0; k < n && job->model->x.dtype == CN_DTYPE_U32; k++)
		to[k] = ((const uint32_t *)job->sample[i])[k] == CN_MODEL_NO_TOKEN ? -1 : to[k];
}

void
cn_model_scale(const struct cn_model *model, const void *const *sample, size_t n, float *input)
{
	struct job job = { model, sample, input };

	cn_pool_run(model->pool, n, scale, &job);
}

struct cn_network *
cn_model_network(struct cn_model *model)
{
	return model->network;
}

const struct cn_meta *
cn_model_meta(const struct cn_model *model)
{
	return &model->meta;
}

size_t
cn_model_input(const struct cn_model *model)
{
	return cn_shape_count(&model->x.shape);
}

float
cn_model_unit(const struct cn_model *model)
{
	return model->x.dtype == CN_DTYPE_U8 ? 255 : 1;
}

size_t
cn_model_bytes(const struct cn_model *model)
{
	return cn_field_bytes(&model->x);
}
