/*
 * rng - randomness as a pure function of (seed, purpose, id, epoch), and elementary functions
 * without libm.
 */
#include "base/rng.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

#include "base/banned.h"

static void
store_le64(unsigned char *to, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t
load_le32(const unsigned char *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

void
cn_rng_key_init(struct cn_rng_key *key, uint64_t seed, const char *purpose)
{
	crypto_generichash_state state;
	unsigned char number[8];

	store_le64(number, seed);
	crypto_generichash_init(&state, NULL, 0, sizeof key->bytes);
	crypto_generichash_update(&state, (const unsigned char *)"CNS1RNG1", 8);
	crypto_generichash_update(&state, number, sizeof number);
	crypto_generichash_update(&state, (const unsigned char *)purpose, strlen(purpose));
	crypto_generichash_final(&state, key->bytes, sizeof key->bytes);
}

void
cn_rng_start(struct cn_rng *rng, const struct cn_rng_key *key, uint64_t id, uint32_t epoch)
{
	rng->key = key;
	rng->id = id;
	rng->block = (uint64_t)epoch << 32;
	rng->used = 16;
}

uint32_t
cn_rng_word(struct cn_rng *rng)
{
	if (rng->used == 16) {
		static const unsigned char zero[64];
		unsigned char nonce[8], bytes[64];

		store_le64(nonce, rng->id);
		crypto_stream_chacha20_xor_ic(bytes, zero, sizeof bytes, nonce, rng->block++,
			rng->key->bytes);
		for (int i = 0; i < 16; i++)
			rng->word[i] = load_le32(bytes + 4 * i);
		rng->used = 0;
	}
	return rng->word[rng->used++];
}

uint64_t
cn_rng_word64(struct cn_rng *rng)
{
	uint64_t low = cn_rng_word(rng);

	return low | (uint64_t)cn_rng_word(rng) << 32;
}

/* Lemire 2019, "Fast random integer generation in an interval", with exact rejection. */
uint32_t
cn_rng_below(struct cn_rng *rng, uint32_t n)
{
	uint64_t product = (uint64_t)cn_rng_word(rng) * n;

	if ((uint32_t)product < n) {
		uint32_t threshold = (0u - n) % n;

		while ((uint32_t)product < threshold)
			product = (uint64_t)cn_rng_word(rng) * n;
	}
	return (uint32_t)(product >> 32);
}

/* The 128-bit product of two words in two halves, without a type that pedantic C11 lacks. */
static uint64_t
multiply_high(uint64_t a, uint64_t b, uint64_t *low)
{
	uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
	uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;

	*low = a * b;
	return a1 * b1 + (middle >> 32) + (other >> 32);
}

uint64_t
cn_rng_below64(struct cn_rng *rng, uint64_t n)
{
	uint64_t low, high = multiply_high(cn_rng_word64(rng), n, &low);

	if (low < n) {
		uint64_t threshold = (0u - n) % n;

		while (low < threshold)
			high = multiply_high(cn_rng_word64(rng), n, &low);
	}
	return high;
}

/* Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S. */
void
cn_rng_choose(struct cn_rng *rng, uint32_t n, uint32_t wanted, uint32_t *chosen)
{
	for (uint32_t i = 0, found = 0; found < wanted; i++)
		if (cn_rng_below(rng, n - i) < wanted - found)
			chosen[found++] = i;
}

float
cn_rng_unit(struct cn_rng *rng)
{
	return (float)(cn_rng_word(rng) >> 8) * 0x1p-24f;
}

float
cn_rng_range(struct cn_rng *rng, float low, float high)
{
	return low + (high - low) * cn_rng_unit(rng);
}

/* The middle of one of 2^32 equal cells of (0,1): never 0, never 1. */
static double
open_unit(struct cn_rng *rng)
{
	return ((double)cn_rng_word(rng) + 0.5) * 0x1p-32;
}

/* Square root by Newton from above; IEEE operations only, so the same bits everywhere. */
static double
square_root(double x)
{
	double root = x > 1 ? x : 1;

	if (x <= 0)
		return 0;
	for (;;) {
		double next = 0.5 * (root + x / root);

		if (next >= root)
			return root;
		root = next;
	}
}

static double
polynomial(const double *c, int n, double x)
{
	double sum = 0;

	while (n--)
		sum = sum * x + c[n];
	return sum;
}

/*
 * M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988): 16 digits of the normal
 * quantile.
 */
static double
normal_quantile(double p)
{
	static const double a[] = { 3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3,
		1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
		3.3430575583588128105e4, 2.5090809287301226727e3 };
	static const double b[] = { 1.0, 4.2313330701600911252e1, 6.8718700749205790830e2,
		5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4,
		2.8729085735721942674e4, 5.2264952788528545610e3 };
	static const double c[] = { 1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
		3.64784832476320460504, 1.27045825245236838258, 2.41780725177450611770e-1,
		2.27238449892691845833e-2, 7.74545014278341407640e-4 };
	static const double d[] = { 1.0, 2.05319162663775882187, 1.67638483018380384940,
		6.89767334985100004550e-1,
		1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
		1.05075007164441684324e-9 };
	static const double e[] = { 6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
		2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
		2.71155556874348757815e-5, 2.01033439929228813265e-7 };
	static const double f[] = { 1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
		1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
		1.42151175831644588870e-7, 2.04426310338993978564e-15 };
	double q = p - 0.5, r, x;

	if (q >= -0.425 && q <= 0.425) {
		r = 0.180625 - q * q;
		return q * polynomial(a, 8, r) / polynomial(b, 8, r);
	}
	r = square_root(-cn_rng_log(q < 0 ? p : 1 - p));
	if (r <= 5)
		x = polynomial(c, 8, r - 1.6) / polynomial(d, 8, r - 1.6);
	else
		x = polynomial(e, 8, r - 5) / polynomial(f, 8, r - 5);
	return q < 0 ? -x : x;
}

float
cn_rng_normal(struct cn_rng *rng)
{
	return (float)normal_quantile(open_unit(rng));
}

float
cn_rng_gumbel(struct cn_rng *rng)
{
	return (float)-cn_rng_log(-cn_rng_log(open_unit(rng)));
}

uint64_t
cn_rng_rank(const struct cn_rng_key *key, uint64_t id, uint32_t epoch)
{
	struct cn_rng rng;

	cn_rng_start(&rng, key, id, epoch);
	return cn_rng_word64(&rng);
}

/* ln 2 in two parts: the first has trailing zeros, so that k * LN2_HIGH is exact. */
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW  0x1.a39ef35793c76p-33

/* x * 2^k by exact steps; k is at most a few thousand. */
static double
scale(double x, int k)
{
	for (; k > 1000; k -= 1000)
		x *= 0x1p1000;
	for (; k < -1000; k += 1000)
		x *= 0x1p-1000;
	union { uint64_t bits; double value; } power = { .bits = (uint64_t)(1023 + k) << 52 };

	return x * power.value;
}

/* e^x = 2^k e^r with |r| <= ln2/2, and the Taylor series of e^r to r^17. */
double
cn_rng_exp(double x)
{
	double sum = 1, r;
	int k;

	if (x != x)
		return x;
	if (x > 709.782712893384)
		return (double)INFINITY;
	if (x < -745.2)
		return 0;
	k = (int)(x * 0x1.71547652b82fep0 + (x < 0 ? -0.5 : 0.5));
	r = (x - k * LN2_HIGH) - k * LN2_LOW;
	for (int i = 17; i >= 1; i--)
		sum = 1 + sum * r / i;
	return scale(sum, k);
}

/* x = 2^k m with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s), s = (m-1)/(m+1), as an odd series to s^23. */
double
cn_rng_log(double x)
{
	union { double value; uint64_t bits; } number = { .value = x };
	double m, s, s2, sum = 0;
	int k = 0;

	if (x != x || x < 0)
		return (double)NAN;
	if (x == 0)
		return -(double)INFINITY;
	if (x > 0x1.fffffffffffffp1023)
		return x;
	if (x < 0x1p-1022) {
		number.value = x * 0x1p54;
		k = -54;
	}
	k += (int)(number.bits >> 52) - 1023;
	number.bits = (number.bits & 0xfffffffffffffu) | (uint64_t)1023 << 52;
	m = number.value;
	if (m > 1.4142135623730951) {
		m *= 0.5;
		k++;
	}
	s = (m - 1) / (m + 1);
	s2 = s * s;
	for (int i = 23; i >= 3; i -= 2)
		sum = (sum + 1.0 / i) * s2;
	return k * LN2_HIGH + (2 * s + (2 * s * sum + k * LN2_LOW));
}

double
cn_rng_softplus(double x)
{
	return (x > 0 ? x : 0) + cn_rng_log(1 + cn_rng_exp(x > 0 ? -x : x));
}

/* sin and cos of t turns in [-1/8, 1/8], by their Taylor series in x = 2 pi t. */
static double
sine_series(double t)
{
	double x = 6.283185307179586 * t, x2 = x * x, sum = 1;

	for (int i = 18; i >= 2; i -= 2)
		sum = 1 - sum * x2 / (i * (i + 1));
	return x * sum;
}

static double
cosine_series(double t)
{
	double x = 6.283185307179586 * t, x2 = x * x, sum = 1;

	for (int i = 18; i >= 2; i -= 2)
		sum = 1 - sum * x2 / (i * (i - 1));
	return sum;
}

/* Whole turns vanish exactly; what is left is a number of quarter turns and a rest within an eighth. */
static double
turn(double turns, int quarters)
{
	double whole, rest;
	int quarter;

	if (!(turns > -0x1p52 && turns < 0x1p52))
		return (double)NAN;
	whole = (double)(int64_t)turns;
	rest = turns - whole;
	quarter = (int)(rest * 4 + (rest < 0 ? -0.5 : 0.5));
	rest -= quarter * 0.25;
	switch ((quarter + quarters) & 3) {
	case 0:
		return cosine_series(rest);
	case 1:
		return -sine_series(rest);
	case 2:
		return -cosine_series(rest);
	default:
		return sine_series(rest);
	}
}

double
cn_rng_cos2pi(double turns)
{
	return turn(turns, 0);
}

double
cn_rng_sin2pi(double turns)
{
	return turn(turns, 3);
}
