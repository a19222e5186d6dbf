/*
 * clones - one source for several vector widths: a function marked CN_CLONES is compiled for AVX-512,
 * AVX2 and the base machine, and the loader picks.  Contraction is off everywhere, so all give the same bits.
 *
 * Empty where the compiler cannot do it (clang 14), the machine has no such choice, or a sanitizer
 * would run before it is ready to (the loader resolves the choice very early).
 */
#ifndef CN_TENSOR_CLONES_H
#define CN_TENSOR_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CN_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CN_CLONES
#endif

#endif
