/* sheet - cells, frames and a PNG at the end. */
#include "data/sheet.h"

#include <inttypes.h>
#include <stddef.h>

#include <spng.h>

#include "base/mem.h"
#include "base/banned.h"

#define PAPER 0xf4
#define LIMIT ((uint64_t)1 << 28)

/* From the edge of one cell to that of the next. */
static uint64_t
cell(const struct cn_sheet *sheet, uint32_t extent)
{
	return (uint64_t)extent * sheet->zoom + 2 * (uint64_t)sheet->frame + sheet->frame;
}

int
cn_sheet_init(struct cn_sheet *sheet, struct cn_err *err)
{
	sheet->frame = sheet->zoom;
	const uint64_t down = cell(sheet, sheet->height), across = cell(sheet, sheet->width);
	if (down > LIMIT || across > LIMIT || down * sheet->rows > LIMIT || across * sheet->columns > LIMIT
	    || (down * sheet->rows) * (across * sheet->columns) > LIMIT)
		return cn_err_set(err, CN_FAILED,
		"a sheet of %" PRIu32 " by %" PRIu32 " pictures is over the limit of %"
			PRIu64 " pixels; give a smaller -n or --zoom", sheet->rows, sheet->columns, LIMIT);
	sheet->sheet_height = (uint32_t)(down * sheet->rows) + sheet->frame;
	sheet->sheet_width = (uint32_t)(across * sheet->columns) + sheet->frame;

	const size_t bytes = (size_t)sheet->sheet_height * sheet->sheet_width * 3;
	sheet->pixels = cn_mem_array(bytes, 1, err);
	if (sheet->pixels)
		memset(sheet->pixels, PAPER, bytes);
	return sheet->pixels ? 0 : -1;
}

static void
dot(struct cn_sheet *sheet, uint32_t y, uint32_t x, uint32_t colour)
{
	uint8_t *p = sheet->pixels + ((size_t)y * sheet->sheet_width + x) * 3;

	p[0] = (uint8_t)(colour >> 16);
	p[1] = (uint8_t)(colour >> 8);
	p[2] = (uint8_t)colour;
}

void
cn_sheet_put(struct cn_sheet *sheet, uint32_t row, uint32_t column, const uint8_t *picture, uint32_t colour)
{
	const uint32_t frame = sheet->frame, zoom = sheet->zoom;
	const uint32_t top = (uint32_t)(cell(sheet, sheet->height) * row) + frame;
	const uint32_t left = (uint32_t)(cell(sheet, sheet->width) * column) + frame;
	const uint32_t height = sheet->height * zoom, width = sheet->width * zoom;

	for (uint32_t y = 0; y < height + 2 * frame; y++)
		for (uint32_t x = 0; x < width + 2 * frame; x++) {
			uint32_t value = colour;
			if (y >= frame && x >= frame && y < height + frame && x < width + frame) {
				const size_t at = (size_t)((y - frame) / zoom) * sheet->width + (x - frame) / zoom;
				const uint8_t *p = picture + at * sheet->channels;
				const size_t second = sheet->channels == 3, third = 2 * second;
				value = (uint32_t)p[0] << 16 | (uint32_t)p[second] << 8 | p[third];
			}
			dot(sheet, top + y, left + x, value);
		}
}

int
cn_sheet_write(const struct cn_sheet *sheet, struct cn_output *output, struct cn_err *err)
{
	struct spng_ihdr head = {
		.width = sheet->sheet_width, .height = sheet->sheet_height,
		.bit_depth = 8, .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
	};
	spng_ctx *png = err->code ? NULL : spng_ctx_new(SPNG_CTX_ENCODER);
	size_t size = 0;
	void *bytes = NULL;

	if (!png)
		return cn_err_set(err, CN_FAILED, "out of memory");
	int status = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
	if (!status)
		status = spng_set_ihdr(png, &head);
	if (!status)
		status = spng_encode_image(png, sheet->pixels, (size_t)head.width * head.height * 3,
			SPNG_FMT_PNG,
			SPNG_ENCODE_FINALIZE);
	if (!status)
		bytes = spng_get_png_buffer(png, &size, &status);
	if (status)
		cn_err_set(err, CN_FAILED, "cannot make a PNG picture: %s", spng_strerror(status));
	else
		cn_output_write(output, bytes, size, err);
	free(bytes);
	spng_ctx_free(png);
	return err->code ? -1 : 0;
}

void
cn_sheet_release(struct cn_sheet *sheet)
{
	cn_mem_free(sheet->pixels);
	*sheet = (struct cn_sheet){ 0 };
}
