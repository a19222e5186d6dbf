/* test_base - errors, memory, lists, the pool and outputs keep what their headers say. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/meta.h"
#include "base/output.h"
#include "base/pool.h"
#include "tap.h"
#include "base/banned.h"

static void
test_err(void)
{
	struct cn_err err = { 0 };

	TAP_OK(cn_err_set(&err, CN_INTEGRITY, "chunk %d", 3) == -1 && err.code == CN_INTEGRITY,
		"an error is set");
	cn_err_set(&err, CN_FAILED, "later");
	TAP_OK(err.code == CN_INTEGRITY && !strcmp(err.text, "chunk 3"), "the first error sticks");
	err = (struct cn_err){ 0 };
	errno = ENOENT;
	cn_err_errno(&err, "cannot open %s", "x");
	TAP_OK(err.code == CN_FAILED && !strcmp(err.text, "cannot open x: No such file or directory"),
		"errno is told");
}

static void
test_mem(void)
{
	struct cn_err err = { 0 };
	size_t product, capacity = 0;
	unsigned *block = NULL;

	TAP_OK(!cn_mem_multiply(SIZE_MAX / 2, 3, &product), "a product that overflows is refused");
	TAP_OK(!cn_mem_array(SIZE_MAX / 2, 3, &err) && err.code == CN_FAILED && strstr(err.text,
		"out of memory"),
		"so is the array");
	err = (struct cn_err){ 0 };
	TAP_OK(!cn_mem_grow((void **)&block, &capacity, 5, sizeof *block, &err) && capacity >= 5
		&& !block[4], "growing from nothing");
	block[4] = 7;
	TAP_OK(!cn_mem_grow((void **)&block, &capacity, 500, sizeof *block, &err) && block[4] == 7
		&& !block[499],
		"growth keeps contents and clears the rest");
	TAP_OK((uintptr_t)block % 64 == 0, "blocks are aligned");
	cn_mem_free(block);
}

static void
test_meta(void)
{
	struct cn_err err = { 0 };
	struct cn_meta meta = { 0 }, other = { 0 };

	cn_meta_set(&meta, "b", "2", &err);
	cn_meta_format(&meta, "a", "%d-%s", &err, 1, "x");
	cn_meta_set_bytes(&meta, "c", "\0z", 2, &err);
	TAP_OK(!err.code && meta.n == 3 && !strcmp(meta.pair[0].key, "a") && !strcmp(meta.pair[2].key, "c"),
		"keys are sorted");
	TAP_OK(!strcmp(cn_meta_get(&meta, "a"), "1-x") && meta.pair[2].size == 2,
		"values are kept, text or bytes");
	cn_meta_set(&meta, "b", "3", &err);
	cn_meta_set(&other, "b", "4", &err);
	cn_meta_set(&other, "d", "5", &err);
	cn_meta_merge(&meta, &other, &err);
	TAP_OK(meta.n == 4 && !strcmp(cn_meta_get(&meta, "b"), "3") && cn_meta_get(&meta, "d"),
		"merging adds only what is new");
	cn_meta_remove(&meta, "b");
	TAP_OK(meta.n == 3 && !cn_meta_get(&meta, "b"), "removing");
	cn_meta_set_bytes(&other, "c", "\0zz", 3, &err);
	cn_meta_agree(&meta, &other);
	TAP_OK(meta.n == 2 && !cn_meta_get(&meta, "c") && cn_meta_get(&meta, "a") && cn_meta_get(&meta, "d"), "what another list denies goes");
	cn_meta_release(&meta);
	cn_meta_release(&other);
}

struct square {
	struct cn_pool *pool;
	size_t threads;
	unsigned out[1000], inner[1000][8];
	int numbers_right;
};

struct nested {
	struct square *square;
	size_t row, worker;
};

static void
fill_inner(void *context, size_t i, size_t worker)
{
	struct nested *nested = context;

	nested->square->inner[nested->row][i] = worker == nested->worker;
}

static void
fill(void *context, size_t i, size_t worker)
{
	struct square *square = context;
	struct nested nested = { square, i, worker };

	if (worker >= square->threads)
		square->numbers_right = 0;
	square->out[i] += (unsigned)(i * i);
	cn_pool_run(square->pool, 8, fill_inner, &nested);
}

static void
set_flag(void *context)
{
	*(int *)context = 1;
}

static void
test_pool(size_t threads)
{
	struct cn_err err = { 0 };
	struct square *square = cn_mem_array(1, sizeof *square, &err);
	struct cn_pool *pool = cn_pool_new(threads, &err);
	int right = 1, flag = 0;

	square->pool = pool;
	square->threads = cn_pool_threads(pool);
	square->numbers_right = 1;
	for (unsigned round = 1; round <= 50; round++) {
		cn_pool_run(pool, 1000, fill, square);
		for (size_t i = 0; i < 1000; i++) {
			right &= square->out[i] == (unsigned)(round * i * i);
			for (int k = 0; k < 8; k++)
				right &= square->inner[i][k] == 1;
		}
	}
	TAP_OK(right && square->numbers_right, "%zu threads: each part once, nested runs in place", threads);
	cn_task_wait(cn_task_start(set_flag, &flag, &err));
	TAP_OK(flag == 1, "a task has run when waited for");
	cn_pool_run(NULL, 0, fill, NULL);
	TAP_OK(cn_pool_parts(0, 8) == 0 && cn_pool_parts(16, 8) == 2 && cn_pool_parts(17, 8) == 3 && cn_pool_parts(SIZE_MAX, 2) == SIZE_MAX / 2 + 1
		&& cn_pool_part_size(17, 1, 8) == 8 && cn_pool_part_size(17, 2, 8) == 1 && cn_pool_part_size(16, 1, 8) == 8, "parts of work, and the rest");
	cn_pool_free(pool);
	cn_mem_free(square);
}

static int
holds(const char *path, const char *text)
{
	char bytes[64] = "";
	FILE *file = fopen(path, "r");
	size_t n = file ? fread(bytes, 1, sizeof bytes - 1, file) : 0;

	if (file)
		fclose(file);
	return file && n == strlen(text) && !memcmp(bytes, text, n);
}

/* A descriptor by name is written in place, even where it is a plain file. */
static void
test_descriptor(void)
{
	struct cn_err err = { 0 };
	char path[] = "/tmp/cn-base-XXXXXX", name[32];
	int fd = mkstemp(path);
	struct cn_output *output;

	snprintf(name, sizeof name, "/dev/fd/%d", fd);
	output = cn_output_open(name, 0, &err);
	cn_output_write(output, "here", 4, &err);
	cn_output_finish(output, &err);
	cn_output_free(output);
	TAP_OK(!err.code && holds(path, "here"), "/dev/fd/N is written in place");
	close(fd);
	unlink(path);
}

