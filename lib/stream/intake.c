/* intake - frames in order, each checked. */
#include "stream/intake.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/tool.h"
#include "stream/limits.h"

#include "base/banned.h"

enum { SENTINEL_BYTES = 13 };

struct cn_intake {
	struct cn_source *source;
	const char *name;
	struct cn_head head;
	struct cn_roots roots;		/* so far; after a seek those of the whole stream, by the index */
	uint64_t rows, chunks;		/* so far */
	uint64_t index_offset;		/* of the first iNDX; 0 none yet */
	uint64_t indexed;		/* entries seen in iNDX */
	struct cn_seal expected, found;	/* index entries by the chunks, and by the index; after a seek from there on */
	bool ragged;			/* a chunk was shorter than the rest: it must be the last */
	bool sought, aborted, verified;
	const char *verify_key;
	struct cn_public_key key;
	unsigned char *payload;		/* of the control frame at hand */
	size_t size, capacity;
	struct cn_meta findings;
	bool found_out;			/* mETA has come, maybe empty */
	struct cn_tail tail;
	struct cn_abort cause;
};

void
cn_intake_place(const struct cn_intake *intake, const struct cn_parcel *parcel, char *place, size_t size)
{
	snprintf(place, size, "%.300s: chunk %" PRIu64 " (row %" PRIu64 ", byte %" PRIu64 ")", intake->name,
		parcel->number, parcel->chunk.first_row, parcel->offset);
}

/* ---- what is not a stream ---- */

struct kind {
	const char *bytes;
	size_t n;
	const char *name;
};

static const struct kind kinds[] = {
	{ "\x1f\x8b", 2, "gzip data; try zcat" },
	{ "PK\3\4", 4, "a zip or npz file; try cn-import" },
	{ "\x93NUMPY", 6, "a numpy array; try cn-import npy" },
	{ "\x89PNG", 4, "a PNG picture; try cn-import image" },
	{ "\xff\xd8\xff", 3, "a JPEG picture; try cn-import image" },
	{ "\x28\xb5\x2f\xfd", 4, "plain zstd data" },
	{ "\xfd" "7zXZ", 5, "xz data" },
	{ "BZh", 3, "bzip2 data" },
	{ "\0\0\x08\1", 4, "an idx file; try cn-import idx" },
	{ "\0\0\x08\3", 4, "an idx file; try cn-import idx" },
	{ "\x7f" "ELF", 4, "a program" },
};

static const char *
looks_like(const unsigned char *bytes, size_t n)
{
	size_t printable = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (n >= kinds[i].n && memcmp(bytes, kinds[i].bytes, kinds[i].n) == 0)
			return kinds[i].name;
	if (n > 8 && bytes[8] == '{' && cn_wire_load64(bytes) < (uint64_t)1 << 32)
		return "a safetensors model; give it with -m, or to cn-info";
	while (printable < n && (isprint(bytes[printable]) || isspace(bytes[printable])))
		printable++;
	return printable == n ? "text" : "unknown binary data";
}

/* ---- bytes in ---- */

static int
ended(const struct cn_intake *intake, const char *where, struct cn_err *err)
{
	return cn_err_set(err, CN_INCOMPLETE, "%s: ended at byte %" PRIu64 ", %s; %s was cut short",
		intake->name, cn_source_offset(intake->source), where, cn_source_seekable(intake->source) ? "the file" : "upstream");
}

static int
corrupt(const struct cn_intake *intake, uint64_t offset, const char *what, struct cn_err *err)
{
	return cn_err_set(err, CN_FAILED, "%s: byte %" PRIu64 ": corrupt: %s", intake->name, offset, what);
}

/* All of n bytes, or an error that says where the stream ended. */
static int
read_all(struct cn_intake *intake, void *to, size_t n, const char *where, struct cn_err *err)
{
	const size_t got = cn_source_read(intake->source, to, n, err);

	if (got == SIZE_MAX)
		return -1;
	return got == n ? 0 : ended(intake, where, err);
}

/*
 * Grows a block only as bytes arrive: a length that lies costs no more than what was sent.
 */
