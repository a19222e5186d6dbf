/* resize: against the formula in doubles, pixel by pixel, and what must hold exactly. */
#include "data/resize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "base/banned.h"

static double
triangle(double centre, size_t i, double width)
{
	const double away = fabs(((double)i + 0.5 - centre) / width);

	return away < 1 ? 1 - away : 0;
}

/* The slow twin: one output sample as a weighted mean over the whole input. */
static double
sample(const uint8_t *from, size_t h, size_t w, size_t c, size_t y, size_t x, size_t ch, size_t to_h,
	size_t to_w)
{
	const double sy = (double)h / (double)to_h, sx = (double)w / (double)to_w;
	double sum = 0, weight = 0;

	for (size_t i = 0; i < h; i++)
		for (size_t j = 0; j < w; j++) {
			const double k = triangle(((double)y + 0.5) * sy, i, sy > 1 ? sy : 1)
				* triangle(((double)x + 0.5) * sx, j, sx > 1 ? sx : 1);
			sum += k * from[(i * w + j) * c + ch];
			weight += k;
		}
	return sum / weight;
}

/* A picture so high that it is resized in strips; all its lines are alike, and must stay so. */
static void
strips(void)
{
	enum { H = 1 << 20, W = 2, TO = 200 };
	uint8_t *from = malloc((size_t)H * W), to[3 * TO], low[3 * TO];
	struct cn_err err = { 0 };

	for (size_t i = 0; i < (size_t)H * W; i++)
		from[i] = i % 2 ? 200 : 17;
	TAP_OK(!cn_resize(from, H, W, 1, to, 3, TO, &err) && !cn_resize(from, 3, W, 1, low, 3, TO, &err)
		&& !memcmp(to, low, sizeof to), "a high picture becomes a wide one %s", err.text);
	free(from);
}

static void
compare(uint32_t h, uint32_t w, uint32_t c, uint32_t to_h, uint32_t to_w)
{
	uint8_t *from = malloc((size_t)h * w * c), *to = malloc((size_t)to_h * to_w * c);
	struct cn_err err = { 0 };
	double worst = 0;

	for (size_t i = 0; i < (size_t)h * w * c; i++)
		from[i] = (uint8_t)(i * i * 31 + i * 7);
	TAP_OK(!cn_resize(from, h, w, c, to, to_h, to_w, &err), "%ux%u to %ux%u", w, h, to_w, to_h);
	for (size_t y = 0; y < to_h; y++)
		for (size_t x = 0; x < to_w; x++)
			for (size_t ch = 0; ch < c; ch++)
				worst = fmax(worst,
					fabs(to[(y * to_w + x) * c + ch] - sample(from, h, w, c, y, x, ch,
					to_h, to_w)));
	TAP_OK(worst <= 1.01, "agrees with the formula within two roundings: %.3f", worst);
	if (h == to_h && w == to_w)
		TAP_OK(!memcmp(from, to, (size_t)h * w * c), "the same size changes nothing");
	free(from);
	free(to);
}

int
main(void)
{
	strips();
	static const uint32_t cases[][5] = {
		{ 8, 8, 3, 8, 8 }, { 1, 1, 1, 5, 7 }, { 9, 7, 3, 4, 3 }, { 4, 3, 1, 9, 7 }, { 32, 20, 3, 1,
			1 }, { 13, 40, 3, 14, 39 },
	};
	uint8_t flat[30 * 20], small[7 * 9];
	struct cn_err err = { 0 };
	bool same = true;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		compare(cases[i][0], cases[i][1], cases[i][2], cases[i][3], cases[i][4]);
	memset(flat, 255, sizeof flat);
	cn_resize(flat, 30, 20, 1, small, 7, 9, &err);
	for (size_t i = 0; i < sizeof small; i++)
		same &= small[i] == 255;
	TAP_OK(same && !err.code, "white stays white");
	return tap_done();
}
