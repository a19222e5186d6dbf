/*
 * picture - a picture on the work bench: floats 0..255, one plane per channel, column by column.
 *
 * Colours follow torchvision's float tensors (blends clamped to 0..255, hue turned in HSV), resampling is the
 * antialiased triangle filter of PIL's BILINEAR without rounding between its two passes; one rounding, at
 * the end.  Elementwise float arithmetic and sums in a fixed order: the same bytes on every machine.
 *
 * Columns are padded to a multiple of 16 numbers; the padding is zero until a contrast or blur has passed.
 */
#ifndef CN_AUGMENT_PICTURE_H
#define CN_AUGMENT_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "augment/plan.h"
#include "base/err.h"

#define CN_PICTURE_LANES 16

struct cn_picture;

/* A bench for pictures of from (height, width) that become to (height, width), channels both.  For one thread. */
struct cn_picture *cn_picture_new(uint32_t height, uint32_t width, uint32_t to_height, uint32_t to_width, uint32_t channels,
	struct cn_err *err);
void cn_picture_free(struct cn_picture *picture);

/* The view of from (height, width, channels) that plan describes, into to (to_height, to_width, channels). */
void cn_picture_view(struct cn_picture *picture, const struct cn_plan *plan, const uint8_t *from, uint8_t *to);

#endif
