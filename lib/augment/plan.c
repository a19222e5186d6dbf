/* plan - draws, in the order and from the distributions of torchvision/transforms/transforms.py. */
#include <math.h>
#include <stdio.h>

#include "augment/plan.h"

#include "base/banned.h"

static int
check_range(const struct cn_reals *range, const char *option, const char *what, bool needed, struct cn_err *err)
{
	if (range->n == 0 && !needed)
		return 0;
	if (range->n != 2)
		return cn_err_set(err, CN_USAGE, "--%s takes two numbers, %s, such as --%s 0.25,1", option, what, option);
	if (range->value[0] <= 0 || range->value[0] > range->value[1])
		return cn_err_set(err, CN_USAGE, "--%s: %g,%g is no range: %s must be above 0 and in order",
			option, range->value[0], range->value[1], what);
	return 0;
}

int
cn_plan_check(const struct cn_plan_config *config, struct cn_err *err)
{
	if (check_range(&config->crop, "crop", "the least and the greatest share of the area", false, err) < 0 ||
	    check_range(&config->ratio, "ratio", "the least and the greatest width per height", config->crop.n > 0, err) < 0 ||
	    check_range(&config->blur_sigma, "blur-sigma", "the least and the greatest sigma", config->blur > 0, err) < 0)
		return -1;
	if (config->crop.n && config->crop.value[1] > 1)
		return cn_err_set(err, CN_USAGE, "--crop: a share of %g of the area is more than the picture", config->crop.value[1]);
	if (config->jitter.n && config->jitter.n != CN_PLAN_COLOURS)
		return cn_err_set(err, CN_USAGE, "--jitter takes four numbers, of brightness, contrast, saturation and hue, "
			"such as --jitter 0.4,0.4,0.4,0.1");
	if (config->jitter.n && config->jitter.value[CN_PLAN_HUE] > 0.5)
		return cn_err_set(err, CN_USAGE, "--jitter: hue can turn by 0.5 at most (all the way round), not by %g",
			config->jitter.value[CN_PLAN_HUE]);
	return 0;
}

static bool
wants(bool asked, const char *name, const char **word)
{
	if (asked && word)
		*word = name;
	return asked;
}

bool
cn_plan_wants_colour(const struct cn_plan_config *config, const char **word)
{
	return wants(config->jitter.n && config->jitter_p > 0, "--jitter", word) || wants(config->grey > 0, "--grey", word);
}

bool
cn_plan_wants_pictures(const struct cn_plan_config *config, const char **word)
{
	return wants(config->crop.n > 0, "--crop", word) || wants(config->flip > 0, "--flip", word) ||
		cn_plan_wants_colour(config, word) || wants(config->blur > 0, "--blur", word);
}

bool
cn_plan_wants_vectors(const struct cn_plan_config *config, const char **word)
{
	return wants(config->noise > 0, "--noise", word) || wants(config->dropout > 0, "--dropout", word);
}

void
cn_plan_keys_init(struct cn_plan_keys *keys, uint64_t seed)
{
	static const char *const op[CN_PLAN_OPS] = { "crop", "flip", "jitter", "grey", "blur", "noise", "dropout" };
	static const char *const side[CN_VIEW_SIDES] = { "x", "pos" };
	char purpose[64];

	for (size_t s = 0; s < CN_VIEW_SIDES; s++)
		for (size_t o = 0; o < CN_PLAN_OPS; o++) {
			snprintf(purpose, sizeof purpose, "augment.%s.%s", op[o], side[s]);
			cn_rng_key_init(&keys->key[s][o], seed, purpose);
		}
}

/* A whole number near x >= 0. */
static uint32_t
nearest(double x)
{
	return (uint32_t)(x + 0.5);
}

/* What RandomResizedCrop falls back to: the middle, as much of it as the ratio allows. */
static void
crop_middle(struct cn_plan *plan, double low, double high, uint32_t height, uint32_t width)
{
	const double ratio = (double)width / height;

	plan->width = width;
	plan->height = height;
	if (ratio < low)
		plan->height = nearest(width / low);
	else if (ratio > high)
		plan->width = nearest(height * high);
	plan->width += plan->width == 0;
	plan->height += plan->height == 0;
	plan->top = (height - plan->height) / 2;
	plan->left = (width - plan->width) / 2;
}

