/* Distances: -|q-b|^2 / 2 = q b - |q|^2/2 - |b|^2/2; the kernel's error is taken off both squares. */
#include <float.h>
#include <math.h>

#include "tensor/bound.h"
#include "tensor/clones.h"

#include "base/banned.h"

#define SLACK 0x1p-20		/* relative, for the rounding of bounds and values themselves */

/* Four of gamma's steps are for subtracting and squaring, and to be safe. */
double
cn_bound_gamma(size_t d)
{
	const double du = (double)(d + 4) * 0x1p-24;

	return du < 0.5 ? du / (1 - du) : INFINITY;
}

/* Squares of floats are exact in doubles. */
CN_CLONES double
cn_bound_squares(const float *x, size_t d)
{
	double sum[8] = { 0 };
	size_t i = 0;

	for (; i + 8 <= d; i += 8)
		for (size_t j = 0; j < 8; j++)
			sum[j] += (double)x[i + j] * x[i + j];
	for (; i < d; i++)
		sum[0] += (double)x[i] * x[i];
	return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

double
cn_bound_half(double squares, size_t d)
{
	return squares / 2 * (1 - 2 * cn_bound_gamma(d) - SLACK);
}

/* Values within error of the true one.  Where sums might overflow nothing is known of a score. */
static struct cn_bound
bound_within(enum cn_bound_metric metric, size_t d, double q, double b, double below, double above)
{
	const double gamma = cn_bound_gamma(d), half = cn_bound_half(q, d);

	if (!(q + b < 1e37 && gamma < 0.125))
		return (struct cn_bound){ 1, -INFINITY, INFINITY, 1 };
	if (metric == CN_BOUND_DOT)
		return (struct cn_bound){ 1, -below, above, 1 };
	return (struct cn_bound){ 0.5, half - below, half + (2 * gamma + SLACK) * (q + b) + above, 2 };
}

struct cn_bound
cn_bound_product(enum cn_bound_metric metric, size_t d, double q, double b)
{
	const double error = (2 * cn_bound_gamma(d) + SLACK) * sqrt(q * b) + (double)(d + 4) * 0x1p-125;

	return bound_within(metric, d, q, b, error, error);
}

struct cn_bound
cn_bound_ceiling(enum cn_bound_metric metric, size_t d, double q, double b, double scale)
{
	const double underflow = (double)(d + 4) * 0x1p-125;
	const struct cn_bound bound = bound_within(metric, d, q, b, underflow, underflow);

	return (struct cn_bound){ bound.unit / scale, bound.low / scale, bound.high / scale, bound.per_unit * scale };
}

/* a + b as a float that is not greater, whatever the rounding of a and b. */
static inline float
below(double a, double b)
{
	const double less = a + b - ((fabs(a) + fabs(b)) * 0x1p-22 + 0x1p-140);

	if (fabs(less) <= FLT_MAX)
		return (float)less;
	return less > 0 ? FLT_MAX : -INFINITY;
}

float
cn_bound_value(const struct cn_bound *bound, float score)
{
	if (score == INFINITY && bound->low > -INFINITY)
		return FLT_MAX;
	return below(bound->unit * score, bound->low);
}

void
cn_bound_scores(const struct cn_bound *bound, float low, float high, float *least, float *most)
{
	*least = below(low * bound->per_unit, -bound->high * bound->per_unit);
	*most = -below(-high * bound->per_unit, bound->low * bound->per_unit);
}
