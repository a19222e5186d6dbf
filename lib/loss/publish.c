/* publish - a queue and a thread for each path, which writes what comes into a FIFO or into numbered files. */
#include "loss/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hush.h"
#include "base/mem.h"
#include "base/output.h"
#include "base/pool.h"
#include "base/queue.h"
#include "data/safetensors.h"
#include "nn/snapshot.h"

#include "base/banned.h"

enum {
	BEHIND = 4,		/* snapshots a follower may be behind; with a lag of 1 it is no more than 2 */
	LOOK_MS = 20,		/* between two looks for a reader */
	PATIENCE_MS = 5000,	/* before a word about waiting */
};

enum { ANNOUNCEMENT, SNAPSHOT, END };	/* kinds of letters */

struct target {
	const char *path;
	void (*say)(const char *words);
	bool fifo;
	int fd;				/* of a FIFO once somebody reads it; of files the lock on the announcement; or -1 */
	bool ended;			/* the end mark is written */
	struct cn_queue *queue;
	struct cn_task *task;
	struct cn_err err;		/* of the thread; to be read when the queue is called off or the thread has ended */
};

struct cn_publish {
	uint64_t every, number;		/* of the next snapshot */
	struct cn_meta words;		/* what the announcement says */
	size_t n;
	struct target target[CN_PUBLISH_PATHS];
};

/* ---- the thread of a FIFO ---- */

static void
tell(const struct target *t, const char *what)
{
	char words[600];

	snprintf(words, sizeof words, "%s %s", what, t->path);
	if (t->say)
		t->say(words);
}

