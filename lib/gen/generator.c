/* generator - a round is looked at, learned from, given its negatives, and written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "gen/generator.h"
#include "stream/step.h"
#include "tensor/kernel.h"

#include "base/banned.h"

struct cn_generator {
	struct cn_generator_config config;
	struct cn_schema out_schema;
	struct cn_rounds *rounds;
	const struct cn_method_kind *early;	/* stands in while the method learns */
	void *method, *mixer;		/* the one asked for; the one that stands in while that learns, or NULL */
	struct cn_made made;
	float *score;			/* (rows, k) */
	struct cn_step *step;		/* see cn_generator_follow; or NULL */
	struct cn_batch out;
	bool logq;			/* goes out */
	uint64_t before;		/* rows of earlier rounds, and of earlier streams if the state knows them */
	uint64_t count[CN_MADE_KINDS], learned;	/* learned: from so many rounds */
};

static int
plan_schema(struct cn_generator *g, const struct cn_schema *in, struct cn_err *err)
{
	static const char *const about[] = { "neg_z", "neg_score", "neg_rank", "neg_source", "neg_rule" };
	static const char *const old[] = { "neg", "neg_id", "neg_weight", "neg_logq" };
	const uint32_t k = (uint32_t)g->config.method.k, dim = (uint32_t)cn_rounds_space(g->rounds).dim;
	const struct cn_shape vectors = { 2, { k, dim } }, numbers = { 1, { k } };
	const bool by_value = g->config.method.by_value;
	struct cn_schema *out = &g->out_schema;

	*out = *in;
	/* vectors stay beside samples that are made */
	for (size_t i = by_value && !g->config.replace; i < sizeof about / sizeof *about; i++)
		cn_schema_remove(out, about[i]);
	/* weights of vectors that are replaced go with them */
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		if (by_value || g->config.replace || (i >= 2 && cn_schema_find(in, "neg") < 0 && cn_schema_find(in, "neg_id") < 0))
			cn_schema_remove(out, old[i]);
	if (by_value) {
		const struct cn_field *x = cn_rounds_sample(g->rounds);
		const struct cn_shape samples = cn_shape_stack(k, &x->shape);

		cn_schema_put(out, "neg", x->dtype, &samples, err);
	} else {
		cn_schema_put(out, "neg_z", CN_DTYPE_F32, &vectors, err);
	}
	cn_schema_put(out, "neg_score", CN_DTYPE_F32, &numbers, err);
	cn_schema_put(out, "neg_rule", CN_DTYPE_U8, &numbers, err);
	/* which describes neg and neg_id where they are */
	g->logq = g->config.kind->draws && cn_schema_find(out, "neg") < 0 && cn_schema_find(out, "neg_id") < 0;
	if (g->logq)
		cn_schema_put(out, "neg_logq", CN_DTYPE_F32, &numbers, err);
	return err->code ? -1 : 0;
}

/* Samples that are made go through the encoder, and back. */
static int
plan_samples(struct cn_generator *g, struct cn_reader *in, struct cn_err *err)
{
	struct cn_method_config *method = &g->config.method;
	const struct cn_field *x = cn_rounds_sample(g->rounds);

	if (cn_encoder_check_slope(method->encoder, cn_reader_name(in), err) < 0)
		return -1;
	if (x->dtype == CN_DTYPE_F32 && g->config.kind == &cn_gradient_kind && method->gradient.epsilon == 0)
		return cn_err_set(err, CN_USAGE, "--epsilon must be given for x of type f32: how far each of its numbers may move");
	method->dtype = x->dtype;
	method->shape = x->shape;
	g->made.bytes = cn_field_bytes(x);
	g->made.sample = cn_mem_array(method->rows * method->k, g->made.bytes, err);
	return err->code ? -1 : 0;
}

