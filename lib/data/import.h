/*
 * import - rows of an outside format, in order: what cn-import asks of each format.
 *
 * A format's open fills a struct cn_import: the schema (id first), what is worth remembering as metadata,
 * and how to read and close.  "= { 0 }" is an import without rows; close accepts it, and one whose open
 * failed.
 *
 *	struct cn_import import = { 0 };
 *	cn_idx_open(&import, images, labels, &err);
 *	while (cn_import_next(&import, &batch, 256, &err) > 0)
 *		...
 *	cn_import_close(&import);
 *
 * Metadata keys of imports: source.format (idx, image, ...), label.names (class names in the order of
 * their numbers, separated by newlines).
 */
#ifndef CN_DATA_IMPORT_H
#define CN_DATA_IMPORT_H

#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "stream/batch.h"
#include "stream/schema.h"

struct cn_import {
	struct cn_schema schema;
	struct cn_meta meta;
	uint64_t rows;		/* how many there are; 0 = unknown, or without end (demo) */
	uint64_t first_id;	/* ids count from here */
	uint64_t given;		/* rows given so far */

	/* Fills batch's columns but the id, for at most batch->rows rows from "given" on;
	   sets batch->rows to how many there were. */
	int (*read)(struct cn_import *import, struct cn_batch *batch, struct cn_err *err);
	void (*close)(struct cn_import *import);
	void *state;		/* the format's own */
};

/* Begins the schema with id (u64) and names the format. */
int cn_import_init(struct cn_import *import, const char *format, struct cn_err *err);

/* At most rows further rows into batch: 1, 0 at the end, -1 error. */
int cn_import_next(struct cn_import *import, struct cn_batch *batch, size_t rows, struct cn_err *err);

void cn_import_close(struct cn_import *import);

#endif
