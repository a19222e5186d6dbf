/* checkpoint - names for what a training has in memory, and the way there and back. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/meta.h"
#include "data/historyjson.h"
#include "data/safetensors.h"
#include "loss/checkpoint.h"

#include "base/banned.h"

/* The file on one side of an exchange. */
struct file {
	struct cn_weights *weights;
	bool back;		/* what is kept goes into memory, not the other way */
	const char *path;
};

/* Keeps an array under a name, or takes it back. */
static int
exchange_array(const struct file *file, const char *name, enum cn_dtype dtype, const struct cn_shape *shape, void *data, struct cn_err *err)
{
	const struct cn_tensor *kept;

	if (err->code || !file->back)
		return err->code ? -1 : cn_weights_add(file->weights, name, dtype, shape, data, err);
	kept = cn_weights_find(file->weights, name);
	if (!kept || kept->dtype != dtype || !cn_shape_equal(&kept->shape, shape))
		return cn_err_set(err, CN_FAILED, "%s: not a checkpoint of this training: '%s' is missing or of another shape", file->path, name);
	memcpy(data, kept->data, kept->bytes);
	return 0;
}

static int
exchange_network(const struct file *file, const char *prefix, const struct cn_network *network, struct cn_err *err)
{
	char name[128];

	for (size_t i = 0; i < cn_network_tensors(network) && !err->code; i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);

		snprintf(name, sizeof name, "%s%s", prefix, tensor.name);
		exchange_array(file, name, CN_DTYPE_F32, &tensor.shape, tensor.data, err);
	}
	return err->code ? -1 : 0;
}

static int
exchange_optimizer(const struct file *file, const char *prefix, struct cn_optimizer *optimizer, struct cn_err *err)
{
	static const char *const moment[CN_OPTIMIZER_STATES] = { "mean", "square" };
	char name[128];

	for (int i = 0; i < CN_OPTIMIZER_STATES && !err->code; i++) {
		size_t n;
		float *state = cn_optimizer_state(optimizer, i, &n);
		const struct cn_shape shape = { .rank = 1, .dim = { (uint32_t)n } };

		snprintf(name, sizeof name, "%soptimizer.%s", prefix, moment[i]);
		if (state)
			exchange_array(file, name, CN_DTYPE_F32, &shape, state, err);
	}
	return err->code ? -1 : 0;
}

static int
exchange_memory(const struct file *file, struct cn_memory *memory, struct cn_err *err)
{
	const struct cn_shape vectors = { .rank = 2, .dim = { (uint32_t)memory->length, (uint32_t)memory->dim } };
	const struct cn_shape each = { .rank = 1, .dim = { (uint32_t)memory->length } };
	const char *count = cn_meta_get(&file->weights->meta, "cn.memory");

	if (memory->length == 0 || err->code)
		return err->code ? -1 : 0;
	exchange_array(file, "memory.u", CN_DTYPE_F32, &vectors, memory->u, err);
	if (memory->id)
		exchange_array(file, "memory.id", CN_DTYPE_U64, &each, memory->id, err);
	if (memory->label)
		exchange_array(file, "memory.label", CN_DTYPE_I32, &each, memory->label, err);
	if (!file->back)
		return cn_meta_format(&file->weights->meta, "cn.memory", "%zu %zu", err, memory->n, memory->next);
	if (!count || sscanf(count, "%zu %zu", &memory->n, &memory->next) != 2 || memory->n > memory->length || memory->next >= memory->length)
		return cn_err_set(err, CN_FAILED, "%s: not a checkpoint of this training: cn.memory is missing or wrong", file->path);
	return err->code ? -1 : 0;
}

static int
exchange_average(const struct file *file, const char *prefix, struct cn_average *average, const struct cn_network *network, struct cn_err *err)
{
	cn_average_swap(average);
	exchange_network(file, prefix, network, err);
	cn_average_swap(average);
	return err->code ? -1 : 0;
}

/* Averages first, so that on the way back the network ends up with its own tensors. */
static int
exchange(const struct cn_checkpoint *now, const struct file *file, struct cn_err *err)
{
	const struct cn_network *network = cn_model_network(now->model);

	if (now->average)
		exchange_average(file, "average.", now->average, network, err);
	if (now->target)
		exchange_average(file, "target.", now->target, network, err);
	exchange_network(file, "", network, err);
	exchange_optimizer(file, "", now->optimizer, err);
	if (now->predictor) {
		exchange_network(file, "predictor.", now->predictor, err);
		exchange_optimizer(file, "predictor.", now->predictor_optimizer, err);
	}
	return exchange_memory(file, now->memory, err);
}

