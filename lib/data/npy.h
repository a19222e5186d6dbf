/*
 * npy - arrays as numpy saves them (numpy.org/devdocs/reference/generated/numpy.lib.format.html): the first
 * axis counts rows.  Little-endian, C order; versions 1 to 3; may be compressed (data/unpack.h).
 */
#ifndef CN_DATA_NPY_H
#define CN_DATA_NPY_H

#include <stdint.h>

#include "base/err.h"
#include "base/output.h"
#include "data/import.h"
#include "stream/reader.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/*
 * Fields: id, the array under the name field (NULL: z for floats with two axes, x otherwise), label i32 from
 * a second array of integers with one axis (labels NULL: none).  Under the name z floats of 16 and 64 bits
 * become f32; under the name label integers with one axis become i32.
 */
int cn_npy_open(struct cn_import *import, const char *values, const char *labels, const char *field,
	struct cn_err *err);

/*
 * A version 1 header for rows rows of this type into buffer: its size, a multiple of 64, or 0 when it does
 * not fit.  bf16, which numpy does not have, is named as u16.
 */
size_t cn_npy_header(enum cn_dtype dtype, const struct cn_shape *shape, uint64_t rows, char *buffer,
	size_t size);

/* At most rows rows of a field of a stream, as a whole .npy file. */
int cn_npy_write(struct cn_reader *in, int field, uint64_t rows, struct cn_output *out, struct cn_err *err);

#endif
