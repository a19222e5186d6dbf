/*
 * picture - crop and resize, colours, blur, and back to bytes.
 *
 * Rows are resampled first (whole lines of pixels at once), then the picture is turned on its side so that
 * columns, too, are resampled whole lines at once; it stays on its side until its bytes are written.
 */
#include <string.h>

#include "augment/colour.h"
#include "augment/picture.h"
#include "base/mem.h"
#include "tensor/clones.h"

#include "base/banned.h"

#define LANES CN_PICTURE_LANES

/* Which inputs make one place of the output, and how much of each. */
struct taps {
	uint32_t *first, *n;
	float *weight;		/* (places, room) */
	size_t room;
};

struct cn_picture {
	uint32_t height, width, to_height, to_width, channels;
	size_t line, column;	/* padded: width x channels; to_height */
	size_t plane;		/* to_width x column */
	float *source;		/* (height, line) the crop as floats */
	float *rows;		/* (line) one resampled row */
	float *turned;		/* (channels, width, column) */
	float *pixels;		/* (channels, plane) */
	float *spare;		/* (plane) */
	float *kernel;		/* half of a blur, from its middle */
	float *edged;		/* a column with its mirror images at both ends */
	struct taps down, across;
};

static size_t
padded(size_t n)
{
	return (n + LANES - 1) / LANES * LANES;
}

static int
taps_init(struct taps *taps, uint32_t in, uint32_t out, struct cn_err *err)
{
	size_t count;

	taps->room = 2 * (size_t)(in > out ? (in + out - 1) / out : 1) + 3;
	taps->first = cn_mem_array(out, sizeof *taps->first, err);
	taps->n = cn_mem_array(out, sizeof *taps->n, err);
	if (!cn_mem_multiply(out, taps->room, &count))
		return cn_err_set(err, CN_FAILED, "a picture cannot become %u pixels wide or high", out);
	taps->weight = cn_mem_array(count, sizeof *taps->weight, err);
	return err->code ? -1 : 0;
}

static void
taps_release(struct taps *taps)
{
	cn_mem_free(taps->first);
	cn_mem_free(taps->n);
	cn_mem_free(taps->weight);
}

struct cn_picture *
cn_picture_new(uint32_t height, uint32_t width, uint32_t to_height, uint32_t to_width, uint32_t channels, struct cn_err *err)
{
	struct cn_picture *p = cn_mem_array(1, sizeof *p, err);
	size_t sheet;

	if (!p)
		return NULL;
	*p = (struct cn_picture){ .height = height, .width = width, .to_height = to_height, .to_width = to_width,
		.channels = channels, .line = padded((size_t)width * channels), .column = padded(to_height) };
	p->plane = to_width * p->column;
	sheet = p->column * sizeof(float);
	p->source = cn_mem_array(height, p->line * sizeof(float), err);
	p->rows = cn_mem_array(p->line, sizeof(float), err);
	p->turned = cn_mem_array((size_t)width * channels, sheet, err);
	p->pixels = cn_mem_array((size_t)to_width * channels, sheet, err);
	p->spare = cn_mem_array(to_width, sheet, err);
	p->kernel = cn_mem_array((size_t)to_width + to_height + 1, sizeof(float), err);
	p->edged = cn_mem_array(3 * p->column + 2 * ((size_t)to_width + to_height + 1), sizeof(float), err);
	if (taps_init(&p->down, height, to_height, err) == 0 && taps_init(&p->across, width, to_width, err) == 0 && !err->code)
		return p;
	cn_picture_free(p);
	return NULL;
}

void
cn_picture_free(struct cn_picture *p)
{
	if (!p)
		return;
	cn_mem_free(p->source);
	cn_mem_free(p->rows);
	cn_mem_free(p->turned);
	cn_mem_free(p->pixels);
	cn_mem_free(p->spare);
	cn_mem_free(p->kernel);
	cn_mem_free(p->edged);
	taps_release(&p->down);
	taps_release(&p->across);
	cn_mem_free(p);
}

