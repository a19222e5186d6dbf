/* importers: files made here come back row by row; lying and cut ones are refused by name. */
#include "data/import.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data/cifar.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/npy.h"
#include "tap.h"
#include "base/banned.h"

static void
put(const char *name, const void *bytes, size_t size)
{
	FILE *f = fopen(name, "wb");

	fwrite(bytes, 1, size, f);
	fclose(f);
}

static void
put_gz(const char *name, const void *bytes, size_t size)
{
	gzFile f = gzopen(name, "wb");

	gzwrite(f, bytes, (unsigned)size);
	gzclose(f);
}

/* All rows of an import in one batch, read step rows at a time; closes it. */
static struct cn_batch
drain(struct cn_import *import, size_t step, struct cn_err *err)
{
	struct cn_batch all = { 0 }, some = { 0 };

	cn_batch_shape(&all, &import->schema, 0, err);
	while (cn_import_next(import, &some, step, err) > 0)
		cn_batch_append(&all, &some, 0, some.rows, err);
	cn_batch_release(&some);
	cn_import_close(import);
	return all;
}

static void
refused(struct cn_import *import, struct cn_err *err, const char *what, const char *part)
{
	struct cn_batch all = drain(import, 2, err);

	TAP_OK(err->code == (strstr(part, "cut short") ? CN_INCOMPLETE : CN_FAILED) && strstr(err->text, part), "%s is refused: %s", what, err->text);
	cn_batch_release(&all);
	*err = (struct cn_err){ 0 };
}

static void
test_idx(void)
{
	static const char images[] = "\0\0\x08\3\0\0\0\3\0\0\0\1\0\0\0\2abcdef",
		labels[] = "\0\0\x08\1\0\0\0\3\7\0\x09",
		shorts[] = "\0\0\x0b\2\0\0\0\2\0\0\0\1\1\2\xff\xfe", few[] = "\0\0\x08\1\0\0\0\2\7\0",
		cut[] = "\0\0\x08\3\0\0\0\3\0\0\0\1\0\0\0\2abcde",
		more[] = "\0\0\x08\3\0\0\0\3\0\0\0\1\0\0\0\2abcdefg",
		huge[] = "\0\0\x0e\3\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff.";
	struct cn_err err = { 0 };
	struct cn_import import = { 0 };

	put_gz("i.gz", images, sizeof images - 1);
	put("l", labels, sizeof labels - 1);
	cn_idx_open(&import, "i.gz", "l", &err);
	import.first_id = 40;
	TAP_OK(import.rows == 3 && import.schema.n == 3, "idx knows its rows %s", err.text);
	struct cn_batch all = drain(&import, 2, &err);
	TAP_OK(!err.code && all.rows == 3 && !memcmp(all.column[1], "abcdef", 6),
		"pictures come back from gzip %s", err.text);
	TAP_OK(all.schema.field[1].shape.rank == 3 && all.schema.field[1].shape.dim[2] == 1,
		"with one channel");
	TAP_OK(((int32_t *)(void *)all.column[2])[2] == 9 && ((uint64_t *)(void *)all.column[0])[2] == 42,
		"labels and ids too");
	cn_batch_release(&all);

	put("s", shorts, sizeof shorts - 1);
	cn_idx_open(&import, "s", NULL, &err);
	all = drain(&import, 100, &err);
	TAP_OK(all.rows == 2 && ((int16_t *)(void *)all.column[1])[0] == 258
		&& ((int16_t *)(void *)all.column[1])[1] == -2,
		"big-endian shorts are turned");
	cn_batch_release(&all);

	put("few", few, sizeof few - 1);
	cn_idx_open(&import, "i.gz", "few", &err);
	refused(&import, &err, "fewer labels than rows", "few: 2 labels for the 3 rows of i.gz");
	put("cut", cut, sizeof cut - 1);
	cn_idx_open(&import, "cut", NULL, &err);
	refused(&import, &err, "a cut idx", "cut: cut short in the rows");
	put("more", more, sizeof more - 1);
	cn_idx_open(&import, "more", NULL, &err);
	refused(&import, &err, "a byte too many", "bytes behind the last row");
	put("huge", huge, sizeof huge - 1);
	cn_idx_open(&import, "huge", NULL, &err);
	TAP_OK(err.code, "a giant row is refused: %s", err.text);
	cn_import_close(&import);
	err = (struct cn_err){ 0 };
	cn_idx_open(&import, "absent", NULL, &err);
	refused(&import, &err, "a missing file", "cannot open 'absent'");
	TAP_OK(!truncate("i.gz", 30), "cut");
	cn_idx_open(&import, "i.gz", NULL, &err);
	refused(&import, &err, "cut gzip", "i.gz: gzip data cut short");
}

