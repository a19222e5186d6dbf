/*
 * block - one column of a chunk as one zstd frame: filter and compress, decompress and undo.
 *
 * A block owns what one thread needs to work (zstd contexts and scratch memory); it is not shared.
 */
#ifndef CN_STREAM_BLOCK_H
#define CN_STREAM_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/filters.h"
#include "stream/schema.h"

struct cn_block;

struct cn_block *cn_block_new(struct cn_err *err);
void cn_block_free(struct cn_block *block);

/* The greatest size a column of so many bytes can take. */
size_t cn_block_bound(size_t size);

/* Writes the frame into out (cn_block_bound(size) bytes of room); its size, or 0 and err. */
size_t cn_block_encode(struct cn_block *block, int level, enum cn_filter filter, const struct cn_field *field,
	const unsigned char *bytes, size_t size, unsigned char *out, struct cn_err *err);

/*
 * Decodes a frame into exactly size bytes.  Messages do not name the stream: the caller puts place
 * before them.  CN_INTEGRITY when the content is damaged, CN_FAILED when the frame is of another kind.
 */
int cn_block_decode(struct cn_block *block, enum cn_filter filter, const struct cn_field *field,
	const unsigned char *frame, size_t frame_size, unsigned char *bytes, size_t size, const char *place,
	struct cn_err *err);

/* "1.5.4" */
const char *cn_block_zstd_version(void);

#endif
