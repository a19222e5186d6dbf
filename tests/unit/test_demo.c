/* demo: frozen drawings, the same for any thread count, balanced, without a common row in train and test. */
#include "data/demo.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tap.h"
#include "base/banned.h"

/* FNV-1a, to freeze bytes. */
static uint64_t
hash(const void *bytes, size_t size)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < size; i++)
		h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
	return h;
}

static struct cn_batch
draw(const struct cn_demo_config *config, size_t threads, size_t rows, size_t step)
{
	struct cn_err err = { 0 };
	struct cn_import import = { 0 };
	struct cn_batch all = { 0 }, some = { 0 };
	struct cn_pool *pool = cn_pool_new(threads, &err);

	cn_demo_open(&import, config, pool, &err);
	cn_batch_shape(&all, &import.schema, 0, &err);
	while (all.rows < rows && cn_import_next(&import, &some, rows - all.rows < step ? rows - all.rows
		: step, &err) > 0)
		cn_batch_append(&all, &some, 0, some.rows, &err);
	cn_batch_release(&some);
	cn_import_close(&import);
	cn_pool_free(pool);
	TAP_OK(!err.code && all.rows == rows, "%zu rows are drawn by %zu threads %s", rows, threads,
		err.text);
	return all;
}

static bool
equal(const struct cn_batch *a, const struct cn_batch *b, const char *field)
{
	const int f = cn_schema_find(&a->schema, field), g = cn_schema_find(&b->schema, field);

	return f >= 0 && g >= 0 && a->rows == b->rows
		&& !memcmp(a->column[f], b->column[g], a->rows * cn_field_bytes(&a->schema.field[f]));
}

int
main(void)
{
	struct cn_demo_config config = { .seed = 7, .classes = 30, .coarse = 10, .size = 16, .pairs = true };
	struct cn_batch one = draw(&config, 1, 90, 64), three = draw(&config, 3, 90, 7);
	static uint8_t picture[32 * 32 * 3];

	TAP_OK(equal(&one, &three, "x") && equal(&one, &three, "pos") && equal(&one, &three, "label"),
		"threads and batches change nothing");
	TAP_OK(!equal(&one, &(struct cn_batch){ 0 }, "x"), "an empty set is not equal");

	unsigned seen[30] = { 0 };
	bool whole = true;
	const int label = cn_schema_find(&one.schema, "label"), group = cn_schema_find(&one.schema, "group");
	for (size_t i = 0; i < 90; i++) {
		const int32_t fine = *(int32_t *)cn_batch_at(&one, label, i);
		whole &= *(uint64_t *)cn_batch_at(&one, group, i) == (uint64_t)fine / 3;
		whole &= *(uint64_t *)cn_batch_at(&one, 0, i) == i;
		seen[fine]++;
		if (i % 30 == 29)
			for (unsigned c = 0; c < 30; c++)
				whole &= seen[c] == i / 30 + 1;
	}
	TAP_OK(whole, "each run of rows holds every class once; group is label / 3; ids count");
	TAP_OK(memcmp(cn_batch_at(&one, 1, 0), cn_batch_at(&one, 2, 0), 768),
		"the positive is another drawing");

	config.pairs = false;
	struct cn_batch single = draw(&config, 2, 90, 64);
	TAP_OK(equal(&one, &single, "x"), "x does not depend on --pairs");
	config.test = true;
	struct cn_batch test = draw(&config, 2, 90, 64);
	bool apart = true;
	for (size_t i = 0; i < 90; i++)
		for (size_t j = 0; j < 90; j++)
			apart &= memcmp(cn_batch_at(&single, 1, i), cn_batch_at(&test, 1, j), 768) != 0;
	TAP_OK(apart && *(uint64_t *)cn_batch_at(&test, 0, 0) == CN_DEMO_TEST_ID,
		"train and test have no row in common");

	config = (struct cn_demo_config){ .seed = 0, .classes = 100, .coarse = 10, .size = 32 };
	cn_demo_draw(&config, 12345, 1, picture);
	TAP_OK(hash(picture, sizeof picture) == 0x355248d773d1b16cull, "a drawing is frozen: %016llx",
		(unsigned long long)hash(picture, sizeof picture));

	struct cn_err err = { 0 };
	struct cn_import import = { 0 };
	config.classes = 95;
	TAP_OK(cn_demo_open(&import, &config, NULL, &err) == -1 && strstr(err.text, "--classes"),
		"95 classes of 10 shapes are refused");
	cn_import_close(&import);
	cn_batch_release(&one);
	cn_batch_release(&three);
	cn_batch_release(&single);
	cn_batch_release(&test);
	return tap_done();
}
