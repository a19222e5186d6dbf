/* image - listing, ordering and decoding; data/decode.h knows the formats, data/unpack.h the archives. */
#include "data/image.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "data/decode.h"
#include "data/resize.h"
#include "data/spool.h"
#include "data/unpack.h"
#include "base/banned.h"

#define FILE_LIMIT ((size_t)256 << 20)	/* bytes of one compressed picture */
#define PIECE ((size_t)1 << 16)

/* One picture that matches. */
struct member {
	char *name;		/* inside the operand */
	const char *operand;
	char *path;		/* of a file, or NULL: in the spool */
	uint64_t at, size;	/* in the spool */
	const char *folder;	/* the class: part of name, not terminated */
	size_t folder_size;
	uint64_t number;	/* last number in the file's name */
	int32_t label;
};

struct state {
	struct member *member;
	size_t n, capacity;
	uint64_t seen;		/* files looked at, for messages */
	struct cn_spool *spool;
	struct cn_image_config config;
	struct cn_pool *pool;
	struct cn_shape x;
};

/* Listing. */

/* The folder that a file lies in, if its name has one; a device of /dev is none, nor are . and .. */
static void
find_folder(struct member *member, const char *file)
{
	const char *end = file, *begin;

	while (end > member->name && end[-1] == '/')
		end--;
	for (begin = end; begin > member->name && begin[-1] != '/'; begin--)
		;
	const size_t n = (size_t)(end - begin);
	if (!n || (n <= 2 && !memcmp(begin, "..", n)) || !strncmp(member->name, "/dev/", 5))
		return;
	member->folder = begin;
	member->folder_size = n;
}

/* Splits a name into its folder and the last number of the file. */
static void
describe(struct member *member)
{
	const char *slash = strrchr(member->name, '/'), *file = slash ? slash + 1 : member->name;
	const char *digit = NULL;

	find_folder(member, file);
	for (const char *p = file; *p; p++)
		if (isdigit((unsigned char)*p) && (p == file || !isdigit((unsigned char)p[-1])))
			digit = p;
	member->number = digit ? strtoull(digit, NULL, 10) : 0;
}

/* A new member if a file of this name is wanted; NULL if not, or with err set.  Single: told by content, not by ending. */
static struct member *
want(struct state *state, const char *operand, const char *name, bool single, struct cn_err *err)
{
	void *block = state->member;

	while (!strncmp(name, "./", 2))
		name += 2;
	state->seen++;
	if ((!single && !cn_decode_knows(name)) || (state->config.match && fnmatch(state->config.match, name, 0)))
		return NULL;
	if (cn_mem_grow(&block, &state->capacity, state->n + 1, sizeof *state->member, err))
		return NULL;
	state->member = block;
	struct member *member = &state->member[state->n];
	*member = (struct member){ .operand = operand, .name = cn_mem_string(name, err), .label = -1 };
	if (!member->name)
		return NULL;
	describe(member);
	state->n++;
	return member;
}

static int
list_folder(struct state *state, const char *operand, struct cn_err *err)
{
	char *paths[2] = { (char *)operand, NULL };
	const size_t root = strlen(operand);
	FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;

	if (!tree)
		return cn_err_errno(err, "cannot open '%s'", operand);
	while (!err->code && (errno = 0, entry = fts_read(tree))) {
		if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS) {
			errno = entry->fts_errno;
			cn_err_errno(err, "cannot read '%s'", entry->fts_path);
		}
		if (entry->fts_info != FTS_F)
			continue;
		const char *name = entry->fts_path + root;
		while (*name == '/')
			name++;
		struct member *member = want(state, operand, name, false, err);
		if (member)
			member->path = cn_mem_string(entry->fts_path, err);
	}
	if (!err->code && errno)
		cn_err_errno(err, "cannot read '%s'", operand);
	fts_close(tree);
	return err->code ? -1 : 0;
}

/*
 * A folder and an archive of it shall give the same: pictures that lie directly in the top folder of all are
 * of no class if others lie in folders of it.
 */
static void
forget_top(struct member *member, size_t n)
{
	const size_t top = n ? strcspn(member->name, "/") : 0;
	bool deeper = false;

	for (size_t i = 0; i < n; i++) {
		if (strncmp(member[i].name, member->name, top) || member[i].name[top] != '/')
			return;
		deeper |= member[i].folder != member[i].name;
	}
	for (size_t i = 0; deeper && i < n; i++)
		if (member[i].folder == member[i].name)
			member[i].folder = NULL;
}

/* The bytes of a member go to the spool; those of a file by itself must be a picture. */
static int
keep_member(struct state *state, struct member *member, struct cn_unpack *unpack, unsigned char *piece, bool single,
	struct cn_err *err)
{
	size_t got;

