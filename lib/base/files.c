/* files - which files a command line names: the same by device and inode, or by folder and name. */
#include "base/files.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/output.h"
#include "base/banned.h"

struct file {
	const struct cn_opt *opt;	/* NULL: an operand */
	const char *path;		/* as typed; "-" also where nothing was */
	char *name;			/* of a file that is not there yet: its last part; otherwise NULL */
	struct stat status;		/* of the file, or of the folder it will be in */
	bool known;
};

/* What is at path, or will be; a path that cannot be looked at is told by who opens it. */
static void
look(struct file *file, const struct cn_opt *opt, const char *path)
{
	struct cn_err none = { 0 };
	char *slash;

	*file = (struct file){ .opt = opt, .path = path ? path : "-" };
	if (!strcmp(file->path, "-"))
		file->known = !fstat(opt && opt->writes ? STDOUT_FILENO : STDIN_FILENO, &file->status);
	else
		file->known = !stat(path, &file->status);
	if (file->known || !(file->name = cn_output_target(file->path, &none)))
		return;
	slash = strrchr(file->name, '/');
	if (!slash) {
		file->known = !stat(".", &file->status);
		return;
	}
	*slash = '\0';
	file->known = !stat(slash == file->name ? "/" : file->name, &file->status);
	memmove(file->name, slash + 1, strlen(slash + 1) + 1);
}

static bool
same(const struct file *a, const struct file *b)
{
	if (!a->known || !b->known || a->status.st_dev != b->status.st_dev || a->status.st_ino != b->status.st_ino)
		return false;
	if (a->name || b->name)
		return a->name && b->name && !strcmp(a->name, b->name);
	return !S_ISCHR(a->status.st_mode) && !S_ISBLK(a->status.st_mode);
}

/* The i-th file an option names, or NULL. */
static const char *
path_at(const struct cn_opt *opt, const void *config, size_t i)
{
	const void *slot = (const char *)config + opt->slot.offset;

	if (opt->slot.type == CN_OPT_PATHS)
		return i < ((const struct cn_texts *)slot)->n ? ((const struct cn_texts *)slot)->value[i] : NULL;
	return opt->slot.type == CN_OPT_PATH && i == 0 ? *(const char *const *)slot : NULL;
}

static const char *
path_of(const struct cn_opt *opt, const void *config)
{
	return path_at(opt, config, 0);
}

static bool
is_result(const struct cn_opt *opt)
{
	return opt->writes == CN_OPT_RESULT;	/* which is standard output if it is not named */
}

/* Only one input can be standard input: an operand, none at all, or a path among the options. */
static int
check_standard_input(const struct cn_tool *tool, const void *config, int n, char **words, struct cn_err *err)
{
	const int first = tool->verbs != NULL;
	int uses = n <= first;

	for (int i = first; i < n; i++)
		uses += !strcmp(words[i], "-");
	for (const struct cn_opt *opt = tool->opts; opt->name; opt++)
		for (size_t i = 0; !opt->writes && path_at(opt, config, i); i++)
			uses += !strcmp(path_at(opt, config, i), "-");
	if (uses > 1)
		return cn_err_set(err, CN_USAGE, "only one input can be standard input; name a file for the other");
	return 0;
}

static int
compare(const struct file *notes, const struct cn_opt *opt, const char *path, struct cn_err *err)
{
	const bool written = opt && opt->writes;
	struct file other;

	look(&other, opt, path);
	const char *name = strcmp(other.path, "-") ? other.path : written ? "standard output" : "standard input";
	if (same(notes, &other) && written)
		cn_err_set(err, CN_USAGE, "--%s and --%s would be one file, %s; give --%s a name of its own",
			notes->opt->name, opt->name, name, notes->opt->name);
	else if (same(notes, &other))
		cn_err_set(err, CN_USAGE, "--%s would be written over the input, %s; give it a name of its own",
			notes->opt->name, name);
	cn_mem_free(other.name);
	return err->code ? -1 : 0;
}

/* Notes beside everything else.  Of two notes each is compared with the other, which does no harm. */
static int
check_notes(const struct cn_tool *tool, const void *config, const struct cn_opt *row, int n, char **words,
	struct cn_err *err)
{
	const int first = tool->verbs != NULL;
	struct file notes;

	look(&notes, row, path_of(row, config));
	for (const struct cn_opt *opt = tool->opts; opt->name && !err->code; opt++)
		if (opt != row && (is_result(opt) || path_of(opt, config))) {
			size_t i = 0;

			do
				compare(&notes, opt, path_at(opt, config, i), err);
			while (!err->code && path_at(opt, config, ++i));
		}
	for (int i = first; i < n && !err->code; i++)
		compare(&notes, NULL, words[i], err);
	if (n <= first)
		compare(&notes, NULL, NULL, err);
	cn_mem_free(notes.name);
	return err->code ? -1 : 0;
}

int
cn_files_check(const struct cn_tool *tool, const void *config, int n, char **words, struct cn_err *err)
{
	if (check_standard_input(tool, config, n, words, err))
		return -1;
	for (const struct cn_opt *opt = tool->opts; opt->name; opt++)
		if (opt->writes == CN_OPT_NOTES && path_of(opt, config) && check_notes(tool, config, opt, n, words, err))
			return -1;
	return 0;
}
