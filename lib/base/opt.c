/* opt - options as one table: parsing and the words of a history. */
#include "base/opt.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

/* A row is called by its long name in messages. */
static int
refuse(const struct cn_opt *opt, struct cn_err *err, const char *what, const char *word)
{
	return cn_err_set(err, CN_USAGE, "--%s %s%s%s%s", opt->name, what, word ? ", not '" : "",
		word ? word : "", word ? "'" : "");
}

static bool
has_range(const struct cn_opt *opt)
{
	return opt->min < opt->max;
}

static int
check_range(const struct cn_opt *opt, double value, const char *word, struct cn_err *err)
{
	if (!has_range(opt) || (value >= opt->min && value <= opt->max))
		return 0;
	return cn_err_set(err, CN_USAGE, "--%s must lie in %.15g to %.15g, not '%s'", opt->name, opt->min,
		opt->max, word);
}

static int
parse_int(const struct cn_opt *opt, const char *word, long long *value, struct cn_err *err)
{
	char *end;

	errno = 0;
	*value = strtoll(word, &end, 10);
	if (end == word || *end)
		return refuse(opt, err, "wants a whole number", word);
	if (errno) {
		if (has_range(opt))
			return check_range(opt, *value < 0 ? opt->min - 1 : opt->max + 1, word, err);
		return refuse(opt, err, "wants a smaller number", word);
	}
	return check_range(opt, (double)*value, word, err);
}

static int
parse_real(const struct cn_opt *opt, const char *word, size_t length, double *value, struct cn_err *err)
{
	char copy[64], *end = copy;

	if (length < sizeof copy) {
		memcpy(copy, word, length);
		copy[length] = '\0';
		*value = strtod(copy, &end);
	}
	if (end == copy || *end || !(*value - *value == 0))
		return refuse(opt, err, "wants a number", word);
	return check_range(opt, *value, word, err);
}

static int
parse_size(const struct cn_opt *opt, const char *word, long long *value, struct cn_err *err)
{
	static const char units[] = "kMGT";
	const char *unit;
	char *end;
	double bytes = strtod(word, &end);

	if (end != word && *end && (unit = strchr(units, *end == 'K' ? 'k' : *end))) {
		bytes *= (double)(1LL << 10 * (unit - units + 1));
		end++;
	}
	if (end == word || *end || !(bytes >= 0 && bytes < 0x1p62))
		return refuse(opt, err, "wants a size like 500M or 4G", word);
	*value = (long long)bytes;
	return check_range(opt, bytes, word, err);
}

static int
parse_choice(const struct cn_opt *opt, const char *word, int *value, struct cn_err *err)
{
	size_t length = strlen(word);
	const char *choice = opt->choices;

	for (int i = 0; length && choice; i++) {
		size_t n = strcspn(choice, "|");

		if (n == length && !memcmp(choice, word, n)) {
			*value = i;
			return 0;
		}
		choice = choice[n] ? choice + n + 1 : NULL;
	}
	return cn_err_set(err, CN_USAGE, "--%s is one of %s, not '%s'", opt->name, opt->choices, word);
}

static int
parse_reals(const struct cn_opt *opt, const char *word, struct cn_reals *reals, struct cn_err *err)
{
	struct cn_reals fresh = { 0 };

	for (const char *at = word;;) {
		size_t length = strcspn(at, ",");

		if (fresh.n == sizeof fresh.value / sizeof *fresh.value)
			return refuse(opt, err, "wants at most 8 numbers", word);
		if (parse_real(opt, at, length, &fresh.value[fresh.n++], err))
			return -1;
		if (!at[length])
			break;
		at += length + 1;
	}
	*reals = fresh;
	return 0;
}

static int
add_text(const struct cn_opt *opt, const char *word, struct cn_texts *texts, struct cn_err *err)
{
	if (texts->n == sizeof texts->value / sizeof *texts->value)
		return refuse(opt, err, "is given more than 64 times", NULL);
	texts->value[texts->n++] = word;
	return 0;
}

