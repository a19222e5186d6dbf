/*
 * mem - allocation at the door, with sizes that cannot overflow.
 *
 * All blocks are zero-filled.  What these return is freed with cn_mem_free (array
 * and aligned alike); NULL means err says "out of memory" with the size asked for.
 */
#ifndef CN_BASE_MEM_H
#define CN_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* n * size into *product; false when it does not fit a size_t. */
bool cn_mem_multiply(size_t n, size_t size, size_t *product);

/* n elements of size bytes, aligned to 64 bytes (a cache line, and any vector unit). */
void *cn_mem_array(size_t n, size_t size, struct cn_err *err);

/*
 * Makes *block (holding *capacity elements of size bytes, NULL and 0 at first) hold at
 * least n, growing by doubling; contents are kept, the new part is zero.  0 or -1.
 */
int cn_mem_grow(void **block, size_t *capacity, size_t n, size_t size, struct cn_err *err);

/* A copy of a string. */
char *cn_mem_string(const char *text, struct cn_err *err);

/* Accepts NULL. */
void cn_mem_free(void *block);

#endif
