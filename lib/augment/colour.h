/*
 * colour - changes of colour on planes of floats 0..255, n numbers each, n a multiple of 16.
 *
 * As torchvision.transforms.functional does to float tensors: blend(a, b, f) = clamp(f a + (1 - f) b).
 * Factor 1 (hue: 0) leaves every number exactly as it was.
 */
#ifndef CN_AUGMENT_COLOUR_H
#define CN_AUGMENT_COLOUR_H

#include <stddef.h>

#define CN_COLOUR_LANES 16

/* x = clamp(f x + rest) to 0..255. */
void cn_colour_scale(float *x, size_t n, float f, float rest);

/* Luminance 0.299 r + 0.587 g + 0.114 b into grey. */
void cn_colour_grey(const float *r, const float *g, const float *b, float *grey, size_t n);

/* Sum in 16 lanes, folded as a tree. */
float cn_colour_sum(const float *x, size_t n);

/* Blend with the luminance. */
void cn_colour_saturate(float *r, float *g, float *b, size_t n, float f);

/* Turns the hue by -0.5..0.5 of a circle; value and chroma stay. */
void cn_colour_turn(float *r, float *g, float *b, size_t n, float turns);

#endif
