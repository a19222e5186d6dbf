/* remake - commands out of nodes, rules out of inputs. */
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "data/command.h"
#include "data/remake.h"
#include "stream/head.h"

#include "base/banned.h"

enum { COMMANDS = 4096 };	/* visited in all; a history that shares its steps could have endlessly many */

struct remake {
	const struct cn_history *history;
	const char *file;	/* for messages */
	struct cn_command command;
	struct cn_err *err;
	/* files in the order they were met: rules written and to be written; node -1: made outside.  Names belong to the history */
	struct target { const char *name; int node; } *target;
	size_t n, capacity;
	const char **need;	/* of the rule being written */
	size_t needs, need_capacity, visits;
};

/* As make sees a name. */
static const char *
bare(const char *name)
{
	while (name[0] == '.' && name[1] == '/')
		name += 2 + strspn(name + 2, "/");
	return name;
}

static bool
is_standard_input(const char *name)
{
	return !strcmp(name, "-") || !strcmp(name, "/dev/stdin") || !strcmp(name, "/dev/fd/0") || !strcmp(name, "/proc/self/fd/0");
}

/* True of a pipe, whatever its name: make cannot know it by that. */
static bool
is_pipe(const char *name)
{
	struct stat about;

	return is_standard_input(name) || !strncmp(name, "/dev/", 5) || !strncmp(name, "/proc/", 6)
		|| (stat(name, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode));
}

/* The number of the input that is standard input, or 0. */
static size_t
piped(const struct cn_node *node)
{
	const char *name;

	for (size_t i = 1; (name = cn_node_input(node, i)); i++)
		if (is_standard_input(name))
			return i;
	return 0;
}

/* The words of make itself cannot be quoted. */
static bool
check_name(const struct remake *remake, const char *name)
{
	const size_t length = strlen(name);
	char text[200];

	if (length && !strpbrk(name, ";|()\\\t\n\r") && name[length - 1] != '&')
		return true;
	snprintf(text, sizeof text, "%s", name);
	cn_err_set(remake->err, CN_FAILED, "%s: make cannot have a file of the name '%s', which is in its history; "
		"choose a name without ; | ( ) \\ tab or newline, and without & at its end", remake->file, cn_head_printable(text));
	return false;
}

/* A name in a rule's head: in targets a % stands for anything unless quoted, in prerequisites it cannot be quoted. */
static void
put_name(const struct remake *remake, const char *name, bool target)
{
	FILE *to = remake->command.to;

	if (!check_name(remake, name))
		return;
	if (*name == '~')
		fputs("./", to);
	for (; *name; name++) {
		const bool quote = strchr(" #:*?[", *name) || (target && *name == '%');

		if (*name == '$')
			fputs("$$", to);
		else if (*name == '=')
			fputs("$(or =)", to);
		else
			fprintf(to, "%s%c", quote ? "\\" : "", *name);
	}
}

static bool
visit(struct remake *remake)
{
	if (++remake->visits > COMMANDS)
		cn_err_set(remake->err, CN_FAILED, "%s: its history has more than %d steps in pipes; write some to files",
			remake->file, COMMANDS);
	return !remake->err->code;
}

static void put_chain(struct remake *remake, size_t number, const char *output);

/* A pipe that is not standard input was made by the shell, and is made so again. */
static void
put_input(void *context, const struct cn_node *node, size_t number)
{
	struct remake *remake = context;
	const char *name = cn_node_input(node, number);

	if (!is_pipe(name) || number == piped(node)) {
		cn_command_word(&remake->command, name);
		return;
	}
	fputs("<(", remake->command.to);
	put_chain(remake, (size_t)cn_node_maker(node, number), NULL);
	fputc(')', remake->command.to);
}

/* The command of a node, behind those that are piped into it. */
static void
put_chain(struct remake *remake, size_t number, const char *output)
{
	const struct cn_node *node = remake->history->node + number;
	const size_t input = piped(node);

	if (!visit(remake))
		return;
	if (input) {
		put_chain(remake, (size_t)cn_node_maker(node, input), NULL);
		fputs(" | \\\n\t", remake->command.to);
	}
	cn_command_write(&remake->command, node, output);
}

/* Other names lead to the file that is asked about, too: /here/f.cns is f.cns. */
static bool
is_asked(const struct remake *remake, const char *name)
{
	struct stat asked, about;

	return stat(remake->file, &asked) == 0 && stat(name, &about) == 0 && asked.st_dev == about.st_dev
		&& asked.st_ino == about.st_ino;
}