static int
plan(struct cn_generator *g, struct cn_reader *in, struct cn_err *err)
{
	struct cn_method_config *method = &g->config.method;
	const struct cn_method_kind *kind = g->config.kind;

	g->made = (struct cn_made){ .k = method->k, .err = err };
	method->encoder = g->config.rounds.encoder;
	g->config.rounds.by_value = method->by_value;
	g->rounds = cn_rounds_new(&g->config.rounds, in, err);
	if (err->code || plan_schema(g, cn_reader_schema(in), err) < 0)
		return -1;
	method->dim = g->made.dim = cn_rounds_space(g->rounds).dim;
	method->rows = g->config.rounds.rows;
	method->mined = cn_rounds_mined(g->rounds);
	method->pool = g->config.rounds.pool;
	if (method->by_value && plan_samples(g, in, err) < 0)
		return -1;
	g->method = kind->new(method, err);
	g->early = method->by_value ? &cn_basis_kind : &cn_mix_kind;
	g->mixer = kind->learn ? g->early->new(method, err) : NULL;
	g->made.vector = cn_mem_array(method->rows * method->k, method->dim * sizeof *g->made.vector, err);
	g->made.rule = cn_mem_array(method->rows * method->k, sizeof *g->made.rule, err);
	g->made.logq = cn_mem_array(method->rows * method->k, sizeof *g->made.logq, err);
	g->score = cn_mem_array(method->rows * method->k, sizeof *g->score, err);
	return err->code ? -1 : 0;
}

struct cn_generator *
cn_generator_new(const struct cn_generator_config *config, struct cn_reader *in, struct cn_err *err)
{
	struct cn_generator *g;

	if (err->code || !(g = cn_mem_array(1, sizeof *g, err)))
		return NULL;
	g->config = *config;
	if (plan(g, in, err) == 0)
		return g;
	cn_generator_free(g);
	return NULL;
}

