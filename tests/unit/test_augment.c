/* Views of pictures and vectors: against slow twins written from the definitions, and the shape of the draws. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/augmenter.h"
#include "augment/colour.h"
#include "augment/perturb.h"
#include "augment/picture.h"
#include "augment/plan.h"
#include "base/mem.h"
#include "base/rng.h"

#include "tap.h"
#include "base/banned.h"

enum { H = 20, W = 27, C = 3, N = H * W * C };

static uint8_t source[N], out[N], twin[N];

static void
paint(uint8_t *to, size_t n, uint64_t id)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 7, "test");
	cn_rng_start(&rng, &key, id, 0);
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)cn_rng_below(&rng, 256);
}

static double
clip(double x)
{
	return x < 0 ? 0 : x > 255 ? 255 : x;
}

/* The triangle filter at one place of the output, straight from its definition. */
static double
sample(const uint8_t *from, size_t width, const struct cn_plan *p, uint32_t th, uint32_t tw, uint32_t y, uint32_t x, unsigned c)
{
	const double sy = (double)p->height / th, sx = (double)p->width / tw, ry = fmax(1, sy), rx = fmax(1, sx);
	const double cy = (y + 0.5) * sy, cx = (x + 0.5) * sx;
	double sum = 0, weights = 0;

	for (uint32_t i = 0; i < p->height; i++)
		for (uint32_t j = 0; j < p->width; j++) {
			const double wy = 1 - fabs(i + 0.5 - cy) / ry, wx = 1 - fabs(j + 0.5 - cx) / rx;
			const double weight = wy > 0 && wx > 0 ? wy * wx : 0;

			sum += weight * from[((p->top + i) * width + p->left + j) * C + c];
			weights += weight;
		}
	return sum / weights;
}

/* The greatest difference between two pictures. */
static int
apart(const uint8_t *a, const uint8_t *b, size_t n)
{
	int most = 0;

	for (size_t i = 0; i < n; i++)
		most = abs(a[i] - b[i]) > most ? abs(a[i] - b[i]) : most;
	return most;
}

static struct cn_plan
whole(void)
{
	return (struct cn_plan){ .width = W, .height = H, .factor = { 1, 1, 1, 0 }, .order = { 0, 1, 2, 3 } };
}

static void
view(const struct cn_plan *plan)
{
	struct cn_err err = { 0 };
	struct cn_picture *picture = cn_picture_new(H, W, H, W, C, &err);

	cn_picture_view(picture, plan, source, out);
	cn_picture_free(picture);
}

static void
test_resample(void)
{
	const uint32_t box[][6] = { { 0, 0, W, H, H, W }, { 3, 2, 11, 9, H, W }, { 0, 0, W, H, 7, 9 }, { 5, 1, 20, 19, 12, 31 },
		{ 26, 19, 1, 1, 5, 4 }, { 2, 0, 3, 20, 40, 16 } };
	struct cn_err err = { 0 };

	for (size_t b = 0; b < sizeof box / sizeof *box; b++) {
		const struct cn_plan plan = { .left = box[b][0], .top = box[b][1], .width = box[b][2], .height = box[b][3],
			.flip = b == 3 };
		const uint32_t th = box[b][4], tw = box[b][5];
		uint8_t *got = cn_mem_array(th * tw * C, 1, &err), *want = cn_mem_array(th * tw * C, 1, &err);
		struct cn_picture *picture = cn_picture_new(H, W, th, tw, C, &err);

		for (uint32_t y = 0; y < th; y++)
			for (uint32_t x = 0; x < tw; x++)
				for (unsigned c = 0; c < C; c++)
					want[(y * tw + (plan.flip ? tw - 1 - x : x)) * C + c] =
						(uint8_t)(sample(source, W, &plan, th, tw, y, x, c) + 0.5);
		cn_picture_view(picture, &plan, source, got);
		TAP_OK(apart(got, want, th * tw * C) <= (b == 0 ? 0 : 1), "picture: crop %zu as the triangle filter says", b);
		cn_picture_free(picture);
		cn_mem_free(got);
		cn_mem_free(want);
	}
}

static double
luminance(const double *rgb)
{
	return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
}

