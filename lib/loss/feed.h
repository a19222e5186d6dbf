/*
 * feed - full batches of rows out of a stream, the next one made while the last is used.
 *
 * A batch has exactly the rows asked for, consecutive in the stream and of one "epoch" (if the stream has
 * that field): what is left at the end of an epoch, or of the stream, is dropped, as with drop_last in
 * PyTorch.  Reading, verifying and cutting happen on a background task, in stream order.
 */
#ifndef CN_LOSS_FEED_H
#define CN_LOSS_FEED_H

#include <stdint.h>

#include "base/err.h"
#include "stream/batch.h"
#include "stream/reader.h"

struct cn_feed;

struct cn_feed_config {
	size_t rows;		/* of a batch */
	uint64_t limit;		/* take no more rows than this, 0 = all */
	uint64_t batches;	/* give no more batches than this, 0 = all */
	uint64_t every;		/* mark each so many rows, 0 = never */
};

#define CN_FEED_MARK 2

/*
 * Starts reading.  When cn_feed_next returns 0 before a limit is reached, the stream has been verified to
 * its end.  The reader stays the caller's and must outlive the feed.
 */
struct cn_feed *cn_feed_new(struct cn_reader *reader, const struct cn_feed_config *config, struct cn_err *err);

/*
 * The next batch (belongs to the feed, valid until the next call): 1, 0 at the end, -1 error.  A NaN or an
 * infinity in x, pos, neg or neg_z is an error that names field and row.
 *
 * CN_FEED_MARK: of each next every rows all are used that fill a batch, and no further one was waited for.  There is no batch then.
 */
int cn_feed_next(struct cn_feed *feed, const struct cn_batch **batch, struct cn_err *err);

uint64_t cn_feed_dropped(const struct cn_feed *feed);	/* rows that filled no batch so far */
void cn_feed_free(struct cn_feed *feed);

#endif
