/* gradient_method - hard true samples of the round, moved nearer to the anchor through the encoder. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/basis.h"
#include "gen/gradient.h"
#include "gen/method.h"

#include "base/banned.h"

#define BYTE_EPSILON 8	/* of 255, where none is asked for */

struct climber {
	struct cn_method_config config;
	struct cn_gradient *gradient;
	struct cn_basis basis;
	struct cn_rng_key start_key;
	struct cn_basis_sample *chosen;		/* (k) */
	struct cn_gradient_draw *draw;		/* (rows, k) */
	struct cn_rng *start;			/* (rows, k) */
};

static void
end(void *self)
{
	struct climber *c = self;

	if (!c)
		return;
	cn_gradient_free(c->gradient);
	cn_mem_free(c->chosen);
	cn_mem_free(c->draw);
	cn_mem_free(c->start);
	cn_mem_free(c);
}

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	const size_t most = config->rows * config->k;
	struct climber *c = err->code ? NULL : cn_mem_array(1, sizeof *c, err);
	struct cn_gradient_config gradient = config->gradient;

	if (!c)
		return NULL;
	c->config = *config;
	if (gradient.epsilon == 0)
		gradient.epsilon = BYTE_EPSILON;
	gradient.encoder = config->encoder;
	gradient.dtype = config->dtype;
	cn_basis_init(&c->basis, config);
	cn_rng_key_init(&c->start_key, config->seed, "gen.start");
	c->chosen = cn_mem_array(config->k, sizeof *c->chosen, err);
	c->draw = cn_mem_array(most, sizeof *c->draw, err);
	c->start = cn_mem_array(most, sizeof *c->start, err);
	c->gradient = cn_gradient_new(&gradient, err);
	if (!err->code)
		return c;
	end(c);
	return NULL;
}

/* Where the negatives of a row begin: a true one, at itself the first time and anywhere within epsilon of it afterwards. */
static void
place(struct climber *c, const struct cn_round *round, size_t row, const struct cn_made *made, struct cn_gradient_draw *draw)
{
	cn_basis_choose(&c->basis, round, row, made->k, c->chosen);
	for (size_t j = 0; j < made->k; j++) {
		const size_t at = row * made->k + j;

		cn_basis_take(&c->basis, c->chosen + j, round, row, j, made);
		cn_rng_start(c->start + at, &c->start_key, round->id[row], round->epoch[row]);
		c->start[at].block += j << 20;
		draw[j] = (struct cn_gradient_draw){ .id = round->id[row], .from = cn_made_sample(made, row, j), .anchor = round->anchor + row * round->dim,
			.ceiling = round->ceiling[row], .rng = c->chosen[j].again ? c->start + at : NULL,
			.to = cn_made_sample(made, row, j), .vector = cn_made_vector(made, row, j) };
	}
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct climber *c = self;
	const size_t n = (to - from) * made->k;

	for (size_t row = from; row < to; row++)
		place(c, round, row, made, c->draw + (row - from) * made->k);
	if (cn_gradient_run(c->gradient, c->draw, n, made->err) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (c->draw[i].end != CN_GRADIENT_UNMOVED)
			made->rule[from * made->k + i] = c->draw[i].end == CN_GRADIENT_MOVED ? CN_MADE_STEPPED : CN_MADE_STOPPED;
}

const struct cn_method_kind cn_gradient_kind = {
	.word = "gradient", .by_value = true, .new = begin, .free = end, .make = make,
};
