/*
 * encoder - a trained model applied: safetensors in, vectors out.
 *
 * Used by cn-embed, cn-mine, cn-gen and cn-eval.  The trunk's output is the embedding (what is
 * evaluated); the head's output is the space of the contrastive loss (where neg_z lives).
 */
#ifndef CN_NN_ENCODER_H
#define CN_NN_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "base/pool.h"
#include "data/safetensors.h"
#include "stream/batch.h"
#include "stream/schema.h"
#include "stream/step.h"

struct cn_encoder;

enum cn_encoder_layer { CN_ENCODER_TRUNK, CN_ENCODER_HEAD };

struct cn_encoder *cn_encoder_load(const char *path, struct cn_pool *pool, struct cn_err *err);

/* One without sensible weights, which cn_encoder_update brings; x is the field of its samples. */
struct cn_encoder *cn_encoder_new(const char *arch, const char *head, const struct cn_field *x, struct cn_pool *pool, struct cn_err *err);

/* Takes weights of another moment of its training, in place: what was embedded before is out of date.  See cn_model_update. */
int cn_encoder_update(struct cn_encoder *encoder, const struct cn_weights *weights, const char *name, struct cn_err *err);

/* Width of a vector of that layer; the head of a model without head is the trunk. */
size_t cn_encoder_dim(const struct cn_encoder *encoder, enum cn_encoder_layer layer);

/* Refuses a field whose dtype and shape the model was not trained on; file is named in the sentence. */
int cn_encoder_check(const struct cn_encoder *encoder, const struct cn_field *x, const char *file, struct cn_err *err);

/* Refuses rows whose tokens are not in the model's table, or whose numbers are not finite; see nn/model.h.  0 or -1. */
int cn_encoder_check_rows(const struct cn_encoder *encoder, const struct cn_batch *batch, int field, const char *file,
	struct cn_err *err);

/*
 * Vectors z (rows, dim) of rows samples x, stored as in a stream (u8 images are scaled by cn.norm here),
 * not normalised to unit length; a token without a row is as good as none.  The same bits for any thread count, number of rows and position.
 */
int cn_encoder_embed(struct cn_encoder *encoder, const void *x, size_t rows, enum cn_encoder_layer layer, float *z, struct cn_err *err);

/*
 * Gradients by samples: of n <= CN_ENCODER_PROBE samples given as numbers x (n, numbers), of images 0 to 255, the head's vectors z
 * (n, dim), to the bit as cn_encoder_embed gives them; then, from dz (n, dim), dx (n, numbers) in the same units.  Norms are
 * constants, as in use.  Tokens have no gradient: cn_encoder_check_slope refuses, naming file.  0 or -1.
 */
#define CN_ENCODER_PROBE 64
size_t cn_encoder_numbers(const struct cn_encoder *encoder);
int cn_encoder_check_slope(const struct cn_encoder *encoder, const char *file, struct cn_err *err);
int cn_encoder_probe(struct cn_encoder *encoder, const float *x, size_t n, float *z, struct cn_err *err);
int cn_encoder_slope(struct cn_encoder *encoder, const float *dz, float *dx, struct cn_err *err);

/* Memory for these, so that they do not fail.  0 or -1. */
int cn_encoder_reserve(struct cn_encoder *encoder, struct cn_err *err);

/* Its safetensors metadata (cn.arch, cn.head, cn.input, cn.norm, cn.dim, cn.provenance). */
const struct cn_meta *cn_encoder_meta(const struct cn_encoder *encoder);

/* Notes in step that the model, path as typed, is one more input, with its own history; before cn_step_output.  0 or -1. */
int cn_encoder_trace(const struct cn_encoder *encoder, const char *path, struct cn_step *step, struct cn_err *err);

void cn_encoder_free(struct cn_encoder *encoder);

#endif
