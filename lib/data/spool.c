/* spool - an unlinked temporary file, so that nothing is left behind however the process ends. */
#include "data/spool.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/banned.h"

struct cn_spool {
	int fd;
	uint64_t size;
};

static const char *
folder(void)
{
	const char *name = getenv("TMPDIR");

	return name && *name ? name : "/tmp";
}

struct cn_spool *
cn_spool_new(struct cn_err *err)
{
	char path[4096];
	struct cn_spool *spool = err->code ? NULL : cn_mem_array(1, sizeof *spool, err);

	if (!spool)
		return NULL;
	snprintf(path, sizeof path, "%s/cn-spool-XXXXXX", folder());
	spool->fd = mkstemp(path);
	if (spool->fd < 0) {
		cn_err_errno(err, "cannot make a temporary file in '%s' (TMPDIR names another folder)",
			folder());
		cn_mem_free(spool);
		return NULL;
	}
	unlink(path);
	return spool;
}

int
cn_spool_append(struct cn_spool *spool, const void *bytes, size_t size, struct cn_err *err)
{
	const char *from = bytes;

	if (err->code)
		return -1;
	while (size) {
		const ssize_t n = pwrite(spool->fd, from, size, (off_t)spool->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cn_err_errno(err,
				"cannot write a temporary file in '%s' (TMPDIR names another folder)",
				folder());
		from += n;
		size -= (size_t)n;
		spool->size += (uint64_t)n;
	}
	return 0;
}

uint64_t
cn_spool_size(const struct cn_spool *spool)
{
	return spool->size;
}

int
cn_spool_read(const struct cn_spool *spool, uint64_t at, void *to, size_t size, struct cn_err *err)
{
	size_t done = 0;

	while (done < size) {
		const ssize_t n = pread(spool->fd, (char *)to + done, size - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return cn_err_errno(err, "cannot read back a temporary file");
		done += (size_t)n;
	}
	return 0;
}

void
cn_spool_clear(struct cn_spool *spool)
{
	spool->size = 0;
}

void
cn_spool_free(struct cn_spool *spool)
{
	if (!spool)
		return;
	close(spool->fd);
	cn_mem_free(spool);
}
