/*
 * reader - rows out of a stream, verified before they are handed out.
 *
 * Each chunk's checksum and digest are checked before cn_reader_next returns it; the end of the stream
 * (TAIL, roots, row counts, nothing behind it) is checked before it returns 0.  Chunks are read ahead
 * and decoded on the pool; the order and content never depend on it.  Of a pipe whose rows come in parts
 * (cn_reader_part) a whole part is read ahead, up to 256 chunks and 256 MB.
 *
 * A pipe whose writer has gone without ending the stream is an error at once, however many rows are still in the pipe:
 * what is made of them would be thrown away.
 *
 * Names in messages: the path, or "standard input".
 */
#ifndef CN_STREAM_READER_H
#define CN_STREAM_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "base/pool.h"
#include "stream/batch.h"
#include "stream/history.h"
#include "stream/schema.h"

struct cn_reader;
struct cn_abort;	/* stream/frame.h */
struct cn_source;	/* stream/source.h */

struct cn_reader_config {
	const char *path;		/* NULL or "-": standard input */
	struct cn_source *source;	/* path opened before, of which nothing was taken, or NULL; the reader frees it */
	struct cn_pool *pool;		/* may be NULL */
	const char *verify_key;		/* minisign public key file, or NULL: signatures are not required */
};

/* What the end of a stream said; valid after cn_reader_next returned 0. */
struct cn_reader_end {
	uint64_t rows, chunks;
	unsigned char data_root[32], stream_root[32];
	uint32_t status;		/* bit 1 salvaged, 2 stopped early */
	size_t signatures;
	bool verified;			/* a signature by the verify key was found and is right */
};

struct cn_reader *cn_reader_open(const struct cn_reader_config *config, struct cn_err *err);

/* Refills batch with the next chunk (any number of rows >= 1): 1, 0 at the verified end, -1 error. */
int cn_reader_next(struct cn_reader *reader, struct cn_batch *batch, struct cn_err *err);

/*
 * For programs that hold rows of a chunk for long, before each turn with them: 0, or -1 with the error that
 * cn_reader_next would give of a pipe that was cut short.  And to wait for that beside something else: whether it is so
 * (from any thread), and a descriptor that can be read when nobody can write any more; -1 = no pipe.
 */
int cn_reader_check(struct cn_reader *reader, struct cn_err *err);
bool cn_reader_cut(const struct cn_reader *reader);
int cn_reader_alarm(const struct cn_reader *reader);

/*
 * Goes to the chunk that holds row; the next batch starts at or before row (its first_row says).  By the
 * index of a seekable file, after which the end is not verified as a whole, though each chunk still is;
 * elsewhere, and where a verify key asks for the whole, by reading on (forward only, before the first row).
 */
int cn_reader_seek(struct cn_reader *reader, uint64_t row, struct cn_err *err);

const struct cn_schema *cn_reader_schema(const struct cn_reader *reader);
const struct cn_meta *cn_reader_meta(const struct cn_reader *reader);
const struct cn_meta *cn_reader_findings(const struct cn_reader *reader);	/* what its writer found out on the way; after the end, else empty */
const struct cn_history *cn_reader_history(const struct cn_reader *reader);
const char *cn_reader_name(const struct cn_reader *reader);	/* for messages: path or "standard input" */
const char *cn_reader_typed(const struct cn_reader *reader);	/* for histories: as typed, "-" for stdin */
uint64_t cn_reader_rows_hint(const struct cn_reader *reader);	/* rows if known (index or header hint), else 0 */
uint32_t cn_reader_chunk_rows(const struct cn_reader *reader);
uint64_t cn_reader_part(const struct cn_reader *reader);	/* rows after which its writer waits for what is made of them; 0 = it does not */
uint64_t cn_reader_rows(const struct cn_reader *reader);	/* rows handed out so far */
const struct cn_reader_end *cn_reader_end(const struct cn_reader *reader);	/* NULL before the end */

/* Takes back the last rows handed out, because they were not used: the history then tells what was. */
void cn_reader_give_back(struct cn_reader *reader, uint64_t rows);

/*
 * Reads what is left without handing it out, so that the end (and a signature asked for) is verified.
 * 0 or -1.  cn_writer_finish does this for every input with a verify key.
 */
int cn_reader_finish(struct cn_reader *reader, struct cn_err *err);

uint64_t cn_reader_rows_promised(const struct cn_reader *reader);	/* HEAD's hint alone: the same for file and pipe */
bool cn_reader_sought(const struct cn_reader *reader);		/* an index was used: the whole is not verified */
const struct cn_abort *cn_reader_abort(const struct cn_reader *reader);	/* who stopped the stream; NULL: nobody */

/* NULL is fine; so is a reader whose opening failed, for all of the above. */
void cn_reader_free(struct cn_reader *reader);

#endif
