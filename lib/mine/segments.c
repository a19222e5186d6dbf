/* segments - files are opened anew for every walk and must be what they were. */
#include <sys/stat.h>

#include "base/mem.h"
#include "mine/segments.h"

#include "base/banned.h"

bool
cn_segments_can_reread(const struct cn_reader *reader)
{
	struct stat status;

	return strcmp(cn_reader_typed(reader), "-") != 0 && stat(cn_reader_typed(reader), &status) == 0 && S_ISREG(status.st_mode);
}

/* Whether both readers saw one stream. */
static bool
same_stream(const struct cn_reader *a, const struct cn_reader *b)
{
	const struct cn_reader_end *x = cn_reader_end(a), *y = cn_reader_end(b);

	return x && y && memcmp(x->stream_root, y->stream_root, sizeof x->stream_root) == 0;
}

static int
walk_file(const struct cn_segments *s, const struct cn_segments_file *file,
	int (*take)(void *context, uint32_t at, const float *unit, size_t n, struct cn_err *err), void *context, struct cn_err *err)
{
	const struct cn_reader_config config = { .path = cn_reader_typed(file->reader), .pool = s->pool };
	struct cn_reader *reader = cn_reader_open(&config, err);
	struct cn_batch batch = { 0 };
	float *unit = NULL;
	size_t room = 0;
	uint32_t at = file->first;

	while (!err->code && cn_reader_next(reader, &batch, err) > 0) {
		if (batch.rows > file->first + file->rows - at)
			break;
		cn_mem_grow((void **)&unit, &room, batch.rows, file->vector->dim * sizeof *unit, err);
		if ((s->raw ? cn_vector_read : cn_vector_read_unit)(file->vector, &batch, unit, err) == 0)
			take(context, at, unit, batch.rows, err);
		at += (uint32_t)batch.rows;
	}
	if (!err->code && !same_stream(reader, file->reader))
		cn_err_set(err, CN_FAILED, "%s: changed while it was read; mine again", cn_reader_name(file->reader));
	cn_mem_free(unit);
	cn_batch_release(&batch);
	cn_reader_free(reader);
	return err->code ? -1 : 0;
}

int
cn_segments_walk(const struct cn_segments *s, uint32_t first, uint32_t rows,
	int (*take)(void *context, uint32_t at, const float *unit, size_t n, struct cn_err *err), void *context, struct cn_err *err)
{
	if (err->code)
		return -1;
	if (!s->streamed)
		return take(context, first, s->bank->unit + (size_t)first * s->bank->dim, rows, err);
	for (size_t i = 0; i < s->files && !err->code; i++)
		if (s->file[i].first >= first && s->file[i].first + s->file[i].rows <= first + rows && s->file[i].rows)
			walk_file(s, s->file + i, take, context, err);
	return err->code ? -1 : 0;
}
