/*
 * mover - the generator of the game: moves an anchor, by what a network says of it, its positive and noise, to where a
 * negative is.
 *
 * Memory is taken when a mover is made; what it does afterwards cannot fail.
 */
#ifndef CN_GEN_MOVER_H
#define CN_GEN_MOVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "gen/state.h"
#include "nn/encoder.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#define CN_MOVER_LATENT 16	/* numbers of noise */

/* Rows, of which so many draws are made each; draw i belongs to row i / draws. */
struct cn_mover_rows {
	size_t draws;
	const float *anchor, *positive;	/* (rows, dim), of unit length */
	const unsigned char *x, *pos;	/* (rows) their samples, as in a stream; only of a mover in input space */
	const float *noise;		/* (rows, draws, CN_MOVER_LATENT) */
};

struct cn_mover_config {
	size_t dim;		/* of a vector */
	size_t most;		/* draws at once */
	double latent_norm;	/* the longest move; 0 = no bound */
	uint64_t seed;
	struct cn_pool *pool;	/* may be NULL; not owned */
	/* in input space: */
	struct cn_encoder *encoder;	/* not owned */
	enum cn_dtype dtype;		/* of a sample: u8 or f32 */
	struct cn_shape shape;
	double input_margin;		/* the least distance of what is made from anchor and positive; 0 = none */
};

struct cn_mover {
	const struct cn_mover_kind *kind;
};

struct cn_mover_kind {
	/*
	 * Draws [first, first + n), n <= most, as vectors of unit length, into made (n, dim).  In input space also as samples (n), as
	 * in a stream, if these are not NULL; what is made is then the vectors of these, that is, of rounded numbers.
	 */
	void (*make)(struct cn_mover *mover, const struct cn_mover_rows *rows, size_t first, size_t n, float *made,
		unsigned char *sample);
	/*
	 * After the first n draws were made: from slope (n, dim), the gradient of made, that of the weights.  Returns what the mover
	 * itself adds to the loss, whose gradient goes in.
	 */
	double (*back)(struct cn_mover *mover, size_t n, const float *made, const float *slope);
	/* All weights in one run of n, and their gradient. */
	void (*weights)(struct cn_mover *mover, size_t *n, float **weight, const float **gradient);
	/* What it knows besides its weights, to or from a state; NULL: nothing. */
	void (*keep)(struct cn_mover *mover, struct cn_state *state);
	void (*free)(struct cn_mover *mover);
};

/* In the space where a loss compares: y = G(anchor, positive, noise), cut to the bound; norm(anchor + y). */
struct cn_mover *cn_mover_embedding(const struct cn_mover_config *config, struct cn_err *err);

/*
 * In the space of the samples: x' = x + deviation y, y = G(x, pos, noise), cut to the bound of its root mean square (and to 0 to 255,
 * where samples are bytes); the vector is the encoder's, at unit length.  Deviations are those of the first rows seen: of vectors
 * each number's, of maps all numbers'.  With e = the root mean square of (x' - other) / deviation, it asks for
 * 10 [input_margin - e]+ to be small (mean over draws) with other = x and with other = pos.
 */
struct cn_mover *cn_mover_input(const struct cn_mover_config *config, struct cn_err *err);

#endif
