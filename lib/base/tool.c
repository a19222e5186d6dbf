/* tool - how every program begins and ends: the one library file that prints and exits. */
#include "base/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/about.h"
#include "base/files.h"
#include "base/hush.h"
#include "base/mem.h"
#include "base/output.h"
#include "base/rng.h"
#include "base/banned.h"

/* What a process knows about its own command line; set once by cn_tool_begin. */
static struct {
	char **words;	/* operands first */
	int quiet;
} begun;

static atomic_bool drawn;	/* a line of progress stands on the terminal, which another word must not follow */

/*
 * A program started with descriptor 0, 1 or 2 closed would get it back from its next open, and then print
 * into its own data.  The gaps are filled so that using them still fails: 0 cannot be read, 1 not written.
 */
static void
guard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF
			&& open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY) != fd)
			_exit(CN_FAILED);
}

static void
die_clean(int number)
{
	cn_output_cleanup();
	raise(number);	/* blocked until we return; then the default disposition ends the process */
}

/*
 * Whatever would end the process, but for what something else listens to (a sanitizer) or was told to ignore.
 * A limit on the size of files is an error of write instead, which can be told.
 */
static void
watch_signals(void)
{
	static const int watched[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE,
		SIGALRM, SIGTERM, SIGXCPU, SIGVTALRM, SIGPROF, SIGSYS,
#ifdef SIGPOLL
		SIGPOLL,
#endif
#ifdef SIGPWR
		SIGPWR,
#endif
	};
	struct sigaction action = { .sa_handler = die_clean, .sa_flags = (int)SA_RESETHAND }, before;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
		if (!sigaction(watched[i], NULL, &before) && before.sa_handler == SIG_DFL)
			sigaction(watched[i], &action, NULL);
	signal(SIGXFSZ, SIG_IGN);
}

static const void *
find_slot(const struct cn_tool *tool, const void *config, const char *name, enum cn_opt_type type)
{
	const struct cn_opt *opt = cn_opt_find(tool->opts, name);

	return opt && opt->slot.type == type ? (const char *)config + opt->slot.offset : NULL;
}

static int
find_flag(const struct cn_tool *tool, const void *config, const char *name)
{
	const int *flag = find_slot(tool, config, name, CN_OPT_FLAG);

	return flag && *flag;
}

/* A variable of the environment becomes the option's first words, after standing the option's own test. */
static int
add_variable(const struct cn_tool *tool, const char *variable, const char *option, char **words,
	struct cn_err *err)
{
	const struct cn_opt *opt = cn_opt_find(tool->opts, option);
	char *value = getenv(variable);
	struct cn_opt row[2] = { { 0 } };
	union { long long number; const char *text; } scratch = { 0 };
	struct cn_err mistake = { 0 };
	static char names[2][32];
	char *name = names[!strcmp(option, "level")];

	if (!opt || !value || !*value)
		return 0;
	snprintf(name, sizeof names[0], "--%s", option);
	words[0] = name;
	words[1] = value;
	row[0] = *opt;
	row[0].slot.offset = 0;
	if (!cn_opt_parse(row, &scratch, 2, (char *[]){ name, value, NULL }, &mistake))
		return 2;
	cn_err_set(err, CN_USAGE, "%s: %s", variable, mistake.text);
	return 0;
}

/* The level is text, because "not given" means something; its range is known all the same. */
static int
check_level(const char *from, const char *level, struct cn_err *err)
{
	char *end;
	long value;

	if (!level)
		return 0;
	errno = 0;
	value = strtol(level, &end, 10);
	if (end == level || *end || errno || value < -7 || value > 19)
		return cn_err_set(err, CN_USAGE, "%s must lie in -7 to 19, not '%s'", from, level);
	return 0;
}

static int
check_levels(const struct cn_tool *tool, const void *config, struct cn_err *err)
{
	const char *const *level = find_slot(tool, config, "level", CN_OPT_TEXT);
	const char *variable = getenv("CN_LEVEL");

	if (!level || !*level)
		return 0;
	return check_level(*level == variable ? "CN_LEVEL" : "--level", *level, err);
}

static bool
is_verb(const char *verbs, const char *word)
{
	size_t length = strlen(word);

	for (const char *verb = verbs; verb; verb = strchr(verb, '|') ? strchr(verb, '|') + 1 : NULL)
		if (strcspn(verb, "|") == length && !memcmp(verb, word, length))
			return true;
	return false;
}

