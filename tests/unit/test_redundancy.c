/* redundancy: PyTorch's values, slow twins in double, finite differences, bands, the same bits for any pool. */
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loss/objective.h"
#include "tap.h"
#include "tensor/blas.h"
#include "base/banned.h"

/* Views of rows, x and then pos. */
struct setting {
	size_t rows, dim;
	float *z;
};

/* Rows of one kind of view in double, dimension by dimension (dim, rows), without their mean. */
static double *
centred(const struct setting *g, size_t kind, struct cn_err *err)
{
	double *c = cn_mem_array(g->dim * g->rows, sizeof(double), err);

	for (size_t k = 0; k < g->dim; k++) {
		double mean = 0;

		for (size_t b = 0; b < g->rows; b++)
			mean += (double)g->z[(kind * g->rows + b) * g->dim + k] / (double)g->rows;
		for (size_t b = 0; b < g->rows; b++)
			c[k * g->rows + b] = (double)g->z[(kind * g->rows + b) * g->dim + k] - mean;
	}
	return c;
}

static double
dot(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static double
vicreg(const struct setting *g, double sim, double std, double cov, struct cn_err *err)
{
	const size_t n = g->rows, dim = g->dim;
	double far = 0, lack = 0, off = 0;

	for (size_t i = 0; i < n * dim; i++)
		far += pow((double)g->z[i] - (double)g->z[n * dim + i], 2) / (double)(n * dim);
	for (size_t kind = 0; kind < 2; kind++) {
		double *c = centred(g, kind, err);

		for (size_t k = 0; k < dim; k++) {
			lack += fmax(0, 1 - sqrt(dot(c + k * n, c + k * n, n) / (double)(n - 1) + 1e-4)) / (double)dim / 2;
			for (size_t j = 0; j < k; j++)
				off += 2 * pow(dot(c + k * n, c + j * n, n) / (double)(n - 1), 2) / (double)dim;
		}
		cn_mem_free(c);
	}
	return sim * far + std * lack + cov * off;
}

static double
barlow(const struct setting *g, double lambda, struct cn_err *err)
{
	const size_t n = g->rows, dim = g->dim;
	double *x = centred(g, 0, err), *y = centred(g, 1, err), loss = 0;

	for (size_t k = 0; k < dim; k++)
		for (size_t j = 0; j < dim; j++) {
			const double *a = x + k * n, *b = y + j * n;
			const double c = dot(a, b, n) / (double)n / sqrt(dot(a, a, n) / (double)n + 1e-5) / sqrt(dot(b, b, n) / (double)n + 1e-5);

			loss += j == k ? pow(1 - c, 2) : lambda * c * c;
		}
	cn_mem_free(x);
	cn_mem_free(y);
	return loss;
}

typedef double twin(const struct setting *g, struct cn_err *err);

#define TWIN(name, ...) static double name(const struct setting *g, struct cn_err *err) { return __VA_ARGS__; }

TWIN(vicreg_plain, vicreg(g, 25, 25, 1, err))
TWIN(vicreg_sim, vicreg(g, 10, 0, 0, err))
TWIN(vicreg_std, vicreg(g, 0, 3, 0, err))
TWIN(vicreg_cov, vicreg(g, 0, 0, 2, err))
TWIN(barlow_plain, barlow(g, 0.005, err))
TWIN(barlow_own, barlow(g, 0.3, err))
TWIN(both, 0.1 * vicreg(g, 25, 25, 1, err) + 2 * barlow(g, 0.005, err))

static const struct row {
	const char *words;
	twin *twin;
} rows[] = {
	{ "vicreg", vicreg_plain }, { "vicreg:sim=10,std=0,cov=0", vicreg_sim }, { "vicreg:sim=0,std=3,cov=0", vicreg_std },
	{ "vicreg:sim=0,std=0,cov=2", vicreg_cov }, { "barlow", barlow_plain }, { "barlow:lambda=0.3", barlow_own },
	{ "0.1*vicreg + 2*barlow", both },
};

static struct cn_objective_result
fast(const char *words, const struct setting *g, float *dz, struct cn_pool *pool, struct cn_err *err)
{
	const struct cn_objective_sizes sizes = { g->rows, g->dim, 0, 0, 0.5 };
	const struct cn_objective_batch batch = { g->rows, g->z, NULL, NULL, dz };
	struct cn_objective *o = cn_objective_new(words, &sizes, pool, err);
	struct cn_objective_result result = { 0 };

	if (o)
		cn_objective_run(o, &batch, &result);
	cn_objective_free(o);
	return result;
}

/* Dimensions of growing spread, about 0.2 to 2, and some way from 0; pos a little off x. */
static struct setting
draw(size_t n, size_t dim, struct cn_err *err)
{
	struct setting g = { n, dim, cn_mem_array(2 * n * dim, sizeof(float), err) };
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 5, "redundancy");
	cn_rng_start(&rng, &key, n, 0);
	for (size_t i = 0; i < n * dim; i++)
		g.z[i] = 0.7f + (0.2f + 1.8f * (float)(i % dim) / (float)dim) * cn_rng_normal(&rng);
	for (size_t i = 0; i < n * dim; i++)
		g.z[n * dim + i] = g.z[i] + 0.5f * cn_rng_normal(&rng);
	return g;
}

