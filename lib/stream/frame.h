/*
 * frame - the control frames after HEAD: CHNK, iNDX, TAIL, ABRT, as structs and as payloads.
 *
 * A payload is what follows the 8 bytes of skippable header (magic, length).  Decoders get a payload of
 * a size already checked against the limits; place names stream and position in their messages.
 */
#ifndef CN_STREAM_FRAME_H
#define CN_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/schema.h"
#include "stream/seal.h"
#include "stream/wire.h"

#define CN_FRAME_MAGIC 0x184d2a5cu
enum { CN_FRAME_HEADER = 8, CN_FRAME_TAIL_END = 24 };	/* TAIL ends: u64 own offset, u64 iNDX, u32 size, "CNSE" */

struct cn_chunk_part {
	uint8_t filter;
	uint32_t packed;	/* bytes of the zstd frame */
	uint64_t raw;		/* bytes decoded */
};

struct cn_chunk {
	uint64_t first_row;
	uint32_t rows;
	unsigned char digest[CN_SEAL_BYTES];
	struct cn_chunk_part part[CN_SCHEMA_FIELDS];
};

/* Bytes of the whole CHNK frame (with its header) for n fields. */
size_t cn_frame_chunk_size(size_t n_fields);
/* Into at, cn_frame_chunk_size bytes. */
void cn_frame_chunk_store(const struct cn_chunk *chunk, size_t n_fields, unsigned char *at);
int cn_frame_chunk_parse(struct cn_chunk *chunk, const struct cn_schema *schema, const unsigned char *payload,
	size_t size, const char *place, struct cn_err *err);

/* c_i of rows in column[field]. */
void cn_frame_chunk_digest(const struct cn_schema *schema, uint64_t first_row, uint32_t rows,
	unsigned char *const *column, unsigned char digest[CN_SEAL_BYTES]);

struct cn_index_entry {
	uint64_t offset;	/* of the CHNK frame */
	uint32_t rows;
	unsigned char digest[CN_SEAL_BYTES];
};

enum { CN_INDEX_BYTES = 48 };
void cn_frame_index_store(const struct cn_index_entry *entry, unsigned char at[CN_INDEX_BYTES]);
bool cn_frame_index_load(struct cn_index_entry *entry, const unsigned char at[CN_INDEX_BYTES]);	/* false: reserved bits */

enum cn_input_state { CN_INPUT_WHOLE, CN_INPUT_PARTIAL, CN_INPUT_UNVERIFIED };
#define CN_INPUT_NO_NODE 0xffffu

struct cn_tail_input {
	uint16_t node;
	uint16_t state;
	uint64_t rows_read;
	unsigned char stream_root[CN_SEAL_BYTES];
};

enum { CN_TAIL_SALVAGED = 1, CN_TAIL_STOPPED = 2 };

struct cn_tail {
	uint64_t rows, chunks;
	unsigned char data_root[CN_SEAL_BYTES], stream_root[CN_SEAL_BYTES];
	uint32_t status;
	size_t n_inputs, n_signatures;
	struct cn_tail_input *input;		/* owned */
	struct cn_signature *signature;		/* owned */
	uint64_t offset, index_offset;
	size_t hashed;		/* bytes of payload that stream_root covers; set by parse */
};

/* Appends the frame; roots are completed on the way, and signed where secret is not NULL. */
int cn_frame_tail_put(struct cn_tail *tail, struct cn_roots *roots, const struct cn_secret_key *secret, struct cn_wire *wire,
	struct cn_err *err);
int cn_frame_tail_parse(struct cn_tail *tail, const unsigned char *payload, size_t size, const char *place,
	struct cn_err *err);
void cn_frame_tail_release(struct cn_tail *tail);

struct cn_abort {
	uint32_t code;
	char program[64];
	char message[768];	/* both made fit for a terminal by parse */
};

void cn_frame_abort_put(const struct cn_abort *cause, struct cn_wire *wire, struct cn_err *err);
int cn_frame_abort_parse(struct cn_abort *cause, const unsigned char *payload, size_t size, const char *place,
	struct cn_err *err);

#endif
