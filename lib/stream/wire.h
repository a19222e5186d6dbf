/*
 * wire - little-endian bytes: a growing buffer to write into, a bounded cursor to read from.
 */
#ifndef CN_STREAM_WIRE_H
#define CN_STREAM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "= { 0 }" is empty; cn_wire_release frees.  Appending does nothing once err is set. */
struct cn_wire {
	unsigned char *data;
	size_t size, capacity;
};

void cn_wire_put(struct cn_wire *wire, const void *bytes, size_t n, struct cn_err *err);
void cn_wire_u8(struct cn_wire *wire, unsigned value, struct cn_err *err);
void cn_wire_u16(struct cn_wire *wire, unsigned value, struct cn_err *err);
void cn_wire_u32(struct cn_wire *wire, uint32_t value, struct cn_err *err);
void cn_wire_u64(struct cn_wire *wire, uint64_t value, struct cn_err *err);

/* Begins a control frame (header with length 0, type, flags 0); end fills in the length of what was put since. */
size_t cn_wire_frame(struct cn_wire *wire, const char *type, struct cn_err *err);
void cn_wire_frame_end(struct cn_wire *wire, size_t frame);

void cn_wire_release(struct cn_wire *wire);

/* At fixed places. */
void cn_wire_store32(unsigned char *at, uint32_t value);
void cn_wire_store64(unsigned char *at, uint64_t value);
uint32_t cn_wire_load32(const unsigned char *at);
uint64_t cn_wire_load64(const unsigned char *at);

/* Reading past the end gives zeros and sets bad, so that one check at the end is enough. */
struct cn_cursor {
	const unsigned char *at;
	size_t left;
	bool bad;
};

const unsigned char *cn_cursor_take(struct cn_cursor *cursor, size_t n);	/* NULL when there are fewer */
unsigned cn_cursor_u8(struct cn_cursor *cursor);
unsigned cn_cursor_u16(struct cn_cursor *cursor);
uint32_t cn_cursor_u32(struct cn_cursor *cursor);
uint64_t cn_cursor_u64(struct cn_cursor *cursor);
void cn_cursor_copy(struct cn_cursor *cursor, void *to, size_t n);

#endif
