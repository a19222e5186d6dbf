/* decode: pictures made by the libraries come back; cut, flipped and lying ones are refused. */
#include "data/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>

#include "tap.h"
#include "base/banned.h"

enum { W = 19, H = 11 };
static uint8_t pixels[H * W * 3];

static unsigned char *
make_jpeg(unsigned long *size, int channels)
{
	struct jpeg_compress_struct info;
	struct jpeg_error_mgr errors;
	unsigned char *bytes = NULL;

	*size = 0;
	info.err = jpeg_std_error(&errors);
	jpeg_create_compress(&info);
	jpeg_mem_dest(&info, &bytes, size);
	info.image_width = W;
	info.image_height = H;
	info.input_components = channels;
	info.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_set_defaults(&info);
	jpeg_set_quality(&info, 98, TRUE);
	jpeg_start_compress(&info, TRUE);
	while (info.next_scanline < H) {
		JSAMPROW row = pixels + (size_t)info.next_scanline * W * (size_t)channels;
		jpeg_write_scanlines(&info, &row, 1);
	}
	jpeg_finish_compress(&info);
	jpeg_destroy_compress(&info);
	return bytes;
}

static unsigned char *
make_png(size_t *size)
{
	spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
	struct spng_ihdr head = { .width = W, .height = H, .bit_depth = 8,
		.color_type = SPNG_COLOR_TYPE_TRUECOLOR };
	int status;

	spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
	spng_set_ihdr(png, &head);
	spng_encode_image(png, pixels, sizeof pixels, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
	unsigned char *bytes = spng_get_png_buffer(png, size, &status);
	spng_ctx_free(png);
	return bytes;
}

static void
refuse(const char *what, const void *bytes, size_t size, const char *part)
{
	struct cn_err err = { 0 };
	struct cn_decoded picture;

	TAP_OK(cn_decode(bytes, size, "a.img", &picture, &err) == -1 && strstr(err.text, part)
		&& !picture.pixels,
		"%s is refused: %s", what, err.text);
}

/* Every file cut short is refused; flipped bits may show, but never end in anything but a picture or a sentence. */
static void
hurt(const char *what, unsigned char *bytes, size_t size, size_t needed)
{
	bool all = true;

	for (size_t cut = 0; cut < needed; cut++) {
		struct cn_err err = { 0 };
		struct cn_decoded picture;
		unsigned char *copy = malloc(cut + 1);	/* so that a sanitizer sees a read behind the end */
		memcpy(copy, bytes, cut);
		all &= cn_decode(copy, cut, "cut", &picture, &err) == -1 && err.code == CN_FAILED;
		cn_decode_release(&picture);
		free(copy);
	}
	TAP_OK(all, "%s: all of %zu truncations are refused", what, needed);
	size_t told = 0;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		struct cn_err err = { 0 };
		struct cn_decoded picture;
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		told += cn_decode(bytes, size, "flipped", &picture, &err) == -1;
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		cn_decode_release(&picture);
	}
	TAP_OK(told, "%s: %zu of %zu flipped bits are refused", what, told, 8 * size);
}

