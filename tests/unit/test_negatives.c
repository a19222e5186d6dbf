/* negatives: every figure against a slow twin over the rows themselves, on streams drawn here. */
#include "eval/negatives.h"

#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stream/writer.h"
#include "tap.h"
#include "tensor/blas.h"
#include "base/banned.h"

enum { ROWS = 60, BANK = 80, K = 7, D = 6, BINS = 9, EPOCHS = 2, FIRST = 100 };

/* Rows 0..ROWS-1 of an epoch are the bank's first; ids of the bank are FIRST + 3 row. */
static struct {
	float z[BANK][D], anchor[ROWS * EPOCHS][D], pos[ROWS * EPOCHS][D], made[ROWS * EPOCHS][K][D];
	int32_t bank_label[BANK], label[ROWS * EPOCHS];
	uint64_t id[ROWS * EPOCHS], neg[ROWS * EPOCHS][K], other[ROWS * EPOCHS][K];
	uint32_t epoch[ROWS * EPOCHS];
} d;

enum { ALL = ROWS * EPOCHS };

static char bank_path[] = "/tmp/cn-neg-bank-XXXXXX", in_path[] = "/tmp/cn-neg-in-XXXXXX", other_path[] = "/tmp/cn-neg-other-XXXXXX",
	known_path[] = "/tmp/cn-neg-known-XXXXXX";

static uint64_t
bank_id(size_t row)
{
	return FIRST + 3 * row;
}

/* Any row of the bank, some rows more often; an id it has not; or none. */
static uint64_t
draw_id(struct cn_rng *rng)
{
	const uint32_t kind = cn_rng_below(rng, 20), row = cn_rng_below(rng, kind < 8 ? 10 : BANK);

	return kind == 19 ? UINT64_MAX : kind == 18 ? 5 : bank_id(row);
}

static void
draw(void)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 11, "test-negatives");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < BANK; i++) {
		d.bank_label[i] = (int32_t)cn_rng_below(&rng, 4) - 1;
		for (size_t k = 0; k < D; k++)
			d.z[i][k] = i % 9 == 8 ? d.z[i - 1][k] : cn_rng_normal(&rng);
	}
	for (size_t i = 0; i < ALL; i++) {
		d.id[i] = bank_id(i % ROWS);
		d.epoch[i] = (uint32_t)(i / ROWS);
		d.label[i] = d.bank_label[i % ROWS];
		for (size_t k = 0; k < D; k++) {
			d.anchor[i][k] = d.z[i % ROWS][k] + 0.1f * cn_rng_normal(&rng);
			d.pos[i][k] = d.anchor[i][k] + 0.7f * cn_rng_normal(&rng);
		}
		for (size_t j = 0; j < K; j++) {
			d.neg[i][j] = draw_id(&rng);
			d.other[i][j] = cn_rng_below(&rng, 2) ? d.neg[i][j] : draw_id(&rng);
			for (size_t k = 0; k < D; k++)
				d.made[i][j][k] = j % 5 == 4 ? d.made[i][j - 1][k] : j == 2 && i % 4 == 0 ? 0 : cn_rng_normal(&rng);
		}
	}
}

struct column {
	const char *name;
	enum cn_dtype dtype;
	struct cn_shape shape;
	const void *data;
};

static void
write_stream(const char *path, const struct column *column, size_t n, size_t rows)
{
	const struct cn_writer_config config = { .program = "test", .path = path, .level = 1, .chunk_rows = 16 };
	struct cn_schema schema = { 0 };
	struct cn_batch batch = { 0 };
	struct cn_meta node = { 0 };
	struct cn_err err = { 0 };

	for (size_t f = 0; f < n; f++)
		cn_schema_add(&schema, column[f].name, column[f].dtype, &column[f].shape, &err);
	cn_batch_shape(&batch, &schema, rows, &err);
	for (size_t f = 0; f < n; f++)
		memcpy(batch.column[f], column[f].data, rows * cn_field_bytes(&schema.field[f]));
	struct cn_writer *writer = cn_writer_open(&config, &schema, &err);

	cn_meta_set(&node, "program", "test", &err);
	cn_writer_node(writer, &node, &err);
	cn_writer_put(writer, &batch, &err);
	cn_writer_finish(writer, &err);
	cn_writer_free(writer);
	cn_meta_release(&node);
	cn_batch_release(&batch);
	TAP_OK(!err.code, "%zu rows are written%s", rows, err.text);
}