static int
read_growing(struct cn_intake *intake, unsigned char **block, size_t *capacity, size_t n, const char *where,
	struct cn_err *err)
{
	void *grown = *block;

	for (size_t done = 0; done < n;) {
		size_t step = done > (size_t)1 << 20 ? done : (size_t)1 << 20;

		if (*capacity > done + step)
			step = *capacity - done;
		step = step < n - done ? step : n - done;
		if (cn_mem_grow(&grown, capacity, done + step, 1, err) != 0)
			return -1;
		*block = grown;
		if (read_all(intake, *block + done, step, where, err) != 0)
			return -1;
		done += step;
	}
	return 0;
}

/* The payload of a control frame whose header was read; L is checked first. */
static int
read_payload(struct cn_intake *intake, const unsigned char header[8], size_t limit, const char *where,
	struct cn_err *err)
{
	const uint64_t offset = cn_source_offset(intake->source) - 8;

	intake->size = cn_wire_load32(header + 4);
	if (intake->size < 8)
		return corrupt(intake, offset, "a frame is too short", err);
	if (intake->size > limit)
		return cn_err_set(err, CN_FAILED, "%s: byte %" PRIu64 ": corrupt: a frame claims %zu bytes, the limit is %zu",
			intake->name, offset, intake->size, limit);
	return read_growing(intake, &intake->payload, &intake->capacity, intake->size, where, err);
}

/* ---- HEAD ---- */

static int
take_abort(struct cn_intake *intake, uint64_t offset, struct cn_err *err)
{
	char place[400];

	snprintf(place, sizeof(place), "%.300s: byte %" PRIu64, intake->name, offset);
	if (cn_frame_abort_parse(&intake->cause, intake->payload, intake->size, place, err) != 0)
		return -1;
	intake->aborted = true;
	return cn_err_set(err, CN_INCOMPLETE, "%s: stopped by %s: %s", intake->name, intake->cause.program,
		intake->cause.message);
}

static int
refuse_kind(struct cn_intake *intake, const unsigned char *bytes, size_t n, struct cn_err *err)
{
	return cn_err_set(err, CN_FAILED, "%s: not a CNS stream; it looks like %s", intake->name, looks_like(bytes, n));
}

static int
read_head(struct cn_intake *intake, struct cn_err *err)
{
	static const unsigned char magic[16] = { 0x5c, 0x2a, 0x4d, 0x18, 0, 0, 0, 0, 0x89, 'C', 'N', 'S', '\r', '\n',
		0x1a, '\n' };
	unsigned char start[16] = { 0 };
	const size_t n = cn_source_read(intake->source, start, sizeof(start), err);

	if (n == SIZE_MAX)
		return -1;
	if (memcmp(start, magic, n < 4 ? n : 4) != 0)
		return refuse_kind(intake, start, n, err);
	if (n < sizeof(start))
		return ended(intake, n == 0 ? "before it began" : "inside HEAD", err);
	intake->size = cn_wire_load32(start + 4);
	const bool abort = memcmp(start + 8, "ABRT\0\0\0\0", 8) == 0;
	if (!abort && memcmp(start + 8, magic + 8, 8) != 0)
		return cn_err_set(err, CN_FAILED, "%s: not a CNS stream; it looks like other zstd frames", intake->name);
	if (intake->size < 8 || intake->size > CN_LIMIT_HEAD)
		return cn_err_set(err, CN_FAILED, "%s: corrupt HEAD: it claims %zu bytes, the limit is %u", intake->name,
			intake->size, (unsigned)CN_LIMIT_HEAD);
	intake->payload = cn_mem_array(intake->size, 1, err);
	intake->capacity = intake->payload ? intake->size : 0;
	if (!intake->payload)
		return -1;
	memcpy(intake->payload, start + 8, 8);
	if (read_all(intake, intake->payload + 8, intake->size - 8, "inside HEAD", err) != 0)
		return -1;
	if (abort)
		return take_abort(intake, 0, err);
	return cn_head_decode(&intake->head, intake->payload, intake->size, intake->name, err);
}

