/*
 * cifar - the binary batches of CIFAR-10 and CIFAR-100 (cs.toronto.edu/~kriz/cifar.html): per row one label
 * byte (100: coarse, then fine) and 3 × 32 × 32 bytes, plane by plane.  May be compressed (data/unpack.h).
 */
#ifndef CN_DATA_CIFAR_H
#define CN_DATA_CIFAR_H

#include <stddef.h>

#include "base/err.h"
#include "data/import.h"

/*
 * Fields: id, x u8 [32,32,3], label i32; of CIFAR-100 (classes 100, else 10) also group u64, the coarse
 * class.  Rows in the order of the files given; paths must outlive the import.
 */
int cn_cifar_open(struct cn_import *import, const char *const *path, size_t n, unsigned classes,
	struct cn_err *err);

#endif