/* colorsys.rgb_to_hsv and back, in doubles. */
static void
turn_hue(double *rgb, double turns)
{
	const double v = fmax(rgb[0], fmax(rgb[1], rgb[2])), c = v - fmin(rgb[0], fmin(rgb[1], rgb[2]));
	double h;

	if (c == 0)
		return;
	if (rgb[0] == v)
		h = fmod((rgb[1] - rgb[2]) / c + 6, 6);
	else if (rgb[1] == v)
		h = 2 + (rgb[2] - rgb[0]) / c;
	else
		h = 4 + (rgb[0] - rgb[1]) / c;
	h = fmod(h / 6 + turns + 1, 1) * 6;
	const int i = (int)h % 6;
	const double f = h - (int)h, s = c / v, p = v * (1 - s), q = v * (1 - s * f), t = v * (1 - s * (1 - f));
	const double table[6][3] = { { v, t, p }, { q, v, p }, { p, v, t }, { p, q, v }, { t, p, v }, { v, p, q } };

	memcpy(rgb, table[i], sizeof table[i]);
}

/* One operation on the whole picture, in doubles. */
static void
twin_colour(double (*px)[3], enum cn_plan_colour op, double f)
{
	double mean = 0;

	for (size_t i = 0; i < H * W; i++)
		mean += luminance(px[i]) / (H * W);
	for (size_t i = 0; i < H * W; i++) {
		const double grey = luminance(px[i]);

		for (unsigned c = 0; c < 3 && op != CN_PLAN_HUE; c++) {
			const double other = op == CN_PLAN_BRIGHTNESS ? 0 : op == CN_PLAN_CONTRAST ? mean : grey;

			px[i][c] = clip(f * px[i][c] + (1 - f) * other);
		}
		if (op == CN_PLAN_HUE)
			turn_hue(px[i], f);
	}
}

static void
test_colour(void)
{
	static const char *const name[] = { "brightness", "contrast", "saturation", "hue" };
	static const float factor[][4] = { { 0.6f, 0.5f, 0.3f, -0.5f }, { 1.4f, 1.7f, 1.9f, 0.1f }, { 0, 0, 0, 0.3f } };
	static double px[H * W][3];

	for (unsigned trial = 0; trial < 4 * 3 + 24; trial++) {
		struct cn_plan plan = whole();

		plan.jitter = true;
		if (trial < 12) {
			plan.factor[trial % 4] = factor[trial / 4][trial % 4];
		} else {
			unsigned code = trial - 12, left[4] = { 0, 1, 2, 3 };

			memcpy(plan.factor, factor[trial % 2], sizeof plan.factor);
			for (unsigned i = 0; i < 4; i++) {
				const unsigned at = code % (4 - i);

				code /= 4 - i;
				plan.order[i] = (enum cn_plan_colour)left[at];
				memmove(left + at, left + at + 1, (3 - at) * sizeof *left);
			}
		}
		for (size_t i = 0; i < N; i++)
			px[i / 3][i % 3] = source[i];
		for (unsigned i = 0; i < 4; i++)
			if (trial >= 12 || plan.order[i] == trial % 4)
				twin_colour(px, plan.order[i], (double)plan.factor[plan.order[i]]);
		for (size_t i = 0; i < N; i++)
			twin[i] = (uint8_t)(px[i / 3][i % 3] + 0.5);
		view(&plan);
		TAP_OK(apart(out, twin, N) <= 1, "colour: %s, trial %u, as in doubles", trial < 12 ? name[trial % 4] : "all four", trial);
	}
}