void
cn_generator_free(struct cn_generator *g)
{
	if (!g)
		return;
	g->config.kind->free(g->method);
	if (g->early)
		g->early->free(g->mixer);
	cn_rounds_free(g->rounds);
	cn_mem_free(g->made.vector);
	cn_mem_free(g->made.sample);
	cn_mem_free(g->made.rule);
	cn_mem_free(g->made.logq);
	cn_mem_free(g->score);
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

uint64_t
cn_generator_learned(const struct cn_generator *g)
{
	return g->learned;
}

/* Between the generator and weights, which way state says. */
static int
exchange(struct cn_generator *g, const struct cn_meta *settings, struct cn_state *state)
{
	const struct cn_space space = cn_rounds_space(g->rounds);

	cn_state_text(state, g->config.kind->word, &space, settings, &g->before);
	if (!state->err->code)
		g->config.kind->keep(g->method, state);
	return state->err->code ? -1 : 0;
}

int
cn_generator_keep(struct cn_generator *g, const struct cn_meta *settings, struct cn_weights *weights, struct cn_err *err)
{
	return exchange(g, settings, &(struct cn_state){ weights, false, NULL, err });
}

int
cn_generator_take_back(struct cn_generator *g, const struct cn_meta *settings, const char *path, struct cn_err *err)
{
	struct cn_weights weights = { 0 };

	if (err->code || cn_safetensors_read(path, &weights, err) < 0)
		return -1;
	exchange(g, settings, &(struct cn_state){ &weights, true, path, err });
	cn_weights_release(&weights);
	return err->code ? -1 : 0;
}

/* A line of the log, under a line of names: rows so far, and what the method told. */
static int
note(struct cn_generator *g, const struct cn_round *round, const char *told, struct cn_err *err)
{
	struct cn_output *log = g->config.log;
	char line[64 + 2 * CN_METHOD_TOLD];

	if (!log)
		return 0;
	snprintf(line, sizeof line, "%s%s%s%llu\t%s\n", cn_output_offset(log) ? "" : "rows\t",
		cn_output_offset(log) ? "" : g->config.kind->columns, cn_output_offset(log) ? "" : "\n",
		(unsigned long long)(g->before + round->rows), told);
	return cn_output_write(log, line, strlen(line), err);
}

static int
learn(struct cn_generator *g, const struct cn_round *round, struct cn_err *err)
{
	char told[CN_METHOD_TOLD];

	if (!g->config.kind->learn || g->config.freeze || round->rows < round->full)
		return 0;
	g->config.kind->learn(g->method, round, told);
	g->learned++;
	return note(g, round, told, err);
}

/* What a method makes before it has learned is poor: the first rows get mixed negatives instead. */
static void
make(struct cn_generator *g, const struct cn_round *round)
{
	const uint64_t warmup = g->mixer && !g->config.freeze ? g->config.warmup : 0, left = warmup > g->before ? warmup - g->before : 0;
	const size_t warm = left < round->rows ? (size_t)left : round->rows;

	memset(g->made.logq, 0, round->rows * g->made.k * sizeof *g->made.logq);
	if (warm)
		g->early->make(g->mixer, round, 0, warm, &g->made);
	g->config.kind->make(g->method, round, warm, round->rows, &g->made);
}

static void
put_column(struct cn_generator *g, const char *name, const void *values, size_t bytes)
{
	memcpy(g->out.column[cn_schema_find(&g->out_schema, name)], values, bytes);
}

/* Whether a negative is one; of a vector that was too long to be measured, and then brought to unit length, nothing is left. */
static bool
is_sound(const struct cn_generator *g, size_t i)
{
	const float *vector = g->made.vector + i * g->made.dim, square = cn_kernel_dot(vector, vector, g->made.dim);
	const bool generated = !g->made.sample && (g->made.rule[i] == CN_MADE_GENERATED || g->made.rule[i] == CN_MADE_AGAIN);

	return isfinite(square) && (square > 0 || !generated);
}

/* A state that was damaged, or a network that has run away, is noticed here, before anything of it is written or kept. */
static int
check(const struct cn_generator *g, const struct cn_round *round, struct cn_err *err)
{
	const size_t n = round->rows * g->made.k;
	size_t i = 0;

	while (i < n && is_sound(g, i))
		i++;
	if (i == n)
		return 0;
	return cn_err_set(err, CN_FAILED, "row %llu: the negatives that --method %s makes are not finite; take another --state, or a lower "
		"--lr", (unsigned long long)(cn_rounds_batch(g->rounds)->first_row + i / g->made.k), g->config.kind->word);
}

static int
put(struct cn_generator *g, const struct cn_round *round, struct cn_writer *writer, struct cn_err *err)
{
	const size_t n = round->rows * g->made.k, dim = g->made.dim;
	struct cn_batch *out = &g->out;

	if (check(g, round, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		g->score[i] = cn_kernel_dot(round->anchor + i / g->made.k * dim, g->made.vector + i * dim, dim);
		g->count[g->made.rule[i]]++;
	}
	if (cn_batch_shape(out, &g->out_schema, round->rows, err) < 0)
		return -1;
	cn_step_pass(cn_rounds_batch(g->rounds), out);
	if (g->made.sample)
		put_column(g, "neg", g->made.sample, n * g->made.bytes);
	else
		put_column(g, "neg_z", g->made.vector, n * dim * sizeof *g->made.vector);
	put_column(g, "neg_score", g->score, n * sizeof *g->score);
	put_column(g, "neg_rule", g->made.rule, n);
	if (g->logq)
		put_column(g, "neg_logq", g->made.logq, n * sizeof *g->made.logq);
	return cn_writer_put(writer, out, err);
}

void
cn_generator_follow(struct cn_generator *g, struct cn_step *step)
{
	g->step = step;
	cn_rounds_follow(g->rounds, step);
}

int
cn_generator_run(struct cn_generator *g, struct cn_writer *writer, uint64_t limit, struct cn_progress *progress, struct cn_err *err)
{
	const struct cn_round *round;

	cn_rounds_limit(g->rounds, limit);
	while (cn_step_flush(g->step, cn_writer_rows(writer), err) == 0 && (round = cn_rounds_next(g->rounds, err)) != NULL) {
		if (learn(g, round, err) < 0)
			break;
		g->made.err = err;
		make(g, round);
		if (err->code || put(g, round, writer, err) < 0)
			break;
		cn_progress_add(progress, round->rows);
		g->before += round->rows;
	}
	return err->code ? -1 : 0;
}
