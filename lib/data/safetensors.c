/*
 * safetensors - the layout is that of the Rust reference implementation (huggingface/safetensors, README
 * "Format"): no holes, no overlaps, nothing behind the last tensor.  Widest elements come first in the
 * data, so that with a header padded to 8 bytes every tensor is aligned to its element.
 */
#include "data/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/banned.h"

#define HEADER_LIMIT ((uint64_t)16 << 20)	/* JSON of 16 MiB: a hundred thousand tensors */
#define PIPE_LIMIT ((uint64_t)1 << 30)		/* data of unknown length is believed up to here */
#define METADATA "__metadata__"

static const char *const dtype_names[] = {
	[CN_DTYPE_U8] = "U8", [CN_DTYPE_I8] = "I8", [CN_DTYPE_U16] = "U16", [CN_DTYPE_I16] = "I16",
	[CN_DTYPE_U32] = "U32", [CN_DTYPE_I32] = "I32", [CN_DTYPE_U64] = "U64", [CN_DTYPE_I64] = "I64",
	[CN_DTYPE_F16] = "F16", [CN_DTYPE_BF16] = "BF16", [CN_DTYPE_F32] = "F32", [CN_DTYPE_F64] = "F64",
};
#define DTYPES (sizeof dtype_names / sizeof dtype_names[0])

/* Where a tensor lies in the data, while reading and writing. */
struct span {
	uint64_t begin, end;
	size_t tensor;
};

