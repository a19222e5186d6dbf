/* source - the bytes of a stream as they come. */
#include "stream/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"

#include "base/banned.h"

enum { BUFFER = 1 << 17, PIPE_BYTES = 1 << 20, LAST = 8 };

/* Of a pipe that is watched.  The lock is held for each read, and by the thread for what it does when the writer has gone. */
struct watch {
	struct cn_task *task;
	int dismissed, left;		/* eventfds: the thread shall end; the writer has gone, and rest is all there is */
	pthread_mutex_t lock;
	unsigned char *rest;
	size_t begin, end;
	unsigned char last[LAST];	/* bytes that came */
};

struct cn_source {
	char *name;
	int fd, wake;		/* wake: an eventfd that ends a wait */
	bool own, regular, pipe;
	uint64_t start, size;	/* regular: offset of the stream's first byte, bytes from there to the end */
	uint64_t offset;	/* bytes handed out */
	size_t begin, end;	/* what buffer holds */
	unsigned char *buffer;
	struct watch *watch;	/* or NULL */
};

static int
open_input(struct cn_source *source, const char *path, struct cn_err *err)
{
	struct stat status;

	source->own = path && strcmp(path, "-") != 0;
	source->fd = source->own ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	source->name = cn_mem_string(source->own ? path : "standard input", err);
	if (!source->name)
		return -1;
	if (source->fd < 0)
		return cn_err_errno(err, "cannot open '%s'", path);
	if (fstat(source->fd, &status) != 0)
		return cn_err_errno(err, "cannot read %s", source->name);
	if (S_ISDIR(status.st_mode))
		return cn_err_set(err, CN_FAILED, "%s: is a folder, not a stream", source->name);
	if (S_ISREG(status.st_mode)) {
		const off_t start = lseek(source->fd, 0, SEEK_CUR);

		source->regular = start >= 0 && start <= status.st_size;
		source->start = source->regular ? (uint64_t)start : 0;
		source->size = source->regular ? (uint64_t)(status.st_size - start) : 0;
	} else {
		source->pipe = S_ISFIFO(status.st_mode);
		fcntl(source->fd, F_SETPIPE_SZ, PIPE_BYTES);	/* best effort: fewer switches between programs */
	}
	return 0;
}

struct cn_source *
cn_source_open(const char *path, struct cn_err *err)
{
	struct cn_source *source = cn_mem_array(1, sizeof(*source), err);

	if (!source)
		return NULL;
	source->fd = source->wake = -1;
	source->buffer = cn_mem_array(BUFFER, 1, err);
	if (!source->buffer || open_input(source, path, err) != 0) {
		cn_source_free(source);
		return NULL;
	}
	source->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->wake < 0) {
		cn_err_errno(err, "cannot watch %s", source->name);
		cn_source_free(source);
		return NULL;
	}
	return source;
}

/* ---- the watch ---- */

/* Whether an eventfd was rung. */
static bool
rang(int eventfd)
{
	struct pollfd fds = { .fd = eventfd, .events = POLLIN };

	return poll(&fds, 1, 0) > 0;
}