static void
test_output(void)
{
	struct cn_err err = { 0 }, full = { 0 }, nowhere = { 0 };
	char folder[] = "/tmp/cn-base-XXXXXX", path[64];
	struct cn_output *output;
	struct stat status;

	TAP_OK(mkdtemp(folder) != NULL, "a folder to write in");
	snprintf(path, sizeof path, "%s/out", folder);
	umask(027);
	output = cn_output_open(path, 0, &err);
	cn_output_write(output, "half", 4, &err);
	TAP_OK(!err.code && access(path, F_OK), "nothing is seen before the end");
	cn_output_free(output);
	TAP_OK(rmdir(folder) == 0 && mkdir(folder, 0700) == 0, "freed unfinished, it leaves nothing");
	output = cn_output_open(path, 0, &err);
	cn_output_write(output, "whole", 5, &err);
	TAP_OK(cn_output_offset(output) == 5 && !strcmp(cn_output_name(output), path)
		&& !cn_output_is_pipe(output), "what it says of itself");
	TAP_OK(!cn_output_finish(output, &err) && holds(path, "whole"), "finished, it is whole");
	cn_output_free(output);
	TAP_OK(!stat(path, &status) && (status.st_mode & 0777) == 0640, "permissions follow the umask");
	output = cn_output_open(path, 0, &err);
	cn_output_write(output, "lost", 4, &err);
	cn_err_set(&err, CN_FAILED, "elsewhere");
	TAP_OK(cn_output_finish(output, &err) == -1, "an error elsewhere prevents the end");
	cn_output_free(output);
	TAP_OK(holds(path, "whole"), "and the old file stays");
	TAP_OK(!unlink(path) && !rmdir(folder), "no temporary file is left");
	output = cn_output_open("/dev/full", 0, &full);
	TAP_OK(cn_output_write(output, "x", 1, &full) == -1 && strstr(full.text, "No space left"),
		"a full device is told");
	cn_output_free(output);
	TAP_OK(!cn_output_open("/tmp/cn-base-nowhere/x/y", 0, &nowhere) && strstr(nowhere.text,
		"/tmp/cn-base-nowhere/x/y"), "a missing folder is told");
}

int
main(void)
{
	test_err();
	test_mem();
	test_meta();
	test_pool(1);
	test_pool(4);
	test_output();
	test_descriptor();
	return tap_done();
}
