/*
 * sheet - a contact sheet: pictures of one size in rows and columns, each in a frame of a colour, as PNG.
 */
#ifndef CN_DATA_SHEET_H
#define CN_DATA_SHEET_H

#include <stdint.h>

#include "base/err.h"
#include "base/output.h"

struct cn_sheet {
	uint32_t rows, columns;		/* of cells */
	uint32_t height, width;		/* of a picture */
	uint32_t channels;		/* 1 or 3 */
	uint32_t zoom;			/* pixels of the sheet per pixel of a picture, each way */
	uint32_t frame;			/* thickness in pixels of the sheet */
	uint32_t sheet_height, sheet_width;
	uint8_t *pixels;		/* (sheet_height, sheet_width, 3), owned */
};

/* Measures and clears (to near white) a sheet whose first six extents are set; at most 2^28 pixels. */
int cn_sheet_init(struct cn_sheet *sheet, struct cn_err *err);

/* Puts a picture (height, width, channels) into a cell, in a frame of this colour (0xRRGGBB). */
void cn_sheet_put(struct cn_sheet *sheet, uint32_t row, uint32_t column, const uint8_t *picture,
	uint32_t colour);

/* The sheet as PNG bytes into an output the caller opened and finishes. */
int cn_sheet_write(const struct cn_sheet *sheet, struct cn_output *output, struct cn_err *err);

void cn_sheet_release(struct cn_sheet *sheet);

#endif
