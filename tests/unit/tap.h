/*
 * tap - one line per claim: "ok 3 - rng: frozen words" or "not ok ...", then the plan.
 *
 * A unit test is a plain main of claims ending in "return tap_done();".  A failed claim
 * does not stop the program; tap_done is 1 if any failed.  CN_QUICK is set where sanitizers make all
 * many times slower (.ci/run): what runs no code that other claims do not run may be skipped there.
 */
#ifndef CN_TESTS_TAP_H
#define CN_TESTS_TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused))
static void
tap_ok(int right, const char *file, int line, const char *format, ...)
{
	va_list args;

	tap_count++;
	tap_failed += !right;
	printf("%sok %d - ", right ? "" : "not ", tap_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	if (!right)
		printf("\n# %s:%d", file, line);
	putchar('\n');
	fflush(stdout);
}

/* |got - want| <= rel * max(|want|, 1e-30); NaN is never near. */
__attribute__((unused))
static void
tap_near(double got, double want, double rel, const char *file, int line, const char *name)
{
	int right = got == want || fabs(got - want) <= rel * fmax(fabs(want), 1e-30);

	tap_ok(right, file, line, "%s", name);
	if (!right)
		printf("# got %.17g, want %.17g within %g\n", got, want, rel);
}

/* Whether this is the quick run, and then a line that says what is skipped. */
__attribute__((unused))
static int
tap_quick(const char *name)
{
	const char *quick = getenv("CN_QUICK");

	if (!quick || !*quick)
		return 0;
	printf("ok %d - %s # skip too slow with sanitizers\n", ++tap_count, name);
	fflush(stdout);
	return 1;
}

#define TAP_OK(cond, ...) tap_ok(!!(cond), __FILE__, __LINE__, __VA_ARGS__)
#define TAP_NEAR(got, want, rel, name) tap_near((got), (want), (rel), __FILE__, __LINE__, name)

__attribute__((unused))
static int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0 || tap_count == 0;
}

#endif
