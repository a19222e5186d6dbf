/*
 * command - a step of a history as the line that one would type, its words quoted for the shell.
 */
#ifndef CN_DATA_COMMAND_H
#define CN_DATA_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "stream/history.h"

struct cn_command {
	FILE *to;
	bool make;	/* in a Makefile, where dollars are doubled */
	/* Writes the word for an input; NULL: the name as it was typed. */
	void (*input)(void *context, const struct cn_node *node, size_t number);
	void *context;
};

/* Program, verb, options, operands, and -o output if not NULL.  Standard input is not named where it is the only operand. */
void cn_command_write(const struct cn_command *command, const struct cn_node *node, const char *output);

/* One word, in quotes where it needs them. */
void cn_command_word(const struct cn_command *command, const char *word);

#endif