static void
put_npy(const char *name, const char *header, const void *data, size_t size)
{
	unsigned char bytes[512] = "\x93NUMPY\1";
	const size_t n = strlen(header);

	bytes[8] = (unsigned char)n;
	memcpy(bytes + 10, header, n);
	memcpy(bytes + 10 + n, data, size);
	put(name, bytes, 10 + n + size);
}

static void
refuse_npy(const char *what, const char *header, const char *part)
{
	struct cn_err err = { 0 };
	struct cn_import import = { 0 };

	put_npy("bad.npy", header, "........", 8);
	cn_npy_open(&import, "bad.npy", NULL, NULL, &err);
	refused(&import, &err, what, part);
}

static void
test_npy(void)
{
	static const double values[] = { 1, 2.5, -3, 4, 5, 1e30 };
	static const int64_t labels[] = { 3, -1, 7 };
	struct cn_err err = { 0 };
	struct cn_import import = { 0 };
	char header[256];

	put_npy("v.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }\n", values,
		sizeof values);
	put_npy("y.npy", "{'shape': (3,), 'fortran_order': False, 'descr': '<i8'}\n", labels, sizeof labels);
	cn_npy_open(&import, "v.npy", "y.npy", NULL, &err);
	struct cn_batch all = drain(&import, 2, &err);
	TAP_OK(!err.code && all.rows == 3 && !strcmp(all.schema.field[1].name, "z")
		&& all.schema.field[1].dtype == CN_DTYPE_F32
		&& ((float *)(void *)all.column[1])[1] == 2.5f
		&& ((float *)(void *)all.column[1])[5] == 1e30f,
		"doubles with two axes become z %s", err.text);
	TAP_OK(((int32_t *)(void *)all.column[2])[1] == -1 && ((int32_t *)(void *)all.column[2])[2] == 7,
		"with their labels");
	cn_batch_release(&all);

	cn_npy_open(&import, "v.npy", NULL, "x", &err);
	all = drain(&import, 100, &err);
	TAP_OK(!err.code && all.schema.field[1].dtype == CN_DTYPE_F64
		&& !memcmp(all.column[1], values, sizeof values),
		"under another name they stay what they are");
	cn_batch_release(&all);
	put_npy("none.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }", "", 0);
	cn_npy_open(&import, "none.npy", NULL, NULL, &err);
	all = drain(&import, 100, &err);
	TAP_OK(!err.code && !all.rows, "no rows are no error");
	cn_batch_release(&all);

	refuse_npy("data of no rows", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }",
		"bytes behind the last row");
	cn_npy_open(&import, "v.npy", "v.npy", NULL, &err);
	refused(&import, &err, "vectors as labels", "one integer per row");
	refuse_npy("Fortran order", "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }",
		"ascontiguousarray");
	refuse_npy("big-endian", "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }",
		".astype('<f4')");
	refuse_npy("an object array", "{'descr': '|O', 'fortran_order': False, 'shape': (1, 2), }",
		"plain numbers");
	refuse_npy("a record array", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2), }",
		"plain numbers");
	refuse_npy("one number", "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "no rows");
	refuse_npy("a giant shape", "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 99999999999999999999), }", "too long");
	refuse_npy("a giant row", "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2147483647, 2147483647, 2147483647), }", "");
	refuse_npy("no shape", "{'descr': '<f4', 'fortran_order': False}", "no shape");
	refuse_npy("cut rows", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }",
		"cut short in the rows");
	refuse_npy("rows too many", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }",
		"bytes behind the last row");
	put("not.npy", "hello, world", 12);
	cn_npy_open(&import, "not.npy", NULL, NULL, &err);
	refused(&import, &err, "another file", "not a .npy file");

	const size_t n = cn_npy_header(CN_DTYPE_F32, &(struct cn_shape){ 2, { 4, 5 } }, 3, header,
		sizeof header);
	TAP_OK(n == 128 && strstr(header + 10, "'<f4'") && strstr(header + 10, "(3, 4, 5)")
		&& header[127] == '\n',
		"a header as numpy writes it");
	TAP_OK(!cn_npy_header(CN_DTYPE_F32, &(struct cn_shape){ 0 }, 3, header, 100),
		"and never more than fits");
}

static void
test_cifar(void)
{
	static unsigned char record[2 * 3073];
	const char *files[] = { "a.bin", "b.bin" };
	struct cn_err err = { 0 };
	struct cn_import import = { 0 };

	record[0] = 3;
	record[1] = 10, record[1 + 1024] = 20, record[1 + 2048] = 30;	/* the first pixel, plane by plane */
	record[3073] = 9;
	put("a.bin", record, sizeof record);
	put("b.bin", record, 3073);
	cn_cifar_open(&import, files, 2, 10, &err);
	struct cn_batch all = drain(&import, 64, &err);
	TAP_OK(!err.code && all.rows == 3 && !memcmp(all.column[1], "\x0a\x14\x1e", 3),
		"planes become pixels %s", err.text);
	TAP_OK(((int32_t *)(void *)all.column[2])[1] == 9 && ((int32_t *)(void *)all.column[2])[2] == 3,
		"file after file");
	cn_batch_release(&all);
	record[3073] = 10;
	put("a.bin", record, sizeof record);
	cn_cifar_open(&import, files, 2, 10, &err);
	refused(&import, &err, "an eleventh class", "a.bin: row 1: no class 10");
	put("b.bin", record, 3000);
	cn_cifar_open(&import, files + 1, 1, 10, &err);
	refused(&import, &err, "a cut file", "b.bin: cut short in row 0");
}

