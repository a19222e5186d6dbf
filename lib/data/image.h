/*
 * image - pictures in folders and archives (tar, zip, compressed or not) as rows.
 *
 * A picture's class is the name of the folder it lies in ("train/cat/0001.jpg" is a "cat"); classes are
 * numbered in the order of the bytes of their names, over all pictures that match, before any rows are cut
 * off.  Pictures with no folder in their name have label -1, as have those directly in
 * the top folder of an archive whose other pictures lie in folders of it; if none has a class there is no label.
 *
 * Order: by name, with runs of digits compared as numbers ("2.jpg" before "10.jpg").  Interleaved: by the last
 * number in the file's name, then by class, then by name, so that any beginning of a set is balanced.
 *
 * Archives are read once, compressed pictures going to a temporary file; pictures are decoded in order, in
 * parallel, a batch at a time: memory does not grow with the set but for the names.
 */
#ifndef CN_DATA_IMAGE_H
#define CN_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "data/import.h"

struct cn_image_config {
	const char *match;	/* glob over the whole member name, '*' also matches '/'; NULL = all */
	bool interleave;
	uint32_t width, height;	/* resize to; 0 = as they are, which must be all alike */
	unsigned channels;	/* 1, 3, or 0 = as the first picture has */
};

/* Operands are folders, archives or single pictures.  Fields: id, x u8 [H,W,C], label i32 (see above). */
int cn_image_open(struct cn_import *import, const char *const *operand, size_t n,
	const struct cn_image_config *config, struct cn_pool *pool, struct cn_err *err);

/* "96" or "128x96" (width x height), each 1..65535; 0 or -1 with a CN_USAGE sentence about --option. */
int cn_image_parse_size(const char *option, const char *text, uint32_t *width, uint32_t *height, struct cn_err *err);

#endif
