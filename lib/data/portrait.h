/*
 * portrait - what a stream or a model is, in words for people, as JSON for machines, and row by row.
 *
 * Text from inside a stream is made fit for a terminal.
 */
#ifndef CN_DATA_PORTRAIT_H
#define CN_DATA_PORTRAIT_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "data/safetensors.h"
#include "stream/history.h"
#include "stream/reader.h"

/* Of a stream that has been read to its end, or to an error: then failure is said of it, as "incomplete". */
void cn_portrait_words(const struct cn_reader *reader, const char *failure, FILE *to);
int cn_portrait_json(const struct cn_reader *reader, FILE *to, struct cn_err *err);

/* Of a model; name is that of its file, history its own, read from its metadata. */
void cn_portrait_model_words(const char *name, const struct cn_weights *weights, const struct cn_history *history, FILE *to);
int cn_portrait_model_json(const struct cn_weights *weights, FILE *to, struct cn_err *err);

/* A line of field names, then one of values for each row: tab-separated, at most width numbers of an array. */
void cn_portrait_names(const struct cn_schema *schema, FILE *to);
void cn_portrait_rows(const struct cn_batch *batch, size_t width, FILE *to);

#endif
