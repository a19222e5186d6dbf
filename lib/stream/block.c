/* block - one column of a chunk as one zstd frame. */
#include "stream/block.h"

#include <zstd.h>

#include "base/mem.h"
#include "stream/limits.h"
#include "stream/wire.h"

#include "base/banned.h"

struct cn_block {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	void *scratch;		/* a column between filter and zstd */
	size_t capacity;
};

struct cn_block *
cn_block_new(struct cn_err *err)
{
	return cn_mem_array(1, sizeof(struct cn_block), err);
}

void
cn_block_free(struct cn_block *block)
{
	if (!block)
		return;
	ZSTD_freeCCtx(block->compress);
	ZSTD_freeDCtx(block->decompress);
	cn_mem_free(block->scratch);
	cn_mem_free(block);
}

size_t
cn_block_bound(size_t size)
{
	return ZSTD_compressBound(size);
}

static int
reserve(struct cn_block *block, size_t size, struct cn_err *err)
{
	if (size <= block->capacity)
		return 0;
	cn_mem_free(block->scratch);
	block->scratch = cn_mem_array(size, 1, err);
	block->capacity = block->scratch ? size : 0;
	return block->scratch ? 0 : -1;
}

static int
prepare_compress(struct cn_block *block, int level, struct cn_err *err)
{
	if (!block->compress)
		block->compress = ZSTD_createCCtx();
	if (!block->compress)
		return cn_err_set(err, CN_FAILED, "out of memory for zstd");
	ZSTD_CCtx_reset(block->compress, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(block->compress, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(block->compress, ZSTD_c_checksumFlag, 1);
	return 0;
}

size_t
cn_block_encode(struct cn_block *block, int level, enum cn_filter filter, const struct cn_field *field,
	const unsigned char *bytes, size_t size, unsigned char *out, struct cn_err *err)
{
	if (prepare_compress(block, level, err) != 0)
		return 0;
	if (filter != CN_FILTER_NONE) {
		if (reserve(block, size, err) != 0)
			return 0;
		cn_filter_apply(filter, field, bytes, block->scratch, size);
		bytes = block->scratch;
	}
	const size_t n = ZSTD_compress2(block->compress, out, ZSTD_compressBound(size), bytes, size);
	if (ZSTD_isError(n)) {
		cn_err_set(err, CN_FAILED, "cannot compress field '%s': %s", field->name, ZSTD_getErrorName(n));
		return 0;
	}
	return n;
}

/* One ordinary frame with checksum, content size and a modest window, exactly as long as announced. */
static const char *
frame_fault(const unsigned char *frame, size_t frame_size, size_t size)
{
	if (frame_size < 6 || cn_wire_load32(frame) != ZSTD_MAGICNUMBER)
		return "its data is not a zstd frame";
	if ((frame[4] & 0x1f) != 0x04)
		return "its zstd frame is of a kind not used here";
	if (ZSTD_getFrameContentSize(frame, frame_size) != size)
		return "its zstd frame has another size than announced";
	if (!(frame[4] & 0x20)) {	/* window descriptor: exponent in the high five bits, eighths in the low three */
		const uint64_t base = (uint64_t)1 << (10 + (frame[5] >> 3));

		if (base + base / 8 * (frame[5] & 7) > CN_LIMIT_WINDOW)
			return "its zstd window exceeds the limit of 8 MiB";
	}
	return NULL;
}

int
cn_block_decode(struct cn_block *block, enum cn_filter filter, const struct cn_field *field,
	const unsigned char *frame, size_t frame_size, unsigned char *bytes, size_t size, const char *place,
	struct cn_err *err)
{
	const char *fault = frame_fault(frame, frame_size, size);

	if (fault)
		return cn_err_set(err, CN_FAILED, "%s: corrupt: field '%s': %s", place, field->name, fault);
	if (!block->decompress)
		block->decompress = ZSTD_createDCtx();
	if (!block->decompress)
		return cn_err_set(err, CN_FAILED, "out of memory for zstd");
	if (filter != CN_FILTER_NONE && reserve(block, size, err) != 0)
		return -1;
	const size_t whole = ZSTD_findFrameCompressedSize(frame, frame_size);
	if (ZSTD_isError(whole) || whole != frame_size)
		return cn_err_set(err, CN_INTEGRITY, "%s: corrupt: field '%s': its zstd frame is not %zu bytes long",
			place, field->name, frame_size);
	unsigned char *to = filter == CN_FILTER_NONE ? bytes : block->scratch;
	const size_t n = ZSTD_decompressDCtx(block->decompress, to, size, frame, frame_size);
	if (ZSTD_isError(n) || n != size)
		return cn_err_set(err, CN_INTEGRITY, "%s: corrupt: field '%s': %s", place, field->name,
			ZSTD_isError(n) ? ZSTD_getErrorName(n) : "its data is too short");
	if (filter != CN_FILTER_NONE)
		cn_filter_undo(filter, field, block->scratch, bytes, size);
	return 0;
}

const char *
cn_block_zstd_version(void)
{
	return ZSTD_versionString();
}