/* Notes a file and the node that made it. */
static void
want(struct remake *remake, const char *name, int node)
{
	void *block = remake->target;
	char text[200];

	for (size_t i = 0; i < remake->n; i++) {
		if (strcmp(bare(remake->target[i].name), bare(name)) && (i > 0 || !is_asked(remake, name)))
			continue;
		snprintf(text, sizeof text, "%s", name);
		if (remake->target[i].node != node)
			cn_err_set(remake->err, CN_FAILED, "%s: '%s' is the name of two different files in its history, one written "
				"over the other, and make has one rule for a name; give each step an output of its own",
				remake->file, cn_head_printable(text));
		return;
	}
	if (cn_mem_grow(&block, &remake->capacity, remake->n + 1, sizeof *remake->target, remake->err))
		return;
	remake->target = block;
	remake->target[remake->n++] = (struct target){ name, node };
}

/* One thing that must be there first, once. */
static void
put_need(struct remake *remake, const char *name)
{
	void *block = remake->need;

	for (size_t i = 0; i < remake->needs; i++)
		if (!strcmp(remake->need[i], name))
			return;
	if (cn_mem_grow(&block, &remake->need_capacity, remake->needs + 1, sizeof *remake->need, remake->err))
		return;
	remake->need = block;
	remake->need[remake->needs++] = name;
	fputc(' ', remake->command.to);
	put_name(remake, name, false);
}

static void
refuse_pipe(const struct remake *remake, const struct cn_node *node, const char *name)
{
	const char *program = cn_meta_get(&node->meta, "program");
	char text[200], by[64];

	snprintf(text, sizeof text, "%s", strcmp(name, "-") ? name : "standard input");
	snprintf(by, sizeof by, "%s", program ? program : "a program");
	cn_err_set(remake->err, CN_FAILED, "%s: %s read %s, of which neither a name nor the history is known, so make cannot make "
		"it; give %s a file", remake->file, cn_head_printable(by), cn_head_printable(text), by);
}

/* Who was there beside the pipe of a loop is not in its history. */
static void
refuse_loop(const struct remake *remake, const char *path)
{
	char text[200];

	snprintf(text, sizeof text, "%s", path);
	cn_err_set(remake->err, CN_FAILED, "%s: was made in a loop, with an encoder that was learning meanwhile (--follow %s), so make cannot "
		"make it; run the loop again", remake->file, cn_head_printable(text));
}

/* What must be there first: inputs that are files, and those of the commands in pipes. */
static void
put_needs(struct remake *remake, size_t number)
{
	const struct cn_node *node = remake->history->node + number;
	const char *followed = cn_meta_get(&node->meta, "option.follow"), *name;

	if (followed)
		refuse_loop(remake, followed);
	if (!visit(remake))
		return;
	for (size_t i = 1; (name = cn_node_input(node, i)) && !remake->err->code; i++) {
		const int maker = cn_node_maker(node, i);

		if (!is_pipe(name)) {
			put_need(remake, name);
			want(remake, name, maker);
		} else if (maker < 0) {
			refuse_pipe(remake, node, name);
		} else {
			put_needs(remake, (size_t)maker);
		}
	}
}

static void
put_rule(struct remake *remake, const char *name, size_t node)
{
	FILE *to = remake->command.to;

	fputc('\n', to);
	put_name(remake, name, true);
	fputc(':', to);
	remake->needs = 0;
	put_needs(remake, node);
	fputs("\n\t", to);
	put_chain(remake, node, name);
	fputc('\n', to);
}

int
cn_remake_write(const struct cn_history *history, const char *file, const char *fallback, FILE *to, struct cn_err *err)
{
	const char *target = file && !is_pipe(file) ? file : fallback;
	struct remake remake = { .history = history, .file = target, .err = err };

	if (err->code)
		return -1;
	if (history->n == 0)
		return cn_err_set(err, CN_FAILED, "%s: its history is not known, so make cannot make it", target);
	remake.command = (struct cn_command){ .to = to, .make = true, .input = put_input, .context = &remake };
	fputs("SHELL = bash\n.SHELLFLAGS = -o pipefail -c\n.DELETE_ON_ERROR:\n", to);
	if (strchr(target, '%')) {	/* which make does not take for its goal by itself */
		fputs(".PHONY: all\nall: ", to);
		put_name(&remake, target, false);
		fputc('\n', to);
	}
	want(&remake, target, (int)history->n - 1);
	for (size_t i = 0; i < remake.n && !err->code; i++)
		if (remake.target[i].node >= 0)
			put_rule(&remake, remake.target[i].name, (size_t)remake.target[i].node);
	cn_mem_free(remake.target);
	cn_mem_free(remake.need);
	return err->code ? -1 : 0;
}
