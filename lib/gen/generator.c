/* generator - a round is gathered, looked at, learned from, given its negatives, and written. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "gen/generator.h"
#include "gen/hard.h"
#include "gen/mix.h"
#include "nn/vector.h"
#include "stream/step.h"
#include "tensor/kernel.h"

#include "base/banned.h"

enum { ATTEMPTS = 5 };	/* draws of the generator before a negative above the guard is turned away instead */

enum { KEY_REAL, KEY_LATENT, KEY_MIX, KEYS };

struct cn_generator {
	struct cn_generator_config config;
	struct cn_reader *in;
	struct cn_schema out_schema;
	struct cn_vector vector, pos_vector;
	int id, epoch, neg, neg_id, neg_z;	/* fields of the input; -1 = none */
	size_t dim, kept;			/* kept: negatives a row of the input has */
	struct cn_rng_key key[KEYS];
	struct cn_gan *gan;
	struct cn_batch rows, out;		/* the round */
	uint64_t before;			/* rows of earlier rounds */
	float *anchor, *positive;		/* (round, dim) */
	float *pos_score, *ceiling;		/* (round) */
	float *mined;				/* (round, mined, dim), zeros = none */
	unsigned char *sample;			/* (round, mined) samples to embed */
	float *real;				/* (round, dim) */
	unsigned char *has_real;
	uint64_t *ids;
	uint32_t *epochs;
	struct cn_hard *hard;			/* (round) */
	float *made;				/* (round, k, dim) */
	float *score;				/* (round, k) */
	uint8_t *rule;				/* (round, k) */
	float *noise, *again_anchor, *again_positive, *again;	/* (round, k, ...) for draws */
	uint32_t *pending;			/* (round, k) negatives above the guard */
	uint64_t count[CN_GENERATED_RULES];
	uint64_t rounds;
};

static int
find_vectors(struct cn_generator *g, struct cn_err *err)
{
	const struct cn_schema *schema = cn_reader_schema(g->in);
	const char *file = cn_reader_name(g->in);
	const bool embed = g->config.encoder != NULL;

	if (cn_vector_init(&g->vector, schema, file, embed ? "x" : "z", g->config.encoder, CN_ENCODER_HEAD, err) < 0 ||
	    cn_vector_init(&g->pos_vector, schema, file, embed ? "pos" : "pos_z", g->config.encoder, CN_ENCODER_HEAD, err) < 0)
		return -1;
	g->dim = g->vector.dim;
	if (g->pos_vector.dim != g->dim)
		return cn_err_set(err, CN_FAILED, "%s: field 'pos_z' has %zu numbers and 'z' %zu; embed both with one model",
			file, g->pos_vector.dim, g->dim);
	if (g->dim < 2 || g->dim > 65536)
		return cn_err_set(err, CN_FAILED, "%s: vectors of %zu numbers; negatives are made of 2 to 65536", file, g->dim);
	return 0;
}

/* Negatives the rows come with, if they can be compared: vectors of this width, or samples and an encoder. */
static void
find_mined(struct cn_generator *g)
{
	const struct cn_schema *schema = cn_reader_schema(g->in);
	const struct cn_field *x = &schema->field[g->vector.field];
	const int z = cn_schema_find(schema, "neg_z"), value = cn_schema_find(schema, "neg"), id = cn_schema_find(schema, "neg_id");

	g->neg = g->neg_id = g->neg_z = -1;
	if (g->config.mined == 0)
		return;
	if (z >= 0 && schema->field[z].dtype == CN_DTYPE_F32 && schema->field[z].shape.rank == 2 &&
	    schema->field[z].shape.dim[1] == g->dim) {
		g->neg_z = z;
		g->kept = schema->field[z].shape.dim[0];
	} else if (value >= 0 && g->config.encoder && schema->field[value].shape.rank > 0) {
		const uint32_t k = schema->field[value].shape.dim[0];
		const struct cn_shape wanted = cn_shape_stack(k, &x->shape);

		if (schema->field[value].dtype == x->dtype && cn_shape_equal(&wanted, &schema->field[value].shape)) {
			g->neg = value;
			g->kept = k;
		}
		if (id >= 0 && schema->field[id].dtype == CN_DTYPE_U64 && schema->field[id].shape.rank == 1 &&
		    schema->field[id].shape.dim[0] == k)
			g->neg_id = id;
	}
	g->config.mined = g->config.mined < g->kept ? g->config.mined : g->kept;
}