static void
test_grey_and_blur(void)
{
	struct cn_plan plan = whole();
	double kernel[2 * 64 + 1], sum = 0;
	int reach = (int)(3 * 1.3f) + 1;

	plan.grey = true;
	for (size_t i = 0; i < N; i++) {
		const double rgb[3] = { source[i / 3 * 3], source[i / 3 * 3 + 1], source[i / 3 * 3 + 2] };

		twin[i] = (uint8_t)(luminance(rgb) + 0.5);
	}
	view(&plan);
	TAP_OK(apart(out, twin, N) <= 1, "picture: grey is the luminance in every channel");
	plan = whole();
	plan.blur = true;
	plan.sigma = 1.3f;
	for (int k = -reach; k <= reach; k++)
		sum += kernel[k + reach] = exp(-k * k / (2 * 1.3 * 1.3));
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W * C; x++) {
			double total = 0;

			for (int i = -reach; i <= reach; i++)
				for (int j = -reach; j <= reach; j++) {
					const int yy = abs(y + i) < H ? abs(y + i) : 2 * H - 2 - (y + i);
					const int xx = abs(x / C + j) < W ? abs(x / C + j) : 2 * W - 2 - (x / C + j);

					total += kernel[i + reach] * kernel[j + reach] * source[(yy * W + xx) * C + x % C];
				}
			twin[y * W * C + x] = (uint8_t)(total / sum / sum + 0.5);
		}
	view(&plan);
	TAP_OK(apart(out, twin, N) <= 1, "picture: blur is a mirrored Gauss filter");
}

static void
test_identity(void)
{
	struct cn_plan plan = whole();

	plan.jitter = true;
	view(&plan);
	TAP_OK(memcmp(out, source, N) == 0, "picture: jitter of factors 1, 1, 1, 0 changes nothing");
	plan.flip = true;
	view(&plan);
	for (size_t i = 0; i < N; i++)
		twin[i] = source[(i / (W * C) * W + W - 1 - i / C % W) * C + i % C];
	TAP_OK(memcmp(out, twin, N) == 0, "picture: a flip is exact");
	for (size_t i = 0; i < N; i++)
		source[i] = 90;
	plan = whole();
	plan.width = plan.height = 13;
	plan.blur = plan.jitter = plan.grey = true;
	plan.sigma = 2;
	plan.factor[CN_PLAN_CONTRAST] = 0.2f;
	view(&plan);
	memset(twin, 90, N);
	TAP_OK(memcmp(out, twin, N) == 0, "picture: one even colour stays that colour");
	paint(source, N, 1);
}

/* Kolmogorov's distance between a sample and the uniform distribution on [low, high]. */
static int
compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
from_uniform(double *x, size_t n, double low, double high)
{
	double most = 0;

	qsort(x, n, sizeof *x, compare);
	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((x[i] - low) / (high - low) - (i + 0.5) / (double)n));
	return most;
}

enum { DRAWS = 20000, SIDE = 1000 };

static struct cn_plan_config
simclr(void)
{
	return (struct cn_plan_config){ .crop = { 2, { 0.25, 1 } }, .ratio = { 2, { 0.75, 4.0 / 3 } }, .flip = 0.5,
		.jitter = { 4, { 0.4, 0.4, 0.4, 0.1 } }, .jitter_p = 0.8, .grey = 0.2, .blur = 0.5, .blur_sigma = { 2, { 0.1, 2 } } };
}

static void
test_draws(void)
{
	static double factor[4][DRAWS], sigma[DRAWS];
	const struct cn_plan_config config = simclr();
	struct cn_plan_keys keys;
	struct cn_plan plan;
	double flips = 0, jitters = 0, greys = 0, blurs = 0, first[4] = { 0 };
	size_t n = 0, b = 0;

	cn_plan_keys_init(&keys, 3);
	for (uint64_t id = 0; id < DRAWS; id++) {
		cn_plan_draw(&plan, &config, &keys, CN_VIEW_POS, id, 4, SIDE, SIDE);
		flips += plan.flip;
		jitters += plan.jitter;
		greys += plan.grey;
		blurs += plan.blur;
		if (plan.jitter) {
			first[plan.order[0]]++;
			for (unsigned c = 0; c < 4; c++)
				factor[c][n] = (double)plan.factor[c];
			n++;
		}
		if (plan.blur)
			sigma[b++] = (double)plan.sigma;
	}
	TAP_OK(fabs(flips / DRAWS - 0.5) < 0.02, "plan: half are flipped");
	TAP_OK(fabs(jitters / DRAWS - 0.8) < 0.015, "plan: jitter comes with --jitter-p");
	TAP_OK(fabs(greys / DRAWS - 0.2) < 0.015, "plan: a fifth turns grey");
	TAP_OK(fabs(blurs / DRAWS - 0.5) < 0.02, "plan: half are blurred");
	for (unsigned c = 0; c < 4; c++) {
		TAP_OK(fabs(first[c] / (double)n - 0.25) < 0.02, "plan: component %u comes first a quarter of the times", c);
		TAP_OK(from_uniform(factor[c], n, c == 3 ? -0.1 : 0.6, c == 3 ? 0.1 : 1.4) < 0.015, "plan: factor %u is uniform", c);
	}
	TAP_OK(from_uniform(sigma, b, 0.1, 2) < 0.02, "plan: sigma is uniform");
}