static double
largest(const float *x, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = isfinite(x[i]) ? fmax(most, fabs((double)x[i])) : INFINITY;
	return most;
}

/* Greatest difference between every stride-th number of the gradient and central differences of the twin. */
static double
worst(const struct row *row, const struct setting *g, const float *dz, size_t stride, struct cn_err *err)
{
	double greatest = 0;

	for (size_t i = 0; i < 2 * g->rows * g->dim; i += stride) {
		const float middle = g->z[i];

		g->z[i] = middle + 1e-4f;
		const double up = row->twin(g, err), right = (double)g->z[i];
		g->z[i] = middle - 1e-4f;
		const double down = row->twin(g, err), width = right - (double)g->z[i];
		g->z[i] = middle;
		greatest = fmax(greatest, fabs((up - down) / width - (double)dz[i]));
	}
	return greatest;
}

static void
differences(const struct row *row, size_t n, size_t dim, size_t stride, struct cn_err *err)
{
	struct setting g = draw(n, dim, err);
	float *dz = cn_mem_array(2 * n * dim, sizeof(float), err);

	TAP_NEAR(fast(row->words, &g, dz, NULL, err).loss, row->twin(&g, err), 3e-6, row->words);
	TAP_OK(worst(row, &g, dz, stride, err) < 1e-4 * largest(dz, 2 * n * dim), "%s, %zu rows of %zu: gradient", row->words, n, dim);
	TAP_OK(largest(dz, 2 * n * dim) > 1e-6, "%s: there is a gradient", row->words);
	cn_mem_free(dz);
	cn_mem_free(g.z);
}

/* Values and three numbers of the gradient by PyTorch 1.13 in double, after main_vicreg.py and main.py of facebookresearch's vicreg and barlowtwins. */
static void
torch(struct cn_err *err)
{
	enum { N = 6, DIM = 4 };
	static const struct {
		const char *words;
		double loss, first, middle, last;	/* by z of view 0, 3, 10 in dimension 0, 2, 3 */
	} want[] = {
		{ "vicreg", 40.2416116382744, 0.335826942253006, -2.72777309497941, -1.57974122666667 },
		{ "vicreg:sim=1,std=2,cov=3", 2.74767419199284, -0.0308767603086484, -0.121000354131686, 0.194109653333333 },
		{ "barlow", 3.73662214525782, 0.0600712975438896, -0.414706356120077, -0.397073706476647 },
		{ "barlow:lambda=0.5", 4.30664431170852, 0.0137680819156031, -0.437711360899824, -0.296599340782286 },
	};
	float z[2 * N * DIM], dz[2 * N * DIM];
	const struct setting g = { N, DIM, z };

	for (size_t i = 0; i < 2 * N; i++)
		for (size_t k = 0; k < DIM; k++)
			z[i * DIM + k] = (float)(((double)((i * i * 37 + i * k * 17 + k * 61 + 5) % 101) / 50 - 1) * (double)(k + 1) / 2);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		TAP_NEAR(fast(want[i].words, &g, dz, NULL, err).loss, want[i].loss, 1e-6, want[i].words);
		TAP_NEAR((double)dz[0], want[i].first, 1e-5, "PyTorch's gradient of the first number");
		TAP_NEAR((double)dz[3 * DIM + 2], want[i].middle, 1e-5, "of one in the middle");
		TAP_NEAR((double)dz[10 * DIM + 3], want[i].last, 1e-5, "of one of pos");
	}
}

/* With losses of pairs: the sum of values and gradients; what the log shows of cosines is the same. */
static void
sums(struct cn_err *err)
{
	enum { N = 9, DIM = 5 };
	struct setting g = draw(N, DIM, err);
	float dz[4][2 * N * DIM];
	const struct cn_objective_result pairs = fast("infonce", &g, dz[0], NULL, err), whole = fast("vicreg", &g, dz[1], NULL, err);
	const struct cn_objective_result first = fast("2*infonce + 0.1*vicreg", &g, dz[2], NULL, err);
	const struct cn_objective_result last = fast("0.1*vicreg + 2*infonce", &g, dz[3], NULL, err);
	double apart = 0;

	for (size_t i = 0; i < 2 * N * DIM; i++)
		apart = fmax(apart, fabs(2 * (double)dz[0][i] + 0.1 * (double)dz[1][i] - (double)dz[2][i]));
	TAP_NEAR(first.loss, 2 * pairs.loss + 0.1 * whole.loss, 1e-12, "a sum with infonce has both values");
	TAP_OK(apart < 1e-6, "and both gradients");
	TAP_OK(first.loss == last.loss && memcmp(dz[2], dz[3], sizeof dz[2]) == 0, "in either order");
	TAP_OK(whole.positive == pairs.positive && whole.negative == pairs.negative && whole.accuracy == pairs.accuracy,
		"cosines are measured without losses of them");
	cn_mem_free(g.z);
}

