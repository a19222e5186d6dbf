/* gather - what is known of a chunk's anchors, computed and held in one place. */
#ifndef CN_MINE_GATHER_H
#define CN_MINE_GATHER_H

#include "mine/fields.h"

/* "= { 0 }" is empty. */
struct cn_gather {
	uint64_t *content, *pos_content, *home_content;
	uint32_t *cluster;
	float *unit, *pos_unit, *pos_score, *guide, *guide_score;
	size_t room[9];
};

/* How many of the anchors have a partner, by listed pairs, that the bank holds; known may be NULL. */
uint64_t cn_gather_paired(const struct cn_pairs *known, const struct cn_bank *bank, const struct cn_anchors *a);

/* Fills anchors, whose columns then belong to gather and to in; guide may be NULL. */
int cn_gather_anchors(struct cn_gather *gather, const struct cn_mine_fields *fields, const struct cn_miner_config *config,
	const struct cn_bank *bank, const struct cn_bank *guide, const struct cn_layout *layout, const struct cn_batch *in, struct cn_anchors *anchors, struct cn_err *err);

void cn_gather_release(struct cn_gather *gather);

#endif
