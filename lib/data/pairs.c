/* pairs - text into an open hash table, or into the bits of a Bloom filter. */
#include "data/pairs.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stream/frame.h"
#include "stream/head.h"
#include "stream/source.h"
#include "base/banned.h"

enum { LINE = 63, BUFFER = 1 << 16, FIRST_SLOTS = 1 << 10, KEY = crypto_shorthash_siphashx24_KEYBYTES };

struct pair {
	uint64_t a, b;		/* in the table b is one more, and 0 in an empty slot: no id is 2^64 - 1 */
};

struct cn_pairs {
	bool symmetric;
	const char *file;	/* for messages, while it is read */
	uint64_t count, limit;
	unsigned char key[KEY];
	struct pair *slot;	/* a power of two, at most three quarters full; NULL: a Bloom filter */
	size_t slots;
	unsigned char *bit;
	uint64_t bits;
	unsigned probes;
	uint64_t *first, *second;	/* (listed) the pairs in rising order, column by column */
	size_t listed;
};

/* Text as it is read. */
struct text {
	struct cn_source *source;
	uint64_t line;
	size_t at, end;
	unsigned char buffer[BUFFER];
};

/* What is done with a pair. */
struct taker {
	void (*take)(struct taker *taker, struct pair pair, struct cn_err *err);
	struct cn_pairs *pairs;
	struct pair *kept;	/* where pairs are held until a Bloom filter can be made */
	size_t n, room;
};

static struct pair
in_order(const struct cn_pairs *pairs, uint64_t a, uint64_t b)
{
	return pairs->symmetric && a > b ? (struct pair){ b, a } : (struct pair){ a, b };
}

/* 128 bits: bytes in the order of every machine. */
static void
hash_pair(const struct cn_pairs *pairs, struct pair pair, uint64_t hash[2])
{
	unsigned char in[16], out[crypto_shorthash_siphashx24_BYTES];

	for (unsigned i = 0; i < 8; i++) {
		in[i] = (unsigned char)(pair.a >> 8 * i);
		in[8 + i] = (unsigned char)(pair.b >> 8 * i);
	}
	crypto_shorthash_siphashx24(out, in, sizeof in, pairs->key);
	hash[0] = hash[1] = 0;
	for (unsigned i = 0; i < 16; i++)
		hash[i / 8] |= (uint64_t)out[i] << 8 * (i % 8);
}

/* Where a pair is, or would be. */
static size_t
find_slot(const struct cn_pairs *pairs, struct pair pair)
{
	uint64_t hash[2];
	size_t at;

	hash_pair(pairs, pair, hash);
	at = (size_t)hash[0] & (pairs->slots - 1);
	while (pairs->slot[at].b && (pairs->slot[at].a != pair.a || pairs->slot[at].b != pair.b + 1))
		at = (at + 1) & (pairs->slots - 1);
	return at;
}

static int
check_memory(const struct cn_pairs *pairs, uint64_t bytes, struct cn_err *err)
{
	if (pairs->limit && bytes > pairs->limit)
		return cn_err_set(err, CN_FAILED, "%s: the pairs take %llu KiB, more than --memory allows (%llu KiB)", pairs->file,
			(unsigned long long)((bytes + 1023) >> 10), (unsigned long long)(pairs->limit >> 10));
	return 0;
}

static int
grow_table(struct cn_pairs *pairs, struct cn_err *err)
{
	struct cn_pairs larger = *pairs;

	larger.slots = pairs->slots ? 2 * pairs->slots : FIRST_SLOTS;
	if (check_memory(pairs, (pairs->slots + larger.slots) * sizeof *larger.slot, err) < 0)
		return -1;
	larger.slot = cn_mem_array(larger.slots, sizeof *larger.slot, err);
	if (!larger.slot)
		return -1;
	for (size_t i = 0; i < pairs->slots; i++)
		if (pairs->slot[i].b)
			larger.slot[find_slot(&larger, (struct pair){ pairs->slot[i].a, pairs->slot[i].b - 1 })] = pairs->slot[i];
	cn_mem_free(pairs->slot);
	*pairs = larger;
	return 0;
}