static int
plan_schema(struct cn_generator *g, struct cn_err *err)
{
	static const char *const about[] = { "neg_z", "neg_score", "neg_rank", "neg_source", "neg_rule" };
	static const char *const old[] = { "neg", "neg_id", "neg_weight", "neg_logq" };
	const uint32_t k = (uint32_t)g->config.k;
	const struct cn_shape vectors = { 2, { k, (uint32_t)g->dim } }, numbers = { 1, { k } };
	const struct cn_schema *in = cn_reader_schema(g->in);
	struct cn_schema *out = &g->out_schema;

	*out = *in;
	for (size_t i = 0; i < sizeof about / sizeof *about; i++)
		cn_schema_remove(out, about[i]);
	/* weights of vectors that are replaced go with them */
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		if (g->config.replace || (i >= 2 && cn_schema_find(in, "neg") < 0 && cn_schema_find(in, "neg_id") < 0))
			cn_schema_remove(out, old[i]);
	cn_schema_put(out, "neg_z", CN_DTYPE_F32, &vectors, err);
	cn_schema_put(out, "neg_score", CN_DTYPE_F32, &numbers, err);
	cn_schema_put(out, "neg_rule", CN_DTYPE_U8, &numbers, err);
	return err->code ? -1 : 0;
}

static int
allocate(struct cn_generator *g, struct cn_err *err)
{
	const size_t n = g->config.round, k = g->config.k, vector = g->dim * sizeof(float);
	const size_t sample = g->neg >= 0 ? cn_field_bytes(&cn_reader_schema(g->in)->field[g->vector.field]) : 1;

	g->anchor = cn_mem_array(n, vector, err);
	g->positive = cn_mem_array(n, vector, err);
	g->pos_score = cn_mem_array(n, sizeof *g->pos_score, err);
	g->ceiling = cn_mem_array(n, sizeof *g->ceiling, err);
	g->mined = cn_mem_array(n * (g->config.mined + 1), vector, err);
	g->sample = cn_mem_array(n * (g->config.mined + 1), sample, err);
	g->real = cn_mem_array(n, vector, err);
	g->has_real = cn_mem_array(n, 1, err);
	g->ids = cn_mem_array(n, sizeof *g->ids, err);
	g->epochs = cn_mem_array(n, sizeof *g->epochs, err);
	g->hard = cn_mem_array(n, sizeof *g->hard, err);
	g->made = cn_mem_array(n * k, vector, err);
	g->score = cn_mem_array(n * k, sizeof *g->score, err);
	g->rule = cn_mem_array(n * k, 1, err);
	if (g->config.method == CN_GENERATOR_GAN) {
		g->noise = cn_mem_array(n * k, CN_GAN_LATENT * sizeof *g->noise, err);
		g->again_anchor = cn_mem_array(n * k, vector, err);
		g->again_positive = cn_mem_array(n * k, vector, err);
		g->again = cn_mem_array(n * k, vector, err);
		g->pending = cn_mem_array(n * k, sizeof *g->pending, err);
	}
	return err->code ? -1 : 0;
}

static int
plan(struct cn_generator *g, struct cn_err *err)
{
	static const char *const purpose[KEYS] = { "gen.real", "gen.latent", "gen.mix" };
	const struct cn_schema *schema = cn_reader_schema(g->in);
	const int epoch = cn_schema_find(schema, "epoch");

	g->id = cn_schema_need(schema, cn_reader_name(g->in), "id", CN_DTYPE_U64, 0,
		"rows are told apart by their id, which cn-import gives", err);
	g->epoch = epoch >= 0 && schema->field[epoch].dtype == CN_DTYPE_U32 && schema->field[epoch].shape.rank == 0 ? epoch : -1;
	if (err->code || find_vectors(g, err) < 0)
		return -1;
	find_mined(g);
	for (size_t i = 0; i < KEYS; i++)
		cn_rng_key_init(g->key + i, g->config.seed, purpose[i]);
	if (plan_schema(g, err) < 0 || allocate(g, err) < 0)
		return -1;
	if (g->config.method == CN_GENERATOR_GAN) {
		g->config.gan.dim = g->dim;
		g->config.gan.rows = g->config.round;
		g->config.gan.seed = g->config.seed;
		g->config.gan.pool = g->config.pool;
		g->gan = cn_gan_new(&g->config.gan, err);
	}
	return err->code ? -1 : 0;
}

struct cn_generator *
cn_generator_new(const struct cn_generator_config *config, struct cn_reader *in, struct cn_err *err)
{
	struct cn_generator *g;

	if (err->code || !(g = cn_mem_array(1, sizeof *g, err)))
		return NULL;
	g->config = *config;
	g->in = in;
	if (plan(g, err) == 0)
		return g;
	cn_generator_free(g);
	return NULL;
}

