/* safetensors: a round trip, the bytes other readers expect, every kind of hostile header refused by name. */
#include "data/safetensors.h"

#include <stdbool.h>
#include <unistd.h>

#include "base/mem.h"
#include "tap.h"
#include "base/banned.h"

static char path[] = "/tmp/cn-safetensors-XXXXXX";

/* A file with this header (its length as given, or its own when 0) and data bytes behind it. */
static void
file(const char *header, uint64_t length, size_t data)
{
	FILE *f = fopen(path, "wb");

	if (!length)
		length = strlen(header);
	for (int i = 0; i < 8; i++)
		fputc((int)(length >> (8 * i) & 255), f);
	fputs(header, f);
	for (size_t i = 0; i < data; i++)
		fputc((int)i, f);
	fclose(f);
}

static void
refuse(const char *name, const char *header, uint64_t length, size_t data, enum cn_status status,
	const char *part)
{
	struct cn_err err = { 0 };
	struct cn_weights w;

	file(header, length, data);
	const int result = cn_safetensors_read(path, &w, &err);
	TAP_OK(result == -1 && err.code == status && strstr(err.text, part) && !w.n && !w.tensor,
		"%s is refused: %s", name, err.text);
	cn_weights_release(&w);
}

static void
build(struct cn_weights *w, struct cn_err *err)
{
	const float a[6] = { 1, -2, 3.5f, 0, 1e-30f, 7 };
	const uint8_t b[3] = { 9, 8, 7 };
	const int64_t c = -5;

	cn_meta_set(&w->meta, "cn.arch", "conv:32 \"gap\"\n\xc3\xa9", err);
	cn_meta_set(&w->meta, "cn.dim", "3", err);
	cn_weights_add(w, "trunk.b", CN_DTYPE_U8, &(struct cn_shape){ 1, { 3 } }, b, err);
	cn_weights_add(w, "trunk.a", CN_DTYPE_F32, &(struct cn_shape){ 2, { 2, 3 } }, a, err);
	cn_weights_add(w, "count", CN_DTYPE_I64, &(struct cn_shape){ 0 }, &c, err);
	cn_weights_add(w, "empty", CN_DTYPE_F32, &(struct cn_shape){ 2, { 0, 4 } }, NULL, err);
}

static void
round_trip(void)
{
	struct cn_err err = { 0 };
	struct cn_weights w = { 0 }, r;

	build(&w, &err);
	TAP_OK(!cn_safetensors_write(path, 0, &w, &err), "weights are written %s", err.text);
	TAP_OK(!cn_safetensors_read(path, &r, &err), "and read %s", err.text);
	TAP_OK(r.n == 4 && r.meta.n == 2, "nothing is lost");
	TAP_OK(cn_meta_get(&r.meta, "cn.arch")
		&& !strcmp(cn_meta_get(&r.meta, "cn.arch"), cn_meta_get(&w.meta, "cn.arch")),
		"metadata keep quotes, newlines and accents");
	for (size_t i = 0; i < w.n; i++) {
		const struct cn_tensor *t = cn_weights_find(&r, w.tensor[i].name);
		TAP_OK(t && t->dtype == w.tensor[i].dtype && t->bytes == w.tensor[i].bytes
			&& cn_shape_equal(&t->shape, &w.tensor[i].shape) && !((uintptr_t)t->data % 64)
			&& !memcmp(t->data, w.tensor[i].data, t->bytes), "%s comes back", w.tensor[i].name);
	}
	TAP_OK(!cn_weights_find(&r, "trunk"), "no tensor is found by half a name");
	TAP_OK(cn_weights_add(&w, "count", CN_DTYPE_U8, &(struct cn_shape){ 0 }, "", &err) == -1
		&& strstr(err.text, "'count'"), "a name is given once");
	cn_weights_release(&w);
	cn_weights_release(&r);
}

/* The exact bytes, which any other reader can be held against. */
static void
layout(void)
{
	static const char want[] = "{\"__metadata__\":{\"cn.dim\":\"3\"},\"a\":{\"data_offsets\":[4,6],\"dtype\":\"U8\","
		"\"shape\":[2]},\"b\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[1]}}";
	struct cn_err err = { 0 };
	struct cn_weights w = { 0 };
	const float one = 1;
	unsigned char got[512] = { 0 };

	cn_meta_set(&w.meta, "cn.dim", "3", &err);
	cn_weights_add(&w, "a", CN_DTYPE_U8, &(struct cn_shape){ 1, { 2 } }, "xy", &err);
	cn_weights_add(&w, "b", CN_DTYPE_F32, &(struct cn_shape){ 1, { 1 } }, &one, &err);
	cn_safetensors_write(path, 0, &w, &err);
	cn_weights_release(&w);

	FILE *f = fopen(path, "rb");
	const size_t n = fread(got, 1, sizeof got, f), header = (strlen(want) + 7) / 8 * 8;
	fclose(f);
	TAP_OK(!err.code && n == 8 + header + 6 && got[0] == header && !got[1],
		"the header is padded to 8 bytes");
	TAP_OK(!memcmp(got + 8, want, strlen(want)), "keys are sorted, no space is wasted");
	TAP_OK(!memcmp(got + 8 + header, "\0\0\x80\x3fxy", 6), "wide elements come first");
}