/* The one setter, for defaults and the user's words alike. */
static int
set(const struct cn_opt *opt, void *config, const char *word, struct cn_err *err)
{
	void *slot = (char *)config + opt->slot.offset;

	switch (opt->slot.type) {
	case CN_OPT_INT:
		return parse_int(opt, word, slot, err);
	case CN_OPT_REAL:
		return parse_real(opt, word, strlen(word), slot, err);
	case CN_OPT_SIZE:
		return parse_size(opt, word, slot, err);
	case CN_OPT_CHOICE:
		return parse_choice(opt, word, slot, err);
	case CN_OPT_REALS:
		return parse_reals(opt, word, slot, err);
	case CN_OPT_TEXTS:
		return add_text(opt, word, slot, err);
	case CN_OPT_PATH:
	case CN_OPT_PATHS:
		if (!*word)
			return refuse(opt, err, "wants the name of a file", word);
		if (opt->slot.type == CN_OPT_PATHS)
			return add_text(opt, word, slot, err);
		*(const char **)slot = word;
		return 0;
	case CN_OPT_TEXT:
		*(const char **)slot = word;
		return 0;
	case CN_OPT_FLAG:
		*(int *)slot = !strcmp(word, "1");
		return 0;
	}
	return refuse(opt, err, "has no type", NULL);
}

static int
set_defaults(const struct cn_opt *opts, void *config, struct cn_err *err)
{
	for (const struct cn_opt *opt = opts; opt->name; opt++)
		if (opt->fallback && set(opt, config, opt->fallback, err))
			return -1;
	return 0;
}

static bool
is_flag(const struct cn_opt *opt)
{
	return opt->slot.type == CN_OPT_FLAG;
}

/* Long names of every program beside those of its table; they are answered before anything is parsed. */
static const struct cn_opt answers[] = {
	{ .name = "help", .slot = { 0, CN_OPT_FLAG } }, { .name = "version", .slot = { 0, CN_OPT_FLAG } }, CN_OPT_END
};

static bool
is_answer(const struct cn_opt *opt)
{
	return opt == &answers[0] || opt == &answers[1];
}

/* The row after this one, in the table and then in answers. */
static const struct cn_opt *
next(const struct cn_opt *opt)
{
	return opt[1].name ? opt + 1 : is_answer(opt) ? NULL : answers;
}

/* The row of a long name or of a unique prefix of one; *cleared for --no-NAME of a flag. */
static const struct cn_opt *
find_long(const struct cn_opt *opts, const char *name, size_t length, bool *cleared, struct cn_err *err)
{
	const struct cn_opt *near = NULL;
	bool negated = length > 3 && !memcmp(name, "no-", 3), near_cleared = false, several = false;

	for (const struct cn_opt *opt = opts->name ? opts : answers; opt; opt = next(opt)) {
		for (int no = 0; no <= (negated && is_flag(opt) && !is_answer(opt)); no++) {
			const char *word = no ? name + 3 : name;
			size_t n = no ? length - 3 : length;

			if (!n || strncmp(opt->name, word, n))
				continue;
			*cleared = no;
			if (!opt->name[n])
				return opt;
			several = near != NULL;
			near = opt;
			near_cleared = no;
		}
	}
	*cleared = near_cleared;
	if (near && !several)
		return near;
	cn_err_set(err, CN_USAGE, several ? "--%.*s stands for several options; write more of it"
		: "no such option: --%.*s", (int)(length > 200 ? 200 : length), name);
	return NULL;
}

/* One argument that begins with "--"; *i moves on if the value is a word of its own. */
static int
parse_long(const struct cn_opt *opts, void *config, int argc, char **argv, int *i, struct cn_err *err)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	bool cleared = false;
	const struct cn_opt *opt = find_long(opts, name, length, &cleared, err);

	if (!opt)
		return -1;
	if (is_flag(opt)) {
		if (equals)
			return refuse(opt, err, "takes no value", equals + 1);
		return is_answer(opt) ? 0 : set(opt, config, cleared ? "0" : "1", err);
	}
	if (!equals && *i + 1 >= argc)
		return cn_err_set(err, CN_USAGE, "--%s wants a value: %s", opt->name,
			opt->arg ? opt->arg : "value");
	return set(opt, config, equals ? equals + 1 : argv[++*i], err);
}

