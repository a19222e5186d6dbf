/*
 * unpack - libarchive for everything but gzip: its gzip filter does not compare the checksum (as of 3.6.2),
 * so gzip goes through zlib, which does, and hands other bytes through unchanged.  Zip wants to seek and is
 * opened by name.
 */
#include "data/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/banned.h"

#define BLOCK ((size_t)1 << 17)

struct cn_unpack {
	char *name;
	struct archive *archive;
	gzFile gz;
	unsigned char *block;
	const char *member;	/* of the archive, for messages */
	bool link;		/* the member has no bytes of its own */
	bool cut;		/* gzip ended early */
	char why[160];		/* what zlib said; libarchive forgets some words of a reader */
};

static la_ssize_t
read_block(struct archive *archive, void *context, const void **block)
{
	struct cn_unpack *unpack = context;
	const int got = gzread(unpack->gz, unpack->block, (unsigned)BLOCK);
	int code = Z_OK;
	const char *text = gzerror(unpack->gz, &code);

	/* A cut-off gzip file ends quietly but for this code. */
	unpack->cut = got <= 0 && code == Z_BUF_ERROR;
	if (got < 0 || unpack->cut) {
		snprintf(unpack->why, sizeof unpack->why, "%s", unpack->cut ? "gzip data cut short"
			: code == Z_ERRNO ? strerror(errno) : text);
		archive_set_error(archive, EIO, "%s", unpack->why);
		return ARCHIVE_FATAL;
	}
	*block = unpack->block;
	return got;
}

static bool
is_zip(int fd)
{
	char magic[4] = { 0 };

	return pread(fd, magic, sizeof magic, 0) == sizeof magic && !memcmp(magic, "PK\3\4", sizeof magic);
}

/* libarchive tells what is cut short from what is damaged in its words alone. */
static bool
tells_cut(const char *text)
{
	return strstr(text, "runcated") || strstr(text, "No progress is possible");	/* the latter of xz */
}

static int
fail(const struct cn_unpack *unpack, struct cn_err *err)
{
	const char *said = archive_error_string(unpack->archive);
	const char *text = *unpack->why ? unpack->why : said ? said : "cannot be read";
	const enum cn_status code = unpack->cut || tells_cut(text) ? CN_INCOMPLETE : CN_FAILED;

	if (unpack->member)
		return cn_err_set(err, code, "%s: member '%s': %s", unpack->name, unpack->member, text);
	return cn_err_set(err, code, "%s: %s", unpack->name, text);
}

static int
refuse_empty(const struct cn_unpack *unpack, struct cn_err *err)
{
	return cn_err_set(err, CN_INCOMPLETE, "%s: empty; what was to write it may have failed", unpack->name);
}

