/* files - which files a command line names, and that they do not get in each other's way. */
#ifndef CN_BASE_FILES_H
#define CN_BASE_FILES_H

#include "base/tool.h"

/*
 * words[0..n-1] are the operands.  Refused are: two inputs that are standard input; two outputs that are one
 * file; notes (see opt.h) over an input.  Devices may be named as often as one likes.  0, or -1 with CN_USAGE.
 */
int cn_files_check(const struct cn_tool *tool, const void *config, int n, char **words, struct cn_err *err);

#endif
