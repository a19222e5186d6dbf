/* fuzz_model - any bytes as a model: its tensors, its network, its history. */
#include <sys/mman.h>
#include <unistd.h>

#include "data/historyjson.h"
#include "data/safetensors.h"
#include "nn/model.h"

#include "mutate.h"

#include "base/banned.h"

static void
read_history(const char *path, struct cn_err *err)
{
	struct cn_weights weights = { 0 };
	struct cn_history history = { 0 };
	const char *text;

	if (cn_safetensors_read(path, &weights, err) == 0 && (text = cn_meta_get(&weights.meta, "cn.provenance")))
		cn_historyjson_read(path, text, strlen(text), &history, err);
	cn_history_release(&history);
	cn_weights_release(&weights);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct cn_err err = { 0 }, other = { 0 };
	const int fd = memfd_create("model", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	cn_model_free(cn_model_load(path, NULL, &err));
	read_history(path, &other);
	close(fd);
	return 0;
}