	if (cn_unpack_is_link(unpack))
		return cn_err_set(err, CN_FAILED, "%s: member '%s' is a link; pack with tar --dereference --hard-dereference, "
			"or leave it out by --match", member->operand, member->name);
	member->at = cn_spool_size(state->spool);
	do {
		if (cn_unpack_read(unpack, piece, PIECE, &got, err))
			return -1;
		if (single && !member->size && !cn_decode_kind(piece, got))
			return cn_err_set(err, CN_FAILED, "%s: neither a picture (JPEG, PNG, PNM) nor an archive of pictures "
				"(tar, zip)", cn_unpack_name(unpack));
		cn_spool_append(state->spool, piece, got, err);
		member->size += got;
		if (member->size > FILE_LIMIT)
			cn_err_set(err, CN_FAILED, "%s: member '%s' is over the limit of %zu bytes",
				member->operand, member->name, FILE_LIMIT);
	} while (got == PIECE && !err->code);
	return err->code ? -1 : 0;
}

/* An archive, or a picture that is compressed, comes through a pipe or has another ending. */
static int
list_archive(struct state *state, const char *operand, struct cn_err *err)
{
	struct cn_unpack *unpack = cn_unpack_open(operand, CN_UNPACK_ARCHIVE, err);
	unsigned char *piece = cn_mem_array(PIECE, 1, err);
	const size_t first = state->n;
	bool single = false;
	const char *name;

	if (!state->spool)
		state->spool = cn_spool_new(err);
	while (!err->code && cn_unpack_next(unpack, &name, err) > 0) {
		single = !name;
		struct member *member = want(state, operand, single ? operand : name, single, err);
		if (member)
			keep_member(state, member, unpack, piece, single, err);
	}
	if (!err->code && !single && state->n > first)
		forget_top(state->member + first, state->n - first);
	cn_mem_free(piece);
	cn_unpack_free(unpack);
	return err->code ? -1 : 0;
}

/* A picture given by itself keeps its folder, so that cat/1.jpg is a cat. */
static int
list_file(struct state *state, const char *operand, struct cn_err *err)
{
	struct member *member = want(state, operand, operand, true, err);

	if (member)
		member->path = cn_mem_string(operand, err);
	return err->code ? -1 : 0;
}

static int
list(struct state *state, const char *operand, struct cn_err *err)
{
	struct stat about;

	if (!strcmp(operand, "-"))
		return list_archive(state, operand, err);
	if (stat(operand, &about))
		return cn_err_errno(err, "cannot open '%s'", operand);
	if (S_ISDIR(about.st_mode))
		return list_folder(state, operand, err);
	return cn_decode_knows(operand) && S_ISREG(about.st_mode) ? list_file(state, operand, err) : list_archive(state, operand, err);
}

/* Ordering. */

/* Text order, but runs of digits by their value; equal values with more zeros come later. */
static int
compare_names(const char *a, const char *b)
{
	const char *x = a, *y = b;

	while (*x && *y) {
		if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
			while (*x == '0')
				x++;
			while (*y == '0')
				y++;
			size_t m = 0, n = 0;
			while (isdigit((unsigned char)x[m]))
				m++;
			while (isdigit((unsigned char)y[n]))
				n++;
			if (m != n)
				return m < n ? -1 : 1;
			const int order = memcmp(x, y, m);
			if (order)
				return order;
			x += m;
			y += n;
		} else if (*x == *y) {
			x++;
			y++;
		} else {
			return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
		}
	}
	return *x || *y ? (*x ? 1 : -1) : strcmp(a, b);
}

