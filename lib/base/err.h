/*
 * err - one sentence and one exit status, told once.
 *
 * Whatever can fail takes a struct cn_err last.  The first error sticks; later
 * ones are ignored, and stream-level calls do nothing once it is set, so a happy
 * path reads straight and main looks at the end.  The struct has a fixed size,
 * so that reporting "out of memory" needs no memory.
 */
#ifndef CN_BASE_ERR_H
#define CN_BASE_ERR_H

enum cn_status {
	CN_OK = 0,
	CN_FAILED = 1,		/* the world failed: files, memory, corrupt bytes, unusable numbers */
	CN_USAGE = 2,		/* the command line is wrong */
	CN_INCOMPLETE = 3,	/* input cut short, or aborted upstream */
	CN_INTEGRITY = 4,	/* a digest, checksum or signature does not match */
};

struct cn_err {
	enum cn_status code;
	char text[768];
};

/*
 * Records a sentence (lower case, no full stop: "x.cns: chunk 17 (row 69632): ...")
 * unless an error is already there.  Always returns -1, so "return cn_err_set(...)".
 */
__attribute__((format(printf, 3, 4)))
int cn_err_set(struct cn_err *err, enum cn_status code, const char *format, ...);

/* As cn_err_set with CN_FAILED, followed by ": " and the text of the current errno. */
__attribute__((format(printf, 2, 3)))
int cn_err_errno(struct cn_err *err, const char *format, ...);

#endif
