/* idx - the header. */
#include "data/idx.h"

#include <inttypes.h>

#include "data/arrays.h"
#include "base/banned.h"

static int
read_dtype(const struct cn_array *array, unsigned char type, struct cn_err *err)
{
	switch (type) {
	case 0x08: return CN_DTYPE_U8;
	case 0x09: return CN_DTYPE_I8;
	case 0x0b: return CN_DTYPE_I16;
	case 0x0c: return CN_DTYPE_I32;
	case 0x0d: return CN_DTYPE_F32;
	case 0x0e: return CN_DTYPE_F64;
	default: return cn_err_set(err, CN_FAILED, "%s: unknown idx type 0x%02x",
		cn_unpack_name(array->unpack), type);
	}
}

static int
parse(struct cn_array *array, struct cn_err *err)
{
	const char *name = cn_unpack_name(array->unpack);
	unsigned char magic[4], extent[4];

	if (cn_unpack_exactly(array->unpack, magic, sizeof magic, "the idx header", err))
		return -1;
	if (magic[0] || magic[1])
		return cn_err_set(err, CN_FAILED, "%s: not an idx file (it begins with %02x %02x)", name,
			magic[0], magic[1]);
	const int dtype = read_dtype(array, magic[2], err);
	if (dtype < 0)
		return -1;
	array->stored = (enum cn_dtype)dtype;
	array->big_endian = true;
	if (magic[3] < 1 || magic[3] > CN_SHAPE_RANK)
		return cn_err_set(err, CN_FAILED, "%s: %u extents, 1 to %d are possible", name, magic[3],
			CN_SHAPE_RANK);
	for (unsigned d = 0; d < magic[3]; d++) {
		if (cn_unpack_exactly(array->unpack, extent, sizeof extent, "the idx header", err))
			return -1;
		const uint32_t value = (uint32_t)extent[0] << 24 | (uint32_t)extent[1] << 16 | (uint32_t)extent[2] << 8 | extent[3];
		if (!value || value > INT32_MAX)
			return cn_err_set(err, CN_FAILED, "%s: extent %u of %" PRIu32 " is not in 1..%d",
				name, d, value, INT32_MAX);
		if (d)
			array->shape.dim[array->shape.rank++] = value;
		else
			array->rows = value;
	}
	return 0;
}

int
cn_idx_open(struct cn_import *import, const char *values, const char *labels, struct cn_err *err)
{
	struct cn_array *x = cn_arrays_open(import, "idx", parse, values, err);

	if (!x)
		return -1;
	if (x->shape.rank == 2 && x->stored == CN_DTYPE_U8)	/* grey pictures: one channel */
		x->shape.dim[x->shape.rank++] = 1;
	if (cn_arrays_field(import, x, "x", err))
		return -1;
	return labels ? cn_arrays_labels(import, parse, labels, err) : 0;
}
