/* output - bytes that appear whole or not at all. */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/banned.h"

struct cn_output {
	int fd;
	char *path, *target;		/* as named; where that leads to, through symbolic links */
	char *temporary;		/* NULL when written in place */
	int slot;			/* in pending[], or -1 */
	bool pipe, memory, finished;
	unsigned char *bytes;		/* what is in memory */
	size_t room;
	uint64_t offset;
};

/*
 * The temporary files of this process, for the signal handlers: the one piece of mutable state
 * the library keeps.  A slot is free when its first byte is 0; the first byte is written last.
 */
enum { SLOTS = 16, SLOT_PATH = 4096 };
static volatile char pending[SLOTS][SLOT_PATH];

static int
remember(const char *path)
{
	size_t size = strlen(path) + 1;

	for (int slot = 0; slot < SLOTS && size <= SLOT_PATH; slot++) {
		if (pending[slot][0])
			continue;
		for (size_t i = 1; i < size; i++)
			pending[slot][i] = path[i];
		pending[slot][0] = path[0];
		return slot;
	}
	return -1;	/* too many or too long: such a file only outlives a signal */
}

static void
forget(int slot)
{
	if (slot >= 0)
		pending[slot][0] = 0;
}

void
cn_output_cleanup(void)
{
	for (int slot = 0; slot < SLOTS; slot++)
		if (pending[slot][0])
			unlink((const char *)pending[slot]);
}

/* The part of path up to and including its last slash, as a length. */
static size_t
folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Signals wait while a temporary file exists that pending[] does not know yet. */
static int
open_temporary(struct cn_output *output, mode_t mode, struct cn_err *err)
{
	const char *target = output->target;
	size_t folder = folder_length(target), size = strlen(target) + sizeof "..cn-XXXXXX";
	sigset_t all, before;

	output->temporary = cn_mem_array(size, 1, err);
	if (!output->temporary)
		return -1;
	snprintf(output->temporary, size, "%.*s.%s.cn-XXXXXX", (int)folder, target, target + folder);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	output->fd = mkostemp(output->temporary, O_CLOEXEC);
	if (output->fd >= 0)
		output->slot = remember(output->temporary);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (output->fd < 0) {
		cn_err_errno(err, "cannot create %s", output->path);
		cn_mem_free(output->temporary);
		output->temporary = NULL;
		return -1;
	}
	fchmod(output->fd, mode);
	return 0;
}

/* /dev/stdout and its like are links to what is open already: writing beside them would write into /dev. */
static bool
is_descriptor(const char *path)
{
	struct stat link;

	return (!strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6)) && !lstat(path, &link)
		&& S_ISLNK(link.st_mode);
}

