/* shape - the extent of one row of a field. */
#include "tensor/shape.h"

#include <assert.h>
#include <stdio.h>

#include "base/banned.h"

size_t
cn_shape_count(const struct cn_shape *shape)
{
	size_t count = 1;

	for (unsigned i = 0; i < shape->rank; i++)
		count *= shape->dim[i];
	return count;
}

bool
cn_shape_equal(const struct cn_shape *a, const struct cn_shape *b)
{
	if (a->rank != b->rank)
		return false;
	for (unsigned i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

struct cn_shape
cn_shape_stack(uint32_t k, const struct cn_shape *shape)
{
	struct cn_shape stacked = { .rank = shape->rank + 1, .dim = { k } };

	assert(shape->rank < CN_SHAPE_RANK);
	for (unsigned i = 0; i < shape->rank; i++)
		stacked.dim[i + 1] = shape->dim[i];
	return stacked;
}

const char *
cn_shape_text(enum cn_dtype dtype, const struct cn_shape *shape, char *buffer, size_t size)
{
	int used = snprintf(buffer, size, "%s", cn_dtype_name(dtype));

	for (unsigned i = 0; i < shape->rank && used >= 0 && (size_t)used < size; i++)
		used += snprintf(buffer + used, size - (size_t)used, "%s%u%s", i == 0 ? " [" : ",",
			(unsigned)shape->dim[i], i + 1 == shape->rank ? "]" : "");
	return buffer;
}