/* A picture of one pixel whose red says which. */
static void
put_pixel(const char *name, int red)
{
	char text[64];

	put(name, text, (size_t)snprintf(text, sizeof text, "P3 1 1 255 %d 0 1\n", red));
}

/* The red values of the rows of the folder "set", as digits. */
static void
order(const char *want, const struct cn_image_config *config, const char *what)
{
	const char *operand[] = { "set" };
	struct cn_err err = { 0 };
	struct cn_import import = { 0 };
	char got[64] = "";

	cn_image_open(&import, operand, 1, config, NULL, &err);
	struct cn_batch all = drain(&import, 2, &err);
	for (size_t i = 0; i < all.rows && i < sizeof got - 1; i++)
		got[i] = (char)('0' + all.column[1][3 * i]);
	TAP_OK(!err.code && !strcmp(got, want), "%s: %s %s", what, got, err.text);
	cn_batch_release(&all);
}

static void
test_image(void)
{
	const char *operand[] = { "set" };
	struct cn_err err = { 0 };
	struct cn_import import = { 0 };
	uint32_t w, h;

	mkdir("set", 0777);
	mkdir("set/dog", 0777);
	mkdir("set/cat", 0777);
	put_pixel("set/dog/10.ppm", 1);
	put_pixel("set/dog/2.ppm", 2);
	put_pixel("set/cat/002.ppm", 3);
	put_pixel("set/cat/x1y11.ppm", 4);
	put("set/readme.txt", "?", 1);
	order("3421", &(struct cn_image_config){ 0 }, "by name, digits by value");
	order("3214", &(struct cn_image_config){ .interleave = true }, "by number, then class");
	order("34", &(struct cn_image_config){ .match = "cat*" }, "those that match, over '/'");
	cn_image_open(&import, operand, 1, &(struct cn_image_config){ .match = "dog/*" }, NULL, &err);
	TAP_OK(cn_meta_get(&import.meta, "label.names")
		&& !strcmp(cn_meta_get(&import.meta, "label.names"), "dog"), "classes are those that match");
	cn_import_close(&import);

	cn_image_open(&import, operand, 1, &(struct cn_image_config){ .match = "bird/*" }, NULL, &err);
	refused(&import, &err, "a glob without a match",
		"no pictures (.jpg .jpeg .png .ppm .pgm .pnm) that match 'bird/*' among 5 files");
	put("set/dog/11.ppm", "P3 1 2 255 0 0 0 1 1 1 ", 23);
	cn_image_open(&import, operand, 1, &(struct cn_image_config){ 0 }, NULL, &err);
	refused(&import, &err, "another size",
		"set/dog/11.ppm: 1x2 pixels where the first picture has 1x1; give --resize 1x1");
	order("34211", &(struct cn_image_config){ .width = 1, .height = 1 }, "resized it will do");
	put("set/dog/11.ppm", "P3 1 1 255 0 0 ", 15);
	cn_image_open(&import, operand, 1, &(struct cn_image_config){ 0 }, NULL, &err);
	refused(&import, &err, "a damaged picture", "set/dog/11.ppm: not a whole PNM");
	put("set/a.pgm", "P2 1 1 255 9 ", 13);
	cn_image_open(&import, operand, 1, &(struct cn_image_config){ 0 }, NULL, &err);
	refused(&import, &err, "colour behind grey", "--channels");
	TAP_OK(!cn_image_parse_size("resize", "12x34", &w, &h, &err) && w == 12 && h == 34
		&& !cn_image_parse_size("resize", "9", &w, &h, &err)
		&& h == 9, "sizes are parsed");
	TAP_OK(cn_image_parse_size("resize", "12x", &w, &h, &err) && err.code == CN_USAGE, "and refused: %s", err.text);
}

int
main(void)
{
	char folder[] = "/tmp/cn-import-XXXXXX";
	char remove_it[64];

	if (!mkdtemp(folder) || chdir(folder))
		return 1;
	test_idx();
	test_npy();
	test_cifar();
	test_image();
	snprintf(remove_it, sizeof remove_it, "rm -r %s", folder);
	return chdir("/") || system(remove_it) || tap_done();
}
