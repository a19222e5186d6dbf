/*
 * gradient - samples moved by signed gradients until an encoder finds them more like an anchor: negatives by value.
 *
 *	x' = clip(x + step sign(ds/dx)),   s(x) = cosine of the head's vector of x and the anchor
 *
 * once (FGSM, Goodfellow et al. 2015), or several times (PGD, Madry et al. 2018); as negatives of a contrastive loss: CLAE (Ho &
 * Vasconcelos 2020).  clip keeps every number within epsilon of where it began and, of images, within 0 to 255.  Steps add up
 * unrounded; what the encoder sees, and what is written, is rounded (half up), or by less where that would leave epsilon.
 *
 * Of the places seen on the way, the beginning among them, the one most like the anchor is taken; the guard's ceiling ends the way,
 * and no place above it is taken: a beginning by chance that is above it is no way at all, and leaves all as it was.
 */
#ifndef CN_GEN_GRADIENT_H
#define CN_GEN_GRADIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "nn/encoder.h"
#include "tensor/dtype.h"

struct cn_gradient_config {
	struct cn_encoder *encoder;	/* not owned */
	enum cn_dtype dtype;		/* of a sample: u8 or f32 */
	double epsilon;			/* in units of a sample's numbers */
	double step;			/* 0 = 2.5 epsilon / steps, but at most epsilon */
	unsigned steps;
};

enum cn_gradient_end {
	CN_GRADIENT_UNMOVED,		/* no step led anywhere nearer that is allowed; of a beginning by chance: nor was that allowed */
	CN_GRADIENT_MOVED,
	CN_GRADIENT_STOPPED,		/* moved, and then the ceiling was in the way */
};

struct cn_gradient_draw {
	uint64_t id;			/* of the row, for messages */
	const void *from;		/* a sample as in a stream */
	const float *anchor;		/* of unit length */
	float ceiling;			/* greatest similarity; where from itself is above it, that of from */
	const struct cn_rng *rng;	/* NULL: begin at from itself; otherwise anywhere within epsilon of it */
	/* found; untouched where a beginning by chance is above the ceiling: */
	void *to;			/* the sample, as from */
	float *vector;			/* (dim) its vector, of unit length */
	float score;			/* and the similarity of that to the anchor */
	enum cn_gradient_end end;
};

struct cn_gradient;

struct cn_gradient *cn_gradient_new(const struct cn_gradient_config *config, struct cn_err *err);

/* Moves n samples; a vector that is not finite is an error that names the row's id.  0 or -1. */
int cn_gradient_run(struct cn_gradient *gradient, struct cn_gradient_draw *draw, size_t n, struct cn_err *err);

void cn_gradient_free(struct cn_gradient *gradient);

#endif
