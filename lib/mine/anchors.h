/* anchors - what is known of some rows that want negatives. */
#ifndef CN_MINE_ANCHORS_H
#define CN_MINE_ANCHORS_H

#include <stddef.h>
#include <stdint.h>

/* How vectors are compared; greater scores are nearer.  Order is that of the option's choices. */
enum cn_metric {
	CN_METRIC_COSINE,	/* vectors are made of unit length first */
	CN_METRIC_DOT,		/* inner product of vectors as they are */
	CN_METRIC_L2,		/* minus the squared distance */
};

/* By sums in a fixed order; for the cosine both are of unit length. */
float cn_metric_score(enum cn_metric metric, const float *a, const float *b, size_t dim);

/* Columns (rows); NULL for what is not known. */
struct cn_anchors {
	const char *file;			/* for messages, with the number of the first row */
	uint64_t first_row;
	size_t rows, dim, guide_dim;
	const uint64_t *id;
	const uint32_t *epoch;
	const uint64_t *content, *pos_content;	/* as cn_bank_hash */
	const uint64_t *home_content;		/* content of the bank's row with this id, else own content */
	const int32_t *label;			/* negative = unknown: drops nothing */
	const uint64_t *group;
	const float *unit, *pos_unit;		/* (rows, dim), of unit length for the cosine */
	const float *pos_score;			/* score with the positive; NaN = has none */
	const float *guide, *guide_score;	/* (rows, guide_dim) its vector, and its similarity with the positive */
	const uint32_t *cluster;		/* the cluster asked for, see cn_filter */
};

/* n rows from first on. */
struct cn_anchors cn_anchors_slice(const struct cn_anchors *anchors, size_t first, size_t n);

#endif