static int
read_sentinel(struct cn_intake *intake, struct cn_err *err)
{
	unsigned char sentinel[SENTINEL_BYTES];
	const uint64_t offset = cn_source_offset(intake->source);

	if (read_all(intake, sentinel, sizeof(sentinel), "before its first chunk", err) != 0)
		return -1;
	if (memcmp(sentinel, CN_HEAD_SENTINEL, sizeof(sentinel)) != 0)
		return corrupt(intake, offset, "the sentinel after HEAD is damaged", err);
	return 0;
}

struct cn_intake *
cn_intake_open(struct cn_source *source, const char *verify_key, struct cn_err *err)
{
	struct cn_intake *intake = err->code || cn_seal_prepare(err) != 0 ? NULL
		: cn_mem_array(1, sizeof(*intake), err);

	if (!intake) {
		cn_source_free(source);
		return NULL;
	}
	intake->verify_key = verify_key;
	intake->source = source;
	intake->name = cn_source_name(source);
	if (verify_key)
		cn_seal_read_public(verify_key, &intake->key, err);
	if (!err->code && cn_source_watch(source, err) == 0 && read_head(intake, err) == 0)
		read_sentinel(intake, err);
	intake->roots = intake->head.roots;
	cn_seal_begin(&intake->expected, "indx");
	cn_seal_begin(&intake->found, "indx");
	return intake;	/* also after an error: the cause of an abort is asked for */
}

void
cn_intake_free(struct cn_intake *intake)
{
	if (!intake)
		return;
	cn_source_free(intake->source);
	cn_head_release(&intake->head);
	cn_frame_tail_release(&intake->tail);
	cn_meta_release(&intake->findings);
	cn_mem_free(intake->payload);
	cn_mem_free(intake);
}

/* ---- chunks ---- */

static int
check_chunk(struct cn_intake *intake, const struct cn_parcel *parcel, const char *place, struct cn_err *err)
{
	const struct cn_chunk *chunk = &parcel->chunk;
	const bool variable = intake->head.incompat & CN_HEAD_VARCHUNK;

	if (intake->index_offset)
		return cn_err_set(err, CN_FAILED, "%s: corrupt: a chunk comes after the index", place);
	if (intake->found_out)
		return cn_err_set(err, CN_FAILED, "%s: corrupt: a chunk comes after mETA", place);
	if (chunk->first_row != intake->rows)
		return cn_err_set(err, CN_FAILED, "%s: corrupt: expected row %" PRIu64 ", got %" PRIu64, place,
			intake->rows, chunk->first_row);
	if (intake->ragged)
		return cn_err_set(err, CN_FAILED, "%s: corrupt: the chunk before it is too short", place);
	if (chunk->rows > intake->head.chunk_rows)
		return cn_err_set(err, CN_FAILED, "%s: corrupt: expected at most %u rows, got %u", place,
			(unsigned)intake->head.chunk_rows, (unsigned)chunk->rows);
	intake->ragged = !variable && chunk->rows < intake->head.chunk_rows;
	return 0;
}

static int
take_chunk(struct cn_intake *intake, struct cn_parcel *parcel, uint64_t offset, struct cn_err *err)
{
	unsigned char entry[CN_INDEX_BYTES];
	char place[400], where[128];
	size_t packed = 0;

	parcel->number = intake->chunks;
	parcel->offset = offset;
	parcel->chunk.first_row = intake->rows;
	cn_intake_place(intake, parcel, place, sizeof(place));
	if (cn_frame_chunk_parse(&parcel->chunk, &intake->head.schema, intake->payload, intake->size, place, err) != 0
	    || check_chunk(intake, parcel, place, err) != 0)
		return -1;
	for (size_t f = 0; f < intake->head.schema.n; f++)
		packed += parcel->chunk.part[f].packed;
	snprintf(where, sizeof(where), "inside chunk %" PRIu64 " (row %" PRIu64 ", byte %" PRIu64 ")", parcel->number,
		intake->rows, offset);
	if (read_growing(intake, &parcel->packed, &parcel->capacity, packed, where, err) != 0)
		return -1;
	if (!intake->sought)
		cn_roots_chunk(&intake->roots, parcel->chunk.digest);
	struct cn_index_entry is = { .offset = offset, .rows = parcel->chunk.rows };
	memcpy(is.digest, parcel->chunk.digest, CN_SEAL_BYTES);
	cn_frame_index_store(&is, entry);
	cn_seal_add(&intake->expected, entry, sizeof(entry));
	intake->rows += parcel->chunk.rows;
	intake->chunks++;
	return 1;
}

