/* about - what the option table says about a program, for people and machines. */
#include "base/about.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

void
cn_about_version(const struct cn_tool *tool)
{
	printf("%s %s\n", tool->name, CN_VERSION);
}

static bool
has_range(const struct cn_opt *opt)
{
	return opt->min < opt->max;
}

/* The sentence of a row begins small behind the names of what the row is for. */
static int
first_letter(const struct cn_opt *opt)
{
	return opt->of ? tolower((unsigned char)*opt->help) : *opt->help;
}

/* " (1 to 64) [16]": range or choices, then the default. */
static void
print_limits(const struct cn_opt *opt)
{
	if (opt->choices)
		printf(" (%s)", opt->choices);
	else if (has_range(opt))
		printf(" (%.15g to %.15g)", opt->min, opt->max);
	if (opt->fallback && *opt->fallback)
		printf(" [%s]", opt->fallback);
}

void
cn_about_help(const struct cn_tool *tool)
{
	enum { WIDTH = 26 };

	printf("usage: %s [option ...] %s\n%s\n\n", tool->name, tool->operands, tool->summary);
	for (const struct cn_opt *opt = tool->opts; opt->name; opt++) {
		char letter[8] = "    ", left[96];

		if (opt->letter)
			snprintf(letter, sizeof letter, "-%c, ", opt->letter);
		snprintf(left, sizeof left, "%s--%s%s%s", letter, opt->name, opt->arg ? " " : "",
			opt->arg ? opt->arg : "");
		printf("  %-*s%s", WIDTH, left, strlen(left) >= WIDTH ? "  " : "");
		printf("%s%s%c%s", opt->of ? opt->of : "", opt->of ? ": " : "", first_letter(opt), opt->help + 1);
		print_limits(opt);
		putchar('\n');
	}
	printf("  %-*s%s\n", WIDTH, "    --help", "Say this");
	printf("  %-*s%s\n", WIDTH, "    --version", "Say the version");
	if (tool->verbs)
		printf("\nThe first operand is one of: %s\n", tool->verbs);
}

/* "[file ...]" becomes ".Op Ar file ...", a bare word ".Ar word". */
static void
print_mdoc_operands(const char *operands)
{
	for (const char *at = operands + strspn(operands, " "); *at; at += strspn(at, " ")) {
		bool optional = *at == '[';
		size_t length = strcspn(at, optional ? "]" : " ");

		printf(optional ? ".Op Ar %.*s\n" : ".Ar %.*s\n", (int)length - optional, at + optional);
		at += length + (at[length] == ']');
	}
}

static void
print_mdoc_synopsis(const struct cn_tool *tool)
{
	printf(".Sh SYNOPSIS\n.Nm\n");
	for (const struct cn_opt *opt = tool->opts; opt->name; opt++) {
		if (opt->letter)
			printf(".Op Fl %c", opt->letter);
		else
			printf(".Op Fl -%s", opt->name);
		if (opt->arg)
			printf(" Ar %s", opt->arg);
		putchar('\n');
	}
	print_mdoc_operands(tool->operands);
}

/* Text for a manual page: a backslash is an escape there. */
static void
print_mdoc_text(const char *text)
{
	for (; *text; text++)
		if (*text == '\\')
			printf("\\e");
		else
			putchar(*text);
}

/* Whom a row is for, ".Cm gan , daml :", and its sentence. */
static void
print_mdoc_help(const struct cn_opt *opt)
{
	if (opt->of) {
		printf(".Cm ");
		for (const char *c = opt->of; *c; c++)
			printf(*c == ',' ? " %c" : "%c", *c);
		printf(" :\n");
	}
	putchar(first_letter(opt));
	print_mdoc_text(opt->help + 1);
	printf(".\n");
}

static void
print_mdoc_limits(const struct cn_opt *opt)
{
	if (opt->choices) {
		printf("One of ");
		for (const char *c = opt->choices; *c; c++)
			*c == '|' ? (void)printf(", ") : (void)putchar(*c);
	} else if (has_range(opt)) {
		printf("From %.15g to %.15g", opt->min, opt->max);
	}
	if (opt->fallback && !*opt->fallback) {
		printf("By default empty");
	} else if (opt->fallback) {
		printf(opt->choices || has_range(opt) ? "; " : "By default ");
		print_mdoc_text(opt->fallback);
		if (opt->choices || has_range(opt))
			printf(" by default");
	}
	if (opt->choices || has_range(opt) || opt->fallback)
		printf(".\n");
}

void
cn_about_mdoc(const struct cn_tool *tool)
{
	print_mdoc_synopsis(tool);
	printf(".Sh OPTIONS\n.Bl -tag -width Ds\n");
	for (const struct cn_opt *opt = tool->opts; opt->name; opt++) {
		printf(".It ");
		if (opt->letter)
			printf("Fl %c , ", opt->letter);
		printf("Fl -%s", opt->name);
		if (opt->arg)
			printf(" Ar %s", opt->arg);
		putchar('\n');
		print_mdoc_help(opt);
		print_mdoc_limits(opt);
	}
	printf(".It Fl -help\nSay what the options are.\n.It Fl -version\nSay the version.\n.El\n");
}

void
cn_about_complete(const struct cn_tool *tool)
{
	if (tool->verbs)
		printf("verb\t%s\n", tool->verbs);
	for (const struct cn_opt *opt = tool->opts; opt->name; opt++)
		printf("--%s\t%s%s%s\n", opt->name,
			opt->choices ? opt->choices : opt->slot.type == CN_OPT_PATH || opt->slot.type == CN_OPT_PATHS ? "@path"
			: opt->slot.type == CN_OPT_FLAG ? "" : "@value", opt->of ? "\t" : "", opt->of ? opt->of : "");
	printf("--help\t\n--version\t\n");
}

void
cn_about_table(const struct cn_tool *tool)
{
	static const char *const type[] = { "?", "int", "real", "text", "path", "flag", "size", "choice",
		"reals", "texts" };

	for (const struct cn_opt *opt = tool->opts; opt->name; opt++) {
		char min[64] = "-", max[64] = "-";
		bool whole = opt->slot.type == CN_OPT_INT || opt->slot.type == CN_OPT_SIZE;

		if (has_range(opt)) {
			snprintf(min, sizeof min, whole ? "%.0f" : "%.15g", opt->min);
			snprintf(max, sizeof max, whole ? "%.0f" : "%.15g", opt->max);
		}
		printf("%c\t%s\t%s\t%s\t%s\t%s\t%s\n", opt->letter ? opt->letter : '-', opt->name,
			type[opt->slot.type], min, max, opt->fallback && *opt->fallback ? opt->fallback : "-",
			opt->choices ? opt->choices : "-");
	}
}
