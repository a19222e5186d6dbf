/* feed - cuts a stream into full batches on a background task, one batch ahead. */
#include <stdbool.h>

#include "base/mem.h"
#include "base/pool.h"
#include "loss/feed.h"

#include "base/banned.h"

struct cn_feed {
	struct cn_reader *reader;
	struct cn_feed_config config;
	uint64_t given, taken, dropped;
	uint64_t marked;	/* rows up to the last mark */
	struct cn_batch chunk;	/* what the reader gave, used up to row at */
	size_t at;
	bool ended;
	struct cn_batch batch[2];	/* one in use, one being filled */
	int filling;
	struct cn_task *task;
	int found;		/* of the task: what cn_feed_next gives, with its error */
	struct cn_err err;
};

/* 1 when the chunk has a row left that may be taken. */
static int
fetch(struct cn_feed *feed)
{
	while (!feed->ended && feed->at == feed->chunk.rows) {
		const int got = cn_reader_next(feed->reader, &feed->chunk, &feed->err);

		if (got < 0)
			return -1;
		feed->at = 0;
		feed->ended = got == 0;
		if (feed->ended)
			feed->chunk.rows = 0;
	}
	return !feed->ended && (feed->config.limit == 0 || feed->taken < feed->config.limit);
}

static uint32_t
epoch_at(const struct cn_batch *chunk, int field, size_t row)
{
	return field < 0 ? 0 : *(const uint32_t *)cn_batch_at(chunk, field, row);
}

/* Rows there are before the next mark. */
static uint64_t
unmarked(const struct cn_feed *feed)
{
	return feed->config.every ? feed->marked + feed->config.every - feed->taken : UINT64_MAX;
}

/* How many rows from at on may be taken: they share an epoch, and are no more than wanted. */
static size_t
run_length(const struct cn_feed *feed, int field, size_t wanted)
{
	const uint32_t epoch = epoch_at(&feed->chunk, field, feed->at);
	size_t n = 0;

	if (feed->config.limit > 0 && feed->config.limit - feed->taken < wanted)
		wanted = (size_t)(feed->config.limit - feed->taken);
	if (unmarked(feed) < wanted)
		wanted = (size_t)unmarked(feed);
	while (n < wanted && feed->at + n < feed->chunk.rows && epoch_at(&feed->chunk, field, feed->at + n) == epoch)
		n++;
	return n;
}

/* Goes on with a batch that a mark has interrupted. */
static int
fill(struct cn_feed *feed, struct cn_batch *out)
{
	const int field = cn_schema_find(cn_reader_schema(feed->reader), "epoch");
	int got = 1;
	uint32_t epoch = out->rows > 0 ? epoch_at(out, field, 0) : 0;

	while (got > 0 && out->rows < feed->config.rows) {
		if (unmarked(feed) == 0) {
			feed->marked = feed->taken;
			return CN_FEED_MARK;
		}
		got = fetch(feed);
		if (got <= 0)
			break;
		const uint32_t here = epoch_at(&feed->chunk, field, feed->at);

		if (out->rows > 0 && here != epoch) {
			feed->dropped += out->rows;
			out->rows = 0;
		}
		if (out->rows == 0) {
			epoch = here;
			out->first_row = feed->chunk.first_row + feed->at;
		}
		const size_t n = run_length(feed, field, feed->config.rows - out->rows);

		if (cn_batch_append(out, &feed->chunk, feed->at, n, &feed->err) != 0)
			return -1;
		feed->at += n;
		feed->taken += n;
	}
	if (got == 0)
		feed->dropped += out->rows;
	return got;
}

static int
check_finite(const struct cn_batch *batch, const char *name, struct cn_err *err)
{
	static const char *const role[] = { "x", "pos", "neg", "neg_z" };

	for (size_t r = 0; r < sizeof(role) / sizeof(*role); r++) {
		const int f = cn_schema_find(&batch->schema, role[r]);

		if (f >= 0 && cn_batch_check_finite(batch, f, name, err) < 0)
			return -1;
	}
	return 0;
}

static void
work(void *context)
{
	struct cn_feed *feed = context;
	struct cn_batch *batch = &feed->batch[feed->filling];

	feed->found = feed->err.code ? -1 : fill(feed, batch);
	if (feed->found == 1 && check_finite(batch, cn_reader_name(feed->reader), &feed->err) != 0)
		feed->found = -1;
}

struct cn_feed *
cn_feed_new(struct cn_reader *reader, const struct cn_feed_config *config, struct cn_err *err)
{
	if (err->code)
		return NULL;
	struct cn_feed *feed = cn_mem_array(1, sizeof(*feed), err);

	if (!feed)
		return NULL;
	feed->reader = reader;
	feed->config = *config;
	if (cn_batch_shape(&feed->batch[0], cn_reader_schema(reader), 0, err) == 0)
		feed->task = cn_task_start(work, feed, err);
	if (feed->task)
		return feed;
	cn_feed_free(feed);
	return NULL;
}

int
cn_feed_next(struct cn_feed *feed, const struct cn_batch **batch, struct cn_err *err)
{
	if (err->code)
		return -1;
	if (feed->task) {
		cn_task_wait(feed->task);
		feed->task = NULL;
	}
	if (feed->found < 0)
		return cn_err_set(err, feed->err.code, "%s", feed->err.text);
	if (feed->found == 0 || cn_reader_check(feed->reader, err) < 0)
		return err->code ? -1 : 0;
	const int found = feed->found;

	if (found == 1) {
		*batch = &feed->batch[feed->filling];
		feed->filling = !feed->filling;
		feed->given++;
	}
	feed->found = 0;	/* if there is to be no other */
	if (feed->given == feed->config.batches && found == 1)
		return found;
	if (found == 1 && cn_batch_shape(&feed->batch[feed->filling], cn_reader_schema(feed->reader), 0, err) != 0)
		return -1;
	feed->task = cn_task_start(work, feed, err);
	return feed->task ? found : -1;
}

uint64_t
cn_feed_dropped(const struct cn_feed *feed)
{
	return feed->dropped;
}

void
cn_feed_free(struct cn_feed *feed)
{
	if (!feed)
		return;
	if (feed->task)
		cn_task_wait(feed->task);
	cn_batch_release(&feed->chunk);
	cn_batch_release(&feed->batch[0]);
	cn_batch_release(&feed->batch[1]);
	cn_mem_free(feed);
}
