/* encoder - a model's file applied in fixed pieces; everything else is the model's. */
#include "base/mem.h"
#include "nn/encoder.h"
#include "nn/model.h"

#include "base/banned.h"

enum { PIECE = 256 };	/* rows scaled and encoded at a time: bounds memory, changes no bit */

struct cn_encoder {
	struct cn_model *model;
	const void **sample;	/* (PIECE) */
	float *input;		/* (PIECE, numbers of a sample) */
	size_t probed;		/* samples that cn_encoder_slope is about */
};

/* Around a model, which it takes over; NULL is that of an error. */
static struct cn_encoder *
wrap(struct cn_model *model, struct cn_err *err)
{
	struct cn_encoder *encoder = model ? cn_mem_array(1, sizeof(*encoder), err) : NULL;

	if (!encoder) {
		cn_model_free(model);
		return NULL;
	}
	encoder->model = model;
	encoder->sample = cn_mem_array(PIECE, sizeof(*encoder->sample), err);
	encoder->input = cn_mem_array(PIECE, cn_model_input(encoder->model) * sizeof(float), err);
	if (!err->code)
		return encoder;
	cn_encoder_free(encoder);
	return NULL;
}

struct cn_encoder *
cn_encoder_load(const char *path, struct cn_pool *pool, struct cn_err *err)
{
	return wrap(cn_model_load(path, pool, err), err);
}

struct cn_encoder *
cn_encoder_new(const char *arch, const char *head, const struct cn_field *x, struct cn_pool *pool, struct cn_err *err)
{
	return wrap(cn_model_new(arch, head, x, 0, pool, err), err);
}

int
cn_encoder_update(struct cn_encoder *encoder, const struct cn_weights *weights, const char *name, struct cn_err *err)
{
	return cn_model_update(encoder->model, weights, name, err);
}

void
cn_encoder_free(struct cn_encoder *encoder)
{
	if (!encoder)
		return;
	cn_model_free(encoder->model);
	cn_mem_free((void *)encoder->sample);
	cn_mem_free(encoder->input);
	cn_mem_free(encoder);
}

static enum cn_network_layer
place(enum cn_encoder_layer layer)
{
	return layer == CN_ENCODER_HEAD ? CN_NETWORK_HEAD : CN_NETWORK_TRUNK;
}

size_t
cn_encoder_dim(const struct cn_encoder *encoder, enum cn_encoder_layer layer)
{
	return cn_network_dim(cn_model_network(encoder->model), place(layer));
}

int
cn_encoder_check(const struct cn_encoder *encoder, const struct cn_field *x, const char *file, struct cn_err *err)
{
	return cn_model_check(encoder->model, x, file, err);
}

int
cn_encoder_check_rows(const struct cn_encoder *encoder, const struct cn_batch *batch, int field, const char *file, struct cn_err *err)
{
	return cn_model_check_rows(encoder->model, batch, field, file, err);
}

int
cn_encoder_embed(struct cn_encoder *encoder, const void *x, size_t rows, enum cn_encoder_layer layer, float *z,
	struct cn_err *err)
{
	const size_t bytes = cn_model_bytes(encoder->model), dim = cn_encoder_dim(encoder, layer);

	for (size_t at = 0; at < rows; at += PIECE) {
		const size_t n = rows - at < PIECE ? rows - at : PIECE;

		for (size_t i = 0; i < n; i++)
			encoder->sample[i] = (const unsigned char *)x + (at + i) * bytes;
		cn_model_scale(encoder->model, encoder->sample, n, encoder->input);
		if (cn_network_apply(cn_model_network(encoder->model), encoder->input, n, place(layer), z + at * dim, err) != 0)
			return -1;
	}
	return err->code ? -1 : 0;
}

size_t
cn_encoder_numbers(const struct cn_encoder *encoder)
{
	return cn_model_input(encoder->model);
}

int
cn_encoder_check_slope(const struct cn_encoder *encoder, const char *file, struct cn_err *err)
{
	if (cn_network_tokens(cn_model_network(encoder->model)) == 0)
		return 0;
	return cn_err_set(err, CN_FAILED, "%s: samples are tokens, which cannot be moved little by little; choose negatives with cn-mine", file);
}

int
cn_encoder_reserve(struct cn_encoder *encoder, struct cn_err *err)
{
	return cn_network_reserve(cn_model_network(encoder->model), CN_ENCODER_PROBE, err);
}

int
cn_encoder_probe(struct cn_encoder *encoder, const float *x, size_t n, float *z, struct cn_err *err)
{
	const float unit = cn_model_unit(encoder->model);

	encoder->probed = n;
	for (size_t i = 0; i < n * cn_model_input(encoder->model); i++)
		encoder->input[i] = x[i] / unit;
	return cn_network_probe(cn_model_network(encoder->model), encoder->input, n, z, err);
}

int
cn_encoder_slope(struct cn_encoder *encoder, const float *dz, float *dx, struct cn_err *err)
{
	const float unit = cn_model_unit(encoder->model);

	if (cn_network_slope(cn_model_network(encoder->model), dz, dx, err) != 0)
		return -1;
	for (size_t i = 0; i < encoder->probed * cn_model_input(encoder->model); i++)
		dx[i] /= unit;
	return 0;
}

const struct cn_meta *
cn_encoder_meta(const struct cn_encoder *encoder)
{
	return cn_model_meta(encoder->model);
}

int
cn_encoder_trace(const struct cn_encoder *encoder, const char *path, struct cn_step *step, struct cn_err *err)
{
	if (err->code || !encoder)
		return err->code ? -1 : 0;
	step->model = path;
	return cn_model_history(encoder->model, path, &step->model_history, err);
}
