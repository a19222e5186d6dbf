/*
 * segments - the vectors of a bank, piece by piece: all at once if it is in memory, else read from its files again.
 *
 * A bank larger than memory keeps what identifies its rows and leaves its vectors in the files, which are
 * read from beginning to end for every walk, and verified each time.
 */
#ifndef CN_MINE_SEGMENTS_H
#define CN_MINE_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "nn/bank.h"

#define CN_SEGMENTS_FILES 16

struct cn_segments {
	const struct cn_bank *bank;
	bool streamed;			/* vectors are in the files, in the order of the bank's rows */
	size_t files;
	struct cn_segments_file {
		struct cn_reader *reader;	/* at its end: tells what the file was */
		const struct cn_vector *vector;
		uint32_t first, rows;		/* of the bank */
	} file[CN_SEGMENTS_FILES];
	bool raw;			/* vectors as long as they are, not of unit length */
	struct cn_pool *pool;
};

/*
 * Gives take the vectors (n, dim) of rows [first, first + rows) of the bank in order, from row at on.
 * With files the range must be that of whole files.
 */
int cn_segments_walk(const struct cn_segments *segments, uint32_t first, uint32_t rows,
	int (*take)(void *context, uint32_t at, const float *unit, size_t n, struct cn_err *err), void *context, struct cn_err *err);

/* Whether a stream can be read again: it is a file, not a pipe. */
bool cn_segments_can_reread(const struct cn_reader *reader);

#endif
