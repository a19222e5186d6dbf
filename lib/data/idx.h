/*
 * idx - the format of MNIST and its relatives (yann.lecun.com/exdb/mnist): 00 00 type rank, extents as
 * big-endian u32, elements in C order, big-endian.  May be compressed (data/unpack.h).
 */
#ifndef CN_DATA_IDX_H
#define CN_DATA_IDX_H

#include "base/err.h"
#include "data/import.h"

/*
 * Fields: id, x (the file's type; u8 pictures of two extents become [H,W,1]), label i32 if a file of
 * labels is given (NULL: none; one extent, integers, as many as rows).
 */
int cn_idx_open(struct cn_import *import, const char *values, const char *labels, struct cn_err *err);

#endif
