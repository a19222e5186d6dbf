/*
 * head - HEAD, the first frame of a stream: version, schema, metadata, history; and mETA, what of the metadata is known late.
 */
#ifndef CN_STREAM_HEAD_H
#define CN_STREAM_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "stream/history.h"
#include "stream/schema.h"
#include "stream/seal.h"
#include "stream/wire.h"

#define CN_HEAD_MAJOR 1
#define CN_HEAD_VARCHUNK 1u	/* incompat bit: chunks may be shorter than chunk_rows anywhere */
#define CN_HEAD_SENTINEL "\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00\x99\xe9\xd8\x51"	/* the empty zstd frame, 13 bytes */

struct cn_head {
	unsigned major, minor;
	uint32_t incompat, compat;
	uint32_t chunk_rows;
	uint64_t rows_hint;		/* 0 unknown */
	struct cn_schema schema;
	struct cn_meta meta;
	struct cn_history history;
	struct cn_roots roots;		/* as they begin; set by encode and decode */
};

/* Appends the frame and the sentinel to wire, and starts head->roots. */
int cn_head_encode(struct cn_head *head, struct cn_wire *wire, struct cn_err *err);

/*
 * Metadata that are known at the end only, as a mETA frame: appended to wire, and counted in roots; nothing if there are none.
 * And read from its payload into meta, which is empty.
 */
int cn_head_findings_encode(const struct cn_meta *meta, struct cn_roots *roots, struct cn_wire *wire, struct cn_err *err);
int cn_head_findings_decode(struct cn_meta *meta, const unsigned char *payload, size_t size, const char *place, struct cn_err *err);

/* The opposite of encode, of a payload (after the 8 bytes of skippable header); name is for messages. */
int cn_head_decode(struct cn_head *head, const unsigned char *payload, size_t size, const char *name, struct cn_err *err);

void cn_head_release(struct cn_head *head);

/* Text from a stream made fit for a terminal: control bytes and what is no UTF-8 become "?".  In place; returns text. */
char *cn_head_printable(char *text);

#endif