/* The number of the descriptor that such a link stands for; -1 if its name does not say. */
static int
descriptor_of(const char *path)
{
	static const char *const name[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	int fd;
	char more;

	for (int i = 0; i < 3; i++)
		if (!strcmp(path, name[i]))
			return i;
	if (sscanf(path, "/dev/fd/%d%c", &fd, &more) == 1 || sscanf(path, "/proc/self/fd/%d%c", &fd, &more) == 1)
		return fd;
	return -1;
}

/* What is there already, to be written in place; what is open already goes on where it is, behind what others have written. */
static int
open_in_place(const char *path)
{
	const int fd = is_descriptor(path) ? descriptor_of(path) : -1;

	return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : open(path, O_WRONLY | O_CLOEXEC);
}

/* What a symbolic link says, read from its own folder; NULL without memory or where it cannot be read. */
static char *
follow(const char *path, struct cn_err *err)
{
	const size_t folder = folder_length(path);
	char word[SLOT_PATH], *next;
	const ssize_t n = readlink(path, word, sizeof word - 1);

	if (n < 0 || !(next = cn_mem_array(folder + (size_t)n + 1, 1, err))) {
		cn_err_errno(err, "cannot follow %s", path);
		return NULL;
	}
	word[n] = '\0';
	snprintf(next, folder + (size_t)n + 1, "%.*s%s", word[0] == '/' ? 0 : (int)folder, path, word);
	return next;
}

char *
cn_output_target(const char *path, struct cn_err *err)
{
	enum { MOST_LINKS = 40 };
	char *at = cn_mem_string(path, err);
	struct stat link;

	for (int i = 0; at && !lstat(at, &link) && S_ISLNK(link.st_mode) && !is_descriptor(at); i++) {
		char *next = i < MOST_LINKS ? follow(at, err) : NULL;

		if (i == MOST_LINKS)
			cn_err_set(err, CN_FAILED, "cannot open %s: too many symbolic links", path);
		cn_mem_free(at);
		at = next;
	}
	return at;
}

/* Of files that are new. */
static mode_t
usual_mode(void)
{
	const mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int
open_path(struct cn_output *output, const char *path, struct cn_err *err)
{
	struct stat status;

	output->path = cn_mem_string(path, err);
	if (!output->path)
		return -1;
	output->target = cn_output_target(path, err);
	if (!output->target)
		return -1;
	if (stat(output->target, &status))
		return open_temporary(output, usual_mode(), err);
	if (S_ISREG(status.st_mode) && !is_descriptor(output->target))
		return open_temporary(output, status.st_mode & 0777, err);
	if (S_ISDIR(status.st_mode))
		return cn_err_set(err, CN_FAILED, "cannot write %s: it is a folder", path);
	output->fd = open_in_place(output->target);
	if (output->fd < 0)
		return cn_err_errno(err, "cannot open %s", path);
	output->pipe = S_ISFIFO(status.st_mode);
	return 0;
}

int
cn_output_check(const char *path, int flags, struct cn_err *err)
{
	if ((path && strcmp(path, "-") != 0) || flags & (CN_OUTPUT_FORCE | CN_OUTPUT_TEXT) || !isatty(STDOUT_FILENO))
		return 0;
	return cn_err_set(err, CN_USAGE, "binary data is not written to a terminal; use -o FILE, pipe it, or -f");
}

static int
open_standard(struct cn_output *output, int flags, struct cn_err *err)
{
	struct stat status;

	if (cn_output_check(NULL, flags, err) != 0)
		return -1;
	output->fd = STDOUT_FILENO;
	output->pipe = !fstat(STDOUT_FILENO, &status) && (S_ISFIFO(status.st_mode)
		|| S_ISSOCK(status.st_mode));
	return 0;
}

struct cn_output *
cn_output_open(const char *path, int flags, struct cn_err *err)
{
	struct cn_output *output = cn_mem_array(1, sizeof *output, err);
	int failed;

	if (!output)
		return NULL;
	output->fd = output->slot = -1;
	if (path && !*path)
		failed = cn_err_set(err, CN_USAGE, "the name of the output file is empty");
	else if (!path || !strcmp(path, "-"))
		failed = open_standard(output, flags, err);
	else
		failed = open_path(output, path, err);
	if (failed) {
		cn_output_free(output);
		return NULL;
	}
#ifdef F_SETPIPE_SZ
	if (output->pipe)	/* best effort: larger writes at a time between the programs of a pipe */
		(void)fcntl(output->fd, F_SETPIPE_SZ, 1 << 20);
#endif
	return output;
}

struct cn_output *
cn_output_open_memory(struct cn_err *err)
{
	struct cn_output *output = cn_mem_array(1, sizeof *output, err);

	if (!output)
		return NULL;
	output->fd = output->slot = -1;
	output->memory = true;
	return output;
}

const void *
cn_output_bytes(const struct cn_output *output, size_t *size)
{
	*size = (size_t)output->offset;
	return output->bytes;
}

int
cn_output_hold(const struct cn_output *output)
{
	const int fd = fcntl(output->fd, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int
keep(struct cn_output *output, const void *bytes, size_t size, struct cn_err *err)
{
	void *block = output->bytes;

	if (cn_mem_grow(&block, &output->room, (size_t)output->offset + size, 1, err))
		return -1;
	output->bytes = block;
	memcpy(output->bytes + output->offset, bytes, size);
	output->offset += size;
	return 0;
}

int
cn_output_write(struct cn_output *output, const void *bytes, size_t size, struct cn_err *err)
{
	const char *from = bytes;

	if (err->code || !output)
		return -1;
	if (output->memory)
		return keep(output, bytes, size, err);
	while (size) {
		ssize_t n = write(output->fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return cn_err_errno(err, "cannot write %s", cn_output_name(output));
		from += n;
		size -= (size_t)n;
		output->offset += (size_t)n;
	}
	return 0;
}

const char *
cn_output_name(const struct cn_output *output)
{
	return output && output->path ? output->path : "standard output";
}

bool
cn_output_is_pipe(const struct cn_output *output)
{
	return output->pipe;
}

uint64_t
cn_output_offset(const struct cn_output *output)
{
	return output->offset;
}

/* The rename lasts only once the folder is on disk too; file systems that cannot say so are forgiven. */
static void
sync_folder(const char *path, char *scratch)
{
	size_t folder = folder_length(path);
	int fd;

	snprintf(scratch, folder + 2, "%.*s", (int)(folder ? folder : 1), folder ? path : ".");
	fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

static int
put_in_place(struct cn_output *output, struct cn_err *err)
{
	if (fsync(output->fd) && errno != EINVAL && errno != ENOTSUP)
		return cn_err_errno(err, "cannot write %s", output->path);
	if (rename(output->temporary, output->target))
		return cn_err_errno(err, "cannot put %s in place", output->path);
	forget(output->slot);
	output->slot = -1;
	sync_folder(output->target, output->temporary);
	cn_mem_free(output->temporary);
	output->temporary = NULL;
	return 0;
}

int
cn_output_finish(struct cn_output *output, struct cn_err *err)
{
	if (!output || output->finished)
		return err->code ? -1 : 0;
	output->finished = true;
	if (!err->code && output->temporary)
		put_in_place(output, err);
	if (output->path && output->fd >= 0) {
		if (close(output->fd) && !err->code)
			cn_err_errno(err, "cannot write %s", output->path);
		output->fd = -1;
	}
	return err->code ? -1 : 0;
}

void
cn_output_free(struct cn_output *output)
{
	if (!output)
		return;
	if (output->path && output->fd >= 0)
		close(output->fd);
	if (output->temporary) {
		unlink(output->temporary);
		forget(output->slot);
	}
	cn_mem_free(output->temporary);
	cn_mem_free(output->target);
	cn_mem_free(output->path);
	cn_mem_free(output->bytes);
	cn_mem_free(output);
}
