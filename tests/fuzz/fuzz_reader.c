/* fuzz_reader - any bytes as a stream: read from the beginning, and from a row in the middle. */
#include <sys/mman.h>
#include <unistd.h>

#include "stream/reader.h"

#include "mutate.h"

#include "base/banned.h"

static void
read_stream(const char *path, uint64_t row)
{
	const struct cn_reader_config config = { .path = path };
	struct cn_batch batch = { 0 };
	struct cn_err err = { 0 };
	struct cn_reader *reader = cn_reader_open(&config, &err);

	if (row > 0)
		cn_reader_seek(reader, row, &err);
	while (cn_reader_next(reader, &batch, &err) > 0)
		;
	cn_batch_release(&batch);
	cn_reader_free(reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	const int fd = memfd_create("stream", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	read_stream(path, 0);
	read_stream(path, 5);
	close(fd);
	return 0;
}
