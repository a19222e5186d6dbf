/*
 * opt - options as one table: parsing, --help, the manual's SYNOPSIS and OPTIONS, completion and
 * the stream's history all come from the same rows.
 *
 * A program declares "struct config" with a "struct cn_common common;" member where it wants the
 * shared options, and a table:
 *
 *	static const struct cn_opt opts[] = {
 *		{ 'k', "k", CN_INT(k), "count", "16", 1, 65536, .help = "Write this many negatives per row" },
 *		{ 0, "strategy", CN_CHOICE(strategy), "name", "hard", .choices = "random|hard", .help = ... },
 *		CN_OPT_THREADS_ROW, CN_OPT_SEED_ROW, CN_OPT_STREAM_ROWS, CN_OPT_END
 *	};
 *
 * Defaults are parsed by the same code as the user's words, so help cannot lie.
 */
#ifndef CN_BASE_OPT_H
#define CN_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/meta.h"

enum cn_opt_type {
	CN_OPT_INT = 1,		/* long long */
	CN_OPT_REAL,		/* double */
	CN_OPT_TEXT,		/* const char *, NULL without default */
	CN_OPT_PATH,		/* const char *, a file: completed as such */
	CN_OPT_FLAG,		/* int, 0 or 1; takes no argument; --no-NAME clears it */
	CN_OPT_SIZE,		/* long long bytes: 500M, 4G, 64k (powers of 1024) */
	CN_OPT_CHOICE,		/* int: index in choices */
	CN_OPT_REALS,		/* struct cn_reals: "0.4,0.4,0.4,0.1" */
	CN_OPT_TEXTS,		/* struct cn_texts: the option may be repeated */
	CN_OPT_PATHS,		/* the same for files that are read */
};

struct cn_reals {
	size_t n;
	double value[8];
};

struct cn_texts {
	size_t n;
	const char *value[64];
};

struct cn_slot {
	size_t offset;
	enum cn_opt_type type;
};

#define CN_SLOT(member, kind, ctype) { offsetof(struct config, member), \
	_Generic(&((struct config *)0)->member, ctype *: (kind)) }
#define CN_INT(member)    CN_SLOT(member, CN_OPT_INT, long long)
#define CN_REAL(member)   CN_SLOT(member, CN_OPT_REAL, double)
#define CN_TEXT(member)   CN_SLOT(member, CN_OPT_TEXT, const char *)
#define CN_PATH(member)   CN_SLOT(member, CN_OPT_PATH, const char *)
#define CN_FLAG(member)   CN_SLOT(member, CN_OPT_FLAG, int)
#define CN_SIZE(member)   CN_SLOT(member, CN_OPT_SIZE, long long)
#define CN_CHOICE(member) CN_SLOT(member, CN_OPT_CHOICE, int)
#define CN_REALS(member)  CN_SLOT(member, CN_OPT_REALS, struct cn_reals)
#define CN_TEXTS(member)  CN_SLOT(member, CN_OPT_TEXTS, struct cn_texts)
#define CN_PATHS(member)  CN_SLOT(member, CN_OPT_PATHS, struct cn_texts)

enum {
	CN_OPT_RESULT = 1,	/* what the program is for; may take the place of an input, when that has been read */
	CN_OPT_NOTES,		/* a log, a state, words about an input: never over an input */
};

struct cn_opt {
	char letter;		/* 0 = none */
	const char *name;	/* long name; NULL ends the table */
	struct cn_slot slot;
	const char *arg;	/* what the argument is called in help; NULL for flags */
	const char *fallback;	/* default as typed; NULL = unset (0, NULL) */
	double min, max;	/* inclusive; min == max: no limit; for CN_OPT_REALS each value */
	const char *choices;	/* "a|b|c" for CN_OPT_CHOICE */
	int silent;		/* 1: never part of a stream's history (-T, -o, -q: cannot change the data) */
	int writes;		/* the file of a CN_OPT_PATH is written: CN_OPT_RESULT or CN_OPT_NOTES; 0: read */
	const char *of;		/* the methods, tasks or formats it is for: "gan, daml"; NULL = all (see base/tool.h) */
	const char *help;	/* one sentence, upper-case start, no full stop */
};

/* Options with one meaning everywhere. */
struct cn_common {
	const char *output;	/* -o; NULL = stdout */
	long long threads;	/* -T; 0 = all */
	long long seed;		/* -s */
	long long rows;		/* -n; 0 = all */
	const char *level;	/* --level as typed; NULL = choose by output kind */
	long long chunk_rows;	/* --chunk-rows; 0 = by row size */
	const char *key;	/* -k secret key file to sign with */
	const char *verify_key;	/* --verify-key public key file */
	int force, quiet, verbose;
	int progress;		/* auto|always|never */
	int in_flags;		/* reserved for the reader: see stream/step.h */
};

