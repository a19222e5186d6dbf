/*
 * limits - what a stream may ask for at most; formats/limits.def is the list.
 *
 * A reader checks them before it allocates, so a lying length costs nothing.
 */
#ifndef CN_STREAM_LIMITS_H
#define CN_STREAM_LIMITS_H

enum cn_limit {
#define CN_LIMIT(NAME, value, what) CN_LIMIT_##NAME = (value),
#include "limits.def"
#undef CN_LIMIT
};

#endif