void
cn_generator_free(struct cn_generator *g)
{
	if (!g)
		return;
	void *const block[] = { g->anchor, g->positive, g->pos_score, g->ceiling, g->mined, g->sample, g->real, g->has_real, g->ids,
		g->epochs, g->hard, g->made, g->score, g->rule, g->noise, g->again_anchor, g->again_positive, g->again, g->pending };

	for (size_t i = 0; i < sizeof block / sizeof *block; i++)
		cn_mem_free(block[i]);
	cn_gan_free(g->gan);
	cn_batch_release(&g->rows);
	cn_batch_release(&g->out);
	cn_mem_free(g);
}

const struct cn_schema *
cn_generator_schema(const struct cn_generator *g)
{
	return &g->out_schema;
}

const uint64_t *
cn_generator_counts(const struct cn_generator *g)
{
	return g->count;
}

/* The negatives the rows came with, as unit vectors; those marked as none stay zero. */
static int
look_at_mined(struct cn_generator *g, struct cn_err *err)
{
	const size_t n = g->rows.rows, mined = g->config.mined, vector = g->dim * sizeof(float);
	const size_t sample = cn_field_bytes(&g->rows.schema.field[g->vector.field]);

	for (size_t i = 0; i < n && g->neg_z >= 0; i++)
		memcpy(g->mined + i * mined * g->dim, cn_batch_at(&g->rows, g->neg_z, i), mined * vector);
	if (g->neg >= 0) {
		for (size_t i = 0; i < n; i++)
			memcpy(g->sample + i * mined * sample, cn_batch_at(&g->rows, g->neg, i), mined * sample);
		if (cn_encoder_check_rows(g->config.encoder, &g->rows, g->neg, cn_reader_name(g->in), err) < 0
		    || cn_encoder_embed(g->config.encoder, g->sample, n * mined, CN_ENCODER_HEAD, g->mined, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < n && g->neg_id >= 0; i++)
		for (size_t m = 0; m < mined; m++)
			if (((const uint64_t *)cn_batch_at(&g->rows, g->neg_id, i))[m] == UINT64_MAX)
				memset(g->mined + (i * mined + m) * g->dim, 0, vector);
	const size_t bad = cn_dtype_find_nonfinite(CN_DTYPE_F32, g->mined, n * mined * g->dim);
	if (mined && bad < n * mined * g->dim)
		return cn_err_set(err, CN_FAILED, "%s: row %llu: a negative is not finite; look at it with cn-info --text",
			cn_reader_name(g->in), (unsigned long long)(g->before + bad / g->dim / mined));
	cn_kernel_normalize(g->mined, n * mined, g->dim);
	return 0;
}

static void
look_around(void *context, size_t row, size_t worker)
{
	struct cn_generator *g = context;
	const struct cn_hard_round round = { g->rows.rows, g->dim, g->neg >= 0 || g->neg_z >= 0 ? g->config.mined : 0,
		g->anchor, g->positive, g->mined, g->ids, g->ceiling };
	struct cn_rng rng;

	(void)worker;
	cn_hard_find(g->hard + row, &round, row, g->config.hardest);
	g->has_real[row] = g->hard[row].n > 0;
	if (!g->has_real[row])
		return;
	cn_rng_start(&rng, g->key + KEY_REAL, g->ids[row], g->epochs[row]);
	memcpy(g->real + row * g->dim, g->hard[row].vector[cn_rng_below(&rng, (uint32_t)g->hard[row].n)], g->dim * sizeof *g->real);
}

/* What is known of the round's rows: vectors, ceilings, and the hard true ones around each. */
static int
look(struct cn_generator *g, struct cn_err *err)
{
	const size_t n = g->rows.rows, dim = g->dim;

	if (cn_vector_read_unit(&g->vector, &g->rows, g->anchor, err) < 0 ||
	    cn_vector_read_unit(&g->pos_vector, &g->rows, g->positive, err) < 0 || look_at_mined(g, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const float s = cn_kernel_dot(g->anchor + i * dim, g->positive + i * dim, dim), ceiling = s - (float)g->config.guard;

		g->pos_score[i] = s;
		g->ceiling[i] = ceiling > -1 ? ceiling : -1;
		memcpy(g->ids + i, cn_batch_at(&g->rows, g->id, i), sizeof *g->ids);
		g->epochs[i] = 0;
		if (g->epoch >= 0)
			memcpy(g->epochs + i, cn_batch_at(&g->rows, g->epoch, i), sizeof *g->epochs);
	}
	cn_pool_run(g->config.pool, n, look_around, g);
	return 0;
}

static int
note(struct cn_generator *g, const struct cn_gan_report *report, struct cn_err *err)
{
	char line[256];
	double positive = 0;

	for (size_t i = 0; i < g->rows.rows; i++)
		positive += (double)g->pos_score[i] / (double)g->rows.rows;
	snprintf(line, sizeof line, "%s%llu\t%.4f\t%.6f\t%.6f\t%.6f\t%.6f\t%.6f\n",
		g->rounds ? "" : "rows\td_accuracy\td_loss\tg_loss\tsimilarity\tpos_similarity\tdiversity\n",
		(unsigned long long)(g->before + g->rows.rows), report->accuracy, report->d_loss, report->g_loss,
		report->similarity, positive, report->diversity);
	g->rounds++;
	return g->config.log ? cn_output_write(g->config.log, line, strlen(line), err) : 0;
}

static int
learn(struct cn_generator *g, struct cn_err *err)
{
	const struct cn_gan_round round = { g->anchor, g->positive, g->real, g->has_real, g->ids, g->epochs };
	struct cn_gan_report report = { 0 };

	if (!g->gan || g->rows.rows < g->config.round)
		return 0;
	cn_gan_train(g->gan, &round, g->config.steps, &report);
	return note(g, &report, err);
}

/* One negative of one row without networks. */
static enum cn_generator_rule
mix_one(struct cn_generator *g, size_t row, bool query, struct cn_rng *rng, float *out)
{
	const struct cn_hard *hard = g->hard + row;
	const float *anchor = g->anchor + row * g->dim;

	if (hard->n == 0) {
		const float target = (float)g->config.gan.target;

		cn_mix_noise(anchor, target < g->ceiling[row] ? target : g->ceiling[row], g->dim, rng, out);
		return CN_GENERATED_NOISE;
	}
	if (query)
		cn_mix_query(hard, anchor, g->dim, rng, out);
	else
		cn_mix_two(hard, g->dim, rng, out);
	return query ? CN_GENERATED_QUERY : CN_GENERATED_MIXED;
}

static bool
above(const struct cn_generator *g, size_t row, const float *vector)
{
	return cn_kernel_dot(g->anchor + row * g->dim, vector, g->dim) > g->ceiling[row];
}

/* The first of the K are of two hard ones, the rest of one and the anchor. */
static void
mix_row(void *context, size_t row, size_t worker)
{
	struct cn_generator *g = context;
	const size_t k = g->config.k, queries = (size_t)(g->config.query_share * (double)k + 0.5);
	struct cn_rng rng;

	(void)worker;
	if (g->config.method == CN_GENERATOR_GAN && g->before + row >= g->config.warmup)
		return;
	cn_rng_start(&rng, g->key + KEY_MIX, g->ids[row], g->epochs[row]);
	for (size_t j = 0; j < k; j++) {
		float *out = g->made + (row * k + j) * g->dim;
		enum cn_generator_rule rule = CN_GENERATED_PUSHED;

		for (int attempt = 0; attempt < ATTEMPTS && rule == CN_GENERATED_PUSHED; attempt++) {
			rule = mix_one(g, row, j >= k - queries, &rng, out);
			if (above(g, row, out))
				rule = CN_GENERATED_PUSHED;
		}
		if (rule == CN_GENERATED_PUSHED)
			cn_mix_push(g->anchor + row * g->dim, g->ceiling[row], g->dim, out);
		g->rule[row * k + j] = (uint8_t)rule;
	}
}

/* Noise for negative j of a row at an attempt: a block of 16 words of its own each. */
static void
draw_latent(const struct cn_generator *g, size_t row, size_t j, unsigned attempt, float *to)
{
	struct cn_rng rng;

	cn_rng_start(&rng, g->key + KEY_LATENT, g->ids[row], g->epochs[row]);
	rng.block += attempt * g->config.k + j;
	for (size_t i = 0; i < CN_GAN_LATENT; i++)
		to[i] = cn_rng_normal(&rng);
}

/* Draws anew for what is pending; what then lies below the guard is no longer. */
static size_t
generate(struct cn_generator *g, size_t n, unsigned attempt)
{
	const size_t k = g->config.k, dim = g->dim, vector = dim * sizeof(float);
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		const size_t row = g->pending[i] / k;

		memcpy(g->again_anchor + i * dim, g->anchor + row * dim, vector);
		memcpy(g->again_positive + i * dim, g->positive + row * dim, vector);
		draw_latent(g, row, g->pending[i] % k, attempt, g->noise + i * CN_GAN_LATENT);
	}
	cn_gan_generate(g->gan, n, 1, g->again_anchor, g->again_positive, g->noise, g->again);
	for (size_t i = 0; i < n; i++) {
		const uint32_t at = g->pending[i];

		memcpy(g->made + at * dim, g->again + i * dim, vector);
		g->rule[at] = attempt ? CN_GENERATED_AGAIN : CN_GENERATED_GAN;
		if (above(g, at / k, g->made + at * dim))
			g->pending[left++] = at;
	}
	return left;
}

static void
generate_all(struct cn_generator *g)
{
	const size_t k = g->config.k, warm = g->config.warmup > g->before ? (size_t)(g->config.warmup - g->before) : 0;
	size_t n = 0;

	if (!g->gan)
		return;
	for (size_t i = warm * k; warm < g->rows.rows && i < g->rows.rows * k; i++)
		g->pending[n++] = (uint32_t)i;
	for (unsigned attempt = 0; attempt < ATTEMPTS && n; attempt++)
		n = generate(g, n, attempt);
	for (size_t i = 0; i < n; i++) {
		const size_t row = g->pending[i] / k;

		cn_mix_push(g->anchor + row * g->dim, g->ceiling[row], g->dim, g->made + g->pending[i] * g->dim);
		g->rule[g->pending[i]] = CN_GENERATED_PUSHED;
	}
}

static int
put(struct cn_generator *g, struct cn_writer *writer, struct cn_err *err)
{
	const size_t n = g->rows.rows, k = g->config.k, dim = g->dim;

	for (size_t i = 0; i < n * k; i++) {
		g->score[i] = cn_kernel_dot(g->anchor + i / k * dim, g->made + i * dim, dim);
		g->count[g->rule[i]]++;
	}
	if (cn_batch_shape(&g->out, &g->out_schema, n, err) < 0)
		return -1;
	cn_step_pass(&g->rows, &g->out);
	memcpy(g->out.column[cn_schema_find(&g->out_schema, "neg_z")], g->made, n * k * dim * sizeof *g->made);
	memcpy(g->out.column[cn_schema_find(&g->out_schema, "neg_score")], g->score, n * k * sizeof *g->score);
	memcpy(g->out.column[cn_schema_find(&g->out_schema, "neg_rule")], g->rule, n * k);
	return cn_writer_put(writer, &g->out, err);
}

static int
play_round(struct cn_generator *g, struct cn_writer *writer, struct cn_progress *progress, struct cn_err *err)
{
	if (err->code || look(g, err) < 0 || learn(g, err) < 0)
		return -1;
	cn_pool_run(g->config.pool, g->rows.rows, mix_row, g);
	generate_all(g);
	if (put(g, writer, err) < 0)
		return -1;
	cn_progress_add(progress, g->rows.rows);
	g->before += g->rows.rows;
	return cn_batch_shape(&g->rows, &g->rows.schema, 0, err);
}

/* Cuts the rows of a chunk into rounds. */
static int
take(struct cn_generator *g, const struct cn_batch *chunk, struct cn_writer *writer, struct cn_progress *progress,
	struct cn_err *err)
{
	for (size_t at = 0; at < chunk->rows && !err->code;) {
		const size_t room = g->config.round - g->rows.rows, n = chunk->rows - at < room ? chunk->rows - at : room;

		if (g->rows.rows == 0)
			g->rows.first_row = chunk->first_row + at;
		if (cn_batch_append(&g->rows, chunk, at, n, err) < 0)
			return -1;
		at += n;
		if (g->rows.rows == g->config.round)
			play_round(g, writer, progress, err);
	}
	return err->code ? -1 : 0;
}

int
cn_generator_run(struct cn_generator *g, struct cn_writer *writer, uint64_t limit, struct cn_progress *progress, struct cn_err *err)
{
	struct cn_batch chunk = { 0 };
	uint64_t left = limit ? limit : UINT64_MAX;

	if (err->code || cn_batch_shape(&g->rows, cn_reader_schema(g->in), 0, err) < 0)
		return -1;
	while (left && cn_reader_next(g->in, &chunk, err) > 0) {
		if (chunk.rows > left) {
			cn_reader_give_back(g->in, chunk.rows - (size_t)left);
			chunk.rows = (size_t)left;
		}
		left -= chunk.rows;
		if (take(g, &chunk, writer, progress, err) < 0)
			break;
	}
	if (!err->code && g->rows.rows)
		play_round(g, writer, progress, err);
	cn_batch_release(&chunk);
	return err->code ? -1 : 0;
}
