/*
 * hdml - a true negative moved towards its anchor, the more the less the average loss is: hardness-aware deep metric
 * learning (Zheng et al. 2019).
 *
 * With anchor a, positive p, negative n, d+ = |p - a|, d- = |n - a|, the negative made is v / |v|,
 *
 *	v = a + l (n - a),    l = (d+ + (d- - d+) e^(-pull / J)) / d-  if d- > d+,  1 otherwise
 *
 * J is the running mean (a tenth of each new round) of the InfoNCE loss of a round's anchors, each against its positive and the
 * positives of the other ids, at the temperature.  While J is large, n stays where it is; as J falls, v comes as near as the
 * positive is.  The networks of the paper that lead v back to features have no counterpart: here losses compare the v themselves.
 */
#ifndef CN_GEN_HDML_H
#define CN_GEN_HDML_H

#include <stddef.h>

struct cn_hdml_config {
	double pull;
};

/* v / |v| into out; kept = e^(-pull / J), the share of the difference of distances that is left. */
void cn_hdml_move(const float *anchor, const float *positive, const float *negative, size_t dim, double kept, float *out);

#endif