/* -k where --k was meant. */
static int
refuse_letter(const struct cn_opt *opts, char letter, struct cn_err *err)
{
	for (; opts->name; opts++)
		if (opts->name[0] == letter && !opts->name[1])
			return cn_err_set(err, CN_USAGE, "no such option: -%c; did you mean --%c?", letter, letter);
	return cn_err_set(err, CN_USAGE, "no such option: -%c", letter);
}

/* One argument of letters: flags may be joined, a letter with a value ends it. */
static int
parse_letters(const struct cn_opt *opts, void *config, int argc, char **argv, int *i, struct cn_err *err)
{
	for (const char *letter = argv[*i] + 1; *letter; letter++) {
		const struct cn_opt *opt = opts;

		while (opt->name && opt->letter != *letter)
			opt++;
		if (!opt->name)
			return refuse_letter(opts, *letter, err);
		if (is_flag(opt)) {
			if (set(opt, config, "1", err))
				return -1;
			continue;
		}
		if (!letter[1] && *i + 1 >= argc)
			return cn_err_set(err, CN_USAGE, "-%c wants a value: %s", opt->letter,
				opt->arg ? opt->arg : "value");
		return set(opt, config, letter[1] ? letter + 1 : argv[++*i], err);
	}
	return 0;
}

int
cn_opt_parse(const struct cn_opt *opts, void *config, int argc, char **argv, struct cn_err *err)
{
	int operands = 0;
	bool options = true;

	if (set_defaults(opts, config, err))
		return -1;
	for (int i = 0; i < argc; i++) {
		char *word = argv[i];

		if (!options || word[0] != '-' || !word[1])
			argv[operands++] = word;
		else if (!strcmp(word, "--"))
			options = false;
		else if (word[1] == '-')
			parse_long(opts, config, argc, argv, &i, err);
		else
			parse_letters(opts, config, argc, argv, &i, err);
	}
	return err->code ? -1 : operands;
}

int
cn_opt_asks(const struct cn_opt *opts, const char *word, const char *name)
{
	struct cn_err none = { 0 };
	bool cleared;
	const struct cn_opt *opt = strncmp(word, "--", 2) ? NULL : find_long(opts, word + 2, strlen(word) - 2, &cleared, &none);

	return opt && is_answer(opt) && !strcmp(opt->name, name);
}

const char *
cn_opt_choice(const char *choices, int index, char *buffer, size_t size)
{
	const char *choice = choices;

	for (; index > 0 && choice; index--) {
		choice = strchr(choice, '|');
		if (choice)
			choice++;
	}
	snprintf(buffer, size, "%.*s", choice ? (int)strcspn(choice, "|") : 1, choice ? choice : "?");
	return buffer;
}

/* A number as the shortest text that reads back the same. */
static void
real_text(double value, char *buffer, size_t size)
{
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(buffer, size, "%.*g", digits, value);
		if (strtod(buffer, NULL) == value)
			return;
	}
}

static void
reals_text(const struct cn_reals *reals, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < reals->n && used + 32 < size; i++) {
		if (i)
			buffer[used++] = ',';
		real_text(reals->value[i], buffer + used, size - used);
		used += strlen(buffer + used);
	}
}