static void
libraries(void)
{
	struct cn_err err = { 0 };
	struct cn_decoded picture;
	unsigned long jpeg_size;
	size_t png_size;
	int worst = 0;

	unsigned char *jpeg = make_jpeg(&jpeg_size, 3), *png = make_png(&png_size);
	TAP_OK(!cn_decode(png, png_size, "a.png", &picture, &err) && picture.width == W && picture.height == H
		&& !picture.grey && !memcmp(picture.pixels, pixels, sizeof pixels),
		"PNG comes back to the byte %s", err.text);
	cn_decode_release(&picture);
	TAP_OK(!cn_decode(jpeg, jpeg_size, "a.jpg", &picture, &err) && picture.width == W && !picture.grey,
		"JPEG comes back %s",
		err.text);
	for (size_t i = 0; i < sizeof pixels; i++)
		worst = abs(picture.pixels[i] - pixels[i]) > worst ? abs(picture.pixels[i] - pixels[i])
			: worst;
	TAP_OK(worst < 24, "and looks alike: %d", worst);
	cn_decode_release(&picture);
	hurt("PNG", png, png_size, png_size - 4);	/* the checksum of the empty end mark is not missed */
	hurt("JPEG", jpeg, jpeg_size, jpeg_size - 2);	/* without its end mark it is still whole */
	unsigned char *damaged = malloc(jpeg_size + 40);
	memcpy(damaged, jpeg, jpeg_size - 2);
	memset(damaged + jpeg_size - 2, 'a', 40);
	memcpy(damaged + jpeg_size + 38, jpeg + jpeg_size - 2, 2);
	refuse("a JPEG that its library calls corrupt", damaged, jpeg_size + 40, "extraneous bytes before marker");
	free(damaged);
	free(jpeg);
	free(png);
	jpeg = make_jpeg(&jpeg_size, 1);
	TAP_OK(!cn_decode(jpeg, jpeg_size, "a.jpg", &picture, &err) && picture.grey
		&& picture.pixels[0] == picture.pixels[2], "a grey JPEG is grey");
	cn_decode_release(&picture);
	free(jpeg);
}

static void
by_hand(void)
{
	static const char rgb[] = "P6 # a comment\n2 1\n255\nabcdef",
		deep[] = "P5\n2 1\n65535\n\xff\xff\x80\x00",
		plain[] = "P3 1 2 1 0 1 0 1 1 1\n", grey[] = "P2 2 1 15 15 0";
	struct cn_err err = { 0 };
	struct cn_decoded p;

	TAP_OK(!cn_decode(rgb, sizeof rgb - 1, "a", &p, &err) && !memcmp(p.pixels, "abcdef", 6) && !p.grey,
		"P6 %s", err.text);
	cn_decode_release(&p);
	TAP_OK(!cn_decode(deep, sizeof deep - 1, "a", &p, &err) && p.grey && p.pixels[0] == 255
		&& p.pixels[3] == 128, "P5 of 16 bits");
	cn_decode_release(&p);
	TAP_OK(!cn_decode(plain, sizeof plain - 1, "a", &p, &err) && p.height == 2 && p.pixels[1] == 255
		&& !p.pixels[0], "P3");
	cn_decode_release(&p);
	TAP_OK(!cn_decode(grey, sizeof grey - 1, "a", &p, &err) && p.pixels[0] == 255 && !p.pixels[3], "P2");
	cn_decode_release(&p);

	refuse("a giant PNM", "P6 67108864 67108864 255 ", 26, "cut short");
	refuse("a giant plain PNM", "P3 67108864 67108864 255 0", 26, "over the limit");
	refuse("a PNM of no width", "P6 0 5 255 ", 11, "over the limit");
	refuse("a PNM sample over its maximum", "P2 1 1 5 6", 10, "sample 0");
	refuse("a second PNM", "P2 1 1 5 5\nP2 1 1 5 4", 21, "bytes behind the picture");
	refuse("a PNM of no kind", "P\0 1 1 5 5 5 5", 14, "neither");
	refuse("a PNM without numbers", "P6 x", 4, "damaged PNM header");
	refuse("text", "hello, world", 12, "neither JPEG, PNG nor PNM");
	refuse("nothing", "", 0, "neither");
	static const unsigned char big[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x40\0\0\0\x40\0\0\0\x08\x02\0\0\0\xba\x72\xbc\x3d";
	refuse("a giant PNG", big, sizeof big - 1, "a.img: ");
	TAP_OK(cn_decode_knows("a/b.JPeG") && !cn_decode_knows("a.jpg/b") && !cn_decode_knows("jpg"),
		"endings are told");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof pixels; i++)
		pixels[i] = (uint8_t)(i % 3 * 60 + i / 3 % W * 5 + i / 3 / W * 4);
	libraries();
	by_hand();
	return tap_done();
}