static void
hostile(void)
{
	static const char good[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";

	refuse("a giant header length", good, UINT64_MAX, 8, CN_FAILED, "not a safetensors file");
	refuse("a header longer than the file", good, 4096, 8, CN_INCOMPLETE, "cut short in the header");
	refuse("an empty header", "", 0, 0, CN_FAILED, "header of 0 bytes");
	refuse("no JSON", "{\"a\":", 0, 0, CN_FAILED, "header byte");
	refuse("a list for a header", "[1,2]", 0, 0, CN_FAILED, "not an object");
	refuse("data cut short", good, 0, 7, CN_INCOMPLETE, "8 bytes of data expected, got 7");
	refuse("bytes behind the end", good, 0, 9, CN_FAILED, "1 bytes behind the last tensor");
	refuse("a name twice", "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
		"\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[1,2]}}", 0, 2, CN_FAILED, "uplicate");
	refuse("an unknown type", "{\"a\":{\"dtype\":\"F8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 0, 2,
		CN_FAILED, "unknown dtype 'F8'");
	refuse("a number for a type", "{\"a\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,2]}}", 0, 2,
		CN_FAILED, "unknown dtype");
	refuse("a missing shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,2]}}", 0, 2, CN_FAILED,
		"'a' is not");
	refuse("a negative extent", "{\"a\":{\"dtype\":\"U8\",\"shape\":[-2],\"data_offsets\":[0,2]}}", 0, 2,
		CN_FAILED, "extent 0");
	refuse("a fractional extent", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2.0],\"data_offsets\":[0,2]}}", 0,
		2,
		CN_FAILED, "extent 0");
	refuse("rank 9", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 0,
		1,
		CN_FAILED, "at most 8");
	refuse("a shape that overflows", "{\"a\":{\"dtype\":\"F64\",\"shape\":[2147483647,2147483647,2147483647],"
		"\"data_offsets\":[0,8]}}", 0, 8, CN_FAILED, "do not fit its shape");
	refuse("a shape larger than its data", "{\"a\":{\"dtype\":\"F64\",\"shape\":[2147483647],"
		"\"data_offsets\":[0,8]}}", 0, 8, CN_FAILED, "do not fit its shape");
	refuse("offsets in reverse", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,0]}}", 0, 2,
		CN_FAILED, "not a range");
	refuse("offsets below zero", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[-2,0]}}", 0, 2,
		CN_FAILED, "not a range");
	refuse("three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2,2]}}", 0, 2,
		CN_FAILED, "not a range");
	refuse("an overlap", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
		"\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 0, 3, CN_FAILED,
		"hole or an overlap");
	refuse("a hole", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 0, 3,
		CN_FAILED, "hole or an overlap");
	refuse("metadata that are not text", "{\"__metadata__\":{\"n\":3}}", 0, 0, CN_FAILED,
		"'n' is not text");
	refuse("metadata that are a list", "{\"__metadata__\":[]}", 0, 0, CN_FAILED, "not an object");
	refuse("bytes that are not UTF-8", "{\"\xff\":{}}", 0, 0, CN_FAILED, "header byte");
}

/* A file cut anywhere is never taken for a whole one. */
static void
truncated(void)
{
	struct cn_err err = { 0 };
	struct cn_weights w = { 0 }, r;
	char bytes[1024];
	bool all = true;

	build(&w, &err);
	cn_safetensors_write(path, 0, &w, &err);
	FILE *f = fopen(path, "rb");
	const size_t n = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	for (size_t cut = 0; cut < n; cut++) {
		f = fopen(path, "wb");
		fwrite(bytes, 1, cut, f);
		fclose(f);
		err = (struct cn_err){ 0 };
		all &= cn_safetensors_read(path, &r, &err) == -1 && err.code == CN_INCOMPLETE;
	}
	TAP_OK(all, "each of %zu truncations is seen", n);
	cn_weights_release(&w);
}

/* Two snapshots in one pipe are read one after the other. */
static void
piped(void)
{
	struct cn_err err = { 0 };
	struct cn_weights w = { 0 }, r;
	char bytes[1024];
	int ends[2];

	build(&w, &err);
	cn_safetensors_write(path, 0, &w, &err);
	FILE *f = fopen(path, "rb");
	const size_t n = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	TAP_OK(!pipe(ends) && write(ends[1], bytes, n) == (ssize_t)n
		&& write(ends[1], bytes, n) == (ssize_t)n, "a pipe");
	close(ends[1]);
	for (int i = 0; i < 2; i++) {
		TAP_OK(!cn_safetensors_read_fd(ends[0], "pipe", &r, &err) && r.n == 4, "snapshot %d %s", i,
			err.text);
		cn_weights_release(&r);
	}
	TAP_OK(cn_safetensors_read_fd(ends[0], "pipe", &r, &err) == -1 && err.code == CN_INCOMPLETE,
		"and then no more");
	close(ends[0]);
	cn_weights_release(&w);
}

int
main(void)
{
	close(mkstemp(path));
	round_trip();
	layout();
	hostile();
	truncated();
	piped();
	unlink(path);
	return tap_done();
}