/* Waits until fd can be written, or (fd -1) for a moment.  -1 when called off. */
static int
await(struct target *t, int fd)
{
	struct pollfd fds[2] = { { .fd = cn_queue_cancelled(t->queue), .events = POLLIN }, { .fd = fd, .events = POLLOUT } };

	while (poll(fds, 2, fd < 0 ? LOOK_MS : -1) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return cn_err_errno(&t->err, "cannot wait for %s", t->path);
	return fds[0].revents ? -1 : 0;
}

/* Waits for a reader as long as need be: opened at once, a FIFO without one cannot be written. */
static int
open_fifo(struct target *t)
{
	for (int waited = 0; t->fd < 0; waited += LOOK_MS) {
		t->fd = open(t->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (t->fd < 0 && errno != ENXIO && errno != EINTR)
			return cn_err_errno(&t->err, "cannot open '%s'", t->path);
		if (waited == PATIENCE_MS)
			tell(t, "waiting for a follower of");
		if (t->fd < 0 && await(t, -1) != 0)
			return -1;
	}
	return 0;
}

/* A follower that goes is none that fails: if training needs its rows, their stream says how it ended. */
static int
write_fifo(struct target *t, const unsigned char *bytes, size_t size)
{
	while (size) {
		const ssize_t n = await(t, t->fd) == 0 ? write(t->fd, bytes, size) : -2;

		if (n == -2)
			return -1;
		if (n < 0 && errno == EPIPE)
			tell(t, "nobody follows any more:");
		else if (n < 0 && errno != EINTR && errno != EAGAIN)
			cn_err_errno(&t->err, "cannot write %s", t->path);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int
send(struct target *t, const struct cn_letter *letter)
{
	unsigned char head[CN_SNAPSHOT_HEAD];
	const size_t size = letter->kind == END ? 0 : letter->size;

	cn_snapshot_put_head(letter->bytes, size, head);
	if (open_fifo(t) != 0 || write_fifo(t, head, sizeof head) != 0)
		return -1;
	return write_fifo(t, letter->bytes, size);
}

/* ---- the thread of files ---- */

/* The file at path, whole or not at all; *lock, if that is asked for, keeps it locked. */
static int
write_file(const char *path, const struct cn_letter *letter, int *lock, struct cn_err *err)
{
	struct cn_output *output = cn_output_open(path, 0, err);

	cn_output_write(output, letter->bytes, letter->size, err);
	if (output && lock && (*lock = cn_output_hold(output)) < 0)
		cn_err_errno(err, "cannot lock %s", path);
	cn_output_finish(output, err);
	cn_output_free(output);
	return err->code ? -1 : 0;
}

/* What is left of an earlier training must be gone before a follower may look for it. */
static int
clear(struct target *t, uint64_t number, struct cn_err *err)
{
	char path[CN_SNAPSHOT_PATH];

	if (unlink(cn_snapshot_path(path, t->path, number)) == 0 || errno == ENOENT)
		return 0;
	return cn_err_errno(err, "cannot remove %s", path);
}

static int
put_file(struct target *t, const struct cn_letter *letter, uint64_t number)
{
	char path[CN_SNAPSHOT_PATH];

	if (letter->kind != SNAPSHOT)
		return write_file(t->path, letter, letter->kind == ANNOUNCEMENT ? &t->fd : NULL, &t->err);
	if (clear(t, number + 1, &t->err) != 0)
		return -1;
	return write_file(cn_snapshot_path(path, t->path, number), letter, NULL, &t->err);
}

/* ---- a thread ---- */

static void
work(void *context)
{
	struct target *t = context;
	struct cn_letter letter;
	uint64_t number = 0;
	sigset_t before;
	int done = 0;

	cn_hush_begin(&before);
	while (done == 0 && cn_queue_take(t->queue, &letter)) {
		done = t->fifo ? send(t, &letter) : put_file(t, &letter, number);
		number += letter.kind == SNAPSHOT;
		t->ended = done == 0 && letter.kind == END;
		cn_mem_free(letter.bytes);
	}
	if (done != 0)
		cn_queue_cancel(t->queue);
	cn_hush_end(&before);
}

/* ---- in the program ---- */

static int
open_target(struct target *t, struct cn_err *err)
{
	struct stat status;
	const bool there = stat(t->path, &status) == 0;

	t->fifo = there && S_ISFIFO(status.st_mode);
	if (there && !t->fifo && !S_ISREG(status.st_mode))
		return cn_err_set(err, CN_FAILED, "%s: neither a FIFO nor a name for files", t->path);
	if (there && !t->fifo)
		return cn_err_set(err, CN_FAILED, "%s is there already; if nobody follows what was published there, remove it", t->path);
	if (!t->fifo && clear(t, 0, err) != 0)
		return -1;
	t->queue = cn_queue_new(BEHIND, err);
	if (t->queue)
		t->task = cn_task_start(work, t, err);
	return t->task ? 0 : -1;
}

/* Gives each thread a copy of what was written; an earlier error of a thread is told here. */
static int
deliver(struct cn_publish *p, struct cn_output *output, int kind, struct cn_err *err)
{
	struct cn_letter letter = { .kind = kind };
	const void *bytes = cn_output_bytes(output, &letter.size);

	for (size_t i = 0; i < p->n && !err->code; i++) {
		letter.bytes = cn_mem_array(letter.size + 1, 1, err);
		if (!letter.bytes)
			break;
		memcpy(letter.bytes, bytes, letter.size);
		if (!cn_queue_put(p->target[i].queue, &letter) && p->target[i].err.code)
			cn_err_set(err, p->target[i].err.code, "%s", p->target[i].err.text);
	}
	return err->code ? -1 : 0;
}

/* A file without tensors. */
static int
deliver_words(struct cn_publish *p, int kind, struct cn_err *err)
{
	struct cn_output *output = err->code ? NULL : cn_output_open_memory(err);
	const struct cn_weights none = { .meta = p->words };

	if (output && cn_safetensors_put(output, &none, err) == 0)
		deliver(p, output, kind, err);
	cn_output_free(output);
	return err->code ? -1 : 0;
}

struct cn_publish *
cn_publish_open(const struct cn_publish_config *config, struct cn_err *err)
{
	struct cn_publish *p = err->code ? NULL : cn_mem_array(1, sizeof *p, err);

	if (!p)
		return NULL;
	p->every = config->every;
	for (size_t i = 0; i < config->paths && !err->code; i++) {
		p->target[i] = (struct target){ .path = config->path[i], .say = config->say, .fd = -1 };
		p->n++;
		open_target(&p->target[i], err);
	}
	cn_meta_set(&p->words, "cn.arch", config->arch, err);
	cn_meta_set(&p->words, "cn.head", config->head, err);
	cn_meta_format(&p->words, "cn.every", "%llu", err, (unsigned long long)config->every);
	if (deliver_words(p, ANNOUNCEMENT, err) == 0)
		return p;
	cn_publish_free(p);
	return NULL;
}

int
cn_publish_snapshot(struct cn_publish *p, struct cn_trainer *trainer, const struct cn_meta *node, struct cn_err *err)
{
	struct cn_output *output = err->code ? NULL : cn_output_open_memory(err);
	const struct cn_snapshot snapshot = { p->number, p->every };
	struct cn_meta words = { 0 };

	if (output && cn_snapshot_describe(&snapshot, &words, err) == 0 && cn_trainer_snapshot(trainer, output, node, &words, err) == 0)
		deliver(p, output, SNAPSHOT, err);
	p->number++;
	cn_meta_release(&words);
	cn_output_free(output);
	return err->code ? -1 : 0;
}

int
cn_publish_end(struct cn_publish *p, struct cn_err *err)
{
	cn_meta_format(&p->words, "cn.snapshots", "%llu", err, (unsigned long long)p->number);
	deliver_words(p, END, err);
	for (size_t i = 0; i < p->n && !err->code; i++)
		cn_queue_close(p->target[i].queue);
	return err->code ? -1 : 0;
}

int
cn_publish_finish(struct cn_publish *p, struct cn_err *err)
{
	for (size_t i = 0; i < p->n && !err->code; i++) {
		struct target *t = &p->target[i];

		cn_task_wait(t->task);
		t->task = NULL;
		if (t->err.code)
			cn_err_set(err, t->err.code, "%s", t->err.text);
	}
	return err->code ? -1 : 0;
}

void
cn_publish_free(struct cn_publish *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		struct target *t = &p->target[i];

		if (t->task) {
			cn_queue_cancel(t->queue);
			cn_task_wait(t->task);
		}
		if (!t->fifo && !t->ended && t->fd >= 0)
			unlink(t->path);
		if (t->fd >= 0)
			close(t->fd);
		cn_queue_free(t->queue);
	}
	cn_meta_release(&p->words);
	cn_mem_free(p);
}
