/* checkpoint - names for what a training has in memory, and the way there and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/output.h"
#include "data/historyjson.h"
#include "data/safetensors.h"
#include "loss/checkpoint.h"

#include "base/banned.h"

static const char *const moment[CN_OPTIMIZER_STATES] = { "optimizer.mean", "optimizer.square" };

/* Adds the network's tensors as they are now, or takes them back. */
static int
exchange_network(const struct cn_checkpoint *now, const char *prefix, struct cn_weights *weights, bool back, const char *path,
	struct cn_err *err)
{
	const struct cn_network *network = cn_model_network(now->model);
	char name[128];

	for (size_t i = 0; i < cn_network_tensors(network) && !err->code; i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);
		const struct cn_tensor *kept;

		snprintf(name, sizeof name, "%s%s", prefix, tensor.name);
		if (!back) {
			cn_weights_add(weights, name, CN_DTYPE_F32, &tensor.shape, tensor.data, err);
			continue;
		}
		kept = cn_weights_find(weights, name);
		if (!kept || kept->dtype != CN_DTYPE_F32 || !cn_shape_equal(&kept->shape, &tensor.shape))
			return cn_err_set(err, CN_FAILED, "%s: not a checkpoint of this training: tensor '%s' is missing or of another shape", path, name);
		memcpy(tensor.data, kept->data, kept->bytes);
	}
	return err->code ? -1 : 0;
}

static int
exchange_optimizer(const struct cn_checkpoint *now, struct cn_weights *weights, bool back, const char *path, struct cn_err *err)
{
	for (int i = 0; i < CN_OPTIMIZER_STATES && !err->code; i++) {
		size_t n;
		float *state = cn_optimizer_state(now->optimizer, i, &n);
		const struct cn_shape shape = { .rank = 1, .dim = { (uint32_t)n } };
		const struct cn_tensor *kept = cn_weights_find(weights, moment[i]);

		if (!state)
			continue;
		if (!back)
			cn_weights_add(weights, moment[i], CN_DTYPE_F32, &shape, state, err);
		else if (!kept || kept->dtype != CN_DTYPE_F32 || !cn_shape_equal(&kept->shape, &shape))
			return cn_err_set(err, CN_FAILED, "%s: not a checkpoint of this training: '%s' is missing or of another shape", path, moment[i]);
		else
			memcpy(state, kept->data, kept->bytes);
	}
	return err->code ? -1 : 0;
}

/* The average first, so that on the way back the network ends up with its own tensors. */
static int
exchange(const struct cn_checkpoint *now, struct cn_weights *weights, bool back, const char *path, struct cn_err *err)
{
	if (now->average) {
		cn_average_swap(now->average);
		exchange_network(now, "average.", weights, back, path, err);
		cn_average_swap(now->average);
	}
	exchange_network(now, "", weights, back, path, err);
	return exchange_optimizer(now, weights, back, path, err);
}

int
cn_checkpoint_write(const struct cn_checkpoint *now, const char *path, const struct cn_history *history, struct cn_err *err)
{
	char *provenance = cn_historyjson_write(history, err);
	struct cn_output *output = cn_output_open(path, 0, err);
	struct cn_weights weights = { 0 };

	cn_meta_merge(&weights.meta, cn_model_meta(now->model), err);
	if (provenance)
		cn_meta_set(&weights.meta, "cn.provenance", provenance, err);
	cn_meta_format(&weights.meta, "cn.step", "%llu", err, (unsigned long long)now->step);
	if (exchange(now, &weights, false, path, err) == 0)
		cn_safetensors_put(output, &weights, err);
	cn_output_finish(output, err);
	cn_output_free(output);
	cn_weights_release(&weights);
	cn_mem_free(provenance);
	return err->code ? -1 : 0;
}

static int
check_history(const struct cn_weights *weights, const char *path, const struct cn_history *history, struct cn_err *err)
{
	const char *kept = cn_meta_get(&weights->meta, "cn.provenance");
	char *provenance = cn_historyjson_write(history, err);
	const bool same = provenance && kept && strcmp(kept, provenance) == 0;

	cn_mem_free(provenance);
	if (same || err->code)
		return err->code ? -1 : 0;
	return cn_err_set(err, CN_FAILED, "%s: is of a training with other input or options; cn-info tells which, and without --resume it is "
		"begun anew", path);
}

int
cn_checkpoint_read(struct cn_checkpoint *now, const char *path, const struct cn_history *history, struct cn_err *err)
{
	struct cn_weights weights = { 0 };

	if (cn_safetensors_read(path, &weights, err) == 0) {
		const char *step = cn_meta_get(&weights.meta, "cn.step");

		if (!step)
			cn_err_set(err, CN_FAILED, "%s: not a checkpoint of cn-train: no cn.step in its metadata", path);
		else if (check_history(&weights, path, history, err) == 0 && exchange(now, &weights, true, path, err) == 0) {
			now->step = strtoull(step, NULL, 10);
			cn_optimizer_resume(now->optimizer, now->step);
		}
	}
	cn_weights_release(&weights);
	return err->code ? -1 : 0;
}
