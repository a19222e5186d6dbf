/*
 * anchor - one view against everything it is compared with, and the losses that look at nothing else.
 *
 * Candidates are the other views of the batch, what is remembered of batches before (but for the anchor's own
 * sample), and the further negatives of the anchor's row.  Positive are, with labels, those of the first two kinds
 * that have the same label (>= 0), and otherwise the other view of the same row; the rest are negatives.  A loss
 * gives its value and its derivatives by the similarities; loss/objective.h does the rest.
 */
#ifndef CN_LOSS_ANCHOR_H
#define CN_LOSS_ANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CN_LOSS_PARAMETERS 6
#define CN_LOSS_TOTALS 2

struct cn_anchor {
	size_t self, partner, views;	/* views a: x of rows 0..B-1, then pos of rows 0..B-1 */
	size_t candidates;		/* the views, then what is remembered */
	const float *s;			/* (candidates) cosines */
	const int32_t *label;		/* (candidates), negative = none; or NULL */
	uint64_t own;			/* id of the anchor's sample, */
	const uint64_t *remembered;	/* (candidates - views) and of what is remembered; or NULL */
	size_t slots;
	const float *e;			/* (slots) cosines of further negatives */
	const float *constant;		/* (slots) what is added to their logits, ln weight - logq; -INFINITY = empty slot */
	double partner_share;		/* see cn_loss.shares: this row's part of the softmax over rows */
	float *scratch;			/* (candidates + slots) */
};

/* A loss with its numbers. */
struct cn_term {
	const struct cn_loss *loss;
	double weight;
	double temperature;
	double parameter[CN_LOSS_PARAMETERS];
	double total[CN_LOSS_TOTALS];	/* sums of what tally counted over all anchors */
};

struct cn_redundancy;

struct cn_parameter {
	const char *key;		/* NULL ends the list */
	double fallback, min, max;
	const char *choices;		/* "a|b": given as a word, kept as its index */
};

struct cn_loss {
	const char *name;
	struct cn_parameter parameter[CN_LOSS_PARAMETERS + 1];
	bool needs_labels;		/* as does any loss with a parameter "labels" that is set */
	bool shares;			/* needs partner_share: softmax over rows of the partners' cosines / parameter 0 */

	/*
	 * What this anchor adds to the loss, and its derivatives: c (candidates) and d (slots), all of them written.
	 * Without tally the loss is the mean over the anchors that have a positive, which are all that are asked.
	 */
	double (*run)(const struct cn_term *term, const struct cn_anchor *anchor, float *c, float *d);

	/* For losses that are no such mean: adds what has to be known of all anchors before run is asked. */
	void (*tally)(const struct cn_term *term, const struct cn_anchor *anchor, double *total);

	/*
	 * Instead of these, for losses of the dimensions (loss/redundancy.h): the loss of the views z (2 rows, dim), not
	 * brought to unit length.  The term's weight times its gradient is added to dz.
	 */
	double (*whole)(const struct cn_term *term, struct cn_redundancy *room, size_t rows, const float *z, float *dz);
};

/* Ends with a loss without name. */
extern const struct cn_loss cn_softmax_losses[], cn_margin_losses[], cn_redundancy_losses[];

/* Not to be compared with: the anchor, and what was made of its sample before. */
static inline bool
cn_anchor_same(const struct cn_anchor *a, size_t k)
{
	return k == a->self || (k >= a->views && a->remembered && a->remembered[k - a->views] == a->own);
}

static inline bool
cn_anchor_positive(const struct cn_anchor *a, size_t k)
{
	if (!a->label || a->label[a->self] < 0)
		return k == a->partner;
	return a->label[k] == a->label[a->self] && !cn_anchor_same(a, k);
}

#endif
