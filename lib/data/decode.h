/*
 * decode - a picture file in memory into pixels: JPEG (libjpeg-turbo), PNG (libspng), PNM (P2 P3 P5 P6).
 *
 * Told by content.  Extents are looked at and bounded before anything is allocated; a picture that is cut
 * short or damaged is an error, never a grey area.  JPEG uses the exact integer transform, so that bytes do
 * not depend on the CPU.
 */
#ifndef CN_DATA_DECODE_H
#define CN_DATA_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CN_DECODE_PIXELS ((uint64_t)1 << 26)	/* more pixels than this are refused */

struct cn_decoded {
	uint32_t height, width;
	bool grey;		/* stored without colour: the three channels are equal */
	uint8_t *pixels;	/* (height, width, 3), owned; alpha is dropped, 16 bits become 8 */
};

enum cn_decode_kind { CN_DECODE_NONE, CN_DECODE_JPEG, CN_DECODE_PNG, CN_DECODE_PNM };

/* What a file is that begins with these bytes (8 are enough). */
enum cn_decode_kind cn_decode_kind(const void *bytes, size_t size);

/* name is for messages: "FILE: cut short".  0 or -1; free with cn_decode_release. */
int cn_decode(const void *bytes, size_t size, const char *name, struct cn_decoded *picture,
	struct cn_err *err);

/* A name that ends like a picture: .jpg .jpeg .png .ppm .pgm .pnm in either case. */
bool cn_decode_knows(const char *name);

void cn_decode_release(struct cn_decoded *picture);

#endif