static int
by_begin(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

/* Appends a tensor with room for its data; the shape's bytes must be right already. */
static struct cn_tensor *
append(struct cn_weights *weights, const char *name, enum cn_dtype dtype, const struct cn_shape *shape,
	size_t bytes, struct cn_err *err)
{
	void *block = weights->tensor;

	if (cn_mem_grow(&block, &weights->capacity, weights->n + 1, sizeof *weights->tensor, err))
		return NULL;
	weights->tensor = block;

	struct cn_tensor *tensor = &weights->tensor[weights->n];
	tensor->name = cn_mem_string(name, err);
	tensor->data = cn_mem_array(bytes ? bytes : 1, 1, err);
	if (!tensor->name || !tensor->data) {
		cn_mem_free(tensor->name);
		cn_mem_free(tensor->data);
		*tensor = (struct cn_tensor){ 0 };
		return NULL;
	}
	tensor->dtype = dtype;
	tensor->shape = *shape;
	tensor->bytes = bytes;
	weights->n++;
	return tensor;
}

/* Bytes of a tensor into *bytes; false when they do not fit a size_t.  An extent may be 0 here. */
static bool
measure(enum cn_dtype dtype, const struct cn_shape *shape, size_t *bytes)
{
	*bytes = cn_dtype_size(dtype);
	for (unsigned d = 0; d < shape->rank; d++)
		if (!cn_mem_multiply(*bytes, shape->dim[d], bytes))
			return false;
	return true;
}

const struct cn_tensor *
cn_weights_find(const struct cn_weights *weights, const char *name)
{
	for (size_t i = 0; i < weights->n; i++)
		if (!strcmp(weights->tensor[i].name, name))
			return &weights->tensor[i];
	return NULL;
}

int
cn_weights_add(struct cn_weights *weights, const char *name, enum cn_dtype dtype,
	const struct cn_shape *shape,
	const void *data, struct cn_err *err)
{
	size_t bytes;

	if (err->code)
		return -1;
	if (!strcmp(name, METADATA) || cn_weights_find(weights, name))
		return cn_err_set(err, CN_FAILED, "a second tensor named '%s'", name);
	if (!measure(dtype, shape, &bytes))
		return cn_err_set(err, CN_FAILED, "tensor '%s' is too large for this machine", name);

	const struct cn_tensor *tensor = append(weights, name, dtype, shape, bytes, err);
	if (!tensor)
		return -1;
	if (bytes)
		memcpy(tensor->data, data, bytes);
	return 0;
}

void
cn_weights_release(struct cn_weights *weights)
{
	for (size_t i = 0; i < weights->n; i++) {
		cn_mem_free(weights->tensor[i].name);
		cn_mem_free(weights->tensor[i].data);
	}
	cn_mem_free(weights->tensor);
	cn_meta_release(&weights->meta);
	*weights = (struct cn_weights){ 0 };
}

/* Reading. */

struct source {
	int fd;
	struct cn_source *stream;	/* instead of fd, or NULL */
	const unsigned char *bytes;	/* the same: what is left of a file in memory */
	const char *name;
	bool sized;		/* a regular file or memory, whose remaining length is known */
	uint64_t left;		/* bytes behind the position, when sized */
};

/* As read(2), of a file in memory. */
static size_t
copy(struct source *source, void *to, size_t size)
{
	const size_t n = size < source->left ? size : (size_t)source->left;

	memcpy(to, source->bytes, n);
	source->bytes += n;
	return n;
}

static int
read_exactly(struct source *source, void *to, size_t size, const char *what, struct cn_err *err)
{
	size_t done = 0;

	if (source->bytes)
		done = copy(source, to, size);
	if (source->stream && (done = cn_source_read(source->stream, to, size, err)) == SIZE_MAX)
		return -1;
	while (done < size) {
		const ssize_t got = source->stream || source->bytes ? 0 : read(source->fd, (char *)to + done, size - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cn_err_errno(err, "%s: cannot read", source->name);
		if (got == 0)
			return cn_err_set(err, CN_INCOMPLETE,
				"%s: cut short in %s: expected %zu bytes, got %zu",
				source->name, what, size, done);
		done += (size_t)got;
	}
	if (source->sized)
		source->left -= size;
	return 0;
}

static int
read_shape(const struct source *source, const char *name, const json_t *list, struct cn_shape *shape,
	struct cn_err *err)
{
	if (!json_is_array(list) || json_array_size(list) > CN_SHAPE_RANK)
		return cn_err_set(err, CN_FAILED,
			"%s: tensor '%s': shape is not a list of at most %d extents",
			source->name, name, CN_SHAPE_RANK);
	shape->rank = (unsigned)json_array_size(list);
	for (unsigned d = 0; d < shape->rank; d++) {
		const json_t *extent = json_array_get(list, d);
		const json_int_t value = json_integer_value(extent);
		if (!json_is_integer(extent) || value < 0 || value > INT32_MAX)
			return cn_err_set(err, CN_FAILED, "%s: tensor '%s': extent %u is not in 0..%d",
				source->name, name, d, INT32_MAX);
		shape->dim[d] = (uint32_t)value;
	}
	return 0;
}

static int
read_dtype(const struct source *source, const char *name, const json_t *word, struct cn_err *err)
{
	const char *text = json_string_value(word);

	for (unsigned t = 1; text && t < DTYPES; t++)
		if (!strcmp(dtype_names[t], text))
			return (int)t;
	return cn_err_set(err, CN_FAILED, "%s: tensor '%s': unknown dtype '%.20s'", source->name, name,
		text ? text : "(not text)");
}

static int
read_span(const struct source *source, const char *name, const json_t *pair, struct span *span,
	struct cn_err *err)
{
	const json_t *begin = json_array_get(pair, 0), *end = json_array_get(pair, 1);

	if (json_array_size(pair) != 2 || !json_is_integer(begin) || !json_is_integer(end)
	    || json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
		return cn_err_set(err, CN_FAILED, "%s: tensor '%s': data_offsets are not a range",
		source->name, name);
	span->begin = (uint64_t)json_integer_value(begin);
	span->end = (uint64_t)json_integer_value(end);
	return 0;
}

/* What the header says about one tensor, before its bytes. */
struct entry {
	const char *name;
	enum cn_dtype dtype;
	struct cn_shape shape;
};

static int
read_entry(const struct source *source, const char *name, const json_t *about, struct entry *entry,
	struct span *span, struct cn_err *err)
{
	size_t bytes;

	if (json_object_size(about) != 3)
		return cn_err_set(err, CN_FAILED, "%s: tensor '%.64s' is not {dtype, shape, data_offsets}",
			source->name, name);
	const int dtype = read_dtype(source, name, json_object_get(about, "dtype"), err);
	if (dtype < 0 || read_shape(source, name, json_object_get(about, "shape"), &entry->shape, err)
	    || read_span(source, name, json_object_get(about, "data_offsets"), span, err))
		return -1;
	entry->name = name;
	entry->dtype = (enum cn_dtype)dtype;
	if (!measure(entry->dtype, &entry->shape, &bytes) || bytes != span->end - span->begin)
		return cn_err_set(err, CN_FAILED,
			"%s: tensor '%s': %" PRIu64 " bytes of data do not fit its shape",
			source->name, name, span->end - span->begin);
	return 0;
}

/* Spans in order of place, without hole or overlap, and ending where the data does. */
static int
check_spans(const struct source *source, struct span *span, size_t n, const struct entry *entry,
	struct cn_err *err)
{
	uint64_t at = 0;

	qsort(span, n, sizeof *span, by_begin);
	for (size_t i = 0; i < n; i++) {
		if (span[i].begin != at)
			return cn_err_set(err, CN_FAILED, "%s: tensor '%s': data begins at byte %" PRIu64
				" where %" PRIu64 " was expected (a hole or an overlap)", source->name,
				entry[span[i].tensor].name, span[i].begin, at);
		at = span[i].end;
	}
	if (source->sized && at > source->left)
		return cn_err_set(err, CN_INCOMPLETE,
			"%s: cut short: %" PRIu64 " bytes of data expected, got %" PRIu64,
			source->name, at, source->left);
	if (source->sized && at < source->left)
		return cn_err_set(err, CN_FAILED, "%s: %" PRIu64 " bytes behind the last tensor",
			source->name,
			source->left - at);
	if (!source->sized && at > PIPE_LIMIT)
		return cn_err_set(err, CN_FAILED,
			"%s: %" PRIu64 " bytes of data are too many for a pipe; use a file",
			source->name, at);
	return 0;
}

static int
read_metadata(const struct source *source, json_t *object, struct cn_weights *weights, struct cn_err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return cn_err_set(err, CN_FAILED, "%s: " METADATA " is not an object", source->name);
	json_object_foreach(object, key, value) {
		if (!json_is_string(value))
			return cn_err_set(err, CN_FAILED, "%s: metadata '%.64s' is not text", source->name,
				key);
		if (cn_meta_set_bytes(&weights->meta, key, json_string_value(value),
			json_string_length(value), err))
			return -1;
	}
	return 0;
}

/* The tensors a parsed header describes, in the order of their names. */
static int
read_tensors(struct source *source, json_t *header, struct cn_weights *weights, struct cn_err *err)
{
	const size_t room = json_object_size(header) + 1;
	struct entry *entry = cn_mem_array(room, sizeof *entry, err);
	struct span *span = cn_mem_array(room, sizeof *span, err);
	const char *key;
	json_t *value;
	size_t n = 0;

	if (err->code)
		goto done;
	json_object_foreach(header, key, value) {
		if (!strcmp(key, METADATA)) {
			if (read_metadata(source, value, weights, err))
				goto done;
			continue;
		}
		if (read_entry(source, key, value, &entry[n], &span[n], err))
			goto done;
		span[n].tensor = n;
		n++;
	}
	if (check_spans(source, span, n, entry, err))
		goto done;
	for (size_t i = 0; i < n && !err->code; i++) {
		const struct entry *e = &entry[span[i].tensor];
		const size_t bytes = (size_t)(span[i].end - span[i].begin);
		const struct cn_tensor *tensor = append(weights, e->name, e->dtype, &e->shape, bytes, err);
		if (tensor)
			read_exactly(source, tensor->data, bytes, e->name, err);
	}
done:
	cn_mem_free(entry);
	cn_mem_free(span);
	return err->code ? -1 : 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct cn_tensor *)a)->name, ((const struct cn_tensor *)b)->name);
}

