/* command - words out of a node's keys. */
#include "data/command.h"

#include <string.h>

#include "base/banned.h"

void
cn_command_word(const struct cn_command *command, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";
	const bool quote = !*word || word[strspn(word, plain)] != '\0';

	if (quote)
		fputc('\'', command->to);
	for (; *word; word++) {
		if (*word == '$' && command->make)
			fputs("$$", command->to);
		else if (*word == '\'')
			fputs("'\\''", command->to);
		else if (*word == '\n')		/* would end a recipe */
			fputs(command->make ? "'$$'\\n''" : "'$'\\n''", command->to);
		else
			fputc(*word, command->to);
	}
	if (quote)
		fputc('\'', command->to);
}

static void
put_input(const struct cn_command *command, const struct cn_node *node, size_t number)
{
	if (command->input)
		command->input(command->context, node, number);
	else
		cn_command_word(command, cn_node_input(node, number));
}

/* The input that this value of an option names, or 0. */
static size_t
named(const struct cn_node *node, const char *value)
{
	for (size_t i = 2; cn_node_input(node, i); i++)
		if (cn_node_by_option(node, i) && !strcmp(cn_node_input(node, i), value))
			return i;
	return 0;
}

/* A repeated option has a number behind its name: rename.1. */
static void
put_option(const struct cn_command *command, const struct cn_node *node, const char *key, const char *value)
{
	const char *dot = key + strcspn(key, ".");
	const bool numbered = *dot && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] == '\0';
	const size_t input = cn_node_option_reads(key) ? named(node, value) : 0;
	char text[300];

	snprintf(text, sizeof text, "--%.*s", numbered ? (int)(dot - key) : 256, key);
	cn_command_word(command, text);
	fputc('=', command->to);
	if (input)
		put_input(command, node, input);
	else
		cn_command_word(command, value);
}

static void
put_options(const struct cn_command *command, const struct cn_node *node)
{
	for (size_t i = 0; i < node->meta.n; i++) {
		const struct cn_pair *pair = node->meta.pair + i;
		char flag[300];

		if (!strncmp(pair->key, "option.", 7)) {
			fputc(' ', command->to);
			put_option(command, node, pair->key + 7, pair->value);
		} else if (!strncmp(pair->key, "flag.", 5)) {
			snprintf(flag, sizeof flag, "--%s%.256s", strcmp(pair->value, "0") ? "" : "no-", pair->key + 5);
			fputc(' ', command->to);
			cn_command_word(command, flag);
		}
	}
}

static void
put_output(const struct cn_command *command, const char *output)
{
	if (!output)
		return;
	fputs(" -o ", command->to);
	cn_command_word(command, output);
}

/* Operands, then the output; before them where one would be taken for an option, so that "--" ends the options. */
static void
put_operands(const struct cn_command *command, const struct cn_node *node, const char *output)
{
	const char *input = cn_node_input(node, 1), *second = cn_node_input(node, 2);
	const bool alone = input && (!second || cn_node_by_option(node, 2)) && !cn_meta_get(&node->meta, "verb");
	bool dashed = false;

	for (size_t i = 1; cn_node_input(node, i); i++)
		dashed |= cn_node_input(node, i)[0] == '-' && cn_node_input(node, i)[1] && !cn_node_by_option(node, i);
	if (dashed) {
		put_output(command, output);
		fputs(" --", command->to);
	}
	for (size_t i = 1; (input = cn_node_input(node, i)); i++) {
		if (cn_node_by_option(node, i) || (alone && !strcmp(input, "-")))
			continue;
		fputc(' ', command->to);
		put_input(command, node, i);
	}
	if (!dashed)
		put_output(command, output);
}

void
cn_command_write(const struct cn_command *command, const struct cn_node *node, const char *output)
{
	const char *program = cn_meta_get(&node->meta, "program"), *verb = cn_meta_get(&node->meta, "verb");

	cn_command_word(command, program ? program : "?");
	if (verb) {
		fputc(' ', command->to);
		cn_command_word(command, verb);
	}
	put_options(command, node);
	put_operands(command, node, output);
}
