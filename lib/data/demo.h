/*
 * demo - a colour image set drawn by the program itself, in which the choice of negatives matters.
 *
 * Classes have two levels.  A coarse class is a lobed shape (number and form of the lobes); a fine class is
 * a coarse class and the place of a small mark on it.  Position, size, a small rotation, colours, background
 * and noise vary from drawing to drawing and mean nothing.  Two fine classes of different shape are easily
 * told apart, two of the same shape only by where the mark sits: random negatives are mostly easy.
 *
 * A drawing is a pure function of (seed, split, row, which drawing of the row): drawn in doubles with
 * operations that are exactly rounded everywhere, so with the same bytes for any thread count and machine.
 */
#ifndef CN_DATA_DEMO_H
#define CN_DATA_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "data/import.h"

#define CN_DEMO_CLASSES 4096	/* at most so many fine classes */
#define CN_DEMO_TEST_ID ((uint64_t)1000000000)	/* ids of the test split count from here, those of train from 0 */

struct cn_demo_config {
	uint64_t seed;
	unsigned classes;	/* fine classes; a multiple of coarse */
	unsigned coarse;	/* shapes; 1..64 */
	unsigned size;		/* width and height in pixels; 8..512 */
	bool test;		/* the test split: other drawings, other ids */
	bool pairs;		/* pos: another drawing of the same fine class */
};

/*
 * Fields: id, x u8 [size,size,3], pos like x (pairs), label i32 (fine class), group u64 (coarse class).  Any
 * beginning of the rows is balanced: each run of "classes" rows holds every fine class once.
 */
int cn_demo_open(struct cn_import *import, const struct cn_demo_config *config, struct cn_pool *pool,
	struct cn_err *err);

/* The fine class of a row. */
unsigned cn_demo_label(const struct cn_demo_config *config, uint64_t row);

/* One drawing (0 = x, 1 = pos) of a row into pixels (size, size, 3). */
void cn_demo_draw(const struct cn_demo_config *config, uint64_t row, uint32_t drawing, uint8_t *pixels);

#endif
