/*
 * about - what the option table says about a program, for people and machines, on standard output.
 *
 * cn_tool_begin calls these for --help, --version and the hidden --mdoc (the manual's SYNOPSIS and
 * OPTIONS), --complete (one word of the command line and what may follow it, per row) and --table (one
 * option per row, for tests that walk all of them).
 */
#ifndef CN_BASE_ABOUT_H
#define CN_BASE_ABOUT_H

#include "base/tool.h"

void cn_about_help(const struct cn_tool *tool);
void cn_about_version(const struct cn_tool *tool);
void cn_about_mdoc(const struct cn_tool *tool);

/* "--name<TAB>a|b", "--name<TAB>@path" (a file), "--name<TAB>@value" (anything), "--name<TAB>" (a flag),
 * "verb<TAB>a|b" (the first operand).  An option that is for some methods or tasks alone has these in a third column. */
void cn_about_complete(const struct cn_tool *tool);

/* letter, name, type, min, max, default, choices: separated by tabs, "-" where there is none. */
void cn_about_table(const struct cn_tool *tool);

#endif