static int
check_operands(const struct cn_tool *tool, int n, char **words, struct cn_err *err)
{
	for (int i = 0; i < n; i++)
		if (!*words[i])
			return cn_err_set(err, CN_USAGE, "operand %d is empty", i + 1);
	if (tool->verbs && n > 0 && !is_verb(tool->verbs, words[0]))
		return cn_err_set(err, CN_USAGE, "'%s' is none of %s", words[0], tool->verbs);
	if (n < tool->min_operands)
		return cn_err_set(err, CN_USAGE, "wants %s: %s %s; see %s --help",
			tool->min_operands - n > 1 ? "more operands" : "one more operand", tool->name,
				tool->operands, tool->name);
	if (tool->max_operands >= 0 && n > tool->max_operands)
		return cn_err_set(err, CN_USAGE, "one operand too many: '%s'", words[tool->max_operands]);
	return 0;
}

/* Options of other verbs, or of other choices of the option that chooses; the first operand is called as in the synopsis. */
static int
check_of(const struct cn_tool *tool, const void *config, char **words, struct cn_err *err)
{
	const struct cn_opt *chooser = tool->chooser ? cn_opt_find(tool->opts, tool->chooser) : NULL;
	char by[64], word[64];

	if (!chooser && !tool->verbs)
		return 0;
	if (!chooser) {
		snprintf(by, sizeof by, "%.*s", (int)strcspn(tool->operands, " "), tool->operands);
		return cn_opt_check_of(tool->opts, config, by, words[0], err);
	}
	snprintf(by, sizeof by, "--%s", chooser->name);
	cn_opt_choice(chooser->choices, *(const int *)((const char *)config + chooser->slot.offset), word, sizeof word);
	return cn_opt_check_of(tool->opts, config, by, word, err);
}

/* The letter of the key was meant to be the option --k. */
static int
check_key(const struct cn_tool *tool, const void *config, struct cn_err *err)
{
	const char *const *key = find_slot(tool, config, "key", CN_OPT_PATH);

	if (!key || !*key || !cn_opt_find(tool->opts, "k") || (*key)[strspn(*key, "0123456789")] || !access(*key, F_OK))
		return 0;
	return cn_err_set(err, CN_USAGE, "-k names a key to sign with, and there is no file '%s'; did you mean --k %s?",
		*key, *key);
}

__attribute__((format(printf, 1, 0)))
static void
complain(const char *format, va_list args)
{
	sigset_t before;

	cn_hush_begin(&before);
	vfprintf(stderr, format, args);
	cn_hush_end(&before);
}

/* Onto standard error, at once; if nobody reads it, the work goes on. */
__attribute__((format(printf, 1, 2)))
static void
say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

static void
end_usage(const struct cn_tool *tool, const void *config, const struct cn_err *err)
{
	const char *const *output = find_slot(tool, config, "output", CN_OPT_PATH);

	if (tool->refuse)
		tool->refuse(tool->name, output ? *output : NULL, err);
	say("%s: %s\n", tool->name, err->text);
	exit(err->code);
}

/* --help and its hidden relatives, wherever they stand before "--". */
static void
answer_about(const struct cn_tool *tool, int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*print)(const struct cn_tool *tool);
	} answer[] = {
		{ "help", cn_about_help }, { "version", cn_about_version }, { "--mdoc", cn_about_mdoc },
		{ "--complete", cn_about_complete }, { "--table", cn_about_table },
	};
	const struct cn_err none = { 0 };

	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		for (size_t k = 0; k < sizeof answer / sizeof *answer; k++)
			if (!strcmp(argv[i], answer[k].word) || cn_opt_asks(tool->opts, argv[i], answer[k].word)) {
				answer[k].print(tool);
				exit(cn_tool_end(tool, &none));
			}
}

int
cn_tool_begin(const struct cn_tool *tool, void *config, int argc, char ***argv)
{
	struct cn_err err = { 0 };
	int n = 0;

	guard_descriptors();
	answer_about(tool, argc, *argv);
	watch_signals();
	if (sodium_init() < 0)
		cn_err_set(&err, CN_FAILED, "the sodium library does not start");
	begun.words = cn_mem_array((size_t)argc + 5, sizeof *begun.words, &err);
	if (begun.words) {	/* after a mistake, too: to know of -o */
		n = add_variable(tool, "CN_THREADS", "threads", begun.words, &err);
		n += add_variable(tool, "CN_LEVEL", "level", begun.words + n, &err);
		if (argc > 1)
			memcpy(begun.words + n, *argv + 1, (size_t)(argc - 1) * sizeof **argv);
		n = cn_opt_parse(tool->opts, config, argc > 1 ? n + argc - 1 : n, begun.words, &err);
	}
	if (err.code || check_levels(tool, config, &err) || check_operands(tool, n, begun.words, &err)
	    || check_of(tool, config, begun.words, &err) || check_key(tool, config, &err)
	    || cn_files_check(tool, config, n, begun.words, &err))
		end_usage(tool, config, &err);
	begun.words[n] = NULL;
	begun.quiet = find_flag(tool, config, "quiet");
	*argv = begun.words;
	return n;
}

