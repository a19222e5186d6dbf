/* normals - numbers for a test, the same in every run. */
#ifndef CN_TESTS_NORMALS_H
#define CN_TESTS_NORMALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* n normal numbers; other ids give others. */
__attribute__((unused))
static void
fill_normal(float *to, size_t n, uint64_t id)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, 11, "test");
	cn_rng_start(&rng, &key, id, 0);
	for (size_t i = 0; i < n; i++)
		to[i] = cn_rng_normal(&rng);
}

#endif
