/*
 * plan - what is to happen to one view of one sample, drawn before any pixel is touched.
 *
 * Distributions are those of torchvision's RandomResizedCrop, RandomHorizontalFlip,
 * RandomApply([ColorJitter]), RandomGrayscale and GaussianBlur.  Each operation of each view has its own
 * purpose ("augment.crop.x", "augment.crop.pos", ...), keyed further by id and epoch, so turning one on
 * or off leaves the draws of the others as they were.
 */
#ifndef CN_AUGMENT_PLAN_H
#define CN_AUGMENT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "base/rng.h"

/* Which view; each draws for itself. */
enum cn_view_side { CN_VIEW_X, CN_VIEW_POS, CN_VIEW_SIDES };

/* As the options say it; lists with n = 0 are off, and so is a zero probability or strength. */
struct cn_plan_config {
	struct cn_reals crop;		/* least and greatest share of the area */
	struct cn_reals ratio;		/* least and greatest width / height of the crop */
	struct cn_reals jitter;		/* brightness, contrast, saturation (up to any), hue (up to 0.5) */
	struct cn_reals blur_sigma;	/* least and greatest sigma, pixels */
	double flip, jitter_p, grey, blur;	/* probabilities */
	double noise;			/* standard deviation added to every number of a vector */
	double dropout;			/* probability of each number of a vector to become 0 */
};

enum cn_plan_op { CN_PLAN_CROP, CN_PLAN_FLIP, CN_PLAN_JITTER, CN_PLAN_GREY, CN_PLAN_BLUR, CN_PLAN_NOISE, CN_PLAN_DROPOUT, CN_PLAN_OPS };

enum cn_plan_colour { CN_PLAN_BRIGHTNESS, CN_PLAN_CONTRAST, CN_PLAN_SATURATION, CN_PLAN_HUE, CN_PLAN_COLOURS };

struct cn_plan_keys {
	struct cn_rng_key key[CN_VIEW_SIDES][CN_PLAN_OPS];
};

/* For one view of one picture. */
struct cn_plan {
	uint32_t left, top, width, height;	/* the part of the picture that is kept */
	bool flip, jitter, grey, blur;
	enum cn_plan_colour order[CN_PLAN_COLOURS];	/* in which jitter works */
	float factor[CN_PLAN_COLOURS];		/* 1, 1, 1 and 0 leave a picture as it is; hue in turns */
	float sigma;
};

/* Refuses lists of a wrong length or order, naming the option (CN_USAGE). */
int cn_plan_check(const struct cn_plan_config *config, struct cn_err *err);

/* True if an operation on pictures (or on vectors) is asked for; word becomes the option's name. */
bool cn_plan_wants_pictures(const struct cn_plan_config *config, const char **word);
bool cn_plan_wants_colour(const struct cn_plan_config *config, const char **word);
bool cn_plan_wants_vectors(const struct cn_plan_config *config, const char **word);

void cn_plan_keys_init(struct cn_plan_keys *keys, uint64_t seed);

/* The plan of a view of a picture of height x width, by (id, epoch) alone. */
void cn_plan_draw(struct cn_plan *plan, const struct cn_plan_config *config, const struct cn_plan_keys *keys,
	enum cn_view_side side, uint64_t id, uint32_t epoch, uint32_t height, uint32_t width);

#endif
