/* dtype - the element types a stream can carry.  The list is formats/dtype.def; numbers are part of the format. */
#ifndef CN_TENSOR_DTYPE_H
#define CN_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cn_dtype {
	CN_DTYPE_U8 = 1, CN_DTYPE_I8, CN_DTYPE_U16, CN_DTYPE_I16, CN_DTYPE_U32, CN_DTYPE_I32,
	CN_DTYPE_U64, CN_DTYPE_I64, CN_DTYPE_F16, CN_DTYPE_BF16, CN_DTYPE_F32, CN_DTYPE_F64,
};

bool cn_dtype_known(unsigned dtype);
size_t cn_dtype_size(enum cn_dtype dtype);	/* bytes of one element: 1, 2, 4 or 8 */
const char *cn_dtype_name(enum cn_dtype dtype);	/* "u8" ... "f64"; "?" when unknown */
bool cn_dtype_is_float(enum cn_dtype dtype);

/* Element i of an array as a double (exact but for large 64-bit integers). */
double cn_dtype_get(enum cn_dtype dtype, const void *array, size_t i);

/* n elements of any type as floats. */
void cn_dtype_to_f32(enum cn_dtype dtype, const void *from, float *to, size_t n);

/* The index of the first NaN or infinity among n elements, or n. */
size_t cn_dtype_find_nonfinite(enum cn_dtype dtype, const void *array, size_t n);

#endif
