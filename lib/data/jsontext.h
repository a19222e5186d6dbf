/* jsontext - a JSON value as text for people and machines: indented, in the order it was made, with a last newline. */
#ifndef CN_DATA_JSONTEXT_H
#define CN_DATA_JSONTEXT_H

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"

/* Takes over root; NULL, as jansson gives where memory is short, is that error.  0 or -1. */
int cn_jsontext_write(json_t *root, FILE *to, struct cn_err *err);

#endif