static int
by_name(const void *a, const void *b)
{
	return compare_names(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static int
by_number(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if (x->label != y->label)
		return x->label < y->label ? -1 : 1;
	return by_name(a, b);
}

/* Members without a folder first, then by the bytes of the folder's name. */
static int
by_class(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (!x->folder || !y->folder)
		return (x->folder != NULL) - (y->folder != NULL);
	const size_t n = x->folder_size < y->folder_size ? x->folder_size : y->folder_size;
	const int order = memcmp(x->folder, y->folder, n);
	return order ? order : (x->folder_size > y->folder_size) - (x->folder_size < y->folder_size);
}

static int
check_class(const struct member *member, struct cn_err *err)
{
	if (!memchr(member->folder, '\n', member->folder_size))
		return 0;
	return cn_err_set(err, CN_FAILED, "%s: the name of a folder breaks off after '%.*s' and goes on in a new line; "
		"class names are kept one a line: rename it", member->operand, (int)strcspn(member->folder, "\n"),
		member->folder);
}

/* Numbers the classes and lists their names, one a line; *classes says how many there are. */
static int
number_classes(struct state *state, struct cn_meta *meta, int32_t *classes, struct cn_err *err)
{
	char *names = NULL;
	size_t capacity = 0, used = 0;
	int32_t label = -1;

	qsort(state->member, state->n, sizeof *state->member, by_class);
	for (size_t i = 0; i < state->n; i++) {
		struct member *member = &state->member[i];
		if (!member->folder)
			continue;
		if (label < 0 || by_class(member, member - 1)) {
			void *block = names;
			const int failed = check_class(member, err)
				|| cn_mem_grow(&block, &capacity, used + member->folder_size + 2, 1, err);
			names = block;
			if (failed)
				break;
			if (label++ >= 0)
				names[used++] = '\n';
			memcpy(names + used, member->folder, member->folder_size);
			used += member->folder_size;
		}
		member->label = label;
	}
	*classes = label + 1;
	if (label >= 0 && !err->code)
		cn_meta_set_bytes(meta, "label.names", names, used, err);
	cn_mem_free(names);
	return err->code ? -1 : 0;
}

/* Decoding. */

/* "tar: train/cat/1.jpg" or the path of a file. */
static const char *
title(const struct member *member, char *buffer, size_t size)
{
	if (member->path)
		snprintf(buffer, size, "%s", member->path);
	else if (!strcmp(member->operand, member->name))
		snprintf(buffer, size, "%s", strcmp(member->name, "-") ? member->name : "standard input");
	else
		snprintf(buffer, size, "%s: member '%s'", member->operand, member->name);
	return buffer;
}

static void *
load_file(const struct member *member, size_t *size, struct cn_err *err)
{
	const int fd = open(member->path, O_RDONLY | O_CLOEXEC);
	struct stat about;
	unsigned char *bytes = NULL;

	if (fd < 0 || fstat(fd, &about)) {
		cn_err_errno(err, "cannot open '%s'", member->path);
	} else if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size > FILE_LIMIT) {
		cn_err_set(err, CN_FAILED, "%s: not a file of at most %zu bytes", member->path, FILE_LIMIT);
	} else if ((bytes = cn_mem_array((size_t)about.st_size + 1, 1, err))) {
		ssize_t got = 1;
		for (*size = 0; got > 0 && *size < (size_t)about.st_size; *size += (size_t)got)
			if ((got = read(fd, bytes + *size, (size_t)about.st_size - *size)) < 0)
				cn_err_errno(err, "cannot read '%s'", member->path);
	}
	if (fd >= 0)
		close(fd);
	return bytes;
}

static void *
load_spooled(const struct state *state, const struct member *member, size_t *size, struct cn_err *err)
{
	unsigned char *bytes = cn_mem_array((size_t)member->size + 1, 1, err);

	*size = (size_t)member->size;
	if (bytes)
		cn_spool_read(state->spool, member->at, bytes, *size, err);
	return bytes;
}

static int
decode_member(const struct state *state, const struct member *member, struct cn_decoded *picture,
	struct cn_err *err)
{
	char name[600];
	size_t size = 0;
	void *bytes = member->path ? load_file(member, &size, err) : load_spooled(state, member, &size, err);

	if (bytes && !err->code)
		cn_decode(bytes, size, title(member, name, sizeof name), picture, err);
	cn_mem_free(bytes);
	return err->code ? -1 : 0;
}

/* Takes one channel of three: the only one, or luma (BT.601 in 1/256). */
static void
make_grey(struct cn_decoded *picture)
{
	const size_t n = (size_t)picture->height * picture->width;
	uint8_t *p = picture->pixels;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((77 * p[3 * i] + 150 * p[3 * i + 1] + 29 * p[3 * i + 2] + 128) >> 8);
}

/* The picture as the row wants it. */
static int
fit(const struct state *state, const struct member *member, struct cn_decoded *picture, uint8_t *row,
	struct cn_err *err)
{
	const uint32_t height = state->x.dim[0], width = state->x.dim[1], channels = state->x.dim[2];
	char name[600];

	if (channels == 1 && !picture->grey && !state->config.channels)
		return cn_err_set(err, CN_FAILED,
			"%s: a picture in colour after one without; give --channels 1 or 3",
			title(member, name, sizeof name));
	if (channels == 1)
		make_grey(picture);
	if (state->config.width)
		return cn_resize(picture->pixels, picture->height, picture->width, channels, row, height,
			width, err);
	if (picture->height != height || picture->width != width)
		return cn_err_set(err, CN_FAILED,
			"%s: %" PRIu32 "x%" PRIu32 " pixels where the first picture has %" PRIu32
			"x%" PRIu32 "; give --resize %" PRIu32 "x%" PRIu32, title(member, name, sizeof name),
			picture->width,
			picture->height, width, height, width, height);
	memcpy(row, picture->pixels, (size_t)height * width * channels);
	return 0;
}

struct work {
	const struct state *state;
	struct cn_batch *batch;
	struct cn_err *err;	/* one per row: the first row's is told, whichever came first in time */
	int label;
};

static void
decode_row(void *context, size_t i, size_t worker)
{
	const struct work *work = context;
	const struct member *member = &work->state->member[work->batch->first_row + i];
	struct cn_decoded picture = { 0 };

	(void)worker;
	if (!decode_member(work->state, member, &picture, &work->err[i]))
		fit(work->state, member, &picture, cn_batch_at(work->batch, 1, i), &work->err[i]);
	cn_decode_release(&picture);
	if (work->label >= 0)
		memcpy(cn_batch_at(work->batch, work->label, i), &member->label, sizeof member->label);
}

static int
read_rows(struct cn_import *import, struct cn_batch *batch, struct cn_err *err)
{
	const struct state *state = import->state;
	struct work work = { state, batch, cn_mem_array(batch->rows, sizeof *work.err, err), -1 };

	if (!work.err)
		return -1;
	work.label = cn_schema_find(&batch->schema, "label");
	cn_pool_run(state->pool, batch->rows, decode_row, &work);
	for (size_t i = 0; i < batch->rows && !err->code; i++)
		*err = work.err[i];
	cn_mem_free(work.err);
	return err->code ? -1 : 0;
}

static void
close_images(struct cn_import *import)
{
	struct state *state = import->state;

	for (size_t i = 0; i < state->n; i++) {
		cn_mem_free(state->member[i].name);
		cn_mem_free(state->member[i].path);
	}
	cn_mem_free(state->member);
	cn_spool_free(state->spool);
	cn_mem_free(state);
}

/* The schema, from the options and the first picture. */
static int
choose_schema(struct cn_import *import, struct state *state, int32_t classes, struct cn_err *err)
{
	static const struct cn_shape scalar = { 0 };
	struct cn_decoded first = { 0 };

	if (decode_member(state, &state->member[0], &first, err))
		return -1;
	state->x.rank = 3;
	state->x.dim[0] = state->config.width ? state->config.height : first.height;
	state->x.dim[1] = state->config.width ? state->config.width : first.width;
	state->x.dim[2] = state->config.channels ? state->config.channels : first.grey ? 1 : 3;
	cn_decode_release(&first);
	cn_schema_add(&import->schema, "x", CN_DTYPE_U8, &state->x, err);
	if (classes)
		cn_schema_add(&import->schema, "label", CN_DTYPE_I32, &scalar, err);
	return err->code ? -1 : 0;
}

int
cn_image_open(struct cn_import *import, const char *const *operand, size_t n,
	const struct cn_image_config *config, struct cn_pool *pool, struct cn_err *err)
{
	struct state *state = err->code ? NULL : cn_mem_array(1, sizeof *state, err);
	int32_t classes = 0;

	if (!state)
		return -1;
	*state = (struct state){ .config = *config, .pool = pool };
	*import = (struct cn_import){ .state = state, .read = read_rows, .close = close_images };
	cn_import_init(import, "image", err);
	for (size_t i = 0; i < n && !err->code; i++)
		list(state, operand[i], err);
	if (err->code)
		return -1;
	if (!state->n)
		return cn_err_set(err, CN_FAILED,
			"%s: no pictures (.jpg .jpeg .png .ppm .pgm .pnm)%s%s%s among %" PRIu64 " files",
			operand[0], config->match ? " that match '" : "", config->match ? config->match : "",
			config->match ? "'" : "", state->seen);
	if (number_classes(state, &import->meta, &classes, err))
		return -1;
	qsort(state->member, state->n, sizeof *state->member, config->interleave ? by_number : by_name);
	import->rows = state->n;
	return choose_schema(import, state, classes, err);
}

int
cn_image_parse_size(const char *option, const char *text, uint32_t *width, uint32_t *height, struct cn_err *err)
{
	char *end;
	unsigned long w, h;

	w = h = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : (end = (char *)text, 0);
	if (*end == 'x' && isdigit((unsigned char)end[1]))
		h = strtoul(end + 1, &end, 10);
	if (*end || w < 1 || w > 65535 || h < 1 || h > 65535)
		return cn_err_set(err, CN_USAGE,
			"--%s must be N or WxH with extents of 1 to 65535, not '%s'", option, text);
	*width = (uint32_t)w;
	*height = (uint32_t)h;
	return 0;
}