static void
choose_formats(struct archive *archive, enum cn_unpack_kind kind)
{
	archive_read_support_filter_zstd(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_bzip2(archive);
	archive_read_support_format_raw(archive);	/* where nothing else fits */
	archive_read_support_format_empty(archive);
	if (kind == CN_UNPACK_ARCHIVE) {
		archive_read_support_format_tar(archive);
		archive_read_support_format_zip(archive);
	}
}

static int
open_stream(struct cn_unpack *unpack, int fd, struct cn_err *err)
{
	unpack->gz = gzdopen(fd, "rb");
	if (!unpack->gz) {
		close(fd);
		return cn_err_set(err, CN_FAILED, "%s: out of memory", unpack->name);
	}
	gzbuffer(unpack->gz, (unsigned)BLOCK);
	if (archive_read_open(unpack->archive, unpack, NULL, read_block, NULL) != ARCHIVE_OK)
		return fail(unpack, err);
	return 0;
}

static int
open_archive(struct cn_unpack *unpack, const char *path, enum cn_unpack_kind kind, struct cn_err *err)
{
	const bool standard = !path || !strcmp(path, "-");
	const int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return cn_err_errno(err, "cannot open '%s'", unpack->name);
	choose_formats(unpack->archive, kind);
	if (kind != CN_UNPACK_ARCHIVE || standard || !is_zip(fd))
		return open_stream(unpack, fd, err);
	close(fd);
	if (archive_read_open_filename(unpack->archive, path, BLOCK) != ARCHIVE_OK)
		return fail(unpack, err);
	return 0;
}

struct cn_unpack *
cn_unpack_open(const char *path, enum cn_unpack_kind kind, struct cn_err *err)
{
	struct cn_unpack *unpack = err->code ? NULL : cn_mem_array(1, sizeof *unpack, err);
	struct archive_entry *entry;

	if (!unpack)
		return NULL;
	unpack->name = cn_mem_string(!path || !strcmp(path, "-") ? "standard input" : path, err);
	unpack->block = cn_mem_array(BLOCK, 1, err);
	unpack->archive = archive_read_new();
	if (!unpack->archive)
		cn_err_set(err, CN_FAILED, "out of memory");
	if (!err->code)
		open_archive(unpack, path, kind, err);
	if (!err->code && kind == CN_UNPACK_BYTES) {
		const int status = archive_read_next_header(unpack->archive, &entry);
		if (status == ARCHIVE_EOF)
			refuse_empty(unpack, err);
		else if (status != ARCHIVE_OK)
			fail(unpack, err);
	}
	if (err->code) {
		cn_unpack_free(unpack);
		return NULL;
	}
	return unpack;
}

const char *
cn_unpack_name(const struct cn_unpack *unpack)
{
	return unpack->name;
}

int
cn_unpack_next(struct cn_unpack *unpack, const char **member, struct cn_err *err)
{
	struct archive_entry *entry;
	int status;

	if (err->code)
		return -1;
	do {
		unpack->member = NULL;
		status = archive_read_next_header(unpack->archive, &entry);
		if (status == ARCHIVE_EOF)
			return archive_format(unpack->archive) == ARCHIVE_FORMAT_EMPTY ? refuse_empty(unpack, err) : 0;
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			return fail(unpack, err);
		unpack->link = archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK;
	} while (!unpack->link && archive_entry_filetype(entry) != AE_IFREG);

	if (archive_format(unpack->archive) == ARCHIVE_FORMAT_RAW) {
		*member = NULL;
		return 1;
	}
	unpack->member = archive_entry_pathname_utf8(entry);
	if (!unpack->member)
		unpack->member = archive_entry_pathname(entry);
	if (!unpack->member)
		return cn_err_set(err, CN_FAILED, "%s: a member's name cannot be read", unpack->name);
	*member = unpack->member;
	return 1;
}

bool
cn_unpack_is_link(const struct cn_unpack *unpack)
{
	return unpack->link;
}

int
cn_unpack_read(struct cn_unpack *unpack, void *to, size_t size, size_t *got, struct cn_err *err)
{
	if (err->code)
		return -1;
	*got = 0;
	while (*got < size) {
		const la_ssize_t n = archive_read_data(unpack->archive, (char *)to + *got, size - *got);
		if (n < 0)
			return fail(unpack, err);
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

int
cn_unpack_exactly(struct cn_unpack *unpack, void *to, size_t size, const char *what, struct cn_err *err)
{
	size_t got;

	if (cn_unpack_read(unpack, to, size, &got, err))
		return -1;
	if (got < size)
		return cn_err_set(err, CN_INCOMPLETE, "%s: cut short in %s: expected %zu bytes, got %zu",
			unpack->name, what,
			size, got);
	return 0;
}

int
cn_unpack_ended(struct cn_unpack *unpack, struct cn_err *err)
{
	unsigned char byte;
	size_t got;

	if (cn_unpack_read(unpack, &byte, 1, &got, err))
		return -1;
	return got ? cn_err_set(err, CN_FAILED, "%s: bytes behind the last row", unpack->name) : 0;
}

void
cn_unpack_free(struct cn_unpack *unpack)
{
	if (!unpack)
		return;
	if (unpack->archive)
		archive_read_free(unpack->archive);
	if (unpack->gz)
		gzclose(unpack->gz);
	cn_mem_free(unpack->block);
	cn_mem_free(unpack->name);
	cn_mem_free(unpack);
}