/* precompute_coeffs of Pillow's Resample.c with its triangle, support max(1, in / out). */
static void
taps_fill(struct taps *taps, uint32_t in, uint32_t out)
{
	const double scale = (double)in / out, reach = scale > 1 ? scale : 1;

	for (uint32_t o = 0; o < out; o++) {
		const double centre = (o + 0.5) * scale;
		const int64_t low = (int64_t)(centre - reach + 0.5), high = (int64_t)(centre + reach + 0.5);
		double sum = 0;
		uint32_t first = low > 0 ? (uint32_t)low : 0, end = high < in ? (uint32_t)high : in, n = 0;
		float *to = taps->weight + o * taps->room;

		for (uint32_t i = first; i < end; i++) {
			const double away = (i + 0.5 - centre) / reach, height = 1 - (away < 0 ? -away : away);

			sum += height > 0 ? height : 0;
		}
		for (uint32_t i = first; i < end; i++) {
			const double away = (i + 0.5 - centre) / reach, height = 1 - (away < 0 ? -away : away);

			if (height > 0)
				to[n++] = (float)(height / sum);
			else if (n == 0)
				first++;
		}
		taps->first[o] = first;
		taps->n[o] = n;
	}
}

/* The crop as floats, row by row. */
CN_CLONES static void
take(const uint8_t *restrict from, float *restrict to, size_t n)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			to[i + l] = (float)from[i + l];
	for (; i < n; i++)
		to[i] = (float)from[i];
}

/* to = sum of weight[k] lines[k], all n long (a multiple of 16), in order of k. */
CN_CLONES static void
mix(const float *restrict lines, size_t stride, const float *weight, uint32_t taps, float *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i += LANES) {
		float sum[LANES];

		for (size_t l = 0; l < LANES; l++)
			sum[l] = weight[0] * lines[i + l];
		for (uint32_t k = 1; k < taps; k++)
			for (size_t l = 0; l < LANES; l++)
				sum[l] += weight[k] * lines[k * stride + i + l];
		memcpy(to + i, sum, sizeof sum);
	}
}

static void
resample(struct cn_picture *p, const struct cn_plan *plan, const uint8_t *from)
{
	const size_t n = (size_t)plan->width * p->channels, pitch = (size_t)p->width * p->channels;
	const uint8_t *corner = from + plan->top * pitch + (size_t)plan->left * p->channels;

	taps_fill(&p->down, plan->height, p->to_height);
	taps_fill(&p->across, plan->width, p->to_width);
	for (uint32_t y = 0; y < plan->height; y++)
		take(corner + y * pitch, p->source + y * p->line, n);
	for (uint32_t y = 0; y < p->to_height; y++) {
		float *turned = p->turned + y;

		mix(p->source + p->down.first[y] * p->line, p->line, p->down.weight + y * p->down.room, p->down.n[y], p->rows, padded(n));
		for (uint32_t c = 0; c < p->channels; c++)
			for (uint32_t x = 0; x < plan->width; x++)
				turned[(c * (size_t)p->width + x) * p->column] = p->rows[x * (size_t)p->channels + c];
	}
	for (uint32_t c = 0; c < p->channels; c++)
		for (uint32_t x = 0; x < p->to_width; x++)
			mix(p->turned + (c * (size_t)p->width + p->across.first[x]) * p->column, p->column,
				p->across.weight + x * p->across.room, p->across.n[x],
				p->pixels + c * p->plane + x * p->column, p->column);
}

/* adjust_contrast: a blend with the mean luminance of the whole picture. */
static void
contrast(struct cn_picture *p, float factor)
{
	const float *grey = p->pixels;
	float mean;

	if (p->channels == 3) {
		cn_colour_grey(p->pixels, p->pixels + p->plane, p->pixels + 2 * p->plane, p->spare, p->plane);
		grey = p->spare;
	}
	mean = cn_colour_sum(grey, p->plane) / ((float)p->to_height * (float)p->to_width);
	cn_colour_scale(p->pixels, p->plane * p->channels, factor, (1 - factor) * mean);
}

/* Saturation and hue say nothing about a picture without colours. */
static void
jitter(struct cn_picture *p, const struct cn_plan *plan)
{
	float *r = p->pixels, *g = r + p->plane, *b = g + p->plane;

	for (unsigned i = 0; i < CN_PLAN_COLOURS; i++) {
		const float factor = plan->factor[plan->order[i]];

		switch (plan->order[i]) {
		case CN_PLAN_BRIGHTNESS:
			cn_colour_scale(p->pixels, p->plane * p->channels, factor, 0);
			break;
		case CN_PLAN_CONTRAST:
			contrast(p, factor);
			break;
		case CN_PLAN_SATURATION:
			if (p->channels == 3)
				cn_colour_saturate(r, g, b, p->plane, factor);
			break;
		default:
			if (p->channels == 3)
				cn_colour_turn(r, g, b, p->plane, factor);
		}
	}
}