int
cn_checkpoint_take(const struct cn_checkpoint *now, const struct cn_history *history, struct cn_weights *weights, struct cn_err *err)
{
	char *provenance = cn_historyjson_write(history, err);

	cn_meta_merge(&weights->meta, cn_model_meta(now->model), err);
	if (provenance)
		cn_meta_set(&weights->meta, "cn.provenance", provenance, err);
	cn_meta_format(&weights->meta, "cn.step", "%llu", err, (unsigned long long)now->step);
	cn_meta_format(&weights->meta, "cn.low", "%u", err, now->low);
	cn_mem_free(provenance);
	return exchange(now, &(struct file){ weights, false, NULL }, err);
}

/* Whether a key of a node names an operand, which may be called otherwise when the training goes on. */
static bool
names_operand(const char *key)
{
	return strncmp(key, "input.", 6) == 0;
}

/* A key whose value is not the same in both, without names of operands unless they count; NULL where all are. */
static const char *
difference(const struct cn_meta *a, const struct cn_meta *b, bool names_count)
{
	for (size_t i = 0; i < a->n; i++) {
		const char *value = cn_meta_get(b, a->pair[i].key);

		if ((names_count || !names_operand(a->pair[i].key)) && (!value || strcmp(value, a->pair[i].value) != 0))
			return a->pair[i].key;
	}
	return NULL;
}

/* What of one history is not so in the other: "cn-train option.lr".  False where they tell of the same training. */
static bool
differ(const struct cn_history *a, const struct cn_history *b, char *what, size_t size)
{
	for (size_t n = 0; n < a->n; n++) {
		const bool last = n + 1 == a->n && a->n == b->n;
		const char *key = n < b->n ? difference(&a->node[n].meta, &b->node[n].meta, !last) : "program";
		const char *program = cn_meta_get(&a->node[n].meta, "program");

		if (key) {
			snprintf(what, size, "%s %s", program ? program : "somebody", key);
			return true;
		}
		if (a->node[n].n_parents != b->node[n].n_parents ||
		    memcmp(a->node[n].parent, b->node[n].parent, a->node[n].n_parents * sizeof *a->node[n].parent) != 0) {
			snprintf(what, size, "inputs of %s", program ? program : "somebody");
			return true;
		}
	}
	return false;
}

static int
check_history(const struct cn_weights *weights, const char *path, const struct cn_history *history, struct cn_err *err)
{
	const char *text = cn_meta_get(&weights->meta, "cn.provenance");
	struct cn_history kept = { 0 };
	char what[256];

	if (!text)
		return cn_err_set(err, CN_FAILED, "%s: not a checkpoint of cn-train: no cn.provenance in its metadata", path);
	if (cn_historyjson_read(path, text, strlen(text), &kept, err) == 0 &&
	    (differ(&kept, history, what, sizeof what) || differ(history, &kept, what, sizeof what)))
		cn_err_set(err, CN_FAILED, "%s: is of a training with other input or options (%s); without --resume it is begun anew",
			path, what);
	cn_history_release(&kept);
	return err->code ? -1 : 0;
}

int
cn_checkpoint_read(struct cn_checkpoint *now, const char *path, const struct cn_history *history, struct cn_err *err)
{
	struct cn_weights weights = { 0 };

	if (cn_safetensors_read(path, &weights, err) == 0) {
		const char *step = cn_meta_get(&weights.meta, "cn.step"), *low = cn_meta_get(&weights.meta, "cn.low");

		if (!step)
			cn_err_set(err, CN_FAILED, "%s: not a checkpoint of cn-train: no cn.step in its metadata", path);
		else if (check_history(&weights, path, history, err) == 0
		    && exchange(now, &(struct file){ &weights, true, path }, err) == 0) {
			now->step = strtoull(step, NULL, 10);
			now->low = low ? (unsigned)strtoul(low, NULL, 10) : 0;
			cn_optimizer_resume(now->optimizer, now->step);
			if (now->predictor)
				cn_optimizer_resume(now->predictor_optimizer, now->step);
		}
	}
	cn_weights_release(&weights);
	return err->code ? -1 : 0;
}
