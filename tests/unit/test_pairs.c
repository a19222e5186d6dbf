/* pairs: membership against looking at every line, the sizes of Bloom filters, their rate, and lines that are none. */
#include "data/pairs.h"

#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tap.h"
#include "base/banned.h"

enum { N = 3000, IDS = 150, MANY = 20000 };

static char path[] = "/tmp/cn-pairs-XXXXXX";

static void
put(const char *text)
{
	FILE *f = fopen(path, "wb");

	fputs(text, f);
	fclose(f);
}

static struct cn_pairs *
read_back(bool symmetric, double rate, struct cn_err *err)
{
	*err = (struct cn_err){ 0 };
	return cn_pairs_read(&(struct cn_pairs_config){ path, symmetric, rate, 0 }, err);
}

/* Every pair of ids asked of the set and of all lines. */
static void
membership(bool symmetric, double rate)
{
	static uint64_t line[N][2];
	struct cn_err err = { 0 };
	struct cn_rng_key key;
	struct cn_rng rng;
	size_t wrong = 0, missing = 0, different = 0, members = 0;
	FILE *f = fopen(path, "wb");

	cn_rng_key_init(&key, 1, "test-pairs");
	cn_rng_start(&rng, &key, 0, 0);
	fputs("# anchor\tpositive\n\n", f);
	for (size_t i = 0; i < N; i++) {
		line[i][0] = cn_rng_below(&rng, IDS);
		line[i][1] = cn_rng_below(&rng, IDS);
		fprintf(f, "%llu\t%llu%s", (unsigned long long)line[i][0], (unsigned long long)line[i][1], i % 3 ? "\n" : "\r\n");
	}
	fclose(f);

	struct cn_pairs *pairs = read_back(symmetric, rate, &err);

	for (uint64_t a = 0; a < IDS && pairs; a++)
		for (uint64_t b = 0; b < IDS; b++) {
			bool there = false;

			for (size_t i = 0; i < N && !there; i++)
				there = (line[i][0] == a && line[i][1] == b) || (symmetric && line[i][0] == b && line[i][1] == a);
			members += there;
			different += there && (!symmetric || a <= b);
			missing += there && !cn_pairs_has(pairs, a, b);
			wrong += !there && cn_pairs_has(pairs, a, b);
		}
	TAP_OK(!err.code && members > 0 && missing == 0, "every pair of the file is in the set%s%s", symmetric ? ", both ways" : "",
		rate > 0 ? ", of a Bloom filter" : "");
	TAP_OK(rate > 0 ? wrong < 4 * rate * (IDS * IDS - members) : wrong == 0, "%s other is (%zu)", rate > 0 ? "hardly any" : "no", wrong);
	TAP_OK(pairs && (rate > 0 ? cn_pairs_count(pairs) <= different && cn_pairs_count(pairs) > different * 0.98 :
		cn_pairs_count(pairs) == different), "different ones are counted");
	cn_pairs_free(pairs);
}

/* n pairs (i, 7 i + 1), and how often m others seem to be there. */
static void
false_rate(double rate)
{
	struct cn_err err = { 0 };
	FILE *f = fopen(path, "wb");
	uint64_t bits;
	unsigned probes;
	size_t wrong = 0, missing = 0;
	const size_t others = 1000000;

	for (unsigned i = 0; i < MANY; i++)
		fprintf(f, "%u\t%u\n", i, 7 * i + 1);
	fclose(f);

	struct cn_pairs *pairs = read_back(false, rate, &err);

	cn_pairs_bloom_size(MANY, rate, &bits, &probes);
	for (size_t i = 0; i < MANY && pairs; i++)
		missing += !cn_pairs_has(pairs, i, 7 * i + 1);
	for (size_t i = 0; i < others && pairs; i++)
		wrong += cn_pairs_has(pairs, i % MANY, 7 * (i % MANY) + 2 + i / MANY);
	const double want = rate * (double)others, spread = 5 * sqrt(want) + 0.05 * want;

	TAP_OK(pairs && missing == 0 && fabs((double)wrong - want) < spread, "of %zu others %zu seem to be there, about %.0f are expected",
		others, wrong, want);
	TAP_OK(pairs && cn_pairs_memory(pairs) == bits / 8 + 1, "in %llu bits", (unsigned long long)bits);
	cn_pairs_free(pairs);
}

static void
sizes(void)
{
	static const struct { uint64_t n; double rate; uint64_t bits; unsigned probes; } want[] = {
		{ 86835, 1e-3, 1248478, 10 }, { 272115, 1e-3, 3912358, 10 }, { 1, 0.5, 2, 2 }, { 0, 1e-3, 1, 1 },
	};

	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		uint64_t bits;
		unsigned probes;

		cn_pairs_bloom_size(want[i].n, want[i].rate, &bits, &probes);
		TAP_OK(bits == want[i].bits && probes == want[i].probes, "%llu pairs take %llu bits and %u probes",
			(unsigned long long)want[i].n, (unsigned long long)bits, probes);
	}
}

static void
refuses(const char *text, double rate, const char *part)
{
	struct cn_err err;

	put(text);
	struct cn_pairs *pairs = read_back(false, rate, &err);

	TAP_OK(!pairs && err.code == CN_FAILED && strstr(err.text, part), "refused: %s", err.text);
	cn_pairs_free(pairs);
}

