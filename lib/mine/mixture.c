/* Words of a mixture, and shares of whole negatives. */
#include <stdlib.h>

#include "base/mem.h"
#include "mine/mixture.h"

#include "base/banned.h"

struct cn_mixture
cn_mixture_of(enum cn_strategy strategy)
{
	return (struct cn_mixture){ 1, { { 0, 1, { strategy }, { 1 } } } };
}

static int
find_strategy(const char *name, size_t length)
{
	const char *at = CN_STRATEGY_NAMES;

	for (int i = 0; i < CN_STRATEGIES; i++) {
		const size_t n = strcspn(at, "|");

		if (n == length && memcmp(at, name, n) == 0)
			return i;
		at += n + 1;
	}
	return -1;
}

/* "hard" or "hard:0.5". */
static int
read_part(struct cn_phase *phase, const char *option, const char *word, size_t length, struct cn_err *err)
{
	const char *colon = memchr(word, ':', length);
	const size_t name = colon ? (size_t)(colon - word) : length;
	const int strategy = find_strategy(word, name);
	char *end = NULL;
	double share = 1;

	if (strategy < 0)
		return cn_err_set(err, CN_USAGE, "%s: '%.*s' is no strategy; choose among %s", option, (int)name, word, CN_STRATEGY_NAMES);
	if (phase->parts == CN_MIXTURE_PARTS)
		return cn_err_set(err, CN_USAGE, "%s: at most %d strategies can be mixed", option, CN_MIXTURE_PARTS);
	if (colon)
		share = strtod(colon + 1, &end);
	if (colon && (end != word + length || !(share >= 1e-9 && share <= 1e9)))
		return cn_err_set(err, CN_USAGE, "%s: '%.*s' is no share; write a number from 1e-9 to 1e9, as in random:0.5",
			option, (int)(length - name - 1), colon + 1);
	phase->strategy[phase->parts] = (enum cn_strategy)strategy;
	phase->share[phase->parts++] = share;
	return 0;
}

static size_t
next_word(const char **at, const char *end)
{
	*at += strspn(*at, " \t\n");
	if (*at > end)
		*at = end;

	const size_t n = strcspn(*at, " \t\n");

	return *at + n > end ? (size_t)(end - *at) : n;
}

/* One mixture, up to end; a number in front says from which row on. */
static int
read_phase(struct cn_mixture *mixture, const char *option, const char *at, const char *end, struct cn_err *err)
{
	struct cn_phase *phase = mixture->phase + mixture->phases;
	char *behind = NULL;
	size_t n = next_word(&at, end);

	if (mixture->phases == CN_MIXTURE_PHASES)
		return cn_err_set(err, CN_USAGE, "%s: at most %d phases are possible", option, CN_MIXTURE_PHASES);
	*phase = (struct cn_phase){ 0 };
	if (n && *at >= '0' && *at <= '9') {
		phase->from = strtoull(at, &behind, 10);
		if (behind != at + n)
			return cn_err_set(err, CN_USAGE, "%s: '%.*s' is no row number", option, (int)n, at);
		at += n;
		n = next_word(&at, end);
	}
	for (; n; at += n, n = next_word(&at, end))
		if (n && read_part(phase, option, at, n, err) < 0)
			return -1;
	if (phase->parts == 0)
		return cn_err_set(err, CN_USAGE, "%s: a mixture is empty; write, for example, 'random:0.5 hard:0.5'", option);
	if (mixture->phases ? phase->from <= phase[-1].from : phase->from != 0)
		return cn_err_set(err, CN_USAGE, "%s: the first mixture is for row 0, and rows must rise from one to the next", option);
	mixture->phases++;
	return 0;
}

int
cn_mixture_read(struct cn_mixture *mixture, const char *option, const char *words, struct cn_err *err)
{
	mixture->phases = 0;
	for (const char *at = words; !err->code;) {
		const char *end = at + strcspn(at, ";");

		read_phase(mixture, option, at, end, err);
		if (*end == '\0')
			break;
		at = end + 1;
	}
	return err->code ? -1 : 0;
}

const struct cn_phase *
cn_mixture_at(const struct cn_mixture *mixture, uint64_t row, uint64_t *end)
{
	size_t i = mixture->phases - 1;

	while (i && mixture->phase[i].from > row)
		i--;
	*end = i + 1 < mixture->phases ? mixture->phase[i + 1].from : UINT64_MAX;
	return mixture->phase + i;
}

int
cn_mixture_has(const struct cn_mixture *mixture, enum cn_strategy strategy)
{
	for (size_t i = 0; i < mixture->phases; i++)
		for (size_t j = 0; j < mixture->phase[i].parts; j++)
			if (mixture->phase[i].strategy[j] == strategy)
				return 1;
	return 0;
}

void
cn_mixture_split(const double *share, size_t n, size_t k, size_t *count)
{
	double total = 0, rest[64];
	size_t given = 0;

	for (size_t i = 0; i < n; i++)
		total += share[i];
	for (size_t i = 0; i < n; i++) {
		const double part = (double)k * share[i] / total;

		count[i] = part < (double)(k - given) ? (size_t)part : k - given;
		rest[i] = part - (double)count[i];
		given += count[i];
	}
	for (; given < k; given++) {
		size_t most = 0;

		for (size_t i = 1; i < n; i++)
			if (rest[i] > rest[most] + 1e-9)
				most = i;
		count[most]++;
		rest[most] = -1;
	}
}
