/*
 * safetensors - weights under readable names in the format every framework loads.
 *
 * u64 LE header length | JSON {"__metadata__":{text:text}, name:{"dtype":"F32","shape":[..],"data_offsets":[a,b]}} | bytes.
 * Written canonically (keys sorted, data with the widest elements first and then by name, header padded with
 * spaces to 8 bytes), so equal models are equal files and every tensor is aligned.
 */
#ifndef CN_DATA_SAFETENSORS_H
#define CN_DATA_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "base/output.h"
#include "stream/source.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

struct cn_tensor {
	char *name;
	enum cn_dtype dtype;
	struct cn_shape shape;
	void *data;		/* 64-byte aligned, owned by the weights */
	size_t bytes;
};

struct cn_weights {
	struct cn_meta meta;
	struct cn_tensor *tensor;
	size_t n, capacity;
};

/* Adds a tensor (copies name and data).  0 or -1. */
int cn_weights_add(struct cn_weights *weights, const char *name, enum cn_dtype dtype,
	const struct cn_shape *shape, const void *data, struct cn_err *err);

/* The tensor of that name, or NULL. */
const struct cn_tensor *cn_weights_find(const struct cn_weights *weights, const char *name);

/*
 * path NULL or "-": standard input.  Lengths are checked before anything is allocated; overlapping or
 * missing ranges, unknown types and bad JSON are refused by name.
 */
int cn_safetensors_read(const char *path, struct cn_weights *weights, struct cn_err *err);

/*
 * As read, from a descriptor at its position; name is for messages.  From a pipe exactly one file is taken,
 * so that snapshots may follow each other in one FIFO; in a regular file nothing may follow.  Tensors come
 * out in the order of their names; on an error weights are empty.
 */
int cn_safetensors_read_fd(int fd, const char *name, struct cn_weights *weights, struct cn_err *err);

/* As read_fd, from a source of which nothing was taken; more of a pipe than the one file may be gone then. */
int cn_safetensors_read_source(struct cn_source *source, struct cn_weights *weights, struct cn_err *err);

/* As read, from memory: the bytes of one file. */
int cn_safetensors_read_bytes(const void *bytes, size_t size, const char *name, struct cn_weights *weights, struct cn_err *err);

/* Atomic (base/output): whole or not at all. */
int cn_safetensors_write(const char *path, int force, const struct cn_weights *weights, struct cn_err *err);

/* The bytes of the file into an output the caller opened and finishes. */
int cn_safetensors_put(struct cn_output *output, const struct cn_weights *weights, struct cn_err *err);

void cn_weights_release(struct cn_weights *weights);

#endif
