/*
 * filter - which rows of the bank may be a negative of which anchor, and why not.
 *
 * An anchor must not meet itself (own id), the same content under another id (its own sample, its
 * positive, or what the bank holds under its id), or, if asked, its own label.  Score guards keep out
 * what is too near to be a negative in truth.
 */
#ifndef CN_MINE_FILTER_H
#define CN_MINE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/bank.h"
#include "tensor/topk.h"

/* Reasons, in the order they are asked; the score comes first because most rows fall to it at no cost. */
enum cn_mine_reason {
	CN_MINE_ALLOWED = 0,
	CN_MINE_ABOVE = CN_TOPK_ABOVE,	/* scores above the ceiling */
	CN_MINE_SELF,			/* has the anchor's id */
	CN_MINE_CONTENT,		/* same bytes as the anchor, its positive, or the bank's row of its id */
	CN_MINE_LABEL,			/* has the anchor's label */
	CN_MINE_REASONS,
};

/* What is known of some anchors; NULL for what is not. */
struct cn_anchors {
	const char *file;			/* for messages, with the number of the first row */
	uint64_t first_row;
	size_t rows;
	const uint64_t *id;
	const uint32_t *epoch;
	const uint64_t *content, *pos_content;	/* as cn_bank_hash */
	const int32_t *label;			/* negative = unknown: drops nothing */
	const float *unit;			/* (rows, dim of the bank) */
	const float *pos_score;			/* similarity with the positive */
	const uint64_t *home_content;		/* content of the bank's row with this id, else own content */
};

struct cn_filter {
	const struct cn_bank *bank;
	const struct cn_anchors *anchors;
};

/* A struct cn_filter as context: for cn_topk_select. */
unsigned cn_filter_judge(void *filter, size_t anchor, uint32_t row);

/* Score guards: "no guard" is what a zeroed struct has, but for max_score. */
struct cn_guard {
	double max_score;	/* nothing above this; > 1 = no guard (TopK-Abs in NV-Retriever) */
	double max_share;	/* nothing above s+ - (1 - share)|s+|; 0 = no guard (its TopK-PercPos, safe for s+ < 0) */
	double margin;		/* with below: nothing that is not below s+ - margin (its TopK-MarginPos) */
	bool below;
};

/* The highest score a negative may have, given the positive's. */
float cn_guard_ceiling(const struct cn_guard *guard, float pos_score);

#endif
