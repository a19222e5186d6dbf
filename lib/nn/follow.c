/* follow - a thread that reads snapshots from a FIFO or from numbered files into a queue, and who takes them out of it. */
#include "nn/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hush.h"
#include "base/mem.h"
#include "base/queue.h"
#include "data/safetensors.h"
#include "nn/snapshot.h"

#include "base/banned.h"

enum {
	AHEAD = 2,		/* snapshots read before they are due */
	LOOK_MS = 20,		/* between two looks for a file */
	PATIENCE_MS = 5000,	/* before a word about waiting for the first sign of a training */
	LONG_MS = 10000,	/* and about waiting for weights of one that lives */
	TURN_MS = 500,		/* how often the time is looked at */
	GRACE_MS = 100,		/* of two ends of one death the one that tells more is let come first */
};

struct cn_follow {
	const char *path;
	uint64_t every, lag;
	struct cn_step *step;
	sigset_t signals;		/* as they were */
	struct cn_encoder *encoder;
	uint64_t asked;			/* how often cn_follow_next was */
	uint64_t taken;			/* the number of the next snapshot */
	struct cn_queue *queue;
	struct cn_task *task;
	bool fifo;			/* known when the announcement is taken */
	/* the thread's, until the queue has ended */
	bool watch;			/* standard output is where the rows go: when nobody reads it, do not wait on */
	int alarm;			/* of the rows' reader */
	bool talk;
	struct cn_err err;
	bool heard;			/* something has come */
	int waited_ms;			/* before that, and then for weights that are wanted */
	/* both threads' */
	_Atomic bool wanted;		/* the program can do nothing until weights come */
};

/* ---- waiting, in the thread ---- */

/* Nothing has come yet: where snapshots are there already, they are of an earlier training. */
static void
tell_first(const struct cn_follow *f)
{
	char path[CN_SNAPSHOT_PATH];
	struct stat status;

	if (!f->fifo && stat(f->path, &status) != 0 && stat(cn_snapshot_path(path, f->path, 0), &status) == 0)
		cn_tool_say(f->step->tool, "waiting for cn-train --publish %s; %s is there, but of an earlier training", f->path, path);
	else
		cn_tool_say(f->step->tool, "waiting for cn-train --publish %s", f->path);
}

/* A file has come whole: the next one is waited for from now on. */
static void
hear(struct cn_follow *f)
{
	f->heard = true;
	if (f->waited_ms < LONG_MS)
		f->waited_ms = 0;
}

/* One more wait in vain, and a word about it when it has become long; one about the first sign of a training, one about the rest. */
static void
wait_on(struct cn_follow *f, int ms)
{
	const int patience = f->heard ? LONG_MS : PATIENCE_MS;

	if (!f->talk || f->waited_ms >= patience)
		return;
	f->waited_ms = f->heard && !f->wanted ? 0 : f->waited_ms + ms;
	if (f->waited_ms < patience)
		return;
	if (f->heard)
		cn_tool_say(f->step->tool, "waiting for the next weights of %s; if cn-train has no rows to learn from either, something between "
			"holds them back", f->path);
	else
		tell_first(f);
}

/*
 * Waits until fd can be read, or (fd -1) for a moment.  -1 where there is nothing to wait for: called off, or nobody
 * reads, or the rows themselves were cut short.
 */
