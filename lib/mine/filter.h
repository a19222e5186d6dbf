/*
 * filter - which rows of the bank may be a negative of which anchor, and why not.
 *
 * An anchor must not meet itself (own id), the same content under another id (its own sample, its
 * positive, or what the bank holds under its id), or a known positive; if asked, its own label, another
 * superclass, what nearly repeats its positive, what a guide model finds nearer than the positive, or
 * another cluster.  Score guards keep out what is too near to be a negative in truth, or too far to teach.
 */
#ifndef CN_MINE_FILTER_H
#define CN_MINE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mine/anchors.h"
#include "nn/bank.h"
#include "tensor/topk.h"

/* Reasons, in the order they are asked; the score comes first because most rows fall to it at no cost. */
enum cn_mine_reason {
	CN_MINE_ALLOWED = 0,
	CN_MINE_ABOVE = CN_TOPK_ABOVE,	/* scores above the ceiling */
	CN_MINE_BELOW = CN_TOPK_BELOW,	/* scores below the floor */
	CN_MINE_SELF,			/* has the anchor's id */
	CN_MINE_CONTENT,		/* same bytes as the anchor, its positive, or the bank's row of its id */
	CN_MINE_KNOWN,			/* a pair of the file of known positives */
	CN_MINE_LABEL,			/* has the anchor's label */
	CN_MINE_GROUP,			/* not of the group asked for */
	CN_MINE_NEAR,			/* nearly the positive */
	CN_MINE_GUIDE,			/* the guide model finds it too near */
	CN_MINE_CLUSTER,		/* not of the cluster asked for */
	CN_MINE_TAKEN,			/* a negative of this row already: not counted */
	CN_MINE_REASONS,
};

/* The reason in a word or two, for tables. */
const char *cn_mine_reason_name(enum cn_mine_reason reason);

/* The same as a key of metadata: "known" of "known positive". */
const char *cn_mine_reason_key(enum cn_mine_reason reason);

enum cn_relation { CN_RELATION_ANY, CN_RELATION_SAME, CN_RELATION_OTHER };

/* Score guards: "no guard" is what CN_GUARD_NONE says. */
struct cn_guard {
	double max_score;	/* nothing above this (TopK-Abs in NV-Retriever) */
	double min_score;	/* nothing below this */
	double max_share;	/* nothing above s+ - (1 - share)|s+|; 0 = no guard (its TopK-PercPos, safe for s+ < 0) */
	double margin;		/* nothing above s+ - margin (its TopK-MarginPos) */
	bool below;		/* nothing that is not strictly below s+ - max(margin, 0) */
};

#define CN_GUARD_OFF 1e30	/* max_score, -min_score or -margin from here on: no guard */
#define CN_GUARD_NONE { .max_score = CN_GUARD_OFF, .min_score = -CN_GUARD_OFF, .margin = -CN_GUARD_OFF }

/* Whether scores are needed at all, and that of the positive. */
bool cn_guard_needs_scores(const struct cn_guard *guard);
bool cn_guard_relative(const struct cn_guard *guard);

/* The highest and the lowest score a negative may have, given the positive's. */
float cn_guard_ceiling(const struct cn_guard *guard, float pos_score);
float cn_guard_floor(const struct cn_guard *guard);

/* Another model's opinion (GIST, arXiv 2402.16829): drop j where g_ij is above g_ip - margin, or above g_ip - (1 - share)|g_ip|. */
struct cn_guide {
	const struct cn_bank *bank;	/* vectors of anchors and candidates by id */
	struct cn_guard guard;
};

struct cn_pairs;

struct cn_filter {
	const struct cn_bank *bank;
	const struct cn_anchors *anchors;
	const struct cn_pairs *known;		/* or NULL */
	const struct cn_guide *guide;		/* or NULL */
	enum cn_relation group;
	enum cn_metric metric;
	float near;				/* score with the positive, from here on; CN_GUARD_OFF = no such filter */
	const uint32_t *cluster;		/* (rows of the bank), or NULL; asked of the anchor's own below */
	enum cn_relation cluster_relation;
	const float *unit;			/* vectors of the bank's rows from row unit_first on; NULL: those of the bank */
	uint32_t unit_first;
	const struct cn_pick *taken;		/* (anchors, stride): negatives so far, or NULL */
	size_t stride, n_taken;			/* the first n_taken of each anchor's count */
};

/* A struct cn_filter as context: for cn_topk_select. */
unsigned cn_filter_judge(void *filter, size_t anchor, uint32_t row);

#endif
