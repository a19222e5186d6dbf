/*
 * resize - pictures to another size with the same bytes everywhere.
 *
 * Separable triangle filter (bilinear when enlarging; when shrinking the triangle is as wide as the step, so
 * that every pixel counts: what PIL calls BILINEAR), weights rounded to 1/2^20, columns first.
 */
#ifndef CN_DATA_RESIZE_H
#define CN_DATA_RESIZE_H

#include <stdint.h>

#include "base/err.h"

/* from (height, width, channels) into to (to_height, to_width, channels), the caller's; extents 1..65535. */
int cn_resize(const uint8_t *from, uint32_t height, uint32_t width, uint32_t channels,
	uint8_t *to, uint32_t to_height, uint32_t to_width, struct cn_err *err);

#endif
