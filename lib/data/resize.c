/* resize - exact integer arithmetic: a weight is a ratio of integers, rounded once. */
#include "data/resize.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/banned.h"

#define ONE ((int64_t)1 << 20)
#define BETWEEN ((size_t)1 << 26)	/* bytes of the picture that is resized across only, but for thin strips */

/* For each place of the output: which inputs count, and how much (weights sum to ONE). */
struct taps {
	uint32_t *first, *n;	/* per output place */
	int32_t *weight;	/* (places, room) */
	size_t room;
};

static void
release(struct taps *taps)
{
	cn_mem_free(taps->first);
	cn_mem_free(taps->n);
	cn_mem_free(taps->weight);
}

/*
 * Output place o covers the input around (o + 1/2) in/out; the triangle's half width is max(1, in/out).  In
 * units of 1/(2 out): centre (2o+1) in, input pixel i at (2i+1) out, half width 2 max(in, out).
 */
static void
fill(struct taps *taps, int64_t in, int64_t out, int64_t o, int64_t *height)
{
	const int64_t centre = (2 * o + 1) * in, half = 2 * (in > out ? in : out);
	int64_t first = 0, sum = 0, n = 0, given = 0, best = 0;

	if (centre - half > out)
		first = (centre - half - out) / (2 * out);
	for (int64_t i = first; i < in && (size_t)n < taps->room; i++, n++) {
		const int64_t away = (2 * i + 1) * out - centre, h = half - (away < 0 ? -away : away);
		if (away >= half)
			break;
		height[n] = h > 0 ? h : 0;
		sum += height[n];
	}
	for (int64_t k = 0; k < n; k++) {
		const int64_t w = (height[k] * ONE + sum / 2) / sum;
		taps->weight[(size_t)o * taps->room + (size_t)k] = (int32_t)w;
		given += w;
		if (height[k] > height[best])
			best = k;
	}
	taps->weight[(size_t)o * taps->room + (size_t)best] += (int32_t)(ONE - given);
	taps->first[o] = (uint32_t)first;
	taps->n[o] = (uint32_t)n;
}

static int
prepare(struct taps *taps, uint32_t in, uint32_t out, struct cn_err *err)
{
	size_t count;

	taps->room = 2 * ((size_t)(in > out ? (in - 1) / out : 0) + 1) + 3;
	if (taps->room > in)
		taps->room = in;
	taps->first = cn_mem_array(out, sizeof *taps->first, err);
	taps->n = cn_mem_array(out, sizeof *taps->n, err);
	if (!cn_mem_multiply(out, taps->room, &count))
		return cn_err_set(err, CN_FAILED, "a picture cannot become %u pixels wide or high", out);
	taps->weight = cn_mem_array(count, sizeof *taps->weight, err);
	int64_t *height = cn_mem_array(taps->room, sizeof *height, err);
	if (!err->code)
		for (uint32_t o = 0; o < out; o++)
			fill(taps, in, out, o, height);
	cn_mem_free(height);
	return err->code ? -1 : 0;
}

/* One line: n places of the output from first on, with so many bytes between neighbours of a line. */
static void
filter(const struct taps *taps, const uint8_t *from, size_t step, uint32_t first, uint32_t n, uint8_t *to, size_t to_step)
{
	for (uint32_t o = first; o < first + n; o++, to += to_step) {
		const int32_t *weight = taps->weight + o * taps->room;
		const uint8_t *at = from + taps->first[o] * step;
		int64_t sum = ONE / 2;

		for (uint32_t k = 0; k < taps->n[o]; k++)
			sum += (int64_t)weight[k] * at[k * step];
		*to = (uint8_t)(sum / ONE);
	}
}

int
cn_resize(const uint8_t *from, uint32_t height, uint32_t width, uint32_t channels,
	uint8_t *to, uint32_t to_height, uint32_t to_width, struct cn_err *err)
{
	struct taps across = { 0 }, down = { 0 };
	const size_t line = (size_t)to_width * channels, column = (size_t)height * channels;

	/* A picture may be high and thin, and the wanted one wide: columns at a time then, as many as there is room for. */
	uint32_t strip = column < BETWEEN ? (uint32_t)(BETWEEN / column) : 1;
	if (strip > to_width)
		strip = to_width;
	uint8_t *between = cn_mem_array(column, strip, err);
	const bool ready = between && !prepare(&across, width, to_width, err) && !prepare(&down, height, to_height, err);
	for (uint32_t at = 0; ready && at < to_width; at += strip) {
		const uint32_t places = to_width - at < strip ? to_width - at : strip;
		const size_t bytes = (size_t)places * channels;

		for (uint32_t y = 0; y < height; y++)
			for (uint32_t c = 0; c < channels; c++)
				filter(&across, from + (size_t)y * width * channels + c, channels, at, places,
					between + y * bytes + c, channels);
		for (size_t x = 0; x < bytes; x++)
			filter(&down, between + x, bytes, 0, to_height, to + at * channels + x, line);
	}
	cn_mem_free(between);
	release(&across);
	release(&down);
	return err->code ? -1 : 0;
}