static void
take_exact(struct taker *taker, struct pair pair, struct cn_err *err)
{
	struct cn_pairs *pairs = taker->pairs;

	if (pairs->count >= pairs->slots / 4 * 3 && grow_table(pairs, err) < 0)
		return;
	struct pair *slot = pairs->slot + find_slot(pairs, pair);

	pairs->count += !slot->b;
	*slot = (struct pair){ pair.a, pair.b + 1 };
}

static void
take_number(struct taker *taker, struct pair pair, struct cn_err *err)
{
	(void)pair;
	(void)err;
	taker->n++;
}

static void
take_keep(struct taker *taker, struct pair pair, struct cn_err *err)
{
	if (check_memory(taker->pairs, (taker->n + 1) * sizeof pair, err) < 0 ||
	    cn_mem_grow((void **)&taker->kept, &taker->room, taker->n + 1, sizeof pair, err) < 0)
		return;
	taker->kept[taker->n++] = pair;
}

/* Enhanced double hashing (Dillinger & Manolios 2004); sets the bits of a pair, if asked to, and says whether all were. */
static bool
probe(const struct cn_pairs *pairs, struct pair pair, bool set)
{
	uint64_t hash[2], x, y;
	bool all = true;

	hash_pair(pairs, pair, hash);
	x = hash[0] % pairs->bits;
	y = hash[1] % pairs->bits;
	for (unsigned i = 1; i <= pairs->probes && (all || set); i++) {
		const unsigned char mask = (unsigned char)(1u << x % 8);

		all = all && pairs->bit[x / 8] & mask;
		if (set)
			pairs->bit[x / 8] |= mask;
		x = (x + y) % pairs->bits;
		y = (y + i) % pairs->bits;
	}
	return all;
}

static void
take_bloom(struct taker *taker, struct pair pair, struct cn_err *err)
{
	(void)err;
	taker->pairs->count += !probe(taker->pairs, pair, true);
}

/* -1 at the end, or on err. */
static int
next_byte(struct text *text, struct cn_err *err)
{
	if (text->at == text->end) {
		const size_t got = cn_source_read(text->source, text->buffer, BUFFER, err);

		text->at = 0;
		text->end = got == SIZE_MAX ? 0 : got;
		if (!text->end)
			return -1;
	}
	return text->buffer[text->at++];
}

/* Behind the digits of an id; NULL where there is none. */
static const char *
parse_id(const char *at, uint64_t *id)
{
	const char *start = at;

	for (*id = 0; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(*id, 10, id) || __builtin_add_overflow(*id, (uint64_t)(*at - '0'), id))
			return NULL;
	return at > start && *id != UINT64_MAX ? at : NULL;
}

static bool
parse_pair(const char *line, const char *end, struct pair *pair)
{
	const char *at = parse_id(line, &pair->a);

	at = at && *at == '\t' ? parse_id(at + 1, &pair->b) : NULL;
	return at == end;
}

static int
refuse_line(const struct text *text, char *line, struct cn_err *err)
{
	for (char *at = line; (at = strchr(at, '\t'));)
		*at = ' ';
	return cn_err_set(err, CN_FAILED, "%s: line %llu: expected two ids (0 to 18446744073709551614) separated by a tab, "
		"got '%s'; comments begin with #", cn_source_name(text->source), (unsigned long long)text->line,
		cn_head_printable(line));
}

