/*
 * intake - the sequential half of a reader: frames in order, each checked, chunks still packed.
 *
 * Whatever a stream can get wrong besides the content of its chunks is noticed here: lengths, order,
 * counts, roots, signatures, what stands behind the end.  (The roots are chained from the digests the
 * chunks announce; reader.c checks these against the data.)
 */
#ifndef CN_STREAM_INTAKE_H
#define CN_STREAM_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/frame.h"
#include "stream/head.h"
#include "stream/source.h"

/* A chunk as it came. */
struct cn_parcel {
	uint64_t number, offset;	/* of the chunk in the stream; byte of its CHNK frame */
	struct cn_chunk chunk;
	unsigned char *packed;		/* the field frames one after another; owned, released by the caller */
	size_t capacity;
};

struct cn_intake;

/* Reads up to the sentinel; frees source in any case.  verify_key: a minisign public key file that must have signed, or NULL. */
struct cn_intake *cn_intake_open(struct cn_source *source, const char *verify_key, struct cn_err *err);
void cn_intake_free(struct cn_intake *intake);

/* The next chunk: 1; 0 at the verified end; -1 err. */
int cn_intake_next(struct cn_intake *intake, struct cn_parcel *parcel, struct cn_err *err);

/* Of a pipe: its writer has gone, and what it wrote does not end as a stream does.  For any thread. */
bool cn_intake_cut(struct cn_intake *intake);

/*
 * Goes to the chunk holding row by the index, which is believed only where TAIL's roots follow from it.  1 done;
 * 0 the stream has none, cannot be read at random, or has frames the index does not know; -1 err.
 */
int cn_intake_seek(struct cn_intake *intake, uint64_t row, struct cn_err *err);

/* "FILE: chunk 17 (row 69632, byte 18874368)" */
void cn_intake_place(const struct cn_intake *intake, const struct cn_parcel *parcel, char *place, size_t size);

struct cn_source *cn_intake_source(struct cn_intake *intake);
const struct cn_head *cn_intake_head(const struct cn_intake *intake);
const struct cn_tail *cn_intake_tail(const struct cn_intake *intake);	/* after next gave 0 */
const struct cn_meta *cn_intake_findings(const struct cn_intake *intake);	/* metadata known at the end: likewise */
const struct cn_abort *cn_intake_abort(const struct cn_intake *intake);	/* after ABRT; else NULL */
bool cn_intake_verified(const struct cn_intake *intake);	/* the verify key has signed */
bool cn_intake_whole(const struct cn_intake *intake);	/* never sought */
uint64_t cn_intake_rows_hint(struct cn_intake *intake);	/* by HEAD or, in a file, by TAIL; 0 unknown */

#endif
