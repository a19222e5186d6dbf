/* wire - little-endian bytes, whatever the machine. */
#include "stream/wire.h"

#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

void
cn_wire_put(struct cn_wire *wire, const void *bytes, size_t n, struct cn_err *err)
{
	void *block = wire->data;

	if (err->code || n == 0)
		return;
	if (n > SIZE_MAX - wire->size) {
		cn_err_set(err, CN_FAILED, "out of memory");
		return;
	}
	if (cn_mem_grow(&block, &wire->capacity, wire->size + n, 1, err) != 0)
		return;
	wire->data = block;
	memcpy(wire->data + wire->size, bytes, n);
	wire->size += n;
}

static void
put_number(struct cn_wire *wire, uint64_t value, size_t n, struct cn_err *err)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(value >> 8 * i);
	cn_wire_put(wire, bytes, n, err);
}

void
cn_wire_u8(struct cn_wire *wire, unsigned value, struct cn_err *err)
{
	put_number(wire, value, 1, err);
}

void
cn_wire_u16(struct cn_wire *wire, unsigned value, struct cn_err *err)
{
	put_number(wire, value, 2, err);
}

void
cn_wire_u32(struct cn_wire *wire, uint32_t value, struct cn_err *err)
{
	put_number(wire, value, 4, err);
}

void
cn_wire_u64(struct cn_wire *wire, uint64_t value, struct cn_err *err)
{
	put_number(wire, value, 8, err);
}

size_t
cn_wire_frame(struct cn_wire *wire, const char *type, struct cn_err *err)
{
	const size_t frame = wire->size;

	cn_wire_put(wire, "\x5c\x2a\x4d\x18\0\0\0\0", 8, err);
	cn_wire_put(wire, type, 4, err);
	cn_wire_u32(wire, 0, err);
	return frame;
}

void
cn_wire_frame_end(struct cn_wire *wire, size_t frame)
{
	if (wire->size >= frame + 8)
		cn_wire_store32(wire->data + frame + 4, (uint32_t)(wire->size - frame - 8));
}

void
cn_wire_release(struct cn_wire *wire)
{
	cn_mem_free(wire->data);
	*wire = (struct cn_wire){ 0 };
}

void
cn_wire_store32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

void
cn_wire_store64(unsigned char *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

uint32_t
cn_wire_load32(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint64_t
cn_wire_load64(const unsigned char *at)
{
	return cn_wire_load32(at) | (uint64_t)cn_wire_load32(at + 4) << 32;
}

const unsigned char *
cn_cursor_take(struct cn_cursor *cursor, size_t n)
{
	const unsigned char *at = cursor->at;

	if (cursor->bad || n > cursor->left) {
		cursor->bad = true;
		return NULL;
	}
	cursor->at += n;
	cursor->left -= n;
	return at;
}

void
cn_cursor_copy(struct cn_cursor *cursor, void *to, size_t n)
{
	const unsigned char *from = cn_cursor_take(cursor, n);

	if (from)
		memcpy(to, from, n);
	else
		memset(to, 0, n);
}

unsigned
cn_cursor_u8(struct cn_cursor *cursor)
{
	unsigned char byte;

	cn_cursor_copy(cursor, &byte, 1);
	return byte;
}

unsigned
cn_cursor_u16(struct cn_cursor *cursor)
{
	unsigned char bytes[2];

	cn_cursor_copy(cursor, bytes, 2);
	return bytes[0] | (unsigned)bytes[1] << 8;
}

uint32_t
cn_cursor_u32(struct cn_cursor *cursor)
{
	unsigned char bytes[4];

	cn_cursor_copy(cursor, bytes, 4);
	return cn_wire_load32(bytes);
}

uint64_t
cn_cursor_u64(struct cn_cursor *cursor)
{
	unsigned char bytes[8];

	cn_cursor_copy(cursor, bytes, 8);
	return cn_wire_load64(bytes);
}
