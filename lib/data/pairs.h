/*
 * pairs - which ids are known to belong together: a set of pairs (a, b), read from text, that is asked often.
 *
 * A line holds two ids, decimal and separated by a tab: an anchor's, and that of one of its positives.  Empty
 * lines, and those that begin with #, say nothing.  Anything else is refused by file and line.
 *
 *	struct cn_pairs *known = cn_pairs_read(&(struct cn_pairs_config){ .path = "known.tsv" }, &err);
 *	if (cn_pairs_has(known, anchor, candidate))
 *		...
 *
 * The set is exact (a hash table, 22 to 43 bytes a pair), or, with a rate of false answers, a Bloom filter:
 * then has is true of every pair of the file, and of that share of all others (1e-3: 2 bytes a pair).  Both
 * are hashed by SipHash-2-4; a Bloom filter with one key for ever, so that it gives the same answers in every run.
 */
#ifndef CN_DATA_PAIRS_H
#define CN_DATA_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cn_pairs;

struct cn_pairs_config {
	const char *path;	/* "-": standard input */
	bool symmetric;		/* (a, b) is also (b, a) */
	double false_rate;	/* of a Bloom filter, below 1; 0 = exact */
	uint64_t memory;	/* the most bytes this may take, also while it grows; 0 = no limit */
	bool listed;		/* for cn_pairs_of: 16 bytes a pair more (32 if symmetric); not for a Bloom filter */
};

/* A file is read twice for a Bloom filter; of a pipe, all pairs are held while it is made. */
struct cn_pairs *cn_pairs_read(const struct cn_pairs_config *config, struct cn_err *err);

/* From any number of threads. */
bool cn_pairs_has(const struct cn_pairs *pairs, uint64_t a, uint64_t b);

/* All b of the pairs (a, b) of an id, rising; how many into *n.  NULL, 0 unless the pairs are listed. */
const uint64_t *cn_pairs_of(const struct cn_pairs *pairs, uint64_t a, size_t *n);

uint64_t cn_pairs_count(const struct cn_pairs *pairs);	/* different ones; about so many in a Bloom filter */
uint64_t cn_pairs_memory(const struct cn_pairs *pairs);	/* bytes the set takes */
void cn_pairs_free(struct cn_pairs *pairs);

/* The least Bloom filter that answers falsely at this rate (0 < rate < 1) when it holds n pairs. */
void cn_pairs_bloom_size(uint64_t n, double rate, uint64_t *bits, unsigned *probes);

#endif