/* ---- the end ---- */

static int
take_index(struct cn_intake *intake, uint64_t offset, struct cn_err *err)
{
	const uint64_t n = intake->size < 16 ? 0 : cn_wire_load64(intake->payload + 8);

	if (n == 0 || n > CN_LIMIT_INDEX || intake->size != 16 + n * CN_INDEX_BYTES)
		return corrupt(intake, offset, "the index has a bad length", err);
	if (!intake->index_offset)
		intake->index_offset = offset;
	intake->indexed += n;
	if (!intake->sought)
		cn_seal_add(&intake->found, intake->payload + 16, n * CN_INDEX_BYTES);
	return 0;
}

static int
check_counts(struct cn_intake *intake, uint64_t offset, struct cn_err *err)
{
	const struct cn_tail *tail = &intake->tail;
	unsigned char expected[CN_SEAL_BYTES], found[CN_SEAL_BYTES];

	if (tail->rows != intake->rows || tail->chunks != intake->chunks)
		return cn_err_set(err, CN_FAILED, "%s: byte %" PRIu64 ": corrupt: TAIL counts %" PRIu64 " rows in %" PRIu64
			" chunks, got %" PRIu64 " in %" PRIu64, intake->name, offset, tail->rows, tail->chunks,
			intake->rows, intake->chunks);
	const bool past = intake->sought && !intake->index_offset;	/* the index itself was passed over */

	if (tail->offset != offset || (!past && tail->index_offset != intake->index_offset))
		return corrupt(intake, offset, "TAIL's offsets are wrong", err);
	for (size_t i = 0; i < tail->n_inputs; i++)
		if (tail->input[i].node != CN_INPUT_NO_NODE && tail->input[i].node >= intake->head.history.n)
			return corrupt(intake, offset, "TAIL names an input the history does not have", err);
	cn_seal_end(&intake->expected, expected);
	cn_seal_end(&intake->found, found);
	if ((intake->sought || intake->indexed > 0) && memcmp(expected, found, sizeof(found)) != 0)
		return corrupt(intake, intake->index_offset, "the index does not match the chunks", err);
	return 0;
}

static int
check_roots(struct cn_intake *intake, struct cn_err *err)
{
	const struct cn_tail *tail = &intake->tail;

	if (memcmp(tail->data_root, intake->roots.data, CN_SEAL_BYTES) != 0)
		return cn_err_set(err, CN_INTEGRITY, "%s: the digest of its data (data_root) does not match", intake->name);
	if (!intake->sought)
		cn_roots_control(&intake->roots, intake->payload, tail->hashed);
	if (memcmp(tail->stream_root, intake->roots.stream, CN_SEAL_BYTES) != 0)
		return cn_err_set(err, CN_INTEGRITY, "%s: the digest of the stream (stream_root) does not match",
			intake->name);
	return 0;
}

static int
check_signatures(struct cn_intake *intake, struct cn_err *err)
{
	const struct cn_tail *tail = &intake->tail;

	for (size_t i = 0; i < tail->n_signatures; i++) {
		const struct cn_signature *signature = &tail->signature[i];

		if (!cn_seal_verify(signature, tail->stream_root))
			return cn_err_set(err, CN_INTEGRITY, "%s: signature %zu is wrong", intake->name, i + 1);
		if (intake->verify_key && memcmp(signature->key, intake->key.key, sizeof(signature->key)) == 0)
			intake->verified = true;
	}
	if (intake->verify_key && !intake->verified)
		return cn_err_set(err, CN_INTEGRITY, "%s: is not signed with the key of '%s'", intake->name,
			intake->verify_key);
	return 0;
}

