/* shape - the extent of one row of a field: rank 0 is a scalar. */
#ifndef CN_TENSOR_SHAPE_H
#define CN_TENSOR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tensor/dtype.h"

#define CN_SHAPE_RANK 8

struct cn_shape {
	unsigned rank;
	uint32_t dim[CN_SHAPE_RANK];
};

/* Elements of one row; 1 for a scalar.  Valid shapes (checked on input) cannot overflow. */
size_t cn_shape_count(const struct cn_shape *shape);
bool cn_shape_equal(const struct cn_shape *a, const struct cn_shape *b);

/* [k, shape...] */
struct cn_shape cn_shape_stack(uint32_t k, const struct cn_shape *shape);

/* "f32 [256]" / "u8 [32,32,3]" / "u64" into buffer; returns buffer. */
const char *cn_shape_text(enum cn_dtype dtype, const struct cn_shape *shape, char *buffer, size_t size);

#endif