/* Half a Gauss curve out to three sigma, of sum 1 with its other half; returns its reach. */
static uint32_t
gauss(float *kernel, uint32_t most, float sigma)
{
	uint32_t reach = (uint32_t)(3 * sigma) + 1;
	double sum = 1;

	reach = reach < most ? reach : most;
	for (uint32_t i = 0; i <= reach; i++) {
		const double away = (double)i / (double)sigma, height = cn_rng_exp(-away * away / 2);

		kernel[i] = (float)height;
		sum += i ? 2 * height : 0;
	}
	for (uint32_t i = 0; i <= reach; i++)
		kernel[i] = (float)((double)kernel[i] / sum);
	return reach;
}

/* Place i of n, mirrored at the outermost pixels as often as needed. */
static uint32_t
mirror(int64_t i, uint32_t n)
{
	const int64_t period = n > 1 ? 2 * (int64_t)n - 2 : 1;

	i = (i < 0 ? -i : i) % period;
	return (uint32_t)(i < n ? i : period - i);
}

/* to += weight (left + right); n a multiple of 16. */
CN_CLONES static void
add_both(const float *restrict left, const float *restrict right, float weight, float *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			to[i + l] += weight * (left[i + l] + right[i + l]);
}

/* One plane, along columns into spare, then across them back. */
static void
blur_plane(struct cn_picture *p, float *plane, uint32_t reach)
{
	for (uint32_t x = 0; x < p->to_width; x++) {
		const float *line = plane + x * p->column;
		float *middle = p->edged + reach, *to = p->spare + x * p->column;

		memcpy(middle, line, p->column * sizeof *middle);
		for (uint32_t k = 1; k <= reach; k++) {
			middle[-(int64_t)k] = line[mirror(-(int64_t)k, p->to_height)];
			middle[p->to_height - 1 + k] = line[mirror((int64_t)p->to_height - 1 + k, p->to_height)];
		}
		mix(middle, 0, p->kernel, 1, to, p->column);
		for (uint32_t k = 1; k <= reach; k++)
			add_both(middle - k, middle + k, p->kernel[k], to, p->column);
	}
	for (uint32_t x = 0; x < p->to_width; x++) {
		float *to = plane + x * p->column;

		mix(p->spare + x * p->column, 0, p->kernel, 1, to, p->column);
		for (uint32_t k = 1; k <= reach; k++)
			add_both(p->spare + mirror((int64_t)x - k, p->to_width) * p->column,
				p->spare + mirror((int64_t)x + k, p->to_width) * p->column, p->kernel[k], to, p->column);
	}
}

static void
blur(struct cn_picture *p, float sigma)
{
	const uint32_t reach = gauss(p->kernel, p->to_width + p->to_height, sigma);

	for (uint32_t c = 0; c < p->channels; c++)
		blur_plane(p, p->pixels + c * p->plane, reach);
}

static void
turn_grey(struct cn_picture *p)
{
	cn_colour_grey(p->pixels, p->pixels + p->plane, p->pixels + 2 * p->plane, p->spare, p->plane);
	for (uint32_t c = 0; c < 3; c++)
		memcpy(p->pixels + c * p->plane, p->spare, p->plane * sizeof(float));
}

/* Rounded, upright again, and mirrored if that is the plan. */
static void
give(const struct cn_picture *p, bool flip, uint8_t *to)
{
	for (uint32_t c = 0; c < p->channels; c++)
		for (uint32_t x = 0; x < p->to_width; x++) {
			const float *line = p->pixels + c * p->plane + (flip ? p->to_width - 1 - x : x) * p->column;
			uint8_t *at = to + (size_t)x * p->channels + c;

			for (uint32_t y = 0; y < p->to_height; y++, at += (size_t)p->to_width * p->channels) {
				const int value = (int)(line[y] + 0.5f);

				*at = (uint8_t)(value < 255 ? value : 255);
			}
		}
}

void
cn_picture_view(struct cn_picture *p, const struct cn_plan *plan, const uint8_t *from, uint8_t *to)
{
	resample(p, plan, from);
	if (plan->jitter)
		jitter(p, plan);
	if (plan->grey && p->channels == 3)
		turn_grey(p);
	if (plan->blur)
		blur(p, plan->sigma);
	give(p, plan->flip, to);
}
