/* cifar - rows of one file after the other. */
#include "data/cifar.h"

#include <inttypes.h>

#include "base/mem.h"
#include "data/unpack.h"
#include "base/banned.h"

#define SIDE 32
#define PLANE (SIDE * SIDE)
#define COARSE 20

struct state {
	const char *const *path;
	size_t n, next;		/* files, and the one to open next */
	unsigned classes;
	struct cn_unpack *unpack;
	uint64_t row;		/* in the open file */
};

/* The open file, or the next one; NULL at the end of the last. */
static struct cn_unpack *
current(struct state *state, struct cn_err *err)
{
	if (!state->unpack && state->next < state->n) {
		state->unpack = cn_unpack_open(state->path[state->next++], CN_UNPACK_BYTES, err);
		state->row = 0;
	}
	return state->unpack;
}

static int
store(const struct state *state, const unsigned char *record, struct cn_batch *batch, size_t row,
	struct cn_err *err)
{
	const bool hundred = state->classes == 100;
	const int32_t label = record[hundred];
	const uint64_t group = record[0];
	unsigned char *x = cn_batch_at(batch, 1, row);

	if (label >= (int32_t)state->classes || (hundred && group >= COARSE))
		return cn_err_set(err, CN_FAILED,
			"%s: row %" PRIu64 ": no class %d in CIFAR-%u (see --classes)",
			cn_unpack_name(state->unpack), state->row, label, state->classes);
	memcpy(cn_batch_at(batch, 2, row), &label, sizeof label);
	if (hundred)
		memcpy(cn_batch_at(batch, 3, row), &group, sizeof group);
	record += 1 + hundred;
	for (size_t i = 0; i < PLANE; i++)
		for (size_t c = 0; c < 3; c++)
			x[3 * i + c] = record[PLANE * c + i];
	return 0;
}

static int
read_rows(struct cn_import *import, struct cn_batch *batch, struct cn_err *err)
{
	struct state *state = import->state;
	unsigned char record[2 + 3 * PLANE];
	const size_t size = 1 + (state->classes == 100) + 3 * PLANE;
	size_t rows = 0, got;

	while (rows < batch->rows && current(state, err)) {
		if (cn_unpack_read(state->unpack, record, size, &got, err))
			return -1;
		if (got && got < size)
			return cn_err_set(err, CN_INCOMPLETE,
				"%s: cut short in row %" PRIu64 ": expected %zu bytes, got %zu",
				cn_unpack_name(state->unpack), state->row, size, got);
		if (!got) {
			cn_unpack_free(state->unpack);
			state->unpack = NULL;
			continue;
		}
		if (store(state, record, batch, rows++, err))
			return -1;
		state->row++;
	}
	batch->rows = rows;
	return err->code ? -1 : 0;
}

static void
close_cifar(struct cn_import *import)
{
	struct state *state = import->state;

	cn_unpack_free(state->unpack);
	cn_mem_free(state);
}

int
cn_cifar_open(struct cn_import *import, const char *const *path, size_t n, unsigned classes,
	struct cn_err *err)
{
	const struct cn_shape image = { 3, { SIDE, SIDE, 3 } }, scalar = { 0 };
	struct state *state = err->code ? NULL : cn_mem_array(1, sizeof *state, err);

	if (!state)
		return -1;
	*state = (struct state){ .path = path, .n = n, .classes = classes };
	*import = (struct cn_import){ .state = state, .read = read_rows, .close = close_cifar };
	cn_import_init(import, "cifar", err);
	cn_schema_add(&import->schema, "x", CN_DTYPE_U8, &image, err);
	cn_schema_add(&import->schema, "label", CN_DTYPE_I32, &scalar, err);
	if (classes == 100)
		cn_schema_add(&import->schema, "group", CN_DTYPE_U64, &scalar, err);
	else
		cn_meta_set(&import->meta, "label.names",
			"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck", err);
	current(state, err);
	return err->code ? -1 : 0;
}