int
cn_tool_end(const struct cn_tool *tool, const struct cn_err *err)
{
	struct cn_err last = *err;
	int failed = ferror(stdout);

	errno = 0;
	failed |= fclose(stdout) != 0;
	if (failed && errno)
		cn_err_errno(&last, "cannot write standard output");
	else if (failed)
		cn_err_set(&last, CN_FAILED, "cannot write standard output");
	if (last.code)
		say("%s: %s\n", tool->name, last.text);
	return last.code;
}

void
cn_tool_say(const struct cn_tool *tool, const char *format, ...)
{
	va_list args;

	if (begun.quiet)
		return;
	flockfile(stderr);
	if (atomic_exchange(&drawn, false))	/* take it away */
		say("\r\033[K");
	say("%s: ", tool->name);
	va_start(args, format);
	complain(format, args);
	va_end(args);
	say("\n");
	funlockfile(stderr);
}

int
cn_tool_describe(const struct cn_tool *tool, const void *config, struct cn_meta *node, struct cn_err *err)
{
	const long long *seed = find_slot(tool, config, "seed", CN_OPT_INT);

	cn_meta_set(node, "program", tool->name, err);
	cn_meta_set(node, "version", CN_VERSION, err);
	if (tool->verbs && begun.words && begun.words[0])
		cn_meta_set(node, "verb", begun.words[0], err);
	if (seed) {
		cn_meta_set(node, "generator", CN_RNG_VERSION, err);
		cn_meta_format(node, "seed", "%lld", err, *seed);
	}
	return cn_opt_history(tool->opts, config, node, err);
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

enum { PROGRESS_OFF, PROGRESS_LINE, PROGRESS_LOG };	/* redrawn on a terminal; a line a second elsewhere */

void
cn_progress_start(struct cn_progress *progress, const struct cn_tool *tool, const void *config,
	const char *unit, unsigned long long total)
{
	enum { AUTO, ALWAYS, NEVER };
	const int *when = find_slot(tool, config, "progress", CN_OPT_CHOICE);
	bool terminal = isatty(STDERR_FILENO);

	*progress = (struct cn_progress){ .tool = tool, .unit = unit, .total = total, .started = now() };
	progress->shown = progress->started;
	if (when && *when != NEVER && (terminal || *when == ALWAYS) && !find_flag(tool, config, "quiet"))
		progress->on = terminal ? PROGRESS_LINE : PROGRESS_LOG;
}

static void
show(struct cn_progress *progress, double time)
{
	double seconds = time - progress->started;
	char share[32] = "", left[32] = "";

	if (progress->total)
		snprintf(share, sizeof share, " of %llu", progress->total);
	if (progress->total > progress->done && progress->done)
		snprintf(left, sizeof left, ", %.0f s left", seconds * (double)(progress->total - progress->done) / (double)progress->done);
	say("%s%s: %llu%s %s, %.0f/s%s%s%s%s", progress->on == PROGRESS_LINE ? "\r" : "",
		progress->tool->name,
		progress->done, share, progress->unit, seconds > 0 ? (double)progress->done / seconds : 0.0, left,
		*progress->note ? ", " : "", progress->note, progress->on == PROGRESS_LINE ? "\033[K" : "\n");
	progress->shown = time;
	atomic_store(&drawn, progress->on == PROGRESS_LINE);
}

void
cn_progress_add(struct cn_progress *progress, unsigned long long n)
{
	double time;

	progress->done += n;
	if (!progress->on)
		return;
	time = now();
	if (time - progress->shown >= (progress->on == PROGRESS_LINE ? 0.1 : 1.0))
		show(progress, time);
}

void
cn_progress_end(struct cn_progress *progress)
{
	if (!progress->on)
		return;
	show(progress, now());
	if (progress->on == PROGRESS_LINE)
		say("\n");
	atomic_store(&drawn, false);
	progress->on = PROGRESS_OFF;
}
