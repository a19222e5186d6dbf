/*
 * historyjson - a stream's history as JSON text, for files that are not streams (cn.provenance of a model).
 *
 *	{"nodes":[{"parents":[],"meta":{"program":"cn-import","version":"0.1.0"}},{"parents":[0],"meta":{...}}]}
 *
 * Canonical: nodes in order, keys sorted by bytes, no white space, so equal histories are equal texts.
 * A value that is not UTF-8 text, or holds a NUL, is written as {"hex":"00ff..."}.
 */
#ifndef CN_DATA_HISTORYJSON_H
#define CN_DATA_HISTORYJSON_H

#include <stddef.h>

#include "base/err.h"
#include "stream/history.h"

/* The text, NUL-terminated, freed with cn_mem_free; NULL and a sentence when a key is not UTF-8 or memory is short. */
char *cn_historyjson_write(const struct cn_history *history, struct cn_err *err);

/*
 * Fills to (empty before; the caller releases it) from size bytes of text; name is what messages call the
 * source ("enc.safetensors: cn.provenance").  Refuses text that is not such JSON, more than
 * CN_HISTORY_NODES nodes, and parents that do not come before their children.  0 or -1.
 */
int cn_historyjson_read(const char *name, const char *text, size_t size, struct cn_history *to, struct cn_err *err);

#endif
