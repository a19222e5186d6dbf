/*
 * preset - names for whole trunks.
 *
 * A name becomes the words that it stands for before anything else sees it: a model holds the words alone.
 */
#ifndef CN_NN_PRESET_H
#define CN_NN_PRESET_H

#include <stddef.h>

/* The words of the preset of that name; arch itself when it is none. */
const char *cn_preset_words(const char *arch);

/* The name of preset i, from 0 on; NULL behind the last. */
const char *cn_preset_name(size_t i);

#endif
