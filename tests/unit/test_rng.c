/*
 * test_rng - generator cn1 is frozen: words from an independent ChaCha20 and BLAKE2b, functions
 * against libm.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tap.h"
#include "base/banned.h"

/* Computed by a ChaCha20 written out in Python over hashlib.blake2b. */
static const struct frozen {
	uint64_t seed;
	const char *purpose;
	uint64_t id;
	uint32_t epoch, word[4], word16;
} frozen[] = {
	{ 0, "crop", 0, 0, { 0x996a331f, 0xb7816ff3, 0xf47c9b43, 0x3f8b6724 }, 0x0ae0a9a1 },
	{ 1, "", 7, 3, { 0x4cbf71ff, 0xc8a3cb68, 0xd00bf9ee, 0x32ea80e1 }, 0x97436a04 },
	{ 9223372036854775813u, "negative", 18446744073709551614u, 4294967295u,
		{ 0x1e5debb6, 0x4faa7109, 0x40f7c071, 0xffeffce1 }, 0x24240659 },
};

static void
test_words(void)
{
	for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++) {
		const struct frozen *want = &frozen[i];
		struct cn_rng_key key;
		struct cn_rng rng;
		int right = 1;

		cn_rng_key_init(&key, want->seed, want->purpose);
		cn_rng_start(&rng, &key, want->id, want->epoch);
		for (int k = 0; k < 4; k++)
			right &= cn_rng_word(&rng) == want->word[k];
		for (int k = 4; k < 16; k++)
			cn_rng_word(&rng);
		TAP_OK(right, "frozen words of case %zu", i);
		TAP_OK(cn_rng_word(&rng) == want->word16, "the second block of case %zu", i);
		TAP_OK(cn_rng_rank(&key, want->id,
			want->epoch) == (want->word[0] | (uint64_t)want->word[1] << 32),
			"the rank of case %zu is its first two words, low half first", i);
	}
}

static void
test_draws(void)
{
	struct cn_rng_key key;
	struct cn_rng rng;
	double sum = 0, square = 0, gumbel = 0, unit = 0;
	int within = 1, count[5] = { 0 }, n = 200000;

	cn_rng_key_init(&key, 42, "draws");
	cn_rng_start(&rng, &key, 1, 0);
	for (int i = 0; i < n; i++) {
		double x = cn_rng_normal(&rng), u = cn_rng_unit(&rng);

		sum += x;
		square += x * x;
		gumbel += cn_rng_gumbel(&rng);
		unit += u;
		within &= u >= 0 && u < 1 && cn_rng_below64(&rng, 1000003) < 1000003;
		count[cn_rng_below(&rng, 5)]++;
	}
	TAP_OK(within, "units and bounded words stay within");
	TAP_OK(fabs(unit / n - 0.5) < 0.004, "units have mean 1/2");
	TAP_OK(fabs(sum / n) < 0.01 && fabs(square / n - 1) < 0.02, "normals have mean 0 and variance 1");
	TAP_OK(fabs(gumbel / n - 0.5772156649) < 0.015, "Gumbels have mean gamma");
	for (int i = 0; i < 5; i++)
		TAP_OK(abs(count[i] - n / 5) < 1000, "below(5) is even at %d", i);
}

static double
relative(double got, double want)
{
	return fabs(got - want) / fmax(fabs(want), 1e-300);
}

static void
test_functions(void)
{
	double worst_exp = 0, worst_log = 0, worst_turn = 0;

	for (int i = -700000; i <= 700000; i += 37)
		worst_exp = fmax(worst_exp, relative(cn_rng_exp(i * 1e-3), exp(i * 1e-3)));
	for (double x = 1e-300; x < 1e300; x *= 1.0173)
		worst_log = fmax(worst_log, relative(cn_rng_log(x), log(x)));
	for (double x = 0.5; x < 2; x += 1e-4)
		worst_log = fmax(worst_log, fabs(x - 1) < 1e-9 ? 0 : relative(cn_rng_log(x), log(x)));
	for (double t = -3; t < 3; t += 1.0 / 4099) {
		worst_turn = fmax(worst_turn, fabs(cn_rng_sin2pi(t) - sin(6.283185307179586 * t)));
		worst_turn = fmax(worst_turn, fabs(cn_rng_cos2pi(t) - cos(6.283185307179586 * t)));
	}
	TAP_OK(worst_exp < 1e-15, "exp agrees with libm: %g", worst_exp);
	TAP_OK(worst_log < 1e-15, "log agrees with libm: %g", worst_log);
	TAP_OK(worst_turn < 5e-15, "sine and cosine agree with libm: %g", worst_turn);
	TAP_OK(cn_rng_exp(0) == 1 && cn_rng_log(1) == 0, "exact at the easy points");
	TAP_OK(cn_rng_sin2pi(0.25) == 1 && cn_rng_cos2pi(0.5) == -1 && cn_rng_sin2pi(-2) == 0,
		"exact at quarter turns");
	TAP_OK(isinf(cn_rng_exp(1000)) && cn_rng_exp(-1000) == 0 && isinf(cn_rng_log(0))
		&& isnan(cn_rng_log(-1)),
		"the ends of the range");
	TAP_NEAR(cn_rng_softplus(-1.5), log1p(exp(-1.5)), 1e-15, "ln(1 + e^x) below zero");
	TAP_NEAR(cn_rng_softplus(3), log1p(exp(3)), 1e-15, "ln(1 + e^x) above zero");
	TAP_OK(cn_rng_softplus(800) == 800 && cn_rng_softplus(-800) == 0, "and where e^x is out of range");
	TAP_NEAR(cn_rng_log(5e-324), log(5e-324), 1e-15, "log of the smallest number");
	TAP_NEAR(cn_rng_exp(-740), exp(-740), 1e-2, "exp into the subnormals");
}

/* The first normals of one key, bit for bit: what makes augmented images equal on every machine. */
static void
test_frozen_normals(void)
{
	static const uint32_t want[] = { 0x3e80c164, 0x3f12cb75, 0x3fd90be7, 0xbf2e1af9,
		0xbf7710e0, 0x3d85d60d, 0xbf99f471, 0x3ec7b04b };
	struct cn_rng_key key;
	struct cn_rng rng;
	int right = 1;

	cn_rng_key_init(&key, 0, "crop");
	cn_rng_start(&rng, &key, 0, 0);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		float x = cn_rng_normal(&rng);
		uint32_t bits;

		memcpy(&bits, &x, sizeof bits);
		right &= bits == want[i];
		if (bits != want[i])
			printf("# normal %zu is 0x%08x, %.9g\n", i, bits, (double)x);
	}
	TAP_OK(right, "frozen normals");
}

int
main(void)
{
	test_words();
	test_draws();
	test_functions();
	test_frozen_normals();
	return tap_done();
}
