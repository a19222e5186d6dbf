/* gan_method - generator and discriminator learn from a round, then every negative is a draw of the generator. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/hard.h"
#include "gen/method.h"

#include "base/banned.h"

struct game {
	struct cn_method_config config;
	struct cn_gan *gan;
	struct cn_rng_key real_key, latent_key;
	float *real;			/* (rows, dim) a hard one of each row, */
	unsigned char *has_real;	/* if there is one */
	float *noise, *anchor, *positive, *drawn;	/* (rows k, ...) of draws */
	uint32_t *pending;		/* (rows k) negatives that are to be drawn, by row k + j */
};

static void
end(void *self)
{
	struct game *game = self;

	if (!game)
		return;
	void *const block[] = { game->real, game->has_real, game->noise, game->anchor, game->positive, game->drawn, game->pending };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_gan_free(game->gan);
	cn_mem_free(game);
}

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	const size_t draws = config->rows * config->k, vector = config->dim * sizeof(float);
	struct game *game = err->code ? NULL : cn_mem_array(1, sizeof *game, err);
	struct cn_gan_config gan = config->gan;

	if (!game)
		return NULL;
	game->config = *config;
	cn_rng_key_init(&game->real_key, config->seed, "gen.real");
	cn_rng_key_init(&game->latent_key, config->seed, "gen.latent");
	game->real = cn_mem_array(config->rows, vector, err);
	game->has_real = cn_mem_array(config->rows, 1, err);
	game->noise = cn_mem_array(draws, CN_GAN_LATENT * sizeof(float), err);
	game->anchor = cn_mem_array(draws, vector, err);
	game->positive = cn_mem_array(draws, vector, err);
	game->drawn = cn_mem_array(draws, vector, err);
	game->pending = cn_mem_array(draws, sizeof *game->pending, err);
	gan.dim = config->dim;
	gan.rows = config->rows;
	gan.seed = config->seed;
	gan.pool = config->pool;
	gan.target = config->target;
	gan.margin = config->margin;
	gan.diversity = config->diversity;
	gan.realism = config->realism;
	gan.lr = config->lr;
	game->gan = cn_gan_new(&gan, err);
	if (!err->code)
		return game;
	end(game);
	return NULL;
}

/* What the discriminator is shown as true: one of the hard ones of each row. */
static void
choose_real(struct game *game, const struct cn_round *round)
{
	struct cn_rng rng;

	for (size_t i = 0; i < round->rows; i++) {
		const struct cn_hard *hard = round->hard + i;

		game->has_real[i] = hard->n > 0;
		if (hard->n == 0)
			continue;
		cn_rng_start(&rng, &game->real_key, round->id[i], round->epoch[i]);
		memcpy(game->real + i * round->dim, hard->vector[cn_rng_below(&rng, (uint32_t)hard->n)], round->dim * sizeof *game->real);
	}
}

static void
learn(void *self, const struct cn_round *round, char *told)
{
	struct game *game = self;
	const struct cn_gan_round shown = { round->anchor, round->positive, game->real, game->has_real, round->id, round->epoch };
	struct cn_gan_report report = { 0 };

	choose_real(game, round);
	cn_gan_train(game->gan, &shown, game->config.steps, &report);
	snprintf(told, CN_METHOD_TOLD, "%.4f\t%.6f\t%.6f\t%.6f\t%.6f\t%.6f", report.accuracy, report.d_loss, report.g_loss,
		report.similarity, cn_round_closeness(round), report.diversity);
}

/* Noise for negative j of a row at an attempt: a block of 16 words of its own each. */
static void
draw_latent(const struct game *game, const struct cn_round *round, size_t row, size_t j, unsigned attempt, float *to)
{
	struct cn_rng rng;

	cn_rng_start(&rng, &game->latent_key, round->id[row], round->epoch[row]);
	rng.block += attempt * game->config.k + j;
	for (size_t i = 0; i < CN_GAN_LATENT; i++)
		to[i] = cn_rng_normal(&rng);
}

static void
draw(void *self, const struct cn_round *round, const uint32_t *pending, size_t n, unsigned attempt, float *out)
{
	struct game *game = self;
	const size_t k = game->config.k, dim = round->dim, vector = dim * sizeof(float);

	for (size_t i = 0; i < n; i++) {
		const size_t row = pending[i] / k;

		memcpy(game->anchor + i * dim, round->anchor + row * dim, vector);
		memcpy(game->positive + i * dim, round->positive + row * dim, vector);
		draw_latent(game, round, row, pending[i] % k, attempt, game->noise + i * CN_GAN_LATENT);
	}
	cn_gan_generate(game->gan, n, 1, game->anchor, game->positive, game->noise, out);
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct game *game = self;
	size_t n = 0;

	for (size_t i = from * made->k; i < to * made->k; i++)
		game->pending[n++] = (uint32_t)i;
	cn_made_draw(made, round, game->pending, n, game->drawn, draw, game);
}

static void
keep(void *self, struct cn_state *state)
{
	struct game *game = self;

	cn_gan_keep(game->gan, state);
}

const struct cn_method_kind cn_gan_kind = {
	.word = "gan", .columns = "d_accuracy\td_loss\tg_loss\tsimilarity\tpos_similarity\tdiversity",
	.new = begin, .free = end, .learn = learn, .make = make, .keep = keep,
};