/* The next line that has a pair: 1, 0 at the end, -1 error. */
static int
next_pair(struct text *text, struct pair *pair, struct cn_err *err)
{
	char line[LINE + 1];
	size_t n;
	int c;

	do {
		for (n = 0; (c = next_byte(text, err)) >= 0 && c != '\n';)
			if (n < LINE)
				line[n++] = (char)c;
		if (err->code)
			return -1;
		if (c < 0 && n == 0)
			return 0;
		text->line++;
		n -= n > 0 && line[n - 1] == '\r';
		line[n] = '\0';
	} while (n == 0 || line[0] == '#');
	return parse_pair(line, line + n, pair) ? 1 : refuse_line(text, line, err);
}

static int
read_all(struct text *text, struct taker *taker, struct cn_err *err)
{
	struct pair pair = { 0, 0 };

	text->at = text->end = 0;
	text->line = 0;
	while (next_pair(text, &pair, err) > 0)
		taker->take(taker, in_order(taker->pairs, pair.a, pair.b), err);
	return err->code ? -1 : 0;
}

void
cn_pairs_bloom_size(uint64_t n, double rate, uint64_t *bits, unsigned *probes)
{
	const double ln2 = cn_rng_log(2);

	*bits = n ? (uint64_t)ceil(-(double)n * cn_rng_log(rate) / (ln2 * ln2)) : 1;
	*probes = n ? (unsigned)ceil((double)*bits / (double)n * ln2) : 1;
}

/* The number of pairs decides the size, so it must be known first. */
static int
read_bloom(struct cn_pairs *pairs, struct text *text, double rate, struct cn_err *err)
{
	const bool twice = cn_source_seekable(text->source);
	struct taker taker = { twice ? take_number : take_keep, pairs, NULL, 0, 0 };

	memcpy(pairs->key, "CNS1 known pairs", KEY);
	if (read_all(text, &taker, err) == 0) {
		cn_pairs_bloom_size(taker.n, rate, &pairs->bits, &pairs->probes);
		if (check_memory(pairs, (pairs->bits + 7) / 8, err) == 0)
			pairs->bit = cn_mem_array(pairs->bits / 8 + 1, 1, err);
	}
	taker.take = take_bloom;
	if (!err->code && twice && cn_source_seek(text->source, 0, err) == 0)
		read_all(text, &taker, err);
	for (size_t i = 0; i < taker.n && !twice && !err->code; i++)
		take_bloom(&taker, taker.kept[i], err);
	cn_mem_free(taker.kept);
	return err->code ? -1 : 0;
}

static int
read_exact(struct cn_pairs *pairs, struct text *text, struct cn_err *err)
{
	struct taker taker = { take_exact, pairs, NULL, 0, 0 };

	randombytes_buf(pairs->key, KEY);
	return grow_table(pairs, err) < 0 ? -1 : read_all(text, &taker, err);
}

static int
by_first(const void *x, const void *y)
{
	const struct pair *p = x, *q = y;

	if (p->a != q->a)
		return p->a < q->a ? -1 : 1;
	return p->b < q->b ? -1 : p->b > q->b;
}

/* The pairs of the table in rising order, both ways round if that is one. */
static int
list(struct cn_pairs *pairs, struct cn_err *err)
{
	const size_t most = (pairs->symmetric ? 2 : 1) * (size_t)pairs->count;
	struct pair *all = NULL;
	size_t n = 0;

	if (check_memory(pairs, pairs->slots * sizeof *pairs->slot + 2 * most * sizeof *all, err) < 0)
		return -1;
	all = cn_mem_array(most, sizeof *all, err);
	pairs->first = cn_mem_array(most, sizeof *pairs->first, err);
	pairs->second = cn_mem_array(most, sizeof *pairs->second, err);
	for (size_t i = 0; i < pairs->slots && !err->code; i++) {
		const struct pair pair = { pairs->slot[i].a, pairs->slot[i].b - 1 };

		if (pairs->slot[i].b)
			all[n++] = pair;
		if (pairs->slot[i].b && pairs->symmetric && pair.a != pair.b)
			all[n++] = (struct pair){ pair.b, pair.a };
	}
	if (!err->code)
		qsort(all, n, sizeof *all, by_first);
	for (size_t i = 0; i < n && !err->code; i++) {
		pairs->first[i] = all[i].a;
		pairs->second[i] = all[i].b;
	}
	pairs->listed = n;
	cn_mem_free(all);
	return err->code ? -1 : 0;
}