static int
take_tail(struct cn_intake *intake, uint64_t offset, struct cn_err *err)
{
	char place[400];
	unsigned char more;

	snprintf(place, sizeof(place), "%.300s: byte %" PRIu64, intake->name, offset);
	if (cn_frame_tail_parse(&intake->tail, intake->payload, intake->size, place, err) != 0
	    || check_counts(intake, offset, err) != 0
	    || check_roots(intake, err) != 0 || check_signatures(intake, err) != 0)
		return -1;
	const size_t n = cn_source_read(intake->source, &more, 1, err);
	if (n == 1)
		return cn_err_set(err, CN_FAILED, "%s: byte %" PRIu64 ": there is more after the end of the stream; "
			"join streams with cn-cat instead of cat", intake->name,
			cn_source_offset(intake->source) - 1);
	return n == 0 ? 0 : -1;
}

static int
take_findings(struct cn_intake *intake, uint64_t offset, struct cn_err *err)
{
	char place[400];

	snprintf(place, sizeof(place), "%.300s: byte %" PRIu64, intake->name, offset);
	if (intake->found_out)
		return corrupt(intake, offset, "there is a second mETA", err);
	intake->found_out = true;
	if (!intake->sought)
		cn_roots_control(&intake->roots, intake->payload, intake->size);
	return cn_head_findings_decode(&intake->findings, intake->payload, intake->size, place, err);
}

/* A frame of a type not known here: an ancillary one (lower case) is passed over, but counts for the root. */
static int
take_other(struct cn_intake *intake, uint64_t offset, struct cn_err *err)
{
	const unsigned char *type = intake->payload;

	if (memcmp(type, "\x89" "CNS", 4) == 0)
		return corrupt(intake, offset, "a second stream begins here; join streams with cn-cat instead of cat", err);
	for (int i = 0; i < 4; i++)
		if (!isalpha(type[i]))
			return corrupt(intake, offset, "a frame has no proper type", err);
	if (isupper(type[0]))
		return cn_err_set(err, CN_FAILED, "%s: byte %" PRIu64 ": needs frames of type '%.4s', which cn-tools %s does not "
			"know", intake->name, offset, (const char *)type, CN_VERSION);
	if (!intake->sought)
		cn_roots_control(&intake->roots, intake->payload, intake->size);
	return 0;
}

/* Reads one control frame; its type is in payload.  -1 err. */
static int
read_frame(struct cn_intake *intake, struct cn_err *err)
{
	unsigned char header[CN_FRAME_HEADER];
	char where[128];
	const uint64_t offset = cn_source_offset(intake->source);

	snprintf(where, sizeof(where), "after %" PRIu64 " whole chunks (%" PRIu64 " rows) and before TAIL",
		intake->chunks, intake->rows);
	if (intake->chunks == 0)
		snprintf(where, sizeof(where), "before its first chunk");
	if (read_all(intake, header, sizeof(header), where, err) != 0)
		return -1;
	if (cn_wire_load32(header) != CN_FRAME_MAGIC)
		return corrupt(intake, offset, "no frame begins here", err);
	if (read_payload(intake, header, CN_LIMIT_CONTROL, where, err) != 0)
		return -1;
	if (cn_wire_load32(intake->payload + 4) != 0 && intake->payload[0] != 0x89)
		return corrupt(intake, offset, "a frame has flags", err);
	return 0;
}

int
cn_intake_next(struct cn_intake *intake, struct cn_parcel *parcel, struct cn_err *err)
{
	while (!err->code) {
		const uint64_t offset = cn_source_offset(intake->source);

		if (read_frame(intake, err) != 0)
			return -1;
		if (memcmp(intake->payload, "CHNK", 4) == 0)
			return take_chunk(intake, parcel, offset, err);
		if (memcmp(intake->payload, "TAIL", 4) == 0)
			return take_tail(intake, offset, err);
		if (memcmp(intake->payload, "ABRT", 4) == 0)
			return take_abort(intake, offset, err);
		if (memcmp(intake->payload, "iNDX", 4) == 0)
			take_index(intake, offset, err);
		else if (memcmp(intake->payload, "mETA", 4) == 0)
			take_findings(intake, offset, err);
		else
			take_other(intake, offset, err);
	}
	return -1;
}

