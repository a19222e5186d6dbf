/* decode - one function per picture format behind one door. */
#include "data/decode.h"

#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jpeglib.h>
#include <jerror.h>
#include <spng.h>

#include "base/mem.h"
#include "base/banned.h"

#define SCANS 200	/* of a progressive JPEG: more make a small file decode for hours */

/* Room for the pixels, after the extents have been found possible. */
static int
make_room(struct cn_decoded *picture, uint64_t width, uint64_t height, const char *name, struct cn_err *err)
{
	if (!width || !height || width > INT32_MAX || height > INT32_MAX || width * height > CN_DECODE_PIXELS)
		return cn_err_set(err, CN_FAILED,
			"%s: a picture of %" PRIu64 "x%" PRIu64 " pixels is over the limit of %"
			PRIu64, name, width, height, CN_DECODE_PIXELS);
	picture->width = (uint32_t)width;
	picture->height = (uint32_t)height;
	picture->pixels = cn_mem_array((size_t)(width * height), 3, err);
	return picture->pixels ? 0 : -1;
}

/* JPEG */

struct jpeg {
	struct jpeg_decompress_struct info;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf leave;
	char text[JMSG_LENGTH_MAX];
};

static void
leave_jpeg(j_common_ptr info)
{
	struct jpeg *jpeg = info->client_data;

	info->err->format_message(info, jpeg->text);
	longjmp(jpeg->leave, 1);
}

/* Damage is an error here; what is merely odd about a file is not. */
static void
hear_jpeg(j_common_ptr info, int level)
{
	const int code = info->err->msg_code;

	if (level < 0 && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR)
		leave_jpeg(info);
}

static void
watch_jpeg(j_common_ptr info)
{
	struct jpeg *jpeg = info->client_data;

	if (info->is_decompressor && jpeg->info.input_scan_number > SCANS) {
		snprintf(jpeg->text, sizeof jpeg->text, "more than %d scans", SCANS);
		longjmp(jpeg->leave, 1);
	}
}

/* All that may jump: nothing here owns memory but jpeg and picture, which the caller frees. */
static int
run_jpeg(struct jpeg *jpeg, const void *bytes, size_t size, const char *name, struct cn_decoded *picture,
	struct cn_err *err)
{
	struct jpeg_decompress_struct *info = &jpeg->info;

	if (setjmp(jpeg->leave))
		return cn_err_set(err, CN_FAILED, "%s: not a whole JPEG picture (%s)", name, jpeg->text);
	jpeg_create_decompress(info);
	info->client_data = jpeg;
	info->progress = &jpeg->progress;
	jpeg_mem_src(info, bytes, size);
	jpeg_read_header(info, TRUE);
	if (info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK)
		return cn_err_set(err, CN_FAILED, "%s: a CMYK picture; convert it to RGB", name);
	if (make_room(picture, info->image_width, info->image_height, name, err))
		return -1;
	picture->grey = info->jpeg_color_space == JCS_GRAYSCALE;
	info->out_color_space = JCS_RGB;
	info->dct_method = JDCT_ISLOW;
	jpeg_start_decompress(info);
	while (info->output_scanline < info->output_height) {
		JSAMPROW row = picture->pixels + (size_t)info->output_scanline * picture->width * 3;
		jpeg_read_scanlines(info, &row, 1);
	}
	jpeg_finish_decompress(info);
	return 0;
}

static int
decode_jpeg(const void *bytes, size_t size, const char *name, struct cn_decoded *picture, struct cn_err *err)
{
	struct jpeg *jpeg = cn_mem_array(1, sizeof *jpeg, err);

	if (!jpeg)
		return -1;
	jpeg->info.err = jpeg_std_error(&jpeg->errors);
	jpeg->info.client_data = jpeg;
	jpeg->errors.error_exit = leave_jpeg;
	jpeg->errors.emit_message = hear_jpeg;
	jpeg->progress.progress_monitor = watch_jpeg;
	const int result = run_jpeg(jpeg, bytes, size, name, picture, err);
	jpeg_destroy_decompress(&jpeg->info);
	cn_mem_free(jpeg);
	return result;
}

/* PNG */

static int
run_png(spng_ctx *png, const void *bytes, size_t size, const char *name, struct cn_decoded *picture,
	struct cn_err *err)
{
	struct spng_ihdr head;
	size_t room;

	spng_set_image_limits(png, INT32_MAX, INT32_MAX);
	spng_set_chunk_limits(png, (size_t)1 << 24, (size_t)1 << 25);
	spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_ERROR);
	int status = spng_set_png_buffer(png, bytes, size);
	if (!status)
		status = spng_get_ihdr(png, &head);
	if (!status) {
		if (make_room(picture, head.width, head.height, name, err))
			return -1;
		picture->grey = !(head.color_type & SPNG_COLOR_TYPE_TRUECOLOR);
		status = spng_decoded_image_size(png, SPNG_FMT_RGB8, &room);
	}
	if (!status)
		status = spng_decode_image(png, picture->pixels, (size_t)picture->width * picture->height * 3,
			SPNG_FMT_RGB8, 0);
	if (!status)
		status = spng_decode_chunks(png);
	if (status)
		return cn_err_set(err, CN_FAILED, "%s: not a whole PNG picture (%s)", name,
			spng_strerror(status));
	return 0;
}