/* On a large square every attempt with ratio near 1 fits, so area and log ratio can be told from their boxes. */
static void
test_crops(void)
{
	static double area[DRAWS], ratio[DRAWS], left[DRAWS];
	struct cn_plan_config config = simclr();
	struct cn_plan_keys keys;
	struct cn_plan plan;
	int inside = 1;

	config.crop.value[1] = 0.5;	/* so that all ratios fit, and rejection does not bend the distribution */
	cn_plan_keys_init(&keys, 3);
	for (uint64_t id = 0; id < DRAWS; id++) {
		cn_plan_draw(&plan, &config, &keys, CN_VIEW_X, id, 0, SIDE, SIDE);
		inside = inside && plan.left + plan.width <= SIDE && plan.top + plan.height <= SIDE;
		area[id] = (double)plan.width * plan.height / SIDE / SIDE;
		ratio[id] = log((double)plan.width / plan.height);
		left[id] = (plan.left + 0.5) / (SIDE - plan.width + 1);
	}
	TAP_OK(inside, "plan: crops lie inside");
	TAP_OK(from_uniform(area, DRAWS, 0.25, 0.5) < 0.015, "plan: the area is uniform");
	TAP_OK(from_uniform(ratio, DRAWS, log(0.75), log(4.0 / 3)) < 0.015, "plan: the logarithm of the ratio is uniform");
	TAP_OK(from_uniform(left, DRAWS, 0, 1) < 0.015, "plan: the place is uniform");
	config.crop = (struct cn_reals){ 2, { 1, 1 } };
	config.ratio = (struct cn_reals){ 2, { 1, 1 } };
	cn_plan_draw(&plan, &config, &keys, CN_VIEW_X, 5, 0, 30, 90);
	TAP_OK(plan.height == 30 && plan.width == 30 && plan.left == 30 && plan.top == 0, "plan: the middle where nothing fits");
	cn_plan_draw(&plan, &config, &keys, CN_VIEW_X, 5, 0, 32, 32);
	TAP_OK(plan.height == 32 && plan.width == 32, "plan: --crop 1,1 --ratio 1,1 keeps a square whole");
}

static bool
same_crop(const struct cn_plan *a, const struct cn_plan *b)
{
	return a->left == b->left && a->top == b->top && a->width == b->width && a->height == b->height;
}

static void
test_keys(void)
{
	struct cn_plan_config config = simclr();
	struct cn_plan_keys keys;
	struct cn_plan a, b;
	unsigned same[3] = { 0 };

	cn_plan_keys_init(&keys, 1);
	for (uint64_t id = 0; id < 100; id++) {
		cn_plan_draw(&a, &config, &keys, CN_VIEW_X, id, 0, 500, 500);
		cn_plan_draw(&b, &config, &keys, CN_VIEW_POS, id, 0, 500, 500);
		same[0] += same_crop(&a, &b);
		cn_plan_draw(&b, &config, &keys, CN_VIEW_X, id, 1, 500, 500);
		same[1] += same_crop(&a, &b);
		cn_plan_draw(&b, &config, &keys, CN_VIEW_X, id + 1, 0, 500, 500);
		same[2] += same_crop(&a, &b);
	}
	TAP_OK(!same[0] && !same[1] && !same[2], "plan: views, epochs and rows draw for themselves");
	config.flip = 0;
	config.grey = 0;
	cn_plan_draw(&a, &config, &keys, CN_VIEW_X, 99, 0, 500, 500);
	config = simclr();
	cn_plan_draw(&b, &config, &keys, CN_VIEW_X, 99, 0, 500, 500);
	TAP_OK(same_crop(&a, &b) && a.jitter == b.jitter && memcmp(a.factor, b.factor, sizeof a.factor) == 0,
		"plan: leaving out one operation leaves the others as they were");
}

