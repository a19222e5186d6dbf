/* fuzz_import - any bytes as a file of the outside: a picture, an idx or npy array, an archive of pictures. */
#include <sys/mman.h>
#include <unistd.h>

#include "data/cifar.h"
#include "data/decode.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/import.h"
#include "data/npy.h"

#include "mutate.h"

#include "base/banned.h"

/* All rows, where they are not absurdly many: a header alone may promise 2^31. */
static void
read_rows(struct cn_import *import, struct cn_err *err)
{
	struct cn_batch batch = { 0 };

	for (int i = 0; i < 8 && !err->code && cn_import_next(import, &batch, 4, err) > 0; i++)
		;
	cn_batch_release(&batch);
	cn_import_close(import);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	const char *paths[] = { path };
	struct cn_err err[4] = { { 0 } };
	struct cn_import import = { 0 };
	struct cn_decoded picture = { 0 };
	const struct cn_image_config config = { .match = NULL };
	const int fd = memfd_create("import", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	cn_decode(data, size, "fuzz", &picture, &err[0]);
	cn_decode_release(&picture);
	cn_idx_open(&import, path, NULL, &err[1]);
	read_rows(&import, &err[1]);
	import = (struct cn_import){ 0 };
	cn_npy_open(&import, path, path, NULL, &err[2]);
	read_rows(&import, &err[2]);
	import = (struct cn_import){ 0 };
	cn_image_open(&import, paths, 1, &config, NULL, &err[3]);
	read_rows(&import, &err[3]);
	close(fd);
	return 0;
}
