/* mix_method - every row's negatives mixed of its hard ones; of noise where there are none. */
#include "base/mem.h"
#include "base/rng.h"
#include "gen/hard.h"
#include "gen/method.h"
#include "gen/mix.h"

#include "base/banned.h"

struct mixer {
	struct cn_method_config config;
	struct cn_rng_key key;
};

/* Some rows of a round, for the pool. */
struct job {
	const struct mixer *mixer;
	const struct cn_round *round;
	const struct cn_made *made;
	size_t from;
};

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	struct mixer *mixer = err->code ? NULL : cn_mem_array(1, sizeof *mixer, err);

	if (!mixer)
		return NULL;
	mixer->config = *config;
	cn_rng_key_init(&mixer->key, config->seed, "gen.mix");
	return mixer;
}

static enum cn_made_rule
mix_one(const struct job *job, size_t row, bool query, struct cn_rng *rng, float *out)
{
	const struct cn_round *round = job->round;
	const struct cn_hard *hard = round->hard + row;
	const float *anchor = round->anchor + row * round->dim;

	if (hard->n == 0) {
		cn_mix_noise(anchor, cn_round_aim(round, row, job->mixer->config.target), round->dim, rng, out);
		return CN_MADE_NOISE;
	}
	if (query)
		cn_mix_query(hard, anchor, round->dim, rng, out);
	else
		cn_mix_two(hard, round->dim, rng, out);
	return query ? CN_MADE_QUERY : CN_MADE_MIXED;
}

/* The first of the k are of two hard ones, the rest of one and the anchor. */
static void
mix_row(void *context, size_t i, size_t worker)
{
	const struct job *job = context;
	const struct cn_made *made = job->made;
	const size_t row = job->from + i, queries = (size_t)(job->mixer->config.query_share * (double)made->k + 0.5);
	struct cn_rng rng;

	(void)worker;
	cn_rng_start(&rng, &job->mixer->key, job->round->id[row], job->round->epoch[row]);
	for (size_t j = 0; j < made->k; j++) {
		float *out = cn_made_vector(made, row, j);
		bool above = true;

		for (int attempt = 0; attempt < CN_MADE_ATTEMPTS && above; attempt++) {
			made->rule[row * made->k + j] = (uint8_t)mix_one(job, row, j >= made->k - queries, &rng, out);
			above = cn_made_above(job->round, row, out);
		}
		if (above)
			cn_made_push(made, job->round, row, j);
	}
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct job job = { self, round, made, from };

	cn_pool_run(job.mixer->config.pool, to - from, mix_row, &job);
}

const struct cn_method_kind cn_mix_kind = { .word = "mix", .new = begin, .free = cn_mem_free, .make = make };
