/* mix - convex combinations and turns, brought back to unit length. */
#include <math.h>

#include "gen/mix.h"
#include "tensor/kernel.h"

#include "base/banned.h"

/* norm(share a + (1 - share) b); where the two cancel out, b. */
static void
combine(const float *a, const float *b, float share, size_t dim, float *out)
{
	for (size_t j = 0; j < dim; j++)
		out[j] = share * a[j] + (1 - share) * b[j];
	if (cn_kernel_dot(out, out, dim) < 1e-8f)
		memcpy(out, b, dim * sizeof *out);
	cn_kernel_normalize(out, 1, dim);
}

void
cn_mix_two(const struct cn_hard *hard, size_t dim, struct cn_rng *rng, float *out)
{
	const uint32_t n = (uint32_t)hard->n, i = cn_rng_below(rng, n);
	const uint32_t j = n > 1 ? (i + 1 + cn_rng_below(rng, n - 1)) % n : i;

	combine(hard->vector[i], hard->vector[j], cn_rng_unit(rng), dim, out);
}

void
cn_mix_query(const struct cn_hard *hard, const float *anchor, size_t dim, struct cn_rng *rng, float *out)
{
	const uint32_t j = cn_rng_below(rng, (uint32_t)hard->n);

	combine(anchor, hard->vector[j], cn_rng_range(rng, 0, 0.5f), dim, out);
}

/* similarity anchor + sqrt(1 - similarity^2) out, with out first made orthogonal to anchor. */
static void
turn(const float *anchor, float similarity, size_t dim, float *out)
{
	const float across = sqrtf(1 - similarity * similarity > 0 ? 1 - similarity * similarity : 0);

	/* twice, because the first time rounding leaves something where the two are nearly parallel */
	for (int pass = 0; pass < 2; pass++) {
		const float along = cn_kernel_dot(anchor, out, dim);

		for (size_t j = 0; j < dim; j++)
			out[j] -= along * anchor[j];
		cn_kernel_normalize(out, 1, dim);
	}
	for (size_t j = 0; j < dim; j++)
		out[j] = similarity * anchor[j] + across * out[j];
	cn_kernel_normalize(out, 1, dim);
}

void
cn_mix_noise(const float *anchor, float similarity, size_t dim, struct cn_rng *rng, float *out)
{
	for (size_t j = 0; j < dim; j++)
		out[j] = cn_rng_normal(rng);
	turn(anchor, similarity, dim, out);
}

/* The axis farthest from the anchor. */
static void
take_axis(const float *anchor, size_t dim, float *out)
{
	size_t least = 0;

	for (size_t j = 1; j < dim; j++)
		if (fabsf(anchor[j]) < fabsf(anchor[least]))
			least = j;
	memset(out, 0, dim * sizeof *out);
	out[least] = 1;
}

void
cn_mix_push(const float *anchor, float ceiling, size_t dim, float *vector)
{
	const float along = cn_kernel_dot(anchor, vector, dim);
	float hair = 1e-6f;

	if (along * along > 1 - 1e-6f)
		take_axis(anchor, dim, vector);
	do {
		const float aim = ceiling - hair;

		turn(anchor, aim > -1 ? aim : -1, dim, vector);
		hair *= 4;
	} while (cn_kernel_dot(anchor, vector, dim) > ceiling && ceiling - hair > -1);
}
