/* meta - a small sorted list of text keys and byte values. */
#include "base/meta.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/banned.h"

/* The first place whose key is not smaller; *found says whether it is equal. */
static size_t
place(const struct cn_meta *meta, const char *key, int *found)
{
	size_t low = 0, high = meta->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(meta->pair[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < meta->n && !strcmp(meta->pair[low].key, key);
	return low;
}

static char *
copy_bytes(const void *value, size_t size, struct cn_err *err)
{
	char *copy = size == SIZE_MAX ? NULL : cn_mem_array(size + 1, 1, err);

	if (copy && size)
		memcpy(copy, value, size);
	return copy;
}

int
cn_meta_set_bytes(struct cn_meta *meta, const char *key, const void *value, size_t size, struct cn_err *err)
{
	int found;
	size_t i = place(meta, key, &found);
	char *copy = copy_bytes(value, size, err), *name;

	if (!copy)
		return -1;
	if (found) {
		cn_mem_free(meta->pair[i].value);
		meta->pair[i].value = copy;
		meta->pair[i].size = size;
		return 0;
	}
	name = cn_mem_string(key, err);
	if (!name || cn_mem_grow((void **)&meta->pair, &meta->capacity, meta->n + 1, sizeof *meta->pair,
		err)) {
		cn_mem_free(name);
		cn_mem_free(copy);
		return -1;
	}
	memmove(meta->pair + i + 1, meta->pair + i, (meta->n - i) * sizeof *meta->pair);
	meta->pair[i] = (struct cn_pair){ .key = name, .value = copy, .size = size };
	meta->n++;
	return 0;
}

int
cn_meta_set(struct cn_meta *meta, const char *key, const char *value, struct cn_err *err)
{
	return cn_meta_set_bytes(meta, key, value, strlen(value), err);
}

int
cn_meta_format(struct cn_meta *meta, const char *key, const char *format, struct cn_err *err, ...)
{
	va_list args, again;
	char *text;
	int size, result;

	va_start(args, err);
	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = size < 0 ? NULL : cn_mem_array((size_t)size + 1, 1, err);
	if (text)
		vsnprintf(text, (size_t)size + 1, format, again);
	va_end(again);
	if (!text)
		return -1;
	result = cn_meta_set_bytes(meta, key, text, (size_t)size, err);
	cn_mem_free(text);
	return result;
}

const char *
cn_meta_get(const struct cn_meta *meta, const char *key)
{
	int found;
	size_t i = place(meta, key, &found);

	return found ? meta->pair[i].value : NULL;
}

int
cn_meta_merge(struct cn_meta *to, const struct cn_meta *from, struct cn_err *err)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct cn_pair *pair = &from->pair[i];

		if (!cn_meta_get(to, pair->key) && cn_meta_set_bytes(to, pair->key, pair->value, pair->size,
			err))
			return -1;
	}
	return err->code ? -1 : 0;
}

static void
release_pair(struct cn_pair *pair)
{
	cn_mem_free(pair->key);
	cn_mem_free(pair->value);
}

void
cn_meta_remove(struct cn_meta *meta, const char *key)
{
	int found;
	size_t i = place(meta, key, &found);

	if (!found)
		return;
	release_pair(&meta->pair[i]);
	meta->n--;
	memmove(meta->pair + i, meta->pair + i + 1, (meta->n - i) * sizeof *meta->pair);
}

void
cn_meta_agree(struct cn_meta *meta, const struct cn_meta *other)
{
	for (size_t i = 0; i < other->n; i++) {
		const struct cn_pair *pair = &other->pair[i];
		int found;
		const size_t at = place(meta, pair->key, &found);

		if (found && (meta->pair[at].size != pair->size || memcmp(meta->pair[at].value, pair->value, pair->size) != 0))
			cn_meta_remove(meta, pair->key);
	}
}

void
cn_meta_release(struct cn_meta *meta)
{
	for (size_t i = 0; i < meta->n; i++)
		release_pair(&meta->pair[i]);
	cn_mem_free(meta->pair);
	*meta = (struct cn_meta){ 0 };
}
