/* test_opt - options as one table: what is taken, what is refused and by which words. */
#include <string.h>

#include "base/opt.h"
#include "tap.h"
#include "base/banned.h"

struct config {
	struct cn_common common;
	long long k, bytes;
	double rate;
	int choice, flag;
	const char *text;
	struct cn_reals reals;
	struct cn_texts texts;
	long long near, far;
	const char *notes;
	int both;
};

static const struct cn_opt opts[] = {
	{ 'k', "count", CN_INT(k), "number", "16", 1, 64, .help = "Count" },
	{ 0, "rate", CN_REAL(rate), "number", "0.5", 0, 1, .help = "Rate" },
	{ 0, "memory", CN_SIZE(bytes), "size", "1M", .help = "Memory" },
	{ 0, "kind", CN_CHOICE(choice), "word", "hard", .choices = "random|hard|hardest", .help = "Kind" },
	{ 'w', "wide", CN_FLAG(flag), .help = "Wide" },
	{ 't', "text", CN_TEXT(text), "text", .help = "Text" },
	{ 'j', "jitter", CN_REALS(reals), "numbers", "0,0", 0, 1, .help = "Jitter" },
	{ 0, "match", CN_TEXTS(texts), "glob", .help = "Match" },
	{ 0, "near", CN_INT(near), "number", "1", 0, 9, .of = "one, three", .help = "Near" },
	{ 0, "far", CN_INT(far), "number", "1", 0, 9, .of = "two", .help = "Far" },
	{ 0, "notes", CN_PATH(notes), "file", .silent = 1, .writes = CN_OPT_NOTES, .of = "three", .help = "Notes" },
	{ 0, "both", CN_FLAG(both), .of = "one, two", .help = "Both" },
	CN_OPT_THREADS_ROW, CN_OPT_SEED_ROW, CN_OPT_OUT_ROWS,
	CN_OPT_END
};

static struct config config;
static struct cn_err err;
static char *words[16];

static int
parse(const char *line)
{
	static char copy[256];
	int n = 0;

	config = (struct config){ 0 };
	err = (struct cn_err){ 0 };
	snprintf(copy, sizeof copy, "%s", line);
	for (char *at = copy; *at;) {
		words[n++] = at;
		at += strcspn(at, " ");
		if (*at)
			*at++ = '\0';
	}
	return cn_opt_parse(opts, &config, n, words, &err);
}

static void
refused(const char *line, const char *words_of_it)
{
	TAP_OK(parse(line) == -1 && err.code == CN_USAGE && strstr(err.text, words_of_it), "%s: %s", line,
		err.text);
}

static void
test_taken(void)
{
	TAP_OK(parse("") == 0 && config.k == 16 && config.rate == 0.5 && config.bytes == 1 << 20
		&& config.choice == 1, "defaults");
	TAP_OK(parse("a -k 3 b") == 2 && config.k == 3 && !strcmp(words[0], "a") && !strcmp(words[1], "b"),
		"operands come to the front");
	TAP_OK(parse("-k3 -wt x") == 0 && config.k == 3 && config.flag && !strcmp(config.text, "x"),
		"letters with and without space");
	TAP_OK(parse("--count=64 --rat 1 --kind=hardest") == 0 && config.k == 64 && config.rate == 1
		&& config.choice == 2, "long names and a prefix");
	TAP_OK(parse("-w --no-wide") == 0 && !config.flag, "--no-NAME clears a flag");
	TAP_OK(parse("-j .25,1,0 --memory 3G") == 0 && config.reals.n == 3 && config.reals.value[0] == 0.25
		&& config.bytes == 3LL << 30, "lists and sizes");
	TAP_OK(parse("--match a --match b") == 0 && config.texts.n == 2 && !strcmp(config.texts.value[1],
		"b"), "repeated texts");
	TAP_OK(parse("- -- -k") == 2 && !strcmp(words[0], "-") && !strcmp(words[1], "-k"),
		"a lone - and what follows -- are operands");
}

