/*
 * test_tool - how a program begins and ends: a small tool in a child process, and what it says and
 * leaves behind.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/output.h"
#include "base/tool.h"
#include "tap.h"
#include "base/banned.h"

struct config {
	struct cn_common common;
	long long k, only;
};

static const struct cn_opt opts[] = {
	{ 0, "k", CN_INT(k), "count", "16", 1, 64, .help = "Write this many" },
	{ 0, "only", CN_INT(only), "count", "1", 1, 9, .of = "two, three", .help = "Do it so often" },
	CN_OPT_THREADS_ROW, CN_OPT_SEED_ROW, CN_OPT_STREAM_ROWS, CN_OPT_PROGRESS_ROW, CN_OPT_QUIET_ROWS,
		CN_OPT_END
};

static const struct cn_tool tool = {
	.name = "cn-try", .summary = "try things", .operands = "task [file ...]", .verbs = "one|two|three",
	.min_operands = 1, .max_operands = 2, .opts = opts, .common = offsetof(struct config, common),
};

enum trick { PLAIN, CLOSED_OUTPUT, CLOSED_ALL, FULL_DISK, DEAD_COMPLAINTS, KILLED };	/* by this and further numbers: signals */

static char said[8192], complained[8192];

/* In the child: the whole life of a small program, which prints its threads and writes a file. */
static int
live(char **argv, int argc, enum trick trick)
{
	struct config c = { 0 };
	struct cn_err err = { 0 };
	int n = cn_tool_begin(&tool, &c, argc, &argv);

	printf("%d %s %lld %lld\n", n, argv[0], c.common.threads, c.k);
	cn_tool_say(&tool, "said %s", argv[0]);
	if (c.common.output) {
		struct cn_output *output = cn_output_open(c.common.output, 0, &err);

		cn_output_write(output, "bytes", 5, &err);
		if (trick >= KILLED)
			raise((int)trick - KILLED);
		cn_output_finish(output, &err);
		cn_output_free(output);
	}
	return cn_tool_end(&tool, &err);
}

static void
prepare(enum trick trick, const int *out, const int *complaints)
{
	dup2(out[1], STDOUT_FILENO);
	dup2(complaints[1], STDERR_FILENO);
	for (int i = 0; i < 2; i++) {
		close(out[i]);
		close(complaints[i]);
	}
	if (trick == DEAD_COMPLAINTS) {	/* a pipe that nobody reads */
		int dead[2];

		if (!pipe(dead))
			dup2(dead[1], STDERR_FILENO);
		close(dead[0]);
		close(dead[1]);
	}
	if (trick == FULL_DISK)
		dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
	if (trick == CLOSED_OUTPUT || trick == CLOSED_ALL)
		close(STDOUT_FILENO);
	if (trick == CLOSED_ALL)
		close(STDIN_FILENO);
}

static void
drain(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used + 1 < size && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd);
}

/* Runs "cn-try LINE" and returns its wait status; what it said is in said and complained. */
static int
run(enum trick trick, const char *line)
{
	char copy[512], *argv[16] = { (char[]){ "cn-try" } };
	int argc = 1, out[2], complaints[2], status = -1;
	pid_t child;

	snprintf(copy, sizeof copy, "%s", line);
	for (char *at = copy; *at;) {
		argv[argc++] = at;
		at += strcspn(at, " ");
		if (*at)
			*at++ = '\0';
	}
	if (pipe(out) || pipe(complaints))
		return -1;
	fflush(stdout);
	child = fork();
	if (!child) {
		prepare(trick, out, complaints);
		exit(live(argv, argc, trick));
	}
	close(out[1]);
	close(complaints[1]);
	drain(out[0], said, sizeof said);
	drain(complaints[0], complained, sizeof complained);
	waitpid(child, &status, 0);
	return status;
}

static void
ends(enum trick trick, const char *line, int status, const char *out, const char *complaint)
{
	int got = run(trick, line);

	TAP_OK(WIFEXITED(got) && WEXITSTATUS(got) == status && strstr(said, out)
		&& strstr(complained, complaint),
		"cn-try %s: %d", line, status);
	if (!(WIFEXITED(got) && WEXITSTATUS(got) == status && strstr(said, out)
		&& strstr(complained, complaint)))
		printf("# wait status %d\n# said %s\n# complained %s\n", got, said, complained);
}

static void
test_command_lines(void)
{
	ends(PLAIN, "one -T 3 --k 5", 0, "1 one 3 5\n", "cn-try: said one\n");
	ends(PLAIN, "one -q", 0, "1 one 0 16\n", "");
	TAP_OK(!*complained, "-q says nothing");
	ends(DEAD_COMPLAINTS, "one", 0, "1 one 0 16\n", "");
	ends(DEAD_COMPLAINTS, "four", 2, "", "");
	ends(PLAIN, "", 2, "", "cn-try: wants one more operand: cn-try task [file ...]");
	ends(PLAIN, "four", 2, "", "cn-try: 'four' is none of one|two|three");
	ends(PLAIN, "two --only 3", 0, "1 two 0 16", "");
	ends(PLAIN, "a one --only 3", 2, "", "cn-try: 'a' is none of");
	ends(PLAIN, "one --only 3", 2, "", "cn-try: --only would do nothing here: it is for task two, three\n");
	ends(PLAIN, "one a b", 2, "", "one operand too many: 'b'");
	ends(PLAIN, "one --level 20", 2, "", "--level must lie in -7 to 19, not '20'");
	ends(PLAIN, "one --level fast", 2, "", "--level must lie in");
	ends(PLAIN, "one --level=-7 -q", 0, "1 one", "");
	ends(PLAIN, "one -k 4", 2, "", "did you mean --k 4?");
	ends(PLAIN, "one --chunk-rows 1048577", 2, "", "--chunk-rows must lie in 0 to 1048576");
}

