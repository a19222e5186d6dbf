/* jsontext - jansson's text, and its one error. */
#include "data/jsontext.h"

#include "base/banned.h"

int
cn_jsontext_write(json_t *root, FILE *to, struct cn_err *err)
{
	const int failed = !root || json_dumpf(root, to, JSON_INDENT(2)) < 0;

	if (failed)
		cn_err_set(err, CN_FAILED, "out of memory for the JSON text");
	fputc('\n', to);
	json_decref(root);
	return failed ? -1 : 0;
}
