/* state - one walk over what there is, which either adds tensors to the file or copies them out of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/state.h"
#include "nn/origin.h"

#include "base/banned.h"

#define OPTION "gen.option."

static void
exchange(struct cn_state *s, const char *name, enum cn_dtype dtype, const struct cn_shape *shape, void *data)
{
	const struct cn_tensor *kept;

	if (s->err->code)
		return;
	if (!s->back) {
		cn_weights_add(s->weights, name, dtype, shape, data, s->err);
		return;
	}
	kept = cn_weights_find(s->weights, name);
	if (!kept || kept->dtype != dtype || !cn_shape_equal(&kept->shape, shape))
		cn_err_set(s->err, CN_FAILED, "%s: is no whole state of this method: '%s' is missing or of another shape; take another --state",
			s->path, name);
	else if (cn_dtype_find_nonfinite(dtype, kept->data, kept->bytes / cn_dtype_size(dtype)) < kept->bytes / cn_dtype_size(dtype))
		cn_err_set(s->err, CN_FAILED, "%s: '%s' has a number that is not finite; take another --state", s->path, name);
	else
		memcpy(data, kept->data, kept->bytes);
}

void
cn_state_floats(struct cn_state *s, const char *name, float *data, size_t rows, size_t numbers)
{
	const struct cn_shape shape = { 2, { (uint32_t)rows, (uint32_t)numbers } };

	exchange(s, name, CN_DTYPE_F32, &shape, data);
}

void
cn_state_doubles(struct cn_state *s, const char *name, double *data, size_t n)
{
	const struct cn_shape shape = { 1, { (uint32_t)n } };

	exchange(s, name, CN_DTYPE_F64, &shape, data);
}

void
cn_state_ids(struct cn_state *s, const char *name, uint64_t *id, size_t n)
{
	const struct cn_shape shape = { 1, { (uint32_t)n } };

	exchange(s, name, CN_DTYPE_U64, &shape, id);
}

void
cn_state_count(struct cn_state *s, const char *name, uint64_t *count)
{
	exchange(s, name, CN_DTYPE_U64, &(struct cn_shape){ 0 }, count);
}

/* A run of numbers of a network, NAME.part. */
static void
exchange_run(struct cn_state *s, const char *name, const char *part, float *data, size_t n)
{
	const struct cn_shape shape = { 1, { (uint32_t)n } };
	char full[128];

	snprintf(full, sizeof full, "%s.%s", name, part);
	exchange(s, full, CN_DTYPE_F32, &shape, data);
}

void
cn_state_network(struct cn_state *s, const char *name, struct cn_mlp *mlp, struct cn_optimizer *optimizer)
{
	size_t n;
	float *weights = cn_mlp_weights(mlp, &n);

	cn_state_learned(s, name, weights, n, optimizer);
}

void
cn_state_learned(struct cn_state *s, const char *name, float *weights, size_t n, struct cn_optimizer *optimizer)
{
	uint64_t steps = cn_optimizer_steps(optimizer);
	char full[128];

	exchange_run(s, name, "weights", weights, n);
	exchange_run(s, name, "mean", cn_optimizer_state(optimizer, 0, &n), n);
	exchange_run(s, name, "square", cn_optimizer_state(optimizer, 1, &n), n);
	snprintf(full, sizeof full, "%s.steps", name);
	cn_state_count(s, full, &steps);
	cn_optimizer_resume(optimizer, steps);
}

/* A setting that the state was learned with, against what is asked for; NULL = not given. */
static void
refuse_kept(struct cn_state *s, const char *name, const char *kept, const char *asked)
{
	if (asked)
		cn_err_set(s->err, CN_FAILED, "%s: was learned with --%s %s, not %s; use the same, or another --state", s->path, name, kept, asked);
	else
		cn_err_set(s->err, CN_FAILED, "%s: was learned with --%s %s; give that, or another --state", s->path, name, kept);
}

static void
check_settings(struct cn_state *s, const struct cn_meta *settings)
{
	const struct cn_meta *meta = &s->weights->meta;

	for (size_t i = 0; i < meta->n; i++) {
		const char *key = meta->pair[i].key, *kept = meta->pair[i].value, *asked;

		if (strncmp(key, OPTION, strlen(OPTION)) != 0)
			continue;
		asked = cn_meta_get(settings, key + strlen(OPTION));
		if (!asked || strcmp(asked, kept) != 0)
			refuse_kept(s, key + strlen(OPTION), kept, asked);
	}
	for (size_t i = 0; i < settings->n; i++) {
		char key[128];

		snprintf(key, sizeof key, OPTION "%s", settings->pair[i].key);
		if (!cn_meta_get(meta, key))
			cn_err_set(s->err, CN_FAILED, "%s: was learned without --%s %s; leave it out, or give another --state", s->path,
				settings->pair[i].key, settings->pair[i].value);
	}
}

/* On the way back. */
static void
check_text(struct cn_state *s, const char *method, const struct cn_space *space, const struct cn_meta *settings, uint64_t *rows)
{
	const struct cn_meta *meta = &s->weights->meta;
	const char *word = cn_meta_get(meta, "gen.method"), *width = cn_meta_get(meta, "gen.dim"), *seen = cn_meta_get(meta, "gen.rows");
	const char *layer = cn_meta_get(meta, "gen.layer");

	if (!word || !width || !seen)
		cn_err_set(s->err, CN_FAILED, "%s: is no state of cn-gen; give --state a name of its own", s->path);
	else if (strcmp(word, method) != 0)
		cn_err_set(s->err, CN_FAILED, "%s: is a state of --method %.32s, not of %s; give another --state", s->path, word, method);
	else if (strtoull(width, NULL, 10) != space->dim)
		cn_err_set(s->err, CN_FAILED, "%s: was learned of vectors of %.20s numbers, and here they have %zu; give another --state",
			s->path, width, space->dim);
	else if (cn_origin_differ(layer, space->layer))
		cn_err_set(s->err, CN_FAILED, "%s: was learned of vectors of the %.20s, and here they are of the %s; give another --state",
			s->path, layer, space->layer);
	else
		check_settings(s, settings);
	if (!s->err->code)
		*rows = strtoull(seen, NULL, 10);
}

void
cn_state_text(struct cn_state *s, const char *method, const struct cn_space *space, const struct cn_meta *settings, uint64_t *rows)
{
	struct cn_meta *meta = &s->weights->meta;

	if (s->err->code)
		return;
	if (s->back) {
		check_text(s, method, space, settings, rows);
		return;
	}
	cn_meta_set(meta, "gen.method", method, s->err);
	cn_meta_format(meta, "gen.dim", "%zu", s->err, space->dim);
	if (space->layer)
		cn_meta_set(meta, "gen.layer", space->layer, s->err);
	cn_meta_format(meta, "gen.rows", "%" PRIu64, s->err, *rows);
	for (size_t i = 0; i < settings->n; i++) {
		char key[128];

		snprintf(key, sizeof key, OPTION "%s", settings->pair[i].key);
		cn_meta_set(meta, key, settings->pair[i].value, s->err);
	}
}
