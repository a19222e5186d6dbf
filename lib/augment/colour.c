/* colour - loops over 16 numbers at a time, which every compiler turns into vectors without changing any bit. */
#include "augment/colour.h"
#include "tensor/clones.h"

#include "base/banned.h"

#define LANES CN_COLOUR_LANES

static inline float
clamp(float x)
{
	x = x > 0 ? x : 0;
	return x < 255 ? x : 255;
}

static inline float
larger(float a, float b)
{
	return a > b ? a : b;
}

static inline float
smaller(float a, float b)
{
	return a < b ? a : b;
}

CN_CLONES void
cn_colour_scale(float *restrict x, size_t n, float f, float rest)
{
	for (size_t i = 0; i < n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			x[i + l] = clamp(f * x[i + l] + rest);
}

CN_CLONES void
cn_colour_grey(const float *restrict r, const float *restrict g, const float *restrict b, float *restrict grey, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			grey[i + l] = 0.299f * r[i + l] + 0.587f * g[i + l] + 0.114f * b[i + l];
}

CN_CLONES float
cn_colour_sum(const float *restrict x, size_t n)
{
	float sum[LANES] = { 0 };

	for (size_t i = 0; i < n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			sum[l] += x[i + l];
	for (size_t width = LANES / 2; width; width /= 2)
		for (size_t l = 0; l < width; l++)
			sum[l] += sum[l + width];
	return sum[0];
}

CN_CLONES void
cn_colour_saturate(float *restrict r, float *restrict g, float *restrict b, size_t n, float f)
{
	const float rest = 1 - f;

	for (size_t i = 0; i < n; i += LANES)
		for (size_t l = 0; l < LANES; l++) {
			const float grey = rest * (0.299f * r[i + l] + 0.587f * g[i + l] + 0.114f * b[i + l]);

			r[i + l] = clamp(f * r[i + l] + grey);
			g[i + l] = clamp(f * g[i + l] + grey);
			b[i + l] = clamp(f * b[i + l] + grey);
		}
}

/* value - chroma max(0, min(k, 4 - k, 1)), k = (n + hue) mod 6 sixths of a circle: n = 5, 3, 1 for red, green, blue. */
static inline float
channel(float value, float chroma, float k)
{
	k -= k < 6 ? 0.0f : 6.0f;
	return value - chroma * larger(0, smaller(smaller(k, 4 - k), 1));
}

static inline void
turn(float *r, float *g, float *b, float sixths)
{
	const float value = larger(larger(*r, *g), *b), chroma = value - smaller(smaller(*r, *g), *b);
	const float unit = 1 / (chroma > 0 ? chroma : 1);
	const float at_red = (*g - *b) * unit, at_green = 2 + (*b - *r) * unit, at_blue = 4 + (*r - *g) * unit;
	const float not_red = *g == value ? at_green : at_blue;
	float hue = (*r == value ? at_red : not_red) + sixths;

	hue += hue < 0 ? 6.0f : 0.0f;
	hue -= hue < 6 ? 0.0f : 6.0f;
	*r = channel(value, chroma, hue + 5);
	*g = channel(value, chroma, hue + 3);
	*b = channel(value, chroma, hue + 1);
}

CN_CLONES void
cn_colour_turn(float *restrict r, float *restrict g, float *restrict b, size_t n, float turns)
{
	if (turns == 0)
		return;
	for (size_t i = 0; i < n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			turn(r + i + l, g + i + l, b + i + l, 6 * turns);
}