static int
read_weights(struct source *source, struct cn_weights *weights, struct cn_err *err)
{
	unsigned char prefix[8];
	uint64_t length = 0;
	json_error_t why;

	if (read_exactly(source, prefix, sizeof prefix, "the header length", err))
		return -1;
	for (unsigned i = 0; i < 8; i++)
		length |= (uint64_t)prefix[i] << (8 * i);
	if (length < 2 || length > HEADER_LIMIT)
		return cn_err_set(err, CN_FAILED,
			"%s: not a safetensors file (a header of %" PRIu64 " bytes)",
			source->name, length);
	if (source->sized && length > source->left)
		return cn_err_set(err, CN_INCOMPLETE, "%s: cut short in the header: expected %" PRIu64
			" bytes, got %" PRIu64, source->name, length, source->left);

	char *text = cn_mem_array((size_t)length, 1, err);
	json_t *header = NULL;
	if (text && !read_exactly(source, text, (size_t)length, "the header", err)) {
		header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &why);
		if (!json_is_object(header))
			cn_err_set(err, CN_FAILED, "%s: not a safetensors file (header byte %d: %s)",
				source->name,
				header ? 0 : why.position, header ? "not an object" : why.text);
		else
			read_tensors(source, header, weights, err);
	}
	json_decref(header);
	cn_mem_free(text);
	if (!err->code && weights->n)
		qsort(weights->tensor, weights->n, sizeof *weights->tensor, by_name);
	return err->code ? -1 : 0;
}

