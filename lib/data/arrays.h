/*
 * arrays - rows of an array, and their labels out of a second one: what the formats idx and npy have in common.
 *
 * A format brings a parser of its header, which reads from array->unpack and fills the rest.  It opens the
 * values, gives them a field, and opens the labels if there are any; reading, converting and closing are the
 * same for all.  Files may be compressed.
 *
 *	struct cn_array *values = cn_arrays_open(import, "idx", parse, path, err);
 *	if (values && cn_arrays_field(import, values, "x", err) == 0 && labels)
 *		cn_arrays_labels(import, parse, labels, err);
 */
#ifndef CN_DATA_ARRAYS_H
#define CN_DATA_ARRAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/import.h"
#include "data/unpack.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* One file. */
struct cn_array {
	struct cn_unpack *unpack;
	enum cn_dtype stored, dtype;	/* in the file, and of the field: the same, f32 for a z of floats, i32 for labels */
	bool big_endian;
	uint64_t rows;
	struct cn_shape shape;		/* of one row */
};

/* Makes *import one of this format and opens the file of its values; NULL on error.  The import owns what is returned. */
struct cn_array *cn_arrays_open(struct cn_import *import, const char *format, int (*parse)(struct cn_array *, struct cn_err *),
	const char *path, struct cn_err *err);

/* Adds the field that the array's rows become.  0 or -1. */
int cn_arrays_field(struct cn_import *import, struct cn_array *array, const char *field, struct cn_err *err);

/* Opens the labels, one integer for each row of the values, and adds their field.  0 or -1. */
int cn_arrays_labels(struct cn_import *import, int (*parse)(struct cn_array *, struct cn_err *), const char *path, struct cn_err *err);

#endif
