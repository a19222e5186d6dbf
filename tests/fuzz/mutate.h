/*
 * mutate - the frame of a fuzz driver: each file named on the command line as it is, and under mutations that follow
 * from its bytes alone.  A driver defines LLVMFuzzerTestOneInput (so that libFuzzer can be linked instead) and includes
 * this; a crash, a leak or a sanitizer's word is the failure.
 */
#ifndef CN_TESTS_MUTATE_H
#define CN_TESTS_MUTATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef CN_LIBFUZZER

enum { MUTATE_LARGEST = 1 << 20, MUTATE_TIMES = 400 };

/* xorshift64*, Marsaglia 2003 and Vigna 2016. */
static uint64_t
mutate_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717u;
}

/* One to four of: a flipped bit, a random or extreme byte or word, a run moved, a cut. */
static size_t
mutate(uint8_t *data, size_t size, uint64_t *state)
{
	static const uint32_t extreme[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff };

	for (uint64_t left = 1 + mutate_next(state) % 4; left > 0 && size > 8; left--) {
		const size_t at = mutate_next(state) % (size - 4), from = mutate_next(state) % (size - 4);
		const uint32_t word = extreme[mutate_next(state) % (sizeof extreme / sizeof *extreme)];

		switch (mutate_next(state) % 6) {
		case 0: data[at] ^= (uint8_t)(1u << mutate_next(state) % 8); break;
		case 1: data[at] = (uint8_t)mutate_next(state); break;
		case 2: data[at] = (uint8_t)word; break;
		case 3: memcpy(data + at, &word, sizeof word); break;
		case 4: memmove(data + at, data + from, (size - (at > from ? at : from)) % 64); break;
		case 5: size = at % 4 ? size : at; break;
		}
	}
	return size;
}

static int
mutate_file(const char *path)
{
	static uint8_t whole[MUTATE_LARGEST], damaged[MUTATE_LARGEST];
	FILE *file = fopen(path, "rb");
	const size_t size = file ? fread(whole, 1, sizeof whole, file) : 0;
	uint64_t state = 88172645463325252u + size;

	if (!file) {
		fprintf(stderr, "cannot open %s\n", path);
		return 1;
	}
	fclose(file);
	LLVMFuzzerTestOneInput(whole, size);
	for (int i = 0; i < MUTATE_TIMES; i++) {
		memcpy(damaged, whole, size);
		LLVMFuzzerTestOneInput(damaged, mutate(damaged, size, &state));
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= mutate_file(argv[i]);
	return failed;
}

#endif
#endif
