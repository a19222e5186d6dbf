/* basis - a vector among the round's tells which sample it is of. */
#include <stdint.h>
#include <string.h>

#include "gen/basis.h"
#include "gen/hard.h"
#include "nn/encoder.h"
#include "tensor/dtype.h"
#include "tensor/kernel.h"

#include "base/banned.h"

/* The sample of one of the round's vectors: a positive, or a negative that a row came with. */
static const unsigned char *
sample_of(const struct cn_round *round, const float *vector)
{
	const uintptr_t at = (uintptr_t)vector, first = (uintptr_t)round->positive, size = round->dim * sizeof *vector;

	if (at >= first && at < first + round->rows * size)
		return round->pos + (at - first) / size * round->bytes;
	return round->mined_x + (at - (uintptr_t)round->mined_z) / size * round->bytes;
}

/* The numbers of a sample in a random order (Fisher & Yates). */
static void
shuffle(unsigned char *to, const unsigned char *from, size_t bytes, size_t size, struct cn_rng *rng)
{
	unsigned char kept[8];

	memcpy(to, from, bytes);
	for (size_t i = bytes / size; i-- > 1;) {
		unsigned char *a = to + i * size, *b = to + cn_rng_below(rng, (uint32_t)(i + 1)) * size;

		memcpy(kept, a, size);
		memcpy(a, b, size);
		memcpy(b, kept, size);
	}
}

void
cn_basis_init(struct cn_basis *basis, const struct cn_method_config *config)
{
	*basis = (struct cn_basis){ .encoder = config->encoder, .size = cn_dtype_size(config->dtype) };
	cn_rng_key_init(&basis->key, config->seed, "gen.basis");
	cn_rng_key_init(&basis->shuffle_key, config->seed, "gen.shuffle");
}

void
cn_basis_choose(const struct cn_basis *basis, const struct cn_round *round, size_t row, size_t k, struct cn_basis_sample *chosen)
{
	const struct cn_hard *hard = round->hard + row;
	const uint32_t n = (uint32_t)(hard->n < k ? hard->n : k);
	uint32_t number[CN_HARD_MOST];
	struct cn_rng rng;

	cn_rng_start(&rng, &basis->key, round->id[row], round->epoch[row]);
	if (n)
		cn_rng_choose(&rng, (uint32_t)hard->n, n, number);
	for (size_t j = 0; j < k; j++) {
		const float *vector = n ? hard->vector[number[j % n]] : NULL;
		const unsigned char *sample = n ? sample_of(round, vector) : round->x + row * round->bytes;

		chosen[j] = (struct cn_basis_sample){ sample, vector, n && j >= n };
	}
}

void
cn_basis_take(const struct cn_basis *basis, const struct cn_basis_sample *chosen, const struct cn_round *round, size_t row,
	size_t j, const struct cn_made *made)
{
	unsigned char *sample = cn_made_sample(made, row, j);
	float *vector = cn_made_vector(made, row, j);
	struct cn_rng rng;

	made->rule[row * made->k + j] = chosen->vector ? CN_MADE_TRUE : CN_MADE_NOISE;
	if (chosen->vector) {
		memcpy(sample, chosen->sample, made->bytes);
		memcpy(vector, chosen->vector, made->dim * sizeof *vector);
		return;
	}
	cn_rng_start(&rng, &basis->shuffle_key, round->id[row], round->epoch[row]);
	rng.block += j << 20;
	for (int attempt = 0; attempt < CN_MADE_ATTEMPTS; attempt++) {
		shuffle(sample, chosen->sample, made->bytes, basis->size, &rng);
		cn_encoder_embed(basis->encoder, sample, 1, CN_ENCODER_HEAD, vector, made->err);
		cn_kernel_normalize(vector, 1, made->dim);
		if (!cn_made_above(round, row, vector))
			break;
	}
}