int
cn_safetensors_read_fd(int fd, const char *name, struct cn_weights *weights, struct cn_err *err)
{
	struct source source = { .fd = fd, .name = name };
	struct stat about;

	if (err->code)
		return -1;
	*weights = (struct cn_weights){ 0 };
	if (fstat(fd, &about))
		return cn_err_errno(err, "%s: cannot read", name);
	if (S_ISREG(about.st_mode)) {
		const off_t at = lseek(fd, 0, SEEK_CUR);
		source.sized = at >= 0 && at <= about.st_size;
		source.left = source.sized ? (uint64_t)(about.st_size - at) : 0;
	}
	if (read_weights(&source, weights, err)) {
		cn_weights_release(weights);
		return -1;
	}
	return 0;
}

int
cn_safetensors_read_source(struct cn_source *stream, struct cn_weights *weights, struct cn_err *err)
{
	struct source source = { .fd = -1, .stream = stream, .name = cn_source_name(stream) };

	if (err->code)
		return -1;
	*weights = (struct cn_weights){ 0 };
	source.sized = cn_source_seekable(stream);
	source.left = cn_source_size(stream);
	if (read_weights(&source, weights, err)) {
		cn_weights_release(weights);
		return -1;
	}
	return 0;
}

int
cn_safetensors_read_bytes(const void *bytes, size_t size, const char *name, struct cn_weights *weights, struct cn_err *err)
{
	struct source source = { .fd = -1, .bytes = bytes, .name = name, .sized = true, .left = size };

	if (err->code)
		return -1;
	*weights = (struct cn_weights){ 0 };
	if (read_weights(&source, weights, err))
		cn_weights_release(weights);
	return err->code ? -1 : 0;
}

int
cn_safetensors_read(const char *path, struct cn_weights *weights, struct cn_err *err)
{
	if (err->code)
		return -1;
	*weights = (struct cn_weights){ 0 };
	if (!path || !strcmp(path, "-"))
		return cn_safetensors_read_fd(STDIN_FILENO, "standard input", weights, err);

	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cn_err_errno(err, "cannot open '%s'", path);
	cn_safetensors_read_fd(fd, path, weights, err);
	close(fd);
	return err->code ? -1 : 0;
}

/* Writing. */

