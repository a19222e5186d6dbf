/*
 * clones - one source for several vector widths: a function marked CN_CLONES is compiled for AVX-512,
 * AVX2 and the base machine, and the loader picks.  Contraction is off everywhere, so all give the same bits.
 *
 * Empty where the compiler cannot do it (clang 14), the machine has no such choice, or a sanitizer
 * would run before it is ready to (the loader resolves the choice very early).
 *
 * Where a function keeps vectors in variables they must have the width of the machine's, or they are kept in memory
 * (gcc 12: seven times slower).  CN_WIDTHS(define) stands for define(bytes, attributes) of each such width, CN_RUNS(bytes)
 * is true where this machine can run it, and CN_WIDEST(name) is the widest of name_64, name_32 and name_16 that it can.
 * CN_EACH is a loop over them: it must be unrolled early, whatever else is optimised, for an array of vectors to be variables.
 */
#ifndef CN_TENSOR_CLONES_H
#define CN_TENSOR_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CN_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CN_CLONES
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define CN_WIDTHS(define) \
	define(64, __attribute__((target("avx512f")))) \
	define(32, __attribute__((target("avx2")))) \
	define(16, )
#define CN_RUNS(bytes) ((bytes) <= 16 || ((bytes) == 32 ? __builtin_cpu_supports("avx2") : __builtin_cpu_supports("avx512f")))
#define CN_WIDEST(name) (CN_RUNS(64) ? name##_64 : CN_RUNS(32) ? name##_32 : name##_16)
#else
#define CN_WIDTHS(define) define(16, )
#define CN_RUNS(bytes) ((bytes) <= 16)
#define CN_WIDEST(name) name##_16
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define CN_UNROLLED _Pragma("GCC unroll 4")
#else
#define CN_UNROLLED
#endif
#define CN_EACH(i, count) CN_UNROLLED for (size_t i = 0; i < (count); i++)

#endif