static void
test_environment(void)
{
	setenv("CN_THREADS", "5", 1);
	setenv("CN_LEVEL", "3", 1);
	ends(PLAIN, "two -q", 0, "1 two 5 16\n", "");
	ends(PLAIN, "two -q -T 2", 0, "1 two 2 16\n", "");
	setenv("CN_THREADS", "many", 1);
	ends(PLAIN, "two", 2, "", "CN_THREADS: --threads wants a whole number");
	unsetenv("CN_THREADS");
	setenv("CN_LEVEL", "99", 1);
	ends(PLAIN, "two", 2, "", "CN_LEVEL must lie in -7 to 19, not '99'");
	unsetenv("CN_LEVEL");
}

static void
test_answers(void)
{
	ends(PLAIN, "--help", 0, "usage: cn-try [option ...] task [file ...]\n", "");
	TAP_OK(strstr(said, "      --k count             Write this many (1 to 64) [16]\n") != NULL,
		"a row of the help");
	TAP_OK(strstr(said, "      --only count          two, three: do it so often (1 to 9) [1]\n") != NULL, "a row says what it is for");
	ends(PLAIN, "one --version", 0, "cn-try " CN_VERSION "\n", "");
	ends(PLAIN, "one --vers", 0, "cn-try " CN_VERSION "\n", "");
	ends(PLAIN, "--h", 0, "usage: cn-try", "");
	ends(PLAIN, "one --ver", 2, "", "--ver stands for several options");
	ends(PLAIN, "one --version=3", 2, "", "--version takes no value, not '3'");
	ends(PLAIN, "--mdoc", 0, ".Sh SYNOPSIS\n.Nm\n.Op Fl -k Ar count\n", "");
	TAP_OK(strstr(said, ".Ar task\n.Op Ar file ...\n.Sh OPTIONS\n") != NULL, "operands in the manual");
	TAP_OK(strstr(said, ".It Fl -only Ar count\n.Cm two , three :\ndo it so often.\n") != NULL, "what an option is for, in the manual");
	ends(PLAIN, "--complete", 0, "verb\tone|two|three\n--k\t@value\n--only\t@value\ttwo, three\n", "");
	TAP_OK(strstr(said, "--progress\tauto|always|never\n")
		&& strstr(said, "--output\t@path\n"), "choices and files");
	ends(PLAIN, "--table", 0, "-\tk\tint\t1\t64\t16\t-\n", "");
	TAP_OK(strstr(said, "o\toutput\tpath\t-\t-\t-\t-\n") != NULL, "a row without range");
	ends(FULL_DISK, "--help", 1, "", "cn-try: cannot write standard output: No space left on device");
}

static void
test_descriptors(const char *path)
{
	char line[256];

	ends(CLOSED_OUTPUT, "one", 1, "", "cn-try: cannot write standard output");
	ends(FULL_DISK, "one", 1, "", "cn-try: cannot write standard output");
	snprintf(line, sizeof line, "one -o %s", path);
	ends(CLOSED_ALL, line, 1, "", "cannot write standard output");
	FILE *file = fopen(path, "r");
	char text[16] = "";

	TAP_OK(file && fgets(text, sizeof text, file) && !strcmp(text, "bytes"),
		"prints never land in a data file");
	if (file)
		fclose(file);
	unlink(path);
}

static void
test_signals(const char *folder, const char *path)
{
	static const int killer[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU, SIGPIPE, SIGABRT };
	const struct rlimit none = { 0 };
	char line[256];

	setrlimit(RLIMIT_CORE, &none);
	snprintf(line, sizeof line, "one -o %s", path);
	for (size_t i = 0; i < sizeof killer / sizeof *killer; i++) {
		int status;

		signal(killer[i], SIG_DFL);	/* whatever the tests were started with */
		status = run(KILLED + killer[i], line);
		TAP_OK(WIFSIGNALED(status) && WTERMSIG(status) == killer[i], "signal %d ends it by itself", killer[i]);
	}
	TAP_OK(rmdir(folder) == 0, "and leaves no temporary file");
}

static void
test_history(void)
{
	struct config c = { .k = 5 };
	struct cn_meta node = { 0 };
	struct cn_err err = { 0 };

	c.common.seed = 7;
	c.common.threads = 3;
	cn_tool_describe(&tool, &c, &node, &err);
	TAP_OK(!err.code && cn_meta_get(&node, "program") && !strcmp(cn_meta_get(&node, "option.k"), "5")
		&& !strcmp(cn_meta_get(&node, "seed"), "7") && !cn_meta_get(&node, "option.threads"),
			"a history node");
	cn_meta_release(&node);
}

int
main(void)
{
	char folder[] = "/tmp/cn-tool-XXXXXX", path[64];

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/out", folder);
	unsetenv("CN_THREADS");
	unsetenv("CN_LEVEL");
	test_command_lines();
	test_environment();
	test_answers();
	test_descriptors(path);
	test_signals(folder, path);
	test_history();
	return tap_done();
}