static struct cn_reader *
open_stream(const char *path, struct cn_err *err)
{
	return cn_reader_open(&(struct cn_reader_config){ .path = path }, err);
}

static struct cn_negatives_result
measure(struct cn_negatives_config config, bool bank, bool against, bool known, struct cn_err *err)
{
	struct cn_negatives_result result;
	struct cn_reader *in = open_stream(in_path, err);
	struct cn_pairs *pairs = known ? cn_pairs_read(&(struct cn_pairs_config){ .path = known_path }, err) : NULL;

	config.margin = 0.1;
	config.bins = BINS;
	config.bank = bank ? open_stream(bank_path, err) : NULL;
	config.against = against ? open_stream(other_path, err) : NULL;
	config.known = pairs;
	cn_negatives_measure(&config, in, &result, err);
	cn_pairs_free(pairs);
	cn_reader_free(config.bank);
	cn_reader_free(config.against);
	cn_reader_free(in);
	return result;
}

/* The slow twin. */

static double
cosine(const float *a, const float *b)
{
	double ab = 0, aa = 0, bb = 0;

	for (size_t k = 0; k < D; k++) {
		ab += (double)a[k] * (double)b[k];
		aa += (double)a[k] * (double)a[k];
		bb += (double)b[k] * (double)b[k];
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static bool
is_known(uint64_t a, uint64_t b)
{
	return (a + b) % 7 == 0;
}

/* The row of the bank that a negative is, or is nearest to; BANK where there is none. */
static size_t
row_of(size_t i, size_t j, bool made)
{
	size_t best = BANK;

	for (size_t row = 0; row < BANK; row++)
		if (made ? best == BANK || cosine(d.made[i][j], d.z[row]) > cosine(d.made[i][j], d.z[best]) + 1e-6 : bank_id(row) == d.neg[i][j])
			best = row;
	return best;
}

static bool
is_there(size_t i, size_t j, bool made)
{
	return made ? cosine(d.made[i][j], d.made[i][j]) > 0 : d.neg[i][j] != UINT64_MAX;
}

/* NULL where it is not known. */
static const float *
vector_of(size_t i, size_t j, bool made)
{
	const size_t row = made ? 0 : row_of(i, j, false);

	return !is_there(i, j, made) || row == BANK ? NULL : made ? d.made[i][j] : d.z[row];
}

/* (tr C)^2 / tr C^2 of the vectors at unit length. */
static double
slow_rank(const float *const *vector, size_t n)
{
	double u[K][D], trace = 0, squares = 0;

	for (size_t k = 0; k < D; k++) {
		double mean = 0;

		for (size_t a = 0; a < n; a++) {
			double length = 0;

			for (size_t c = 0; c < D; c++)
				length += (double)vector[a][c] * (double)vector[a][c];
			u[a][k] = (double)vector[a][k] / sqrt(length);
			mean += u[a][k] / (double)n;
		}
		for (size_t a = 0; a < n; a++)
			u[a][k] -= mean;
	}
	for (size_t k = 0; k < D; k++)
		for (size_t c = 0; c < D; c++) {
			double sum = 0;

			for (size_t a = 0; a < n; a++)
				sum += u[a][k] * u[a][c] / (double)n;
			trace += k == c ? sum : 0;
			squares += sum * sum;
		}
	return trace < 1e-4 ? 0 : trace * trace / squares;
}

struct twin {
	uint64_t negatives, none, missing, itself, repeated_id, repeated_content, scored, histogram[BINS], chosen[BANK];
	double similarity, hardest, positive, above, violations, wrong, known, diversity, rank;
	size_t n_labelled, n_known, n_pairs, n_hardest;
};

static void
look_at_one(struct twin *t, size_t i, size_t j, bool made, double *most)
{
	const float *vector = vector_of(i, j, made);
	const size_t row = is_there(i, j, made) ? row_of(i, j, made) : BANK;
	const double positive = cosine(d.anchor[i], d.pos[i]);
	bool same_id = false, same_content = false;

	if (!is_there(i, j, made)) {
		t->none++;
		return;
	}
	t->negatives++;
	t->missing += row == BANK;
	t->itself += d.neg[i][j] == d.id[i];
	for (size_t b = 0; b < j; b++) {
		same_id |= d.neg[i][b] == d.neg[i][j];
		same_content |= vector && vector_of(i, b, made) && !memcmp(vector, vector_of(i, b, made), sizeof d.z[0]);
	}
	t->repeated_id += same_id;
	t->repeated_content += same_content;
	if (row < BANK) {
		t->chosen[row]++;
		if (d.label[i] >= 0 && d.bank_label[row] >= 0) {
			t->n_labelled++;
			t->wrong += d.label[i] == d.bank_label[row];
		}
	}
	t->n_known++;
	t->known += is_known(d.id[i], made ? bank_id(row) : d.neg[i][j]);
	if (!vector)
		return;
	const double s = cosine(d.anchor[i], vector);

	t->scored++;
	t->similarity += s;
	*most = s > *most ? s : *most;
	t->above += s > positive;
	t->violations += s > positive - 0.1;
	for (size_t bin = 0; bin < BINS; bin++)
		t->histogram[bin] += s >= -1 + 2.0 * (double)bin / BINS && (s < -1 + 2.0 * (double)(bin + 1) / BINS || bin == BINS - 1);
}

static void
look_at_row(struct twin *t, size_t i, bool made)
{
	const float *vector[K];
	double most = -9, sum = 0;
	size_t n = 0;

	t->positive += cosine(d.anchor[i], d.pos[i]) / ALL;
	for (size_t j = 0; j < K; j++) {
		look_at_one(t, i, j, made, &most);
		if (vector_of(i, j, made))
			vector[n++] = vector_of(i, j, made);
	}
	if (most > -9) {
		t->hardest += most;
		t->n_hardest++;
	}
	if (n < 2)
		return;
	for (size_t a = 0; a < n; a++)
		for (size_t b = 0; b < a; b++)
			sum += cosine(vector[a], vector[b]);
	t->n_pairs++;
	t->diversity += 1 - sum / ((double)n * (double)(n - 1) / 2);
	t->rank += slow_rank(vector, n);
}

/* Half the mean difference of two, over the mean. */
static double
slow_gini(const uint64_t *count, size_t n)
{
	double difference = 0, sum = 0;

	for (size_t a = 0; a < n; a++) {
		sum += (double)count[a];
		for (size_t b = 0; b < n; b++)
			difference += fabs((double)count[a] - (double)count[b]);
	}
	return difference / (2 * (double)n * sum);
}

static uint64_t
slow_distinct(void)
{
	uint64_t distinct = 0;

	for (uint64_t id = 0; id < FIRST + 3 * BANK; id++) {
		bool there = false;

		for (size_t i = 0; i < ALL; i++)
			for (size_t j = 0; j < K; j++)
				there |= d.neg[i][j] == id;
		distinct += there;
	}
	return distinct;
}

static void
agrees(struct cn_pool *pool, bool made)
{
	const struct cn_negatives_config config = { .field = made ? "neg_z" : "neg_id", .pool = pool };
	struct cn_err err = { 0 };
	const struct cn_negatives_result r = measure(config, true, false, true, &err);
	struct twin t = { 0 };
	uint64_t used = 0;
	bool bins = true;

	for (size_t i = 0; i < ALL; i++)
		look_at_row(&t, i, made);
	for (size_t i = 0; i < BANK; i++)
		used += t.chosen[i] > 0;
	for (size_t i = 0; i < BINS; i++)
		bins &= r.histogram[i] == t.histogram[i];
	TAP_OK(!err.code, "%s negatives%s", made ? "made" : "mined", err.text);
	TAP_OK(r.rows == ALL && r.negatives == t.negatives && r.none == t.none && t.none > 0, "are counted");
	TAP_OK(r.missing == (made ? UINT64_MAX : t.missing) && (made || t.missing > 0), "those that the bank has not, too");
	TAP_OK(r.itself == (made ? UINT64_MAX : t.itself) && (made || t.itself > 0), "the row itself");
	TAP_OK(r.repeated_id == (made ? UINT64_MAX : t.repeated_id) && (made || t.repeated_id > 0), "an id twice in a row");
	TAP_OK(r.repeated_content == t.repeated_content && t.repeated_content > (made ? 0 : t.repeated_id), "a vector twice in a row");
	TAP_OK(r.distinct == (made ? UINT64_MAX : slow_distinct()), "different ids");
	TAP_OK(bins && r.scored == t.scored, "the histogram");
	TAP_NEAR(r.similarity, t.similarity / (double)t.scored, 1e-5, "hardness");
	TAP_NEAR(r.hardest, t.hardest / (double)t.n_hardest, 1e-5, "the hardest");
	TAP_NEAR(r.positive, t.positive, 1e-5, "positives");
	TAP_NEAR(r.above, t.above / (double)t.scored, 1e-12, "above the positive");
	TAP_NEAR(r.violations, t.violations / (double)t.scored, 1e-12, "within the margin");
	TAP_NEAR(r.false_share, t.wrong / (double)t.n_labelled, 1e-12, "of the same label");
	TAP_NEAR(r.known_share, t.known / (double)t.n_known, 1e-12, "known as positives");
	TAP_NEAR(r.diversity, t.diversity / (double)t.n_pairs, 1e-5, "diversity");
	TAP_NEAR(r.rank, t.rank / (double)t.n_pairs, 1e-4, "effective rank");
	if (made)
		TAP_OK(isnan(r.coverage) && isnan(r.gini), "no rows of the bank are chosen");
	else {
		TAP_NEAR(r.coverage, (double)used / BANK, 1e-12, "coverage");
		TAP_NEAR(r.gini, slow_gini(t.chosen, BANK), 1e-12, "Gini's coefficient");
	}
	TAP_OK(r.agreement.matched == UINT64_MAX && isnan(r.agreement.jaccard), "nothing to agree with");
}

/* Rows i and i' of ours and theirs by brute force. */
static void
agreement(struct cn_pool *pool)
{
	struct cn_err err = { 0 };
	const struct cn_negatives_result r = measure((struct cn_negatives_config){ .pool = pool }, false, true, false, &err);
	const struct cn_agreement_result *a = &r.agreement;
	double common = 0, jaccard = 0;

	for (size_t i = 0; i < ALL; i++) {
		size_t both = 0, ours = 0, theirs = 0;

		for (uint64_t id = 0; id < FIRST + 3 * BANK; id++) {
			bool in_ours = false, in_theirs = false;

			for (size_t j = 0; j < K; j++) {
				in_ours |= d.neg[i][j] == id;
				in_theirs |= d.other[i][j] == id;
			}
			ours += in_ours;
			theirs += in_theirs;
			both += in_ours && in_theirs;
		}
		common += (double)both / (double)ours / ALL;
		jaccard += (double)both / (double)(ours + theirs - both) / ALL;
	}
	TAP_OK(!err.code && a->matched == ALL && a->unmatched == 0, "rows in another order find each other%s", err.text);
	TAP_NEAR(a->common, common, 1e-12, "the share in common");
	TAP_NEAR(a->jaccard, jaccard, 1e-12, "and of either");
}

/* The other stream: theirs backwards, without the last rows if asked to, with or without epochs. */
static void
write_other(size_t rows, bool epochs)
{
	static uint64_t id[ALL], other[ALL][K];
	static uint32_t epoch[ALL];
	const struct cn_shape one = { 0 }, k = { 1, { K } };

	for (size_t i = 0; i < ALL; i++) {
		id[i] = d.id[ALL - 1 - i];
		epoch[i] = d.epoch[ALL - 1 - i];
		memcpy(other[i], d.other[ALL - 1 - i], sizeof other[i]);
	}
	const struct column column[] = { { "id", CN_DTYPE_U64, one, id }, { "neg_id", CN_DTYPE_U64, k, other }, { "epoch", CN_DTYPE_U32, one, epoch } };

	write_stream(other_path, column, epochs ? 3 : 2, rows);
}

static void
write_input(void)
{
	const struct cn_shape one = { 0 }, vector = { 1, { D } }, k = { 1, { K } }, vectors = { 2, { K, D } };
	const struct column column[] = {
		{ "id", CN_DTYPE_U64, one, d.id }, { "epoch", CN_DTYPE_U32, one, d.epoch }, { "label", CN_DTYPE_I32, one, d.label },
		{ "z", CN_DTYPE_F32, vector, d.anchor }, { "pos_z", CN_DTYPE_F32, vector, d.pos }, { "neg_id", CN_DTYPE_U64, k, d.neg },
		{ "neg_z", CN_DTYPE_F32, vectors, d.made },
	};

	write_stream(in_path, column, sizeof column / sizeof *column, ALL);
}

static void
write_bank(void)
{
	static uint64_t id[BANK];
	const struct cn_shape one = { 0 }, vector = { 1, { D } };
	const struct column column[] = {
		{ "id", CN_DTYPE_U64, one, id }, { "z", CN_DTYPE_F32, vector, d.z }, { "label", CN_DTYPE_I32, one, d.bank_label },
	};
	FILE *f = fopen(known_path, "w");

	for (size_t i = 0; i < BANK; i++)
		id[i] = bank_id(i);
	for (uint64_t a = 0; a < FIRST + 3 * BANK; a++)
		for (uint64_t b = 0; b < FIRST + 3 * BANK; b++)
			if (is_known(a, b))
				fprintf(f, "%llu\t%llu\n", (unsigned long long)a, (unsigned long long)b);
	fclose(f);
	write_stream(bank_path, column, sizeof column / sizeof *column, BANK);
}

static void
partly(void)
{
	struct cn_err err = { 0 };
	struct cn_negatives_result r;

	write_other(ALL - 7, true);
	r = measure((struct cn_negatives_config){ 0 }, false, true, false, &err);
	TAP_OK(!err.code && r.agreement.matched == ALL - 7 && r.agreement.unmatched == 7, "rows without a counterpart are counted");
	write_other(ALL, false);
	r = measure((struct cn_negatives_config){ 0 }, false, true, false, &err);
	TAP_OK(!err.code && r.agreement.matched == ALL, "where one has no epochs, by id and in order");
	measure((struct cn_negatives_config){ .memory = 1000 }, false, true, false, &err);
	TAP_OK(err.code == CN_FAILED && strstr(err.text, "more than --memory allows (0 KiB)"), "refused: %s", err.text);
}

static void
gini(void)
{
	uint64_t same[] = { 3, 3, 3 }, one[] = { 0, 0, 0, 8 }, none[] = { 0, 0 };

	TAP_OK(cn_negatives_gini(same, 3) == 0, "all alike: 0");
	TAP_NEAR(cn_negatives_gini(one, 4), 0.75, 1e-12, "one of four has all: 3/4");
	TAP_OK(isnan(cn_negatives_gini(none, 2)), "nobody has anything: not known");
}

int
main(void)
{
	const int files[] = { mkstemp(bank_path), mkstemp(in_path), mkstemp(other_path), mkstemp(known_path) };
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(3, &err);

	cn_blas_begin();
	draw();
	write_bank();
	write_input();
	write_other(ALL, true);
	for (int threads = 0; threads < 2; threads++) {
		agrees(threads ? pool : NULL, false);
		agrees(threads ? pool : NULL, true);
		agreement(threads ? pool : NULL);
	}
	partly();
	gini();
	cn_pool_free(pool);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		close(files[i]);
	unlink(bank_path);
	unlink(in_path);
	unlink(other_path);
	unlink(known_path);
	return tap_done();
}
