/* err - one sentence and one exit status, told once. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

int
cn_err_set(struct cn_err *err, enum cn_status code, const char *format, ...)
{
	va_list args;

	if (err->code)
		return -1;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	err->code = code;
	return -1;
}

int
cn_err_errno(struct cn_err *err, const char *format, ...)
{
	int cause = errno;
	va_list args;
	size_t used;

	if (err->code)
		return -1;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(cause));
	err->code = CN_FAILED;
	return -1;
}