/* Tensors in the order of the data: widest elements first, then by name. */
static int
by_place(const void *a, const void *b)
{
	const struct cn_tensor *x = *(const struct cn_tensor *const *)a,
		*y = *(const struct cn_tensor *const *)b;
	const size_t wx = cn_dtype_size(x->dtype), wy = cn_dtype_size(y->dtype);

	return wx != wy ? (wx > wy ? -1 : 1) : strcmp(x->name, y->name);
}

static json_t *
describe(const struct cn_tensor *tensor, uint64_t begin)
{
	json_t *shape = json_array();

	for (unsigned d = 0; d < tensor->shape.rank; d++)
		json_array_append_new(shape, json_integer((json_int_t)tensor->shape.dim[d]));
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_names[tensor->dtype], "shape", shape,
		"data_offsets", (json_int_t)begin, (json_int_t)(begin + tensor->bytes));
}

/* The whole header as JSON text (to be freed by jansson's free), or NULL. */
static char *
write_header(const struct cn_weights *weights, const struct cn_tensor *const *order, struct cn_err *err)
{
	json_t *header = json_object(), *meta = json_object();
	uint64_t at = 0;
	bool good = true;

	for (size_t i = 0; i < weights->meta.n; i++)
		good &= !json_object_set_new(meta, weights->meta.pair[i].key,
			json_stringn(weights->meta.pair[i].value, weights->meta.pair[i].size));
	if (weights->meta.n)
		good &= !json_object_set(header, METADATA, meta);
	for (size_t i = 0; i < weights->n; i++) {
		good &= !json_object_set_new(header, order[i]->name, describe(order[i], at));
		at += order[i]->bytes;
	}
	char *text = good ? json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text)
		cn_err_set(err, CN_FAILED, "cannot write a safetensors header: a name or a metadata value is not UTF-8");
	json_decref(meta);
	json_decref(header);
	return text;
}

static int
write_prefix(struct cn_output *output, const char *header, struct cn_err *err)
{
	const size_t text = strlen(header), padded = (text + 7) / 8 * 8;
	unsigned char prefix[8], spaces[8];

	for (unsigned i = 0; i < 8; i++)
		prefix[i] = (unsigned char)((uint64_t)padded >> (8 * i));
	memset(spaces, ' ', sizeof spaces);
	if (padded > HEADER_LIMIT)
		return cn_err_set(err, CN_FAILED, "%s: a header of %zu bytes is over the limit of %" PRIu64,
			cn_output_name(output), padded, HEADER_LIMIT);
	if (cn_output_write(output, prefix, sizeof prefix, err) || cn_output_write(output, header, text, err))
		return -1;
	return padded > text ? cn_output_write(output, spaces, padded - text, err) : 0;
}

int
cn_safetensors_put(struct cn_output *output, const struct cn_weights *weights, struct cn_err *err)
{
	if (err->code)
		return -1;
	const struct cn_tensor **order = cn_mem_array(weights->n + 1, sizeof *order, err);
	if (!order)
		return -1;
	for (size_t i = 0; i < weights->n; i++)
		order[i] = &weights->tensor[i];
	qsort(order, weights->n, sizeof *order, by_place);

	char *header = write_header(weights, order, err);
	if (header)
		write_prefix(output, header, err);
	for (size_t i = 0; i < weights->n && !err->code; i++)
		if (order[i]->bytes)
			cn_output_write(output, order[i]->data, order[i]->bytes, err);
	free(header);
	cn_mem_free(order);
	return err->code ? -1 : 0;
}

int
cn_safetensors_write(const char *path, int force, const struct cn_weights *weights, struct cn_err *err)
{
	if (err->code)
		return -1;
	struct cn_output *output = cn_output_open(path, force ? CN_OUTPUT_FORCE : 0, err);

	if (output && !cn_safetensors_put(output, weights, err))
		cn_output_finish(output, err);
	cn_output_free(output);
	return err->code ? -1 : 0;
}