static int
decode_png(const void *bytes, size_t size, const char *name, struct cn_decoded *picture, struct cn_err *err)
{
	spng_ctx *png = spng_ctx_new(0);

	if (!png)
		return cn_err_set(err, CN_FAILED, "%s: out of memory", name);
	const int result = run_png(png, bytes, size, name, picture, err);
	spng_ctx_free(png);
	return result;
}

/* PNM */

struct text {
	const unsigned char *at, *end;
};

/* The next number of a PNM file, behind white space and comments; -1 when there is none. */
static long
read_number(struct text *text)
{
	long value = 0;

	for (; text->at < text->end && (isspace(*text->at) || *text->at == '#'); text->at++)
		if (*text->at == '#')
			while (text->at + 1 < text->end && *text->at != '\n')
				text->at++;
	if (text->at == text->end || !isdigit(*text->at))
		return -1;
	for (; text->at < text->end && isdigit(*text->at); text->at++) {
		value = 10 * value + (*text->at - '0');
		if (value > INT32_MAX)
			return -1;
	}
	return value;
}

/* One sample of a PNM file, 0..most; -1 at the end. */
static long
read_sample(struct text *text, bool plain, long most)
{
	if (plain)
		return read_number(text);
	if (text->end - text->at < (most > 255 ? 2 : 1))
		return -1;
	long value = *text->at++;
	if (most > 255)
		value = value << 8 | *text->at++;
	return value;
}

static int
decode_pnm(const void *bytes, size_t size, const char *name, struct cn_decoded *picture, struct cn_err *err)
{
	struct text text = { (const unsigned char *)bytes + 2, (const unsigned char *)bytes + size };
	const char kind = ((const char *)bytes)[1];
	const bool plain = kind < '4';
	const long width = read_number(&text), height = read_number(&text), most = read_number(&text);

	picture->grey = kind == '2' || kind == '5';
	if (width < 0 || height < 0 || most < 1 || most > 65535 || text.at == text.end
	    || !isspace(*text.at++))
		return cn_err_set(err, CN_FAILED, "%s: damaged PNM header", name);
	const size_t per = picture->grey ? 1 : 3, samples = (size_t)width * (size_t)height * per;
	if (!plain && (size_t)(text.end - text.at) < samples * (most > 255 ? 2 : 1))
		return cn_err_set(err, CN_FAILED, "%s: not a whole PNM picture (data cut short)", name);
	if (make_room(picture, (uint64_t)width, (uint64_t)height, name, err))
		return -1;
	for (size_t i = 0; i < samples; i++) {
		const long value = read_sample(&text, plain, most);
		if (value < 0 || value > most)
			return cn_err_set(err, CN_FAILED, "%s: not a whole PNM picture (sample %zu)", name,
				i);
		const uint8_t byte = (uint8_t)((value * 255 * 2 + most) / (2 * most));
		if (per == 3)
			picture->pixels[i] = byte;
		else
			memset(picture->pixels + 3 * i, byte, 3);
	}
	while (text.at < text.end && isspace(*text.at))
		text.at++;
	if (text.at < text.end)
		return cn_err_set(err, CN_FAILED, "%s: bytes behind the picture; keep one PNM picture in a file", name);
	return 0;
}

enum cn_decode_kind
cn_decode_kind(const void *bytes, size_t size)
{
	const unsigned char *head = bytes;

	if (size >= 3 && !memcmp(head, "\xff\xd8\xff", 3))
		return CN_DECODE_JPEG;
	if (size >= 8 && !memcmp(head, "\x89PNG\r\n\x1a\n", 8))
		return CN_DECODE_PNG;
	if (size >= 3 && head[0] == 'P' && head[1] && strchr("2356", head[1]) && isspace(head[2]))
		return CN_DECODE_PNM;
	return CN_DECODE_NONE;
}

int
cn_decode(const void *bytes, size_t size, const char *name, struct cn_decoded *picture, struct cn_err *err)
{
	int result = -1;

	*picture = (struct cn_decoded){ 0 };
	if (err->code)
		return -1;
	switch (cn_decode_kind(bytes, size)) {
	case CN_DECODE_JPEG: result = decode_jpeg(bytes, size, name, picture, err); break;
	case CN_DECODE_PNG: result = decode_png(bytes, size, name, picture, err); break;
	case CN_DECODE_PNM: result = decode_pnm(bytes, size, name, picture, err); break;
	default: cn_err_set(err, CN_FAILED, "%s: neither JPEG, PNG nor PNM (P2 P3 P5 P6)", name);
	}
	if (result)
		cn_decode_release(picture);
	return result;
}

bool
cn_decode_knows(const char *name)
{
	static const char *const ending[] = { ".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pnm" };
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof ending / sizeof ending[0]; i++)
		if (!strcasecmp(dot, ending[i]))
			return true;
	return false;
}

void
cn_decode_release(struct cn_decoded *picture)
{
	cn_mem_free(picture->pixels);
	*picture = (struct cn_decoded){ 0 };
}