/* RandomResizedCrop.get_params: ten attempts, then the middle. */
static void
draw_crop(struct cn_plan *plan, const struct cn_plan_config *config, struct cn_rng *rng, uint32_t height, uint32_t width)
{
	const double low = config->ratio.value[0], high = config->ratio.value[1];
	const double log_low = cn_rng_log(low), log_high = cn_rng_log(high);
	const double least = config->crop.value[0], most = config->crop.value[1];

	for (int attempt = 0; attempt < 10; attempt++) {
		const double area = (double)height * width * (least + (most - least) * (double)cn_rng_unit(rng));
		const double ratio = cn_rng_exp(log_low + (log_high - log_low) * (double)cn_rng_unit(rng));
		const uint32_t w = nearest(sqrt(area * ratio)), h = nearest(sqrt(area / ratio));

		if (w == 0 || h == 0 || w > width || h > height)
			continue;
		*plan = (struct cn_plan){ .width = w, .height = h, .top = cn_rng_below(rng, height - h + 1),
			.left = cn_rng_below(rng, width - w + 1) };
		return;
	}
	crop_middle(plan, low, high, height, width);
}

/* ColorJitter: an order of the four, and a factor for each. */
static void
draw_jitter(struct cn_plan *plan, const struct cn_plan_config *config, struct cn_rng *rng)
{
	plan->jitter = config->jitter.n && (double)cn_rng_unit(rng) < config->jitter_p;
	for (unsigned i = 0; i < CN_PLAN_COLOURS; i++)
		plan->order[i] = (enum cn_plan_colour)i;
	if (!plan->jitter)
		return;
	for (unsigned i = CN_PLAN_COLOURS - 1; i > 0; i--) {
		const uint32_t j = cn_rng_below(rng, i + 1);
		const enum cn_plan_colour held = plan->order[i];

		plan->order[i] = plan->order[j];
		plan->order[j] = held;
	}
	for (unsigned i = 0; i < CN_PLAN_COLOURS; i++) {
		const float strength = (float)config->jitter.value[i], middle = i == CN_PLAN_HUE ? 0 : 1;
		const float low = middle - strength;

		plan->factor[i] = cn_rng_range(rng, i != CN_PLAN_HUE && low < 0 ? 0 : low, middle + strength);
	}
}

static bool
happens(double probability, struct cn_rng *rng)
{
	return (double)cn_rng_unit(rng) < probability;
}

void
cn_plan_draw(struct cn_plan *plan, const struct cn_plan_config *config, const struct cn_plan_keys *keys,
	enum cn_view_side side, uint64_t id, uint32_t epoch, uint32_t height, uint32_t width)
{
	const struct cn_rng_key *key = keys->key[side];
	struct cn_rng rng;

	*plan = (struct cn_plan){ .width = width, .height = height };
	if (config->crop.n) {
		cn_rng_start(&rng, key + CN_PLAN_CROP, id, epoch);
		draw_crop(plan, config, &rng, height, width);
	}
	if (config->flip > 0) {
		cn_rng_start(&rng, key + CN_PLAN_FLIP, id, epoch);
		plan->flip = happens(config->flip, &rng);
	}
	if (config->jitter.n) {
		cn_rng_start(&rng, key + CN_PLAN_JITTER, id, epoch);
		draw_jitter(plan, config, &rng);
	}
	if (config->grey > 0) {
		cn_rng_start(&rng, key + CN_PLAN_GREY, id, epoch);
		plan->grey = happens(config->grey, &rng);
	}
	if (config->blur > 0) {
		cn_rng_start(&rng, key + CN_PLAN_BLUR, id, epoch);
		plan->blur = happens(config->blur, &rng);
		plan->sigma = cn_rng_range(&rng, (float)config->blur_sigma.value[0], (float)config->blur_sigma.value[1]);
	}
}
