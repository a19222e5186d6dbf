/*
 * state - what a method has learned, as a safetensors file: kept when a stream has ended whole, taken back to go on from.
 *
 * A method names what it has once, for both ways.  As text the file holds
 *	gen.method		the method's word
 *	gen.dim			numbers of a vector
 *	gen.layer		of the encoder that made the vectors, where it is known (nn/origin.h)
 *	gen.rows		rows seen so far
 *	gen.option.NAME		each setting that was not left as it is by default
 * so that a state is taken back only by a method that would have come to the same one.
 */
#ifndef CN_GEN_STATE_H
#define CN_GEN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "data/safetensors.h"
#include "gen/mlp.h"
#include "nn/optimizer.h"
#include "nn/space.h"

/* One side of an exchange; the first error sticks, and then nothing more is moved. */
struct cn_state {
	struct cn_weights *weights;
	bool back;		/* from the file into memory, not the other way */
	const char *path;	/* for messages */
	struct cn_err *err;
};

/* A tensor of rows of numbers each, by its name. */
void cn_state_floats(struct cn_state *state, const char *name, float *data, size_t rows, size_t numbers);
void cn_state_ids(struct cn_state *state, const char *name, uint64_t *id, size_t n);
void cn_state_doubles(struct cn_state *state, const char *name, double *data, size_t n);
void cn_state_count(struct cn_state *state, const char *name, uint64_t *count);

/* n weights, as NAME.weights, and what their optimizer remembers, as NAME.mean, NAME.square, NAME.steps; and all of a network. */
void cn_state_learned(struct cn_state *state, const char *name, float *weights, size_t n, struct cn_optimizer *optimizer);
void cn_state_network(struct cn_state *state, const char *name, struct cn_mlp *mlp, struct cn_optimizer *optimizer);

/*
 * The text above; on the way back, refuses a file that is no state, and one of another method, space or setting, and
 * names it.  settings: names and values.
 */
void cn_state_text(struct cn_state *state, const char *method, const struct cn_space *space, const struct cn_meta *settings, uint64_t *rows);

#endif
