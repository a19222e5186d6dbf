/* sieve - which of many values reach a threshold, when few do. */
#ifndef CN_TENSOR_SIEVE_H
#define CN_TENSOR_SIEVE_H

#include <stddef.h>
#include <stdint.h>

/* Writes the places (ascending, below n) of values that are not less than threshold, a NaN among them; returns how many. */
size_t cn_sieve_values(const float *value, size_t n, float threshold, uint32_t *place);

#endif
