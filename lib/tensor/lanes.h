/* lanes - sums that are kept in 16 lanes, so that compilers may use vectors of any width, and how the lanes come together. */
#ifndef CN_TENSOR_LANES_H
#define CN_TENSOR_LANES_H

#include <stddef.h>

#define CN_LANES 16

/* (((0+8)+(4+12)) + ((2+10)+(6+14))) + ...: halves folded onto each other; overwrites the lanes. */
static inline float
cn_lanes_fold(float *lane)
{
	for (size_t width = CN_LANES / 2; width; width /= 2)
		for (size_t i = 0; i < width; i++)
			lane[i] += lane[i + width];
	return lane[0];
}

#endif