/* Streams and what gzip, zstd and xz write are told from text by their first bytes. */
static int
check_text(struct cn_source *source, struct cn_err *err)
{
	static const unsigned char packed[][3] = { { 0x1f, 0x8b, 8 }, { 0x28, 0xb5, 0x2f }, { 0xfd, '7', 'z' } };
	const char *name = cn_source_name(source);
	unsigned char begin[4] = { 0 };

	if (cn_source_ahead(source, begin, sizeof begin, err) == SIZE_MAX)
		return -1;
	if ((begin[0] | (unsigned)begin[1] << 8 | (unsigned)begin[2] << 16 | (unsigned)begin[3] << 24) == CN_FRAME_MAGIC)
		return cn_err_set(err, CN_FAILED, "%s: is a stream; known pairs are text, two ids a line, separated by a tab", name);
	for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
		if (!memcmp(begin, packed[i], sizeof *packed))
			return cn_err_set(err, CN_FAILED, "%s: is compressed; give known pairs as text, unpacked", name);
	return 0;
}

struct cn_pairs *
cn_pairs_read(const struct cn_pairs_config *config, struct cn_err *err)
{
	struct cn_pairs *pairs = cn_mem_array(1, sizeof *pairs, err);
	struct text *text = cn_mem_array(1, sizeof *text, err);

	if (!err->code && (text->source = cn_source_open(config->path, err)) && check_text(text->source, err) == 0) {
		pairs->symmetric = config->symmetric;
		pairs->limit = config->memory;
		pairs->file = cn_source_name(text->source);
		if (config->false_rate > 0)
			read_bloom(pairs, text, config->false_rate, err);
		else if (read_exact(pairs, text, err) == 0 && config->listed)
			list(pairs, err);
		pairs->file = NULL;
	}
	if (text)
		cn_source_free(text->source);
	cn_mem_free(text);
	if (!err->code)
		return pairs;
	cn_pairs_free(pairs);
	return NULL;
}

bool
cn_pairs_has(const struct cn_pairs *pairs, uint64_t a, uint64_t b)
{
	const struct pair pair = in_order(pairs, a, b);

	if (!pairs->slot)
		return probe(pairs, pair, false);
	return pairs->slot[find_slot(pairs, pair)].b != 0;
}

/* The first place in rising numbers that is not below x. */
static size_t
find_place(const uint64_t *number, size_t n, uint64_t x)
{
	size_t low = 0;

	while (n) {
		const size_t half = n / 2;

		if (number[low + half] < x) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

const uint64_t *
cn_pairs_of(const struct cn_pairs *pairs, uint64_t a, size_t *n)
{
	const size_t from = find_place(pairs->first, pairs->listed, a);
	size_t end = from;

	while (end < pairs->listed && pairs->first[end] == a)
		end++;
	*n = end - from;
	return *n ? pairs->second + from : NULL;
}

uint64_t
cn_pairs_count(const struct cn_pairs *pairs)
{
	return pairs->count;
}

uint64_t
cn_pairs_memory(const struct cn_pairs *pairs)
{
	return (pairs->slot ? pairs->slots * sizeof *pairs->slot : pairs->bits / 8 + 1) + 2 * pairs->listed * sizeof *pairs->first;
}

void
cn_pairs_free(struct cn_pairs *pairs)
{
	if (!pairs)
		return;
	cn_mem_free(pairs->slot);
	cn_mem_free(pairs->bit);
	cn_mem_free(pairs->first);
	cn_mem_free(pairs->second);
	cn_mem_free(pairs);
}