static void
ring(int eventfd)
{
	const uint64_t one = 1;

	while (write(eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Remembers the last of what came. */
static void
remember(struct watch *watch, const unsigned char *bytes, size_t n)
{
	const size_t kept = n < LAST ? LAST - n : 0;

	memmove(watch->last, watch->last + LAST - kept, kept);
	memcpy(watch->last + kept, bytes + n - (LAST - kept), LAST - kept);
}

/* All that is in the pipe.  False where that cannot be had: it is then read in its turn. */
static bool
take_rest(struct cn_source *source)
{
	struct watch *watch = source->watch;
	struct cn_err ignored = { 0 };
	int n = 0;

	if (ioctl(source->fd, FIONREAD, &n) != 0 || n < 0 || !(watch->rest = cn_mem_array((size_t)n + 1, 1, &ignored)))
		return false;
	while (watch->end < (size_t)n) {
		const ssize_t got = read(source->fd, watch->rest + watch->end, (size_t)n - watch->end);

		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		watch->end += got > 0 ? (size_t)got : 0;
	}
	remember(watch, watch->rest, watch->end);
	return true;
}

static void
watch_over(void *context)
{
	struct cn_source *source = context;
	struct watch *watch = source->watch;
	struct pollfd fds[2] = { { .fd = source->fd }, { .fd = watch->dismissed, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return;
	if (fds[1].revents || !(fds[0].revents & POLLHUP))
		return;
	pthread_mutex_lock(&watch->lock);
	if (take_rest(source))
		ring(watch->left);
	pthread_mutex_unlock(&watch->lock);
}

static void
end_watch(struct cn_source *source)
{
	struct watch *watch = source->watch;

	if (!watch)
		return;
	if (watch->task) {
		ring(watch->dismissed);
		cn_task_wait(watch->task);
	}
	if (watch->dismissed >= 0)
		close(watch->dismissed);
	if (watch->left >= 0)
		close(watch->left);
	pthread_mutex_destroy(&watch->lock);
	cn_mem_free(watch->rest);
	cn_mem_free(watch);
	source->watch = NULL;
}

int
cn_source_watch(struct cn_source *source, struct cn_err *err)
{
	if (err->code || !source->pipe || source->watch)
		return err->code ? -1 : 0;
	struct watch *watch = cn_mem_array(1, sizeof(*watch), err);
	if (!watch)
		return -1;
	pthread_mutex_init(&watch->lock, NULL);
	watch->dismissed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watch->left = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	remember(watch, source->buffer + source->begin, source->end - source->begin);
	source->watch = watch;
	if (watch->dismissed < 0 || watch->left < 0)
		cn_err_errno(err, "cannot watch %s", source->name);
	else
		watch->task = cn_task_start(watch_over, source, err);
	if (!err->code)
		return 0;
	end_watch(source);
	return -1;
}

int
cn_source_left(const struct cn_source *source)
{
	return source->watch ? source->watch->left : -1;
}

bool
cn_source_last(struct cn_source *source, void *to, size_t n)
{
	struct watch *watch = source->watch;

	if (!watch || !rang(watch->left))
		return false;
	memcpy(to, watch->last + LAST - n, n);
	return true;
}

void
cn_source_free(struct cn_source *source)
{
	if (!source)
		return;
	end_watch(source);
	if (source->own && source->fd >= 0)
		close(source->fd);
	if (source->wake >= 0)
		close(source->wake);
	cn_mem_free(source->buffer);
	cn_mem_free(source->name);
	cn_mem_free(source);
}

const char *
cn_source_name(const struct cn_source *source)
{
	return source->name;
}

uint64_t
cn_source_offset(const struct cn_source *source)
{
	return source->offset;
}

/* Waits until there is something to read; regular files never wait. */
static int
await(struct cn_source *source, struct cn_err *err)
{
	struct pollfd fds[2] = {
		{ .fd = source->fd, .events = POLLIN },
		{ .fd = source->wake, .events = POLLIN },
	};

	if (source->regular)
		return 0;
	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return cn_err_errno(err, "cannot wait for %s", source->name);
	if (fds[1].revents)
		return cn_err_set(err, CN_FAILED, "%s: reading was called off", source->name);
	return 0;
}

/* read(), where the watch has not taken the rest in; then from there. */
static ssize_t
read_watched(struct cn_source *source, void *to, size_t n)
{
	struct watch *watch = source->watch;
	ssize_t got;

	pthread_mutex_lock(&watch->lock);
	if (watch->rest) {
		const size_t held = watch->end - watch->begin;

		got = (ssize_t)(held < n ? held : n);
		memcpy(to, watch->rest + watch->begin, (size_t)got);
		watch->begin += (size_t)got;
	} else if ((got = read(source->fd, to, n)) > 0) {
		remember(watch, to, (size_t)got);
	}
	pthread_mutex_unlock(&watch->lock);
	return got;
}

/* One read of up to n bytes; SIZE_MAX means err. */
static size_t
read_some(struct cn_source *source, void *to, size_t n, struct cn_err *err)
{
	for (;;) {
		if (await(source, err) != 0)
			return SIZE_MAX;
		const ssize_t got = source->watch ? read_watched(source, to, n) : read(source->fd, to, n);
		if (got >= 0)
			return (size_t)got;
		if (errno != EINTR && errno != EAGAIN) {
			cn_err_errno(err, "%s: cannot read at byte %llu", source->name,
				(unsigned long long)source->offset);
			return SIZE_MAX;
		}
	}
}

size_t
cn_source_read(struct cn_source *source, void *to, size_t n, struct cn_err *err)
{
	unsigned char *at = to;
	size_t done = 0;

	while (done < n) {
		size_t got = source->end - source->begin;

		if (got > 0) {
			got = got < n - done ? got : n - done;
			memcpy(at + done, source->buffer + source->begin, got);
			source->begin += got;
		} else if (n - done >= BUFFER) {
			got = read_some(source, at + done, n - done, err);
		} else {
			got = read_some(source, source->buffer, BUFFER, err);
			source->begin = 0;
			source->end = got == SIZE_MAX ? 0 : got;
			if (got != 0 && got != SIZE_MAX)
				continue;
		}
		if (got == SIZE_MAX)
			return SIZE_MAX;
		if (got == 0)
			break;
		done += got;
		source->offset += got;
	}
	return done;
}

size_t
cn_source_ahead(struct cn_source *source, void *to, size_t n, struct cn_err *err)
{
	size_t held = source->end - source->begin, got;

	memmove(source->buffer, source->buffer + source->begin, held);
	source->begin = 0;
	source->end = held;
	while (held < n && (got = read_some(source, source->buffer + held, BUFFER - held, err)) > 0) {
		if (got == SIZE_MAX)
			return SIZE_MAX;
		source->end = held += got;
	}
	held = held < n ? held : n;
	memcpy(to, source->buffer, held);
	return held;
}

bool
cn_source_seekable(const struct cn_source *source)
{
	return source->regular;
}

uint64_t
cn_source_size(const struct cn_source *source)
{
	return source->size;
}

size_t
cn_source_peek(struct cn_source *source, uint64_t offset, void *to, size_t n)
{
	size_t done = 0;

	while (source->regular && done < n && offset + done < source->size) {
		const ssize_t got = pread(source->fd, (unsigned char *)to + done, n - done,
			(off_t)(source->start + offset + done));

		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		done += got > 0 ? (size_t)got : 0;
	}
	return done;
}

int
cn_source_seek(struct cn_source *source, uint64_t offset, struct cn_err *err)
{
	if (!source->regular || offset > source->size
	    || lseek(source->fd, (off_t)(source->start + offset), SEEK_SET) < 0)
		return cn_err_set(err, CN_FAILED, "%s: cannot go to byte %llu", source->name,
			(unsigned long long)offset);
	source->offset = offset;
	source->begin = source->end = 0;
	return 0;
}

void
cn_source_cancel(struct cn_source *source)
{
	ring(source->wake);
}

void
cn_source_resume(struct cn_source *source)
{
	uint64_t count;

	while (read(source->wake, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}
