/*
 * rng - randomness as a pure function of (seed, purpose, id, epoch): generator "cn1", frozen.
 *
 * Words come from ChaCha20 (IETF layout of libsodium's 8-byte-nonce crypto_stream_chacha20):
 * key = BLAKE2b-256("CNS1RNG1" | seed u64 LE | purpose bytes), nonce = id (LE64), 64-bit block
 * counter = epoch << 32 | block.  Words are LE32 in order.  No draw depends on how many were
 * made for another purpose, row or epoch, so threads and chunk sizes never change a result.
 *
 *	struct cn_rng_key key; struct cn_rng r;
 *	cn_rng_key_init(&key, seed, "crop");
 *	cn_rng_start(&r, &key, id, epoch);
 *	float u = cn_rng_unit(&r);
 */
#ifndef CN_BASE_RNG_H
#define CN_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct cn_rng_key {
	unsigned char bytes[32];
};

struct cn_rng {
	const struct cn_rng_key *key;
	uint64_t id, block;	/* block: epoch in the high half */
	unsigned used;		/* words taken from word[] */
	uint32_t word[16];
};

#define CN_RNG_VERSION "cn1"

void cn_rng_key_init(struct cn_rng_key *key, uint64_t seed, const char *purpose);
void cn_rng_start(struct cn_rng *rng, const struct cn_rng_key *key, uint64_t id, uint32_t epoch);

uint32_t cn_rng_word(struct cn_rng *rng);
uint64_t cn_rng_word64(struct cn_rng *rng);		/* first word is the low half */
uint32_t cn_rng_below(struct cn_rng *rng, uint32_t n);	/* 0..n-1, n > 0: Lemire, with rejection */
uint64_t cn_rng_below64(struct cn_rng *rng, uint64_t n);
float cn_rng_unit(struct cn_rng *rng);			/* [0,1): (word >> 8) * 2^-24 */
float cn_rng_range(struct cn_rng *rng, float low, float high);
/* standard normal: inverse CDF in doubles of our own, same bits on every CPU */
float cn_rng_normal(struct cn_rng *rng);
/* -ln(-ln u), u in (0,1), by cn_rng_log */
float cn_rng_gumbel(struct cn_rng *rng);

/* wanted of the numbers 0..n-1, each set as likely, ascending; wanted <= n. */
void cn_rng_choose(struct cn_rng *rng, uint32_t n, uint32_t wanted, uint32_t *chosen);

/* The shuffle rank of a row: order by (this, id). */
uint64_t cn_rng_rank(const struct cn_rng_key *key, uint64_t id, uint32_t epoch);

/*
 * exp and ln with the same bits on every machine (no libm): used wherever bytes must not depend on
 * the CPU.
 */
double cn_rng_exp(double x);
double cn_rng_log(double x);
double cn_rng_softplus(double x);	/* ln(1 + e^x) */
double cn_rng_cos2pi(double turns);
double cn_rng_sin2pi(double turns);

#endif