static int
await(struct cn_follow *f, int fd)
{
	struct pollfd fds[4] = {
		{ .fd = cn_queue_cancelled(f->queue), .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
		{ .fd = f->watch ? STDOUT_FILENO : -1 },
		{ .fd = f->alarm, .events = POLLIN },
	};

	for (;;) {
		const int ms = fd < 0 ? LOOK_MS : f->talk ? TURN_MS : -1;
		const int n = poll(fds, 4, ms);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return cn_err_errno(&f->err, "cannot wait for %s", f->path);
		if (n > 0 && fds[0].revents)
			return cn_err_set(&f->err, CN_FAILED, "%s: reading was called off", f->path);
		if (n > 0 && fds[1].revents)
			return 0;
		if (n > 0 && fds[2].revents && fd >= 0 && poll(fds + 1, 1, GRACE_MS) > 0)
			return 0;
		if (n > 0 && fds[2].revents)
			return cn_err_set(&f->err, CN_INCOMPLETE, "%s: waited for, but nobody reads standard output any more", f->path);
		if (n > 0 && fds[3].revents && cn_reader_cut(f->step->in))
			return cn_err_set(&f->err, CN_INCOMPLETE, "%s: waited for, but upstream was cut short", f->path);
		if (n > 0 && fds[3].revents)
			f->alarm = fds[3].fd = -1;
		if (n == 0)
			wait_on(f, ms);
		if (n == 0 && fd < 0)
			return 0;
	}
}

/* ---- from a FIFO ---- */

/* All n bytes: 1; 0 where the pipe ends before the first of them; -1. */
static int
read_bytes(struct cn_follow *f, int fd, unsigned char *to, size_t n)
{
	size_t done = 0;

	while (done < n) {
		if (await(f, fd) != 0)
			return -1;
		const ssize_t got = read(fd, to + done, n - done);

		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return cn_err_errno(&f->err, "%s: cannot read", f->path);
		if (got == 0)
			break;
		f->heard |= got > 0;
		done += got > 0 ? (size_t)got : 0;
	}
	if (done == n)
		return 1;
	return cn_err_set(&f->err, CN_INCOMPLETE, "%s: the training that publishes there has failed or was killed", f->path);
}

/* The next file: 1, 0 at the end mark, -1. */
static int
read_frame(struct cn_follow *f, int fd, struct cn_letter *letter)
{
	unsigned char head[CN_SNAPSHOT_HEAD];

	if (read_bytes(f, fd, head, sizeof head) < 0 || cn_snapshot_length(head, f->path, &letter->size, &f->err) != 0)
		return -1;
	letter->bytes = cn_mem_array(letter->size + 1, 1, &f->err);
	if (letter->bytes && read_bytes(f, fd, letter->bytes, letter->size) > 0
	    && cn_snapshot_verify(head, letter->bytes, letter->size, f->path, &f->err) == 0 && letter->size > 0) {
		hear(f);
		return 1;
	}
	cn_mem_free(letter->bytes);
	return f->err.code ? -1 : 0;
}

static void
read_fifo(struct cn_follow *f)
{
	const int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct cn_letter letter = { 0 };

	if (fd < 0) {
		cn_err_errno(&f->err, "cannot open '%s'", f->path);
		return;
	}
	while (read_frame(f, fd, &letter) > 0 && cn_queue_put(f->queue, &letter))
		;
	close(fd);
}

/* ---- from files ---- */

/* The whole file at path, which appears whole: 1; 0 when there is none; -1. */
static int
read_file(struct cn_follow *f, const char *path, struct cn_letter *letter)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	size_t done = 0;
	ssize_t got = 1;

	*letter = (struct cn_letter){ 0 };
	if (fd < 0)
		return errno == ENOENT ? 0 : cn_err_errno(&f->err, "cannot open '%s'", path);
	if (fstat(fd, &status) == 0) {
		letter->bytes = cn_mem_array((size_t)status.st_size + 1, 1, &f->err);
		letter->size = (size_t)status.st_size;
	}
	while (letter->bytes && done < letter->size && (got > 0 || (got < 0 && errno == EINTR))) {
		got = read(fd, letter->bytes + done, letter->size - done);
		done += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	hear(f);
	if (letter->bytes && done == letter->size)
		return 1;
	cn_mem_free(letter->bytes);
	return cn_err_set(&f->err, CN_FAILED, "%s: cannot read all of it", path);
}

/* How many snapshots there are, as the announcement says that takes the place of the first one at an end in order.  0 or -1. */
static int
count_published(struct cn_follow *f, uint64_t *count)
{
	struct cn_weights announcement = { 0 };
	struct cn_err err = { 0 };

	if (cn_safetensors_read(f->path, &announcement, &err) == 0)
		cn_snapshot_number(&announcement.meta, "cn.snapshots", f->path, count, &err);
	cn_weights_release(&announcement);
	return err.code ? -1 : 0;
}

/* Snapshot i is not there, at path, and the training is over: 0 where it ended in order before it, -1. */
static int
end_of_files(struct cn_follow *f, const char *path, uint64_t i)
{
	uint64_t count;

	if (count_published(f, &count) < 0)
		return cn_err_set(&f->err, CN_INCOMPLETE, "%s: the training that publishes there has failed or was killed", f->path);
	if (i < count)
		return cn_err_set(&f->err, CN_FAILED, "%s is missing of %llu snapshots; put it back, or train again", path,
			(unsigned long long)count);
	return 0;
}

/* Waits for snapshot i while the lock on the announcement tells that the training lives: 1, 0 at the end, -1. */
static int
await_file(struct cn_follow *f, int lock, uint64_t i, struct cn_letter *letter)
{
	char path[CN_SNAPSHOT_PATH];

	cn_snapshot_path(path, f->path, i);
	for (;;) {
		const bool dead = flock(lock, LOCK_SH | LOCK_NB) == 0;
		const int got = read_file(f, path, letter);

		if (dead)
			flock(lock, LOCK_UN);
		if (got != 0)
			return got;
		if (dead)
			return end_of_files(f, path, i);
		if (await(f, -1) != 0)
			return -1;
	}
}

static void
read_files(struct cn_follow *f)
{
	const int lock = open(f->path, O_RDONLY | O_CLOEXEC);
	struct cn_letter letter;

	if (lock < 0)
		cn_err_errno(&f->err, "cannot open '%s'", f->path);
	else if (read_file(f, f->path, &letter) > 0 && cn_queue_put(f->queue, &letter))
		for (uint64_t i = 0; await_file(f, lock, i, &letter) > 0 && cn_queue_put(f->queue, &letter); i++)
			;
	if (lock >= 0)
		close(lock);
}

/* Waits until there is something to open.  0 or -1. */
static int
await_path(struct cn_follow *f, struct stat *status)
{
	while (stat(f->path, status) != 0) {
		if (errno != ENOENT)
			return cn_err_errno(&f->err, "cannot open '%s'", f->path);
		if (await(f, -1) != 0)
			return -1;
	}
	return 0;
}

static void
work(void *context)
{
	struct cn_follow *f = context;
	struct stat status = { 0 };

	await_path(f, &status);
	f->fifo = S_ISFIFO(status.st_mode);
	if (f->fifo)
		read_fifo(f);
	else if (S_ISREG(status.st_mode))
		read_files(f);
	else
		cn_err_set(&f->err, CN_FAILED, "%s: neither a FIFO nor a file that cn-train published", f->path);
	cn_queue_close(f->queue);
}

/* ---- in the program ---- */

int
cn_follow_check(const struct cn_follow_options *options, const char *model, struct cn_err *err)
{
	if (options->path && model)
		return cn_err_set(err, CN_USAGE, "--follow brings its own encoder; leave out -m");
	if (options->path && !options->every)
		return cn_err_set(err, CN_USAGE, "--follow needs --every: after how many rows to take the next weights, as cn-train has it");
	if (!options->path && (options->every || options->lag))
		return cn_err_set(err, CN_USAGE, "--%s would do nothing here: it is for --follow", options->every ? "every" : "lag");
	return 0;
}

struct cn_follow *
cn_follow_open(const struct cn_follow_options *options, struct cn_step *step, struct cn_err *err)
{
	const struct cn_common *common = step->common;
	struct cn_follow *f = err->code || !options->path ? NULL : cn_mem_array(1, sizeof *f, err);

	if (!f)
		return NULL;
	step->every = (uint64_t)options->every;
	*f = (struct cn_follow){ .path = options->path, .every = (uint64_t)options->every, .lag = (uint64_t)options->lag, .step = step,
		.watch = !common->output || strcmp(common->output, "-") == 0, .alarm = cn_reader_alarm(step->in),
		.talk = !common->quiet };
	cn_hush_begin(&f->signals);
	f->queue = cn_queue_new(AHEAD, err);
	if (f->queue)
		f->task = cn_task_start(work, f, err);
	if (f->task)
		return f;
	cn_follow_free(f);
	return NULL;
}

void
cn_follow_free(struct cn_follow *f)
{
	if (!f)
		return;
	if (f->task) {
		cn_queue_cancel(f->queue);
		cn_task_wait(f->task);
	}
	cn_queue_free(f->queue);
	cn_encoder_free(f->encoder);
	cn_hush_end(&f->signals);
	cn_mem_free(f);
}

/* The next file that was published, to be called by name: 1, 0 at the end in order, -1. */
static int
take(struct cn_follow *f, const char *name, struct cn_weights *weights, struct cn_err *err)
{
	struct cn_letter letter;

	if (err->code)
		return -1;
	f->wanted = true;
	const int got = cn_queue_take(f->queue, &letter);

	f->wanted = false;
	if (!got) {
		if (f->err.code && cn_reader_check(f->step->in, err) == 0)
			cn_err_set(err, f->err.code, "%s", f->err.text);
		return err->code ? -1 : 0;
	}
	cn_safetensors_read_bytes(letter.bytes, letter.size, name, weights, err);
	cn_mem_free(letter.bytes);
	return err->code ? -1 : 1;
}

/* What was published must count rows as we do. */
static int
check_every(const struct cn_follow *f, const char *name, const struct cn_weights *weights, struct cn_err *err)
{
	uint64_t every;

	if (cn_snapshot_number(&weights->meta, "cn.every", name, &every, err) != 0 || every == f->every)
		return err->code ? -1 : 0;
	return cn_err_set(err, CN_FAILED, "%s: is published every %llu rows, but followed every %llu; give both programs the same --every",
		name, (unsigned long long)every, (unsigned long long)f->every);
}

/* A network for the samples of our own input. */
static void
make_encoder(struct cn_follow *f, const struct cn_weights *announcement, const char *field, struct cn_err *err)
{
	const char *arch = cn_meta_get(&announcement->meta, "cn.arch"), *head = cn_meta_get(&announcement->meta, "cn.head");
	const struct cn_schema *schema = cn_reader_schema(f->step->in);
	const int x = cn_schema_need(schema, cn_reader_name(f->step->in), field, 0, -1, "a model embeds samples", err);
	struct cn_err inner = { 0 };

	if (x < 0)
		return;
	f->encoder = cn_encoder_new(arch ? arch : "", head, &schema->field[x], f->step->pool, &inner);
	if (!f->encoder)
		cn_err_set(err, CN_FAILED, "%s: %s", f->path, inner.text);
}

struct cn_encoder *
cn_follow_encoder(struct cn_follow *f, const char *field, struct cn_err *err)
{
	struct cn_weights announcement = { 0 };

	if (err->code || !f)
		return NULL;
	if (take(f, f->path, &announcement, err) == 0)
		cn_err_set(err, CN_FAILED, "%s: ended before it began", f->path);
	if (!err->code && check_every(f, f->path, &announcement, err) == 0)
		make_encoder(f, &announcement, field, err);
	cn_weights_release(&announcement);
	return f->encoder;
}

int
cn_follow_next(struct cn_follow *f, struct cn_err *err)
{
	const uint64_t due = f->asked > f->lag ? f->asked - f->lag : 0;
	struct cn_weights weights = { 0 };
	uint64_t number;
	char path[CN_SNAPSHOT_PATH];
	const char *name = f->fifo ? f->path : cn_snapshot_path(path, f->path, f->taken);

	if (err->code)
		return -1;
	f->asked++;
	if (due < f->taken)
		return CN_FOLLOW_SAME;
	const int got = take(f, name, &weights, err);

	if (got > 0 && check_every(f, name, &weights, err) == 0
	    && cn_snapshot_number(&weights.meta, "cn.snapshot", name, &number, err) == 0 && number != f->taken)
		cn_err_set(err, CN_FAILED, "%s: snapshot %llu came where number %llu was due", name, (unsigned long long)number,
			(unsigned long long)f->taken);
	if (got > 0 && !err->code)
		cn_encoder_update(f->encoder, &weights, name, err);
	f->taken++;
	cn_weights_release(&weights);
	return err->code ? -1 : got > 0 ? CN_FOLLOW_NEW : CN_FOLLOW_END;
}

/* Whether nobody reads standard output. */
static bool
is_broken(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) > 0;
}

/* What the program failed by, if that is only that nobody reads what it writes: then the end of the other side is told instead. */
static void
explain(struct cn_follow *f, struct cn_err *err)
{
	struct cn_letter letter;

	if (!f || !err->code || !f->watch || !is_broken())
		return;
	while (cn_queue_take(f->queue, &letter))
		cn_mem_free(letter.bytes);
	cn_err_set(&f->err, CN_INCOMPLETE, "%s: followed to its end, but nobody reads standard output any more", f->path);
	*err = f->err;
}

void
cn_follow_finish(struct cn_follow *f, struct cn_step *step, struct cn_err *err)
{
	explain(f, err);
	const bool failed = err->code != CN_OK;

	cn_step_finish(step, err);
	if (!failed)
		explain(f, err);
}
