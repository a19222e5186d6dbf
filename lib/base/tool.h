/*
 * tool - how every program begins and ends.
 *
 * cn_tool_begin makes closed descriptors 0-2 safe, parses the options, answers --help, --version and
 * the hidden --mdoc and --complete by itself, and starts watching for signals; options that are not for the
 * verb, or for the choice of another option, are refused.  cn_tool_end closes
 * standard output, prints one sentence if there is one and gives the exit status.  Words for a standard
 * error that nobody reads are lost and end nothing.
 */
#ifndef CN_BASE_TOOL_H
#define CN_BASE_TOOL_H

#include <stddef.h>

#include "base/err.h"
#include "base/meta.h"
#include "base/opt.h"

#define CN_VERSION "0.1.0"

struct cn_tool {
	const char *name;	/* "cn-mine" */
	const char *summary;	/* "choose negatives" */
	const char *operands;	/* as in SYNOPSIS: "[file ...]", "task [file]" */
	const char *verbs;	/* choices of the first operand "knn|linear|negatives", or NULL */
	int min_operands, max_operands;	/* max -1: any number */
	const struct cn_opt *opts;
	size_t common;		/* offsetof(struct config, common) */
	/* Where streams are written: tells the next program of a pipe of a mistake in the command line; or NULL. */
	void (*refuse)(const char *program, const char *output, const struct cn_err *why);
	const char *chooser;	/* the option whose choices the rows' .of names, "method"; NULL: it names verbs */
};

/*
 * Parses argv into config.  On return argv[0..n-1] are the operands and n is returned.  Usage
 * mistakes print a sentence and exit 2; --help and --version print and exit 0.  CN_THREADS and
 * CN_LEVEL of the environment stand in for -T and --level where these are not given.
 */
int cn_tool_begin(const struct cn_tool *tool, void *config, int argc, char ***argv);

/* Exit status of the program, after telling err (if set) as "cn-mine: sentence". */
int cn_tool_end(const struct cn_tool *tool, const struct cn_err *err);

/* A remark on standard error, "cn-mine: words", unless -q. */
__attribute__((format(printf, 2, 3)))
void cn_tool_say(const struct cn_tool *tool, const char *format, ...);

/* The program's node for a stream's history: program, version, options that differ, seed generator. */
int cn_tool_describe(const struct cn_tool *tool, const void *config, struct cn_meta *node,
	struct cn_err *err);

/*
 * A progress line on standard error, redrawn at most ten times a second; total 0 = unknown. 
 * Nothing when off.
 */
struct cn_progress {
	const struct cn_tool *tool;
	const char *unit;	/* "rows" */
	unsigned long long done, total;
	double started, shown;
	int on;
	char note[96];		/* extra words at the end of the line, e.g. "loss 4.81" */
};
void cn_progress_start(struct cn_progress *progress, const struct cn_tool *tool, const void *config,
	const char *unit, unsigned long long total);
void cn_progress_add(struct cn_progress *progress, unsigned long long n);
void cn_progress_end(struct cn_progress *progress);

#endif
