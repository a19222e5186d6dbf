/* remake - commands out of nodes, rules out of inputs. */
#include <stdbool.h>
#include <string.h>

#include "data/remake.h"

#include "base/banned.h"

enum { TARGETS = CN_HISTORY_NODES, NEEDS = 1024 };

struct remake {
	const struct cn_history *history;
	FILE *to;
	/* rules still to be written, and those written; the names belong to the history */
	struct { const char *name; size_t node; } target[TARGETS];
	size_t n;
	const char *need[NEEDS];	/* of the rule being written */
	size_t needs;
};

/* One word of a recipe or of a rule's head. */
static void
put_word(const char *word, FILE *to)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";
	const bool quote = !*word || word[strspn(word, plain)] != '\0';

	if (quote)
		fputc('\'', to);
	for (; *word; word++) {
		if (*word == '$')
			fputs("$$", to);
		else if (*word == '\'')
			fputs("'\\''", to);
		else
			fputc(*word == '\n' ? ' ' : *word, to);
	}
	if (quote)
		fputc('\'', to);
}

static void
put_name(const char *name, FILE *to)
{
	for (; *name; name++) {
		if (*name == '$')
			fputc('$', to);
		else if (strchr(" #:%\\", *name))
			fputc('\\', to);
		fputc(*name, to);
	}
}

static const char *
get(const struct cn_node *node, const char *key, size_t number)
{
	char text[32];

	snprintf(text, sizeof text, "%s.%zu", key, number);
	return cn_meta_get(&node->meta, text);
}

/* True if an input was named by an option (--bank), not as an operand. */
static bool
is_option(const struct cn_node *node, const char *input)
{
	for (size_t i = 0; i < node->meta.n; i++)
		if (!strncmp(node->meta.pair[i].key, "option.", 7) && !strcmp(node->meta.pair[i].value, input))
			return true;
	return false;
}

/* The node that made input number (from 1), or -1. */
static int
maker(const struct cn_node *node, size_t number)
{
	if (node->n_parents == 0)
		return -1;
	return node->parent[number <= node->n_parents ? number - 1 : node->n_parents - 1u];
}

static bool
piped(const struct cn_node *node)
{
	const char *input = get(node, "input", 1);

	return input && !strcmp(input, "-") && maker(node, 1) >= 0;
}

/* A repeated option has a number behind its name: rename.1. */
static void
put_option(const char *key, const char *value, FILE *to)
{
	const size_t length = strlen(key), digits = strspn(key + strcspn(key, "."), ".0123456789");
	const bool numbered = digits > 1 && key[strcspn(key, ".") + digits] == '\0';

	fprintf(to, " --%.*s=", (int)(numbered ? length - digits : length), key);
	put_word(value, to);
}

static void
put_command(const struct remake *remake, size_t number)
{
	const struct cn_node *node = remake->history->node + number;
	const char *program = cn_meta_get(&node->meta, "program"), *verb = cn_meta_get(&node->meta, "verb"), *input;

	if (piped(node)) {
		put_command(remake, (size_t)maker(node, 1));
		fputs(" | \\\n\t", remake->to);
	}
	put_word(program ? program : "?", remake->to);
	if (verb) {
		fputc(' ', remake->to);
		put_word(verb, remake->to);
	}
	for (size_t i = 0; i < node->meta.n; i++) {
		const struct cn_pair *pair = node->meta.pair + i;

		if (!strncmp(pair->key, "option.", 7))
			put_option(pair->key + 7, pair->value, remake->to);
		else if (!strncmp(pair->key, "flag.", 5))
			fprintf(remake->to, " --%s%s", strcmp(pair->value, "0") ? "" : "no-", pair->key + 5);
	}
	for (size_t i = 1; (input = get(node, "input", i)); i++)
		if (strcmp(input, "-") && (i == 1 || !is_option(node, input))) {
			fputc(' ', remake->to);
			put_word(input, remake->to);
		}
}

static void
want(struct remake *remake, const char *name, int node)
{
	for (size_t i = 0; i < remake->n; i++)
		if (!strcmp(remake->target[i].name, name))
			return;
	if (node < 0 || remake->n == TARGETS)
		return;
	remake->target[remake->n].name = name;
	remake->target[remake->n++].node = (size_t)node;
}

/* One thing that must be there first, once. */
static void
put_need(struct remake *remake, const char *name)
{
	for (size_t i = 0; i < remake->needs; i++)
		if (!strcmp(remake->need[i], name))
			return;
	if (remake->needs == NEEDS)
		return;
	remake->need[remake->needs++] = name;
	fputc(' ', remake->to);
	put_name(name, remake->to);
}

/* What must be there first: inputs that are files, and models. */
static void
put_needs(struct remake *remake, size_t number)
{
	static const char *const model[] = { "option.model", "option.init" };
	const struct cn_node *node = remake->history->node + number;
	const char *input;
	size_t inputs = 0;

	if (piped(node))
		put_needs(remake, (size_t)maker(node, 1));
	for (size_t i = 1; (input = get(node, "input", i)); i++) {
		inputs++;
		if (!strcmp(input, "-"))
			continue;
		put_need(remake, input);
		want(remake, input, maker(node, i));
	}
	for (size_t i = 0; i < sizeof model / sizeof *model; i++)
		if ((input = cn_meta_get(&node->meta, model[i])) && !get(node, "input", inputs + 1)) {
			put_need(remake, input);
			/* a model's own history comes after those of the inputs */
			if (node->n_parents > inputs)
				want(remake, input, node->parent[node->n_parents - 1]);
		}
}

void
cn_remake_write(const struct cn_history *history, const char *target, FILE *to)
{
	struct remake remake = { .history = history, .to = to };

	fputs("SHELL = bash\n.SHELLFLAGS = -o pipefail -c\n.DELETE_ON_ERROR:\n", to);
	if (history->n)
		want(&remake, target, (int)history->n - 1);
	for (size_t i = 0; i < remake.n; i++) {
		fputc('\n', to);
		put_name(remake.target[i].name, to);
		fputc(':', to);
		remake.needs = 0;
		put_needs(&remake, remake.target[i].node);
		fputs("\n\t", to);
		put_command(&remake, remake.target[i].node);
		fputs(" -o $@\n", to);
	}
}
