/*
 * origin - which layer of an encoder the vectors of a stream are from, as its metadata tell under z.layer, pos_z.layer
 * and neg_z.layer.
 *
 * Vectors of trunk and head may have one length, and still there is nothing to compare; nn/space.h refuses it.  An
 * origin is "trunk" or "head"; NULL is one that is not known, or an encoder without head, where both are the same.
 */
#ifndef CN_NN_ORIGIN_H
#define CN_NN_ORIGIN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/meta.h"
#include "nn/encoder.h"

/* Of what an encoder makes, or the model whose metadata these are; and of what is in a field, z, pos_z or neg_z. */
const char *cn_origin_of_layer(const struct cn_encoder *encoder, enum cn_encoder_layer layer);
const char *cn_origin_of_model(const struct cn_meta *model, enum cn_encoder_layer layer);
const char *cn_origin_of_field(const struct cn_meta *meta, const char *field);

/* Whether both are known, and not the same. */
bool cn_origin_differ(const char *a, const char *b);

/* Notes in the metadata of a stream what its field is from; what it said before goes.  0 or -1. */
int cn_origin_note(struct cn_meta *meta, const char *field, const char *origin, struct cn_err *err);

/* Of a stream that has rows of from, too: takes back what from does not say as well. */
void cn_origin_join(struct cn_meta *meta, const struct cn_meta *from);

/* Of a stream whose field has become another: takes back what was said of either. */
void cn_origin_rename(struct cn_meta *meta, const char *old_and_new);

#endif
