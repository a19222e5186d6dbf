/*
 * mix - negatives out of others, after MoCHi (Kalantidis et al. 2020), and out of noise; and the last word on
 * what is too near.
 *
 * All vectors are of unit length and dim long; draws come from the rng in a fixed number and order.
 */
#ifndef CN_GEN_MIX_H
#define CN_GEN_MIX_H

#include <stddef.h>

#include "base/rng.h"
#include "gen/hard.h"

/* norm(alpha n_i + (1 - alpha) n_j), alpha ~ U(0, 1), i and j two of the hard (i = j only if there is but one). */
void cn_mix_two(const struct cn_hard *hard, size_t dim, struct cn_rng *rng, float *out);

/* norm(beta a + (1 - beta) n_j), beta ~ U(0, 0.5). */
void cn_mix_query(const struct cn_hard *hard, const float *anchor, size_t dim, struct cn_rng *rng, float *out);

/* A vector in a random direction of this similarity to the anchor. */
void cn_mix_noise(const float *anchor, float similarity, size_t dim, struct cn_rng *rng, float *out);

/*
 * Turns vector away from anchor, in the plane of both, to where their similarity is ceiling or less by a hair;
 * if they point alike, in the plane of the anchor and the axis farthest from it.
 */
void cn_mix_push(const float *anchor, float ceiling, size_t dim, float *vector);

#endif