bool
cn_intake_cut(struct cn_intake *intake)
{
	unsigned char end[4];

	return cn_source_last(intake->source, end, sizeof(end)) && memcmp(end, "CNSE", 4) != 0;
}

/* ---- by the index ---- */

/* TAIL of a stream in a file, by its last bytes; its payload too.  False where that does not work out. */
static bool
peek_tail(struct cn_intake *intake, struct cn_tail *tail)
{
	const uint64_t size = cn_source_size(intake->source);
	unsigned char end[8];
	void *block = intake->payload;
	struct cn_err ignored = { 0 };

	if (!cn_source_seekable(intake->source) || size < 64
	    || cn_source_peek(intake->source, size - 8, end, 8) != 8 || memcmp(end + 4, "CNSE", 4) != 0)
		return false;
	const uint64_t whole = cn_wire_load32(end);
	if (whole < 64 || whole > CN_LIMIT_CONTROL || whole > size
	    || cn_mem_grow(&block, &intake->capacity, whole, 1, &ignored) != 0)
		return false;
	intake->payload = block;
	intake->size = whole - CN_FRAME_HEADER;
	if (cn_source_peek(intake->source, size - intake->size, intake->payload, intake->size) == intake->size
	    && memcmp(intake->payload, "TAIL", 4) == 0
	    && cn_frame_tail_parse(tail, intake->payload, intake->size, "", &ignored) == 0 && tail->offset == size - whole)
		return true;
	cn_frame_tail_release(tail);
	return false;
}

uint64_t
cn_intake_rows_hint(struct cn_intake *intake)
{
	struct cn_tail tail = { 0 };
	uint64_t rows = intake->head.rows_hint;

	if (peek_tail(intake, &tail))
		rows = tail.rows;
	cn_frame_tail_release(&tail);
	return rows;
}

/* What the index says of the chunks, and of the one that holds a row. */
struct survey {
	uint64_t row;			/* wanted */
	uint64_t rows, chunks;		/* of all entries */
	bool found;
	uint64_t offset, first, number;	/* of the chunk that holds the row */
	struct cn_roots roots;		/* as they follow from the entries */
	struct cn_seal rest;		/* of the entries from that chunk on */
};

static bool
survey_entry(struct survey *survey, const unsigned char bytes[CN_INDEX_BYTES])
{
	struct cn_index_entry entry;

	if (!cn_frame_index_load(&entry, bytes) || entry.rows == 0)
		return false;
	if (!survey->found && survey->row - survey->rows < entry.rows) {
		survey->found = true;
		survey->offset = entry.offset;
		survey->first = survey->rows;
		survey->number = survey->chunks;
	}
	if (survey->found)
		cn_seal_add(&survey->rest, bytes, CN_INDEX_BYTES);
	cn_roots_chunk(&survey->roots, entry.digest);
	survey->rows += entry.rows;
	survey->chunks++;
	return true;
}

/* Another frame behind the index; likewise. */
static uint64_t
survey_other(struct cn_intake *intake, uint64_t offset, struct survey *survey)
{
	unsigned char header[9], *payload;
	struct cn_err ignored = { 0 };

	if (cn_source_peek(intake->source, offset, header, 9) != 9 || cn_wire_load32(header) != CN_FRAME_MAGIC || !islower(header[8]))
		return 0;
	const uint64_t size = cn_wire_load32(header + 4);
	if (size < 8 || size > CN_LIMIT_CONTROL)
		return 0;
	payload = cn_mem_array(size, 1, &ignored);
	const bool good = payload && cn_source_peek(intake->source, offset + CN_FRAME_HEADER, payload, size) == size;
	if (good)
		cn_roots_control(&survey->roots, payload, size);
	cn_mem_free(payload);
	return good ? CN_FRAME_HEADER + size : 0;
}

