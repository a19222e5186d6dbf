/*
 * model - a network with what it was trained on, and its file.
 *
 * The file is safetensors: the network's tensors under their names, and as text
 *	cn.arch, cn.head	the words the network was made from ("" = no head)
 *	cn.input		type and shape of a sample, "u8 [32,32,3]"
 *	cn.norm			how a sample becomes numbers: "divide 255" (bytes) or "none" (floats, tokens)
 *	cn.dim			width of the trunk's output, the embedding
 *	cn.provenance		how it was made, as data/historyjson.h writes it
 * It is canonical: equal models are equal files.  The optimiser's state is no part of it.
 */
#ifndef CN_NN_MODEL_H
#define CN_NN_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "base/output.h"
#include "base/pool.h"
#include "data/safetensors.h"
#include "nn/network.h"
#include "stream/batch.h"
#include "stream/history.h"
#include "stream/schema.h"

struct cn_model;

#define CN_MODEL_NO_TOKEN UINT32_MAX	/* fills up a row of tokens */

/*
 * A fresh network for samples of x's type and shape, its weights drawn from seed; arch may be a preset (nn/preset.h).  A
 * wrong word is a CN_USAGE error.
 */
struct cn_model *cn_model_new(const char *arch, const char *head, const struct cn_field *x, uint64_t seed,
	struct cn_pool *pool, struct cn_err *err);

/*
 * From a file, also from what is kept of a training (loss/checkpoint.h), of which it takes the weights alone.  Refuses missing or
 * superfluous tensors, wrong shapes and numbers that are not finite, by name.
 */
struct cn_model *cn_model_load(const char *path, struct cn_pool *pool, struct cn_err *err);

/*
 * Takes the weights of another moment of the same training (nn/snapshot.h).  Refuses those of another network or for other
 * samples, and all that cn_model_load refuses; after an error the model is of no use.  0 or -1.
 */
int cn_model_update(struct cn_model *model, const struct cn_weights *weights, const char *name, struct cn_err *err);

/* Into an output that the caller opened and finishes, with history as cn.provenance, and more (or NULL) as text.  0 or -1. */
int cn_model_save(const struct cn_model *model, struct cn_output *output, const struct cn_history *history, const struct cn_meta *more,
	struct cn_err *err);

/* Refuses a field of another type or shape than the model's samples; file is named in the sentence.  0 or -1. */
int cn_model_check(const struct cn_model *model, const struct cn_field *field, const char *file, struct cn_err *err);

/* Refuses rows with a token that the model's table has no row for, or a number that is not finite, by file, field and row.  0 or -1. */
int cn_model_check_rows(const struct cn_model *model, const struct cn_batch *batch, int field, const char *file, struct cn_err *err);

/* n samples, each as in a stream, become rows of the network's input, scaled as cn.norm says; what is no token becomes -1. */
void cn_model_scale(const struct cn_model *model, const void *const *sample, size_t n, float *input);

/* How it was made, by its cn.provenance, into to (empty before; the caller releases it); name is its file's.  0 or -1. */
int cn_model_history(const struct cn_model *model, const char *name, struct cn_history *to, struct cn_err *err);

struct cn_network *cn_model_network(struct cn_model *model);
const struct cn_meta *cn_model_meta(const struct cn_model *model);
size_t cn_model_input(const struct cn_model *model);	/* numbers in a sample */
float cn_model_unit(const struct cn_model *model);	/* what a stored number is divided by to become one of the input */
size_t cn_model_bytes(const struct cn_model *model);	/* of a sample, as in a stream */

void cn_model_free(struct cn_model *model);

#endif
