/*
 * remake - a history as a Makefile that makes the stream, or the model, again.
 *
 * Each input that was a file becomes a target of its own, with its rule if its history is known; what came
 * through a pipe is part of one rule.  Words are quoted for the shell and for make.
 */
#ifndef CN_DATA_REMAKE_H
#define CN_DATA_REMAKE_H

#include <stdio.h>

#include "base/err.h"
#include "stream/history.h"

/*
 * Of the last node, as target file, and of all that it was made from; a target that is no file (a pipe) is called
 * fallback.  Refuses what make cannot do: a name for two things, an input without name or history.  0 or -1.
 */
int cn_remake_write(const struct cn_history *history, const char *file, const char *fallback, FILE *to, struct cn_err *err);

#endif