/* Further negatives are nothing to these losses. */
static void
further(struct cn_err *err)
{
	enum { N = 4, DIM = 3 };
	struct setting g = draw(N, DIM, err);
	float v[DIM] = { 1, 2, 3 }, dv[DIM] = { 7, 7, 7 }, dz[2][2 * N * DIM];
	const uint32_t index[N] = { 0 };
	const struct cn_objective_sizes sizes = { N, DIM, 1, 1, 0.5 };
	const struct cn_objective_extra extra = { 1, index, NULL, NULL, v, 1, 1, dv };
	const struct cn_objective_batch batch = { N, g.z, NULL, &extra, dz[0] };
	struct cn_objective *o = cn_objective_new("barlow", &sizes, NULL, err);
	struct cn_objective_result r;

	cn_objective_run(o, &batch, &r);
	TAP_OK(r.loss == fast("barlow", &g, dz[1], NULL, err).loss && memcmp(dz[0], dz[1], sizeof dz[0]) == 0,
		"further negatives change no bit");
	TAP_OK(largest(dv, DIM) == 0 && r.extra != 0, "have no gradient, and a similarity");
	cn_objective_free(o);
	cn_mem_free(g.z);
}

static void
same_bits(const char *words, struct cn_pool *pool, struct cn_err *err)
{
	enum { N = 150, DIM = 300 };
	struct setting g = draw(N, DIM, err);
	float *dz[2];
	struct cn_objective_result r[2];

	for (int i = 0; i < 2; i++) {
		dz[i] = cn_mem_array(2 * N * DIM, sizeof(float), err);
		r[i] = fast(words, &g, dz[i], i ? pool : NULL, err);
	}
	TAP_OK(memcmp(dz[0], dz[1], 2 * N * DIM * sizeof(float)) == 0 && memcmp(&r[0], &r[1], sizeof *r) == 0,
		"%s: one thread and two, same bits", words);
	cn_mem_free(dz[0]);
	cn_mem_free(dz[1]);
	cn_mem_free(g.z);
}

/* Equal views, equal rows, zeros, one row: nothing divides by 0.  A NaN stays one. */
static void
degenerate(const char *words, struct cn_err *err)
{
	enum { N = 6, DIM = 4, ALL = 2 * N * DIM };
	struct setting g = draw(N, DIM, err);
	float dz[ALL];

	memcpy(g.z + ALL / 2, g.z, ALL / 2 * sizeof(float));
	TAP_OK(isfinite(fast(words, &g, dz, NULL, err).loss) && isfinite(largest(dz, ALL)), "%s: finite where views are equal", words);
	for (int value = 0; value < 2; value++) {
		for (size_t i = 0; i < ALL; i++)
			g.z[i] = (float)value;
		TAP_OK(isfinite(fast(words, &g, dz, NULL, err).loss) && isfinite(largest(dz, ALL)), "%s: finite where all is %d", words, value);
	}
	g.rows = 1;
	TAP_OK(isfinite(fast(words, &g, dz, NULL, err).loss), "%s: finite for one row", words);
	g.rows = N;
	g.z[7] = NAN;
	TAP_OK(!isfinite(fast(words, &g, dz, NULL, err).loss), "%s: NaN in gives NaN out", words);
	cn_mem_free(g.z);
}

static void
refusals(void)
{
	static const char *const wrong[][2] = {
		{ "vicregs", "uniformity, vicreg, barlow" }, { "vicreg:lambda=1", "loss 'vicreg' has no 'lambda'" },
		{ "vicreg:std=-1", "'std' of loss 'vicreg' is a number from 0 to 10000, not '-1'" },
		{ "vicreg:cov", "needs a value" }, { "barlow:lambda=", "from 0 to 1000, not ''" }, { "infonce + barlow:sim=1", "has no 'sim'" },
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct cn_err err = { 0 };
		const int status = cn_objective_check(wrong[i][0], &err);

		TAP_OK(status != 0 && strstr(err.text, wrong[i][1]), "'%s' is refused: %s", wrong[i][0], err.text);
	}
}

int
main(void)
{
	struct cn_err err = { 0 };
	struct cn_pool *pool = cn_pool_new(2, &err);

	cn_blas_begin();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		differences(&rows[i], 7, 5, 1, &err);
		differences(&rows[i], 70, 20, 41, &err);
		same_bits(rows[i].words, pool, &err);
		degenerate(rows[i].words, &err);
	}
	differences(&rows[0], 4, 3000, 11981, &err);	/* more than one band */
	differences(&rows[4], 4, 3000, 11981, &err);
	torch(&err);
	sums(&err);
	further(&err);
	refusals();
	TAP_OK(err.code == 0, "no error");
	cn_pool_free(pool);
	return tap_done();
}