static void
test_perturb(void)
{
	static float from[DRAWS], to[DRAWS];
	struct cn_plan_config config = { .noise = 0.5 };
	struct cn_plan_keys keys;
	double mean = 0, square = 0, zeros = 0;

	cn_plan_keys_init(&keys, 1);
	for (size_t i = 0; i < DRAWS; i++)
		from[i] = 3;
	cn_perturb_view(&config, &keys, CN_VIEW_X, 1, 0, from, to, DRAWS);
	for (size_t i = 0; i < DRAWS; i++) {
		mean += (double)(to[i] - 3) / DRAWS;
		square += (double)(to[i] - 3) * (double)(to[i] - 3) / DRAWS;
	}
	TAP_OK(fabs(mean) < 0.015 && fabs(sqrt(square) - 0.5) < 0.015, "perturb: noise of mean 0 and the deviation asked for");
	config = (struct cn_plan_config){ .dropout = 0.3 };
	cn_perturb_view(&config, &keys, CN_VIEW_X, 1, 0, from, to, DRAWS);
	for (size_t i = 0; i < DRAWS; i++)
		zeros += to[i] == 0;
	TAP_OK(fabs(zeros / DRAWS - 0.3) < 0.015, "perturb: the share of zeros asked for");
	config = (struct cn_plan_config){ 0 };
	cn_perturb_view(&config, &keys, CN_VIEW_X, 1, 0, from, to, DRAWS);
	TAP_OK(memcmp(from, to, sizeof to) == 0, "perturb: nothing asked, nothing done");
}

static void
test_augmenter(void)
{
	const struct cn_shape scalar = { 0 }, vector = { 1, { 4 } };
	struct cn_augmenter_config config = { .plan = { .noise = 1 } };
	struct cn_err err = { 0 };
	struct cn_schema schema = { 0 };
	struct cn_batch in = { 0 }, rows = { 0 };

	cn_schema_add(&schema, "id", CN_DTYPE_U64, &scalar, &err);
	cn_schema_add(&schema, "x", CN_DTYPE_F32, &vector, &err);
	cn_schema_add(&schema, "pos", CN_DTYPE_F32, &vector, &err);
	cn_schema_add(&schema, "label", CN_DTYPE_I32, &scalar, &err);
	cn_batch_shape(&in, &schema, 2, &err);
	for (int i = 0; i < 8; i++) {
		((float *)(void *)in.column[1])[i] = 10;
		((float *)(void *)in.column[2])[i] = -10;
	}
	((int32_t *)(void *)in.column[3])[1] = 42;
	((uint64_t *)(void *)in.column[0])[1] = 7;
	struct cn_augmenter *a = cn_augmenter_new(&config, &schema, "in.cns", &err);
	cn_augmenter_stream(a, &in, &rows, &err);
	const float *x = (const float *)(const void *)rows.column[1], *pos = (const float *)(const void *)rows.column[2];
	TAP_OK(!err.code && rows.rows == 2 && rows.schema.n == 5, "augmenter: adds an epoch");
	TAP_OK(x[0] > 2 && x[4] > 2 && pos[0] < -2 && pos[4] < -2 && x[0] != 10 && pos[0] != -10,
		"augmenter: x is a view of x, pos a view of pos");
	TAP_OK(((int32_t *)(void *)rows.column[3])[1] == 42, "augmenter: other fields pass");
	cn_augmenter_free(a);
	config.plan.crop = (struct cn_reals){ 2, { 0.5, 1 } };
	config.plan.ratio = (struct cn_reals){ 2, { 1, 1 } };
	TAP_OK(!cn_augmenter_new(&config, &schema, "in.cns", &err) && strstr(err.text, "--crop is for pictures"),
		"augmenter: refuses to crop vectors");
	cn_batch_release(&in);
	cn_batch_release(&rows);
}

int
main(void)
{
	paint(source, N, 1);
	test_resample();
	test_colour();
	test_grey_and_blur();
	test_identity();
	test_draws();
	test_crops();
	test_keys();
	test_perturb();
	test_augmenter();
	return tap_done();
}
