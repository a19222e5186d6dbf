/* quantise, bound, sieve: the same numbers from every set of instructions, and bounds that hold. */
#include <math.h>

#include "base/rng.h"
#include "tensor/bound.h"
#include "tensor/kernel.h"
#include "tensor/quantise.h"
#include "tensor/sieve.h"
#include "tap.h"

#include "base/banned.h"

enum { PANELS = 4, ROWS = PANELS * CN_QUANTISE_PANEL, GROUP = CN_QUANTISE_GROUP, WIDEST = 1000 };

static const size_t widths[] = { 1, 3, 4, 17, 128, WIDEST };
static float bank[ROWS * WIDEST], query[GROUP * WIDEST];
static uint8_t code[ROWS * WIDEST];
static int8_t group[GROUP * WIDEST];
static float scale[ROWS], value[CN_QUANTISE_ISAS][GROUP * ROWS];
static struct cn_quantise_spread spread[PANELS];
static struct cn_quantise_query q[GROUP];
static struct cn_rng rng;

static void
quantise(size_t d)
{
	const size_t width = cn_quantise_width(d);

	memset(code, 0, sizeof code);
	memset(group, 0, sizeof group);
	for (size_t p = 0; p < PANELS; p++)
		cn_quantise_panel(bank + p * CN_QUANTISE_PANEL * d, CN_QUANTISE_PANEL, d, code + p * CN_QUANTISE_PANEL * width,
			scale + p * CN_QUANTISE_PANEL, spread + p);
	for (size_t i = 0; i < GROUP; i++)
		q[i] = cn_quantise_query(query + i * d, d, cn_bound_gamma(d), group, i);
}

static void
multiply(enum cn_quantise_isa isa, size_t d, bool ceiling)
{
	int32_t start[GROUP * PANELS];

	for (size_t i = 0; i < GROUP * PANELS; i++) {
		const struct cn_quantise_query *a = q + i / PANELS;
		const struct cn_quantise_spread *b = spread + i % PANELS;

		start[i] = a->start + (ceiling ? (int32_t)(1.0001f * (a->length * b->length + a->rest * b->rest)) + 2 : 0);
	}
	cn_quantise_product(isa, code, scale, PANELS, group, start, cn_quantise_width(d), value[isa], ROWS);
}

/* The greatest codes there are: where 16 bits would not do. */
static void
draw_extremes(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = cn_rng_below(&rng, 2) ? 1 : -1;
}

static void
draw(float *x, size_t n, size_t d)
{
	for (size_t i = 0; i < n; i++)
		x[i] = cn_rng_normal(&rng) * (cn_rng_below(&rng, 50) ? 1 : 1000) * (i / d % 7 ? 1.0f : 1e-30f);
}

static void
check_product(size_t d, const char *what)
{
	bool near = true;

	quantise(d);
	for (int isa = 0; isa < CN_QUANTISE_ISAS; isa++) {
		if (!cn_quantise_has((enum cn_quantise_isa)isa))
			continue;
		multiply((enum cn_quantise_isa)isa, d, false);
		TAP_OK(memcmp(value[isa], value[0], sizeof value[0]) == 0, "%s of %zu numbers: the same products by %d", what, d, isa);
	}
	for (size_t i = 0; i < GROUP * ROWS; i++) {
		const float *a = query + i / ROWS * d, *b = bank + i % ROWS * d;
		const double size = sqrt(cn_bound_squares(a, d) * cn_bound_squares(b, d));

		near &= fabs(value[0][i] * q[i / ROWS].scale - (double)cn_kernel_dot(a, b, d)) <= 0.1 * size + 1e-37;
	}
	TAP_OK(near, "%s of %zu numbers: near the inner products", what, d);
}

/* Values are ceilings: no score is more than its bound says, and bounds are not empty talk. */
static void
check_ceiling(size_t d, const char *what)
{
	bool holds = true, tight = true;

	quantise(d);
	multiply(CN_QUANTISE_PLAIN, d, true);
	for (size_t i = 0; i < GROUP * ROWS; i++) {
		const float *a = query + i / ROWS * d, *b = bank + i % ROWS * d, score = cn_kernel_dot(a, b, d);
		const double q2 = cn_bound_squares(a, d), b2 = cn_bound_squares(b, d);
		const struct cn_bound bound = cn_bound_ceiling(CN_BOUND_DOT, d, q2, b2, q[i / ROWS].scale);
		float least, most;

		cn_bound_scores(&bound, value[0][i], value[0][i], &least, &most);
		holds &= most >= score && value[0][i] >= cn_bound_value(&bound, score);
		tight &= q2 == 0 || most <= score + 0.2 * sqrt(q2 * b2) + 1e-30;
	}
	TAP_OK(holds, "%s of %zu numbers: bounds hold", what, d);
	TAP_OK(tight, "%s of %zu numbers: bounds say something", what, d);
}

static void
check_sieve(void)
{
	static float x[1000];
	static uint32_t place[1000];
	bool right = true;

	for (size_t i = 0; i < 1000; i++)
		x[i] = cn_rng_below(&rng, 20) ? cn_rng_normal(&rng) : i % 2 ? NAN : 1.5f;
	for (size_t n = 0; n < 1000; n += 37) {
		const size_t found = cn_sieve_values(x, n, 1.5f, place);
		size_t at = 0;

		for (size_t i = 0; i < n; i++)
			if (!(x[i] < 1.5f))
				right &= at < found && place[at++] == i;
		right &= at == found;
	}
	TAP_OK(right, "a sieve keeps what reaches the threshold, and what is no number");
}

int
main(void)
{
	struct cn_rng_key key;

	cn_rng_key_init(&key, 4, "test-quantise");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
		const size_t d = widths[w];

		draw_extremes(bank, ROWS * d);
		draw_extremes(query, GROUP * d);
		check_product(d, "extremes");
		check_ceiling(d, "extremes");
		draw(bank, ROWS * d, d);
		draw(query, GROUP * d, d);
		memset(query + d, 0, d * sizeof *query);
		check_product(d, "vectors");
		check_ceiling(d, "vectors");
	}
	check_sieve();
	return tap_done();
}
