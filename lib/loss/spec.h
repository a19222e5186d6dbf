/* spec - the words of an objective, read into terms; see loss/objective.h for the grammar. */
#ifndef CN_LOSS_SPEC_H
#define CN_LOSS_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "loss/anchor.h"

#define CN_SPEC_TERMS 8

/* Reads at most CN_SPEC_TERMS terms; returns how many, or -1. */
int cn_spec_read(const char *words, double temperature, struct cn_term *term, struct cn_err *err);

/* Whether positives are those of the same label. */
bool cn_spec_labelled(const struct cn_term *term);

#endif
