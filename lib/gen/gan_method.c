/* gan_method - generator and discriminator learn from a round, then every negative is a draw of the generator. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/basis.h"
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
	size_t bytes;			/* by value: of a sample; 0 otherwise */
	unsigned char *x, *pos, *sample;	/* (rows k) samples of draws */
	struct cn_basis basis;		/* what takes the place of samples that are all above the ceiling */
	struct cn_basis_sample *chosen;	/* (k) */
};

static void
end(void *self)
{
	struct game *game = self;

	if (!game)
		return;
	void *const block[] = { game->real, game->has_real, game->noise, game->anchor, game->positive, game->drawn, game->pending,
		game->x, game->pos, game->sample, game->chosen };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_gan_free(game->gan);
	cn_mem_free(game);
}

/* In input space the generator moves samples. */
static void
begin_samples(struct game *game, struct cn_gan_config *gan, struct cn_err *err)
{
	const struct cn_method_config *c = &game->config;
	const size_t draws = c->rows * c->k;

	game->bytes = cn_shape_count(&c->shape) * cn_dtype_size(c->dtype);
	gan->encoder = c->encoder;
	gan->dtype = c->dtype;
	gan->shape = c->shape;
	game->x = cn_mem_array(draws, game->bytes, err);
	game->pos = cn_mem_array(draws, game->bytes, err);
	game->sample = cn_mem_array(draws, game->bytes, err);
	game->chosen = cn_mem_array(c->k, sizeof *game->chosen, err);
	cn_basis_init(&game->basis, c);
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
	if (config->by_value)
		begin_samples(game, &gan, err);
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
	const struct cn_gan_round shown = { round->anchor, round->positive, game->real, game->has_real, round->id, round->epoch,
		round->x, round->pos, round->ceiling };
	struct cn_gan_report report = { 0 };

	choose_real(game, round);
	cn_gan_train(game->gan, &shown, game->config.steps, &report);
	cn_gan_report_text(&report, told, CN_METHOD_TOLD);
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
	const struct cn_mover_rows rows = { 1, game->anchor, game->positive, game->x, game->pos, game->noise };
	const size_t k = game->config.k, dim = round->dim, vector = dim * sizeof(float);

	for (size_t i = 0; i < n; i++) {
		const size_t row = pending[i] / k;

		memcpy(game->anchor + i * dim, round->anchor + row * dim, vector);
		memcpy(game->positive + i * dim, round->positive + row * dim, vector);
		if (game->bytes) {
			memcpy(game->x + i * game->bytes, round->x + row * game->bytes, game->bytes);
			memcpy(game->pos + i * game->bytes, round->pos + row * game->bytes, game->bytes);
		}
		draw_latent(game, round, row, pending[i] % k, attempt, game->noise + i * CN_GAN_LATENT);
	}
	cn_gan_generate_rows(game->gan, &rows, n, out, game->sample);
}

/* The pending draws as cn_made_draw; but what stays above the ceiling cannot be turned away, and a true one takes its place. */
static void
make_samples(struct game *game, const struct cn_round *round, const struct cn_made *made, size_t n)
{
	for (unsigned attempt = 0; attempt < CN_MADE_ATTEMPTS && n; attempt++) {
		size_t left = 0;

		draw(game, round, game->pending, n, attempt, game->drawn);
		for (size_t i = 0; i < n; i++) {
			const uint32_t at = game->pending[i];
			const float *vector = game->drawn + i * made->dim;

			cn_made_put(made, at / made->k, at % made->k, vector, attempt ? CN_MADE_AGAIN : CN_MADE_GENERATED);
			memcpy(made->sample + at * game->bytes, game->sample + i * game->bytes, game->bytes);
			if (cn_made_above(round, at / made->k, vector))
				game->pending[left++] = at;
		}
		n = left;
	}
	for (size_t i = 0; i < n; i++) {
		const size_t row = game->pending[i] / made->k, j = game->pending[i] % made->k;

		cn_basis_choose(&game->basis, round, row, made->k, game->chosen);
		cn_basis_take(&game->basis, game->chosen + j, round, row, j, made);
	}
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct game *game = self;
	size_t n = 0;

	for (size_t i = from * made->k; i < to * made->k; i++)
		game->pending[n++] = (uint32_t)i;
	if (game->bytes)
		make_samples(game, round, made, n);
	else
		cn_made_draw(made, round, game->pending, n, game->drawn, draw, game);
}

static void
keep(void *self, struct cn_state *state)
{
	struct game *game = self;

	cn_gan_keep(game->gan, state);
}

const struct cn_method_kind cn_gan_kind = {
	.word = "gan", .columns = CN_GAN_COLUMNS,
	.new = begin, .free = end, .learn = learn, .make = make, .keep = keep,
};