static void
bad_lines(void)
{
	static const char *const bad[] = { "1 2", "1\t", "\t2", "1", "1\t2\t3", "a\tb", "-1\t2", "1\t+2", "1\t 2", "1\t2 ", "0x1\t2", "1.0\t2",
		"18446744073709551615\t2", "2\t18446744073709551616", "99999999999999999999999\t1", " # no",
		"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001\t2" };
	char text[256];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "# known\n1\t2\n\n%s\n3\t4\n", bad[i]);
		refuses(text, i % 2 ? 0 : 0.01, "line 4: expected two ids");
	}
	refuses("1\t2\n\033[2J\t2", 0, "line 2: expected two ids (0 to 18446744073709551614) separated by a tab, got '?[2J 2'");
	refuses("\x5c\x2a\x4d\x18", 0, "is a stream");
	refuses("\x1f\x8b\x08\x01", 0, "is compressed");
}

static void
edges(void)
{
	struct cn_err err = { 0 };

	put("18446744073709551614\t0\n0\t18446744073709551614");
	for (int bloom = 0; bloom < 2; bloom++) {
		struct cn_pairs *pairs = read_back(false, bloom ? 1e-6 : 0, &err);

		TAP_OK(pairs && cn_pairs_has(pairs, UINT64_MAX - 1, 0) && cn_pairs_has(pairs, 0, UINT64_MAX - 1) && cn_pairs_count(pairs) == 2,
			"the greatest id, in a last line without its end");
		TAP_OK(pairs && !cn_pairs_has(pairs, UINT64_MAX, 0) && !cn_pairs_has(pairs, 0, UINT64_MAX) && !cn_pairs_has(pairs, 0, 0),
			"what is none is in no pair");
		cn_pairs_free(pairs);
	}
	put("# nothing\n");
	for (int bloom = 0; bloom < 2; bloom++) {
		struct cn_pairs *pairs = read_back(true, bloom ? 1e-3 : 0, &err);

		TAP_OK(pairs && cn_pairs_count(pairs) == 0 && !cn_pairs_has(pairs, 1, 2), "no pairs, and none is known");
		cn_pairs_free(pairs);
	}
}

/* A pipe, which cannot be read twice. */
static void
pipes(void)
{
	static const char text[] = "3\t4\n5\t6\n3\t4\n";
	char name[32];
	int ends[2];

	for (int bloom = 0; bloom < 2; bloom++) {
		struct cn_err err = { 0 };

		if (pipe(ends) || write(ends[1], text, sizeof text - 1) < 0)
			return;
		close(ends[1]);
		snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
		struct cn_pairs *pairs = cn_pairs_read(&(struct cn_pairs_config){ name, false, bloom ? 1e-6 : 0, 0 }, &err);

		TAP_OK(pairs && cn_pairs_has(pairs, 3, 4) && cn_pairs_has(pairs, 5, 6) && !cn_pairs_has(pairs, 4, 3) && cn_pairs_count(pairs) == 2,
			"from a pipe%s", bloom ? ", into a Bloom filter" : "");
		cn_pairs_free(pairs);
		close(ends[0]);
	}
}

/* The file has 20,000 pairs here: 320,000 bytes and more of table, 36,000 of filter. */
static void
bounds(void)
{
	for (int bloom = 0; bloom < 2; bloom++) {
		struct cn_err err = { 0 }, none = { 0 };
		struct cn_pairs_config config = { path, false, bloom ? 1e-3 : 0, 30000 };
		struct cn_pairs *pairs = cn_pairs_read(&config, &err);

		TAP_OK(!pairs && strstr(err.text, "more than --memory allows (29 KiB)"), "refused: %s", err.text);
		config.memory = bloom ? 40000 : 2000000;
		pairs = cn_pairs_read(&config, &none);
		TAP_OK(pairs && cn_pairs_memory(pairs) <= config.memory, "and not where they fit, in %llu bytes",
			pairs ? (unsigned long long)cn_pairs_memory(pairs) : 0);
		cn_pairs_free(pairs);
	}
}

/* The partners of an id, in rising order and once each. */
static void
listed(void)
{
	struct cn_err err = { 0 };
	size_t n, m, none;

	put("5\t9\n5\t3\n7\t5\n5\t9\n2\t2\n");
	struct cn_pairs *one = cn_pairs_read(&(struct cn_pairs_config){ .path = path, .listed = true }, &err);
	struct cn_pairs *both = cn_pairs_read(&(struct cn_pairs_config){ .path = path, .listed = true, .symmetric = true }, &err);
	const uint64_t *of = cn_pairs_of(one, 5, &n), *all = cn_pairs_of(both, 5, &m);

	TAP_OK(of && n == 2 && of[0] == 3 && of[1] == 9, "an id's partners are listed");
	TAP_OK(all && m == 3 && all[0] == 3 && all[1] == 7 && all[2] == 9, "both ways");
	TAP_OK(cn_pairs_of(one, 9, &none) == NULL && none == 0 && cn_pairs_of(both, 2, &none) && none == 1, "none, and itself, once");
	cn_pairs_free(one);
	cn_pairs_free(both);
	one = read_back(false, 0, &err);
	TAP_OK(cn_pairs_of(one, 5, &none) == NULL && none == 0, "unless asked for, none is");
	cn_pairs_free(one);
}

int
main(void)
{
	const int file = mkstemp(path);

	membership(false, 0);
	membership(true, 0);
	membership(false, 1e-3);
	membership(true, 0.01);
	sizes();
	false_rate(1e-2);
	false_rate(1e-3);
	bounds();
	bad_lines();
	edges();
	pipes();
	listed();
	close(file);
	unlink(path);
	return tap_done();
}