/* "option.NAME" and its value as text ("flag.NAME", 1 or 0, where none is typed); repeated texts get a number each. */
static int
describe(const struct cn_opt *opt, const void *config, struct cn_meta *to, struct cn_err *err)
{
	const void *slot = (const char *)config + opt->slot.offset;
	char key[128], text[256] = "";

	snprintf(key, sizeof key, "%s.%s", is_flag(opt) ? "flag" : "option", opt->name);
	switch (opt->slot.type) {
	case CN_OPT_INT:
	case CN_OPT_SIZE:
		snprintf(text, sizeof text, "%lld", *(const long long *)slot);
		break;
	case CN_OPT_REAL:
		real_text(*(const double *)slot, text, sizeof text);
		break;
	case CN_OPT_REALS:
		reals_text(slot, text, sizeof text);
		break;
	case CN_OPT_CHOICE:
		cn_opt_choice(opt->choices, *(const int *)slot, text, sizeof text);
		break;
	case CN_OPT_FLAG:
		snprintf(text, sizeof text, "%d", *(const int *)slot);
		break;
	case CN_OPT_TEXT:
	case CN_OPT_PATH: {
		const char *value = *(const char *const *)slot;

		return value ? cn_meta_set(to, key, value, err) : 0;
	}
	case CN_OPT_TEXTS:
	case CN_OPT_PATHS: {
		const struct cn_texts *texts = slot;

		for (size_t i = 0; i < texts->n; i++) {
			snprintf(key, sizeof key, "option.%s.%zu", opt->name, i + 1);
			if (cn_meta_set(to, key, texts->value[i], err))
				return -1;
		}
		return 0;
	}
	}
	return cn_meta_set(to, key, text, err);
}

/* Whether the value differs from what the fallback would have set. */
static bool
differs(const struct cn_opt *opt, const void *config, struct cn_err *err)
{
	union {
		long long i;
		double r;
		int c;
		const char *t;
		struct cn_reals rs;
		struct cn_texts ts;
	} fresh;
	const void *slot = (const char *)config + opt->slot.offset;
	struct cn_opt moved = *opt;

	memset(&fresh, 0, sizeof fresh);
	moved.slot.offset = 0;
	if (opt->fallback && set(&moved, &fresh, opt->fallback, err))
		return false;
	switch (opt->slot.type) {
	case CN_OPT_INT:
	case CN_OPT_SIZE:
		return *(const long long *)slot != fresh.i;
	case CN_OPT_REAL:
		return *(const double *)slot != fresh.r;
	case CN_OPT_CHOICE:
	case CN_OPT_FLAG:
		return *(const int *)slot != fresh.c;
	case CN_OPT_REALS: {
		const struct cn_reals *reals = slot;

		return reals->n != fresh.rs.n || memcmp(reals->value, fresh.rs.value,
			reals->n * sizeof *reals->value);
	}
	case CN_OPT_TEXT:
	case CN_OPT_PATH: {
		const char *value = *(const char *const *)slot;

		return value && (!fresh.t || strcmp(value, fresh.t));
	}
	case CN_OPT_TEXTS:
	case CN_OPT_PATHS:
		return ((const struct cn_texts *)slot)->n != fresh.ts.n;
	}
	return false;
}

const struct cn_opt *
cn_opt_find(const struct cn_opt *opts, const char *name)
{
	for (; opts->name; opts++)
		if (!strcmp(opts->name, name))
			return opts;
	return NULL;
}

bool
cn_opt_given(const struct cn_opt *opts, const void *config, const char *name)
{
	const struct cn_opt *opt = cn_opt_find(opts, name);
	struct cn_err none = { 0 };

	return opt && differs(opt, config, &none);
}

bool
cn_opt_lists(const char *list, const char *word)
{
	const size_t length = strlen(word);

	while (*list) {
		const size_t n = strcspn(list, ",");

		if (n == length && !memcmp(list, word, n))
			return true;
		list += n + strspn(list + n, ", ");
	}
	return false;
}

int
cn_opt_check_of(const struct cn_opt *opts, const void *config, const char *by, const char *word, struct cn_err *err)
{
	for (const struct cn_opt *opt = opts; opt->name; opt++)
		if (opt->of && !cn_opt_lists(opt->of, word) && differs(opt, config, err))
			return cn_err_set(err, CN_USAGE, "--%s would do nothing here: it is for %s %s", opt->name, by, opt->of);
	return err->code ? -1 : 0;
}

int
cn_opt_history(const struct cn_opt *opts, const void *config, struct cn_meta *to, struct cn_err *err)
{
	for (const struct cn_opt *opt = opts; opt->name; opt++)
		if (!opt->silent && differs(opt, config, err) && describe(opt, config, to, err))
			return -1;
	return err->code ? -1 : 0;
}