static void
test_refused(void)
{
	refused("-k 0", "--count must lie in 1 to 64, not '0'");
	refused("-k 65", "--count must lie in");
	refused("--count 99999999999999999999", "--count must lie in");
	refused("--count 3x", "--count wants a whole number");
	refused("--count", "--count wants a value");
	refused("--rate 1.01", "--rate must lie in 0 to 1");
	refused("--rate nan", "--rate wants a number");
	refused("--kind soft", "--kind is one of random|hard|hardest, not 'soft'");
	refused("--jitter 0.1,,2", "--jitter wants a number");
	refused("--jitter 0,2", "--jitter must lie in");
	refused("--jitter 0,0,0,0,0,0,0,0,0", "at most 8");
	refused("--memory 3Q", "--memory wants a size");
	refused("--memory -1", "--memory wants a size");
	refused("--wide=1", "--wide takes no value");
	refused("--zzz", "no such option: --zzz");
	refused("-z", "no such option: -z");
	refused("--no-count", "no such option: --no-count");
	refused("--no-help", "no such option: --no-help");
	refused("--help=3", "--help takes no value, not '3'");
	refused("--output", "--output wants a value");
	refused("-k 0 --zzz -o there", "--count must lie in");
	TAP_OK(config.common.output && !strcmp(config.common.output, "there"), "what follows a mistake is read");
	refused("--output=", "--output wants the name of a file");
}

static void
test_history(void)
{
	struct cn_meta meta = { 0 };

	parse("-T 2 -k 16 --rate 0.1 --kind random -o x -s 5 --match g");
	cn_opt_history(opts, &config, &meta, &err);
	TAP_OK(!err.code && meta.n == 4, "what differs and is not silent: %zu", meta.n);
	TAP_OK(cn_meta_get(&meta, "option.rate") && !strcmp(cn_meta_get(&meta, "option.rate"), "0.1"),
		"numbers as short as they can be");
	TAP_OK(cn_meta_get(&meta, "option.kind") && !strcmp(cn_meta_get(&meta, "option.kind"), "random"),
		"choices as words");
	TAP_OK(cn_meta_get(&meta, "option.match.1") && cn_meta_get(&meta, "option.seed"),
		"texts are numbered");
	cn_meta_release(&meta);
}

static void
test_given(void)
{
	parse("-k 16 --rate 0.1 -o x -w");
	TAP_OK(cn_opt_given(opts, &config, "rate") && cn_opt_given(opts, &config, "output") && cn_opt_given(opts, &config, "wide"), "given");
	TAP_OK(!cn_opt_given(opts, &config, "count") && !cn_opt_given(opts, &config, "kind") && !cn_opt_given(opts, &config, "zzz"),
		"not given, or with its default value, or not there");
	TAP_OK(cn_opt_find(opts, "rate") == &opts[1] && !cn_opt_find(opts, "rat"), "a row is found by its whole name");
	TAP_OK(cn_opt_lists("gan, daml", "gan") && cn_opt_lists("gan, daml", "daml") && cn_opt_lists("gan", "gan"), "one of a list");
	TAP_OK(!cn_opt_lists("gan, daml", "ga") && !cn_opt_lists("gan, daml", "aml") && !cn_opt_lists("gan, daml", "gan, daml")
		&& !cn_opt_lists("gan, daml", "") && !cn_opt_lists("", "gan"), "none of it");
}

/* What there is to say of options that are not for word; "" where there is nothing. */
static void
serves(const char *line, const char *word, const char *sentence)
{
	parse(line);
	TAP_OK(cn_opt_check_of(opts, &config, "task", word, &err) == (*sentence ? -1 : 0) && err.code == (*sentence ? CN_USAGE : CN_OK)
		&& !strcmp(err.text, sentence), "%s %s: %s", word, line, err.text);
}

static void
test_of(void)
{
	serves("--near 2 --both -k 3", "one", "");
	serves("--near 2 --notes x", "three", "");
	serves("--near 2", "two", "--near would do nothing here: it is for task one, three");
	serves("--far 2", "three", "--far would do nothing here: it is for task two");
	serves("--notes x", "one", "--notes would do nothing here: it is for task three");
	serves("--both", "three", "--both would do nothing here: it is for task one, two");
	serves("--far 2 --near 2", "four", "--near would do nothing here: it is for task one, three");
	serves("--near 1 --both --no-both", "two", "");
	serves("--near 2", "thre", "--near would do nothing here: it is for task one, three");
}

int
main(void)
{
	test_taken();
	test_refused();
	test_history();
	test_given();
	test_of();
	return tap_done();
}