#define CN_OPT_THREADS_ROW { 'T', "threads", CN_INT(common.threads), "count", "0", 0, 1024, .silent = 1, \
	.help = "Work with this many threads, 0 for all processors; never changes a result" }
#define CN_OPT_SEED_ROW { 's', "seed", CN_INT(common.seed), "number", "0", 0, 9e15, \
	.help = "Start all randomness here" }
#define CN_OPT_ROWS_ROW { 'n', "rows", CN_INT(common.rows), "count", "0", 0, 9e15, \
	.help = "Stop after this many rows, 0 for all" }
#define CN_OPT_QUIET_ROWS \
	{ 'q', "quiet", CN_FLAG(common.quiet), .silent = 1, .help = "Say nothing but errors" }, \
	{ 'v', "verbose", CN_FLAG(common.verbose), .silent = 1, .help = "Say more" }
#define CN_OPT_OUTPUT_ROW(kind) { 'o', "output", CN_PATH(common.output), "file", .silent = 1, .writes = (kind), \
	.help = "Write here, whole or not at all; standard output otherwise" }
#define CN_OPT_OUT_ROWS \
	CN_OPT_OUTPUT_ROW(CN_OPT_RESULT), \
	{ 'f', "force", CN_FLAG(common.force), .silent = 1, \
		.help = "Write binary data to a terminal all the same" }
#define CN_OPT_WRITE_ROWS \
	CN_OPT_OUT_ROWS, \
	{ 0, "level", CN_TEXT(common.level), "number", .silent = 1, \
		.help = "Compress at this zstd level, -7 to 19; by default 1 to a file and -1 to a pipe" }, \
	{ 0, "chunk-rows", CN_INT(common.chunk_rows), "count", "0", 0, 1048576, \
		.help = "Rows of one chunk, 0 for about 1 MiB" }, \
	{ 'k', "key", CN_PATH(common.key), "file", .silent = 1, \
		.help = "Sign the stream with this minisign secret key" }
#define CN_OPT_STREAM_ROWS \
	CN_OPT_WRITE_ROWS, \
	{ 0, "verify-key", CN_PATH(common.verify_key), "file", .silent = 1, \
		.help = "Refuse input not signed with this minisign public key" }
#define CN_OPT_PROGRESS_ROW { 0, "progress", CN_CHOICE(common.progress), "when", "auto", \
	.choices = "auto|always|never", .silent = 1, \
	.help = "Show progress on standard error; auto means on a terminal" }
#define CN_OPT_END { .name = NULL }

/*
 * Fills config from the defaults, then from argv (without argv[0]).  Operands are moved to the
 * front of argv in order; their number is returned, or -1 with a CN_USAGE sentence that names the
 * option.  "--" ends options; "--name=value", "--name value", "-nvalue", "-n value" are all right;
 * numbers are parsed whole and must lie in range; a unique prefix of a long name is enough.  What follows
 * a mistake is read all the same, so that config tells afterwards where the output was to go.
 */
int cn_opt_parse(const struct cn_opt *opts, void *config, int argc, char **argv, struct cn_err *err);

/* Whether word is "--help" or "--version" (name), or a prefix of it that no option of the table shares. */
int cn_opt_asks(const struct cn_opt *opts, const char *word, const char *name);

/* The row of a long name, written whole; NULL if there is none. */
const struct cn_opt *cn_opt_find(const struct cn_opt *opts, const char *name);

/*
 * Whether the option of this name was given.  What has its default value counts as not given, here and below: so a command that
 * a history repeats, without what was the default, is taken as the one it came from was.
 */
bool cn_opt_given(const struct cn_opt *opts, const void *config, const char *name);

/* Whether word is one of a list, "gan, daml". */
bool cn_opt_lists(const char *list, const char *word);

/* Refuses an option that was given and is not for what was chosen, word; by: in what way, "--method" or "task".  0 or -1. */
int cn_opt_check_of(const struct cn_opt *opts, const void *config, const char *by, const char *word, struct cn_err *err);

/* The options that were given, as text, without silent rows. */
int cn_opt_history(const struct cn_opt *opts, const void *config, struct cn_meta *to, struct cn_err *err);

/* The word of a choice by index, into buffer. */
const char *cn_opt_choice(const char *choices, int index, char *buffer, size_t size);

#endif
