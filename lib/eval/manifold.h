/*
 * manifold - do made vectors lie where real ones do, and everywhere they do?  By balls around each vector that reach
 * to its k-th nearest of its own set.
 *
 *	precision	share of made vectors in the ball of a real one		(Kynkaanniemi et al. 2019)
 *	recall		share of real vectors in the ball of a made one
 *	density		real balls that a made vector lies in, over k, mean	(Naeem et al. 2020)
 *	coverage	share of real balls with a made vector in them
 *	authenticity	share of made vectors that are farther from their nearest real one than that is from its nearest
 *			other real one (Alaa et al. 2022): about a half for fresh draws, 0 for copies
 *	copies		share of made vectors at most so far from their nearest real one
 *
 * A ball holds its edge.  Distances are Euclidean; the squares are cn_kernel_distance2, so that results are the same on
 * every machine.  All pairs are compared, by tiles.
 */
#ifndef CN_EVAL_MANIFOLD_H
#define CN_EVAL_MANIFOLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

struct cn_manifold_config {
	const float *real;	/* (n, dim), finite */
	const float *made;	/* (m, dim), finite */
	size_t n, m, dim;
	size_t k;		/* below n and m */
	float copy2;		/* squared distance of a copy, at most */
	struct cn_pool *pool;	/* may be NULL */
};

struct cn_manifold_result {
	double precision, recall, density, coverage, authenticity, copies;
	uint32_t *nearest;	/* (m) the real vector nearest to each made one, the first of several; room is the caller's */
};

/* 0 or -1. */
int cn_manifold_measure(const struct cn_manifold_config *config, struct cn_manifold_result *result, struct cn_err *err);

#endif