/* One iNDX frame; its bytes with the header, or 0 when it is not one. */
static uint64_t
survey_index_frame(struct cn_intake *intake, uint64_t offset, struct survey *survey)
{
	unsigned char header[24], *entries;
	struct cn_err ignored = { 0 };

	if (cn_source_peek(intake->source, offset, header, 24) != 24 || cn_wire_load32(header) != CN_FRAME_MAGIC
	    || memcmp(header + 8, "iNDX\0\0\0\0", 8) != 0)
		return 0;
	const uint64_t n = cn_wire_load64(header + 16), bytes = n * CN_INDEX_BYTES;
	if (n == 0 || n > CN_LIMIT_INDEX || cn_wire_load32(header + 4) != 16 + bytes)
		return 0;
	entries = cn_mem_array(bytes, 1, &ignored);
	bool good = entries && cn_source_peek(intake->source, offset + 24, entries, bytes) == bytes;
	for (uint64_t i = 0; i < n && good; i++)
		good = survey_entry(survey, entries + i * CN_INDEX_BYTES);
	cn_mem_free(entries);
	return good ? 24 + bytes : 0;
}

/* The index is believed where the roots in TAIL follow from it; its payload is at hand. */
static bool
survey_index(struct cn_intake *intake, const struct cn_tail *tail, struct survey *survey)
{
	cn_seal_begin(&survey->rest, "indx");
	survey->roots = intake->head.roots;
	for (uint64_t at = tail->index_offset, size; tail->chunks > 0 && at < tail->offset; at += size)
		if (!(size = survey_index_frame(intake, at, survey)) && !(size = survey_other(intake, at, survey)))
			return false;
	cn_roots_control(&survey->roots, intake->payload, tail->hashed);
	return survey->rows == tail->rows && survey->chunks == tail->chunks
		&& memcmp(survey->roots.data, tail->data_root, CN_SEAL_BYTES) == 0
		&& memcmp(survey->roots.stream, tail->stream_root, CN_SEAL_BYTES) == 0;
}

int
cn_intake_seek(struct cn_intake *intake, uint64_t row, struct cn_err *err)
{
	struct cn_tail tail = { 0 };
	struct survey survey = { .row = row };

	if (err->code)
		return -1;
	/* a signature says nothing about a chunk alone */
	const bool good = !intake->verify_key && peek_tail(intake, &tail) && survey_index(intake, &tail, &survey);
	if (good && !survey.found) {	/* past the last row: straight to the end */
		survey.offset = tail.offset;
		survey.first = tail.rows;
		survey.number = tail.chunks;
	}
	cn_frame_tail_release(&tail);
	if (!good)
		return 0;
	if (cn_source_seek(intake->source, survey.offset, err) != 0)
		return -1;
	intake->sought = true;
	intake->roots = survey.roots;
	intake->rows = survey.first;
	intake->chunks = survey.number;
	intake->ragged = intake->found_out = false;
	cn_meta_release(&intake->findings);
	intake->index_offset = 0;
	cn_seal_begin(&intake->expected, "indx");
	intake->found = survey.rest;
	return 1;
}

struct cn_source *
cn_intake_source(struct cn_intake *intake)
{
	return intake->source;
}

const struct cn_head *
cn_intake_head(const struct cn_intake *intake)
{
	return &intake->head;
}

const struct cn_tail *
cn_intake_tail(const struct cn_intake *intake)
{
	return &intake->tail;
}

const struct cn_meta *
cn_intake_findings(const struct cn_intake *intake)
{
	return &intake->findings;
}

const struct cn_abort *
cn_intake_abort(const struct cn_intake *intake)
{
	return intake->aborted ? &intake->cause : NULL;
}

bool
cn_intake_verified(const struct cn_intake *intake)
{
	return intake->verified;
}

bool
cn_intake_whole(const struct cn_intake *intake)
{
	return !intake->sought;
}
