/* historyjson - a stream's history as JSON text and back; written by hand to be canonical, read with jansson. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "data/historyjson.h"

#include "base/banned.h"

struct text {
	char *byte;
	size_t size, capacity;
	struct cn_err *err;
};

static void
put(struct text *out, const char *bytes, size_t size)
{
	if (cn_mem_grow((void **)&out->byte, &out->capacity, out->size + size + 1, 1, out->err) == 0)
		memcpy(out->byte + out->size, bytes, size), out->size += size;
}

static void
put_text(struct text *out, const char *text)
{
	put(out, text, strlen(text));
}

/* Bytes of the UTF-8 character at s (n left), or 0 when it is none: overlong forms and surrogates are none. */
static size_t
character(const unsigned char *s, size_t n)
{
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;

	if (length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)
	    || (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
		return 0;
	return length;
}

static bool
is_text(const char *bytes, size_t size)
{
	for (size_t i = 0, step; i < size; i += step) {
		step = character((const unsigned char *)bytes + i, size - i);
		if (step == 0 || bytes[i] == 0)
			return false;
	}
	return true;
}

static void
put_string(struct text *out, const char *bytes, size_t size)
{
	char escape[8];

	put(out, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		const unsigned char c = (unsigned char)bytes[i];

		if (c == '"' || c == '\\') {
			put(out, "\\", 1);
			put(out, bytes + i, 1);
		} else if (c < 0x20) {
			put(out, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
		} else {
			put(out, bytes + i, 1);
		}
	}
	put(out, "\"", 1);
}

static void
put_value(struct text *out, const struct cn_pair *pair)
{
	static const char digit[] = "0123456789abcdef";

	if (is_text(pair->value, pair->size)) {
		put_string(out, pair->value, pair->size);
		return;
	}
	put_text(out, "{\"hex\":\"");
	for (size_t i = 0; i < pair->size; i++) {
		const unsigned char c = (unsigned char)pair->value[i];

		put(out, &digit[c >> 4], 1);
		put(out, &digit[c & 15], 1);
	}
	put_text(out, "\"}");
}

static void
put_node(struct text *out, const struct cn_node *node)
{
	char number[16];

	put_text(out, "{\"parents\":[");
	for (size_t i = 0; i < node->n_parents; i++)
		put(out, number, (size_t)snprintf(number, sizeof(number), "%s%u", i ? "," : "", (unsigned)node->parent[i]));
	put_text(out, "],\"meta\":{");
	for (size_t i = 0; i < node->meta.n; i++) {
		const struct cn_pair *pair = &node->meta.pair[i];

		if (!is_text(pair->key, strlen(pair->key)))
			cn_err_set(out->err, CN_FAILED, "a key in the history is not UTF-8 text");
		put_text(out, i ? "," : "");
		put_string(out, pair->key, strlen(pair->key));
		put(out, ":", 1);
		put_value(out, pair);
	}
	put_text(out, "}}");
}

char *
cn_historyjson_write(const struct cn_history *history, struct cn_err *err)
{
	struct text out = { .err = err };

	if (err->code)
		return NULL;
	put_text(&out, "{\"nodes\":[");
	for (size_t i = 0; i < history->n && !err->code; i++) {
		put_text(&out, i ? "," : "");
		put_node(&out, &history->node[i]);
	}
	put_text(&out, "]}");
	put(&out, "", 1);
	if (err->code) {
		cn_mem_free(out.byte);
		return NULL;
	}
	return out.byte;
}

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
get_hex(struct cn_meta *meta, const char *key, const char *hex, size_t size, struct cn_err *err)
{
	unsigned char *bytes = cn_mem_array(size / 2 + 1, 1, err);
	int status = bytes && size % 2 == 0 ? 0 : -1;

	for (size_t i = 0; i < size / 2 && status == 0; i++) {
		const int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			status = -1;
		else
			bytes[i] = (unsigned char)(high * 16 + low);
	}
	if (status == 0)
		status = cn_meta_set_bytes(meta, key, bytes, size / 2, err);
	cn_mem_free(bytes);
	return status;
}

static int
get_meta(const json_t *object, struct cn_meta *meta, struct cn_err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return -1;
	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		const json_t *hex = json_object_get(value, "hex");

		if (json_is_string(value)) {
			if (cn_meta_set(meta, key, json_string_value(value), err) != 0)
				return -1;
		} else if (!json_is_string(hex)
		    || get_hex(meta, key, json_string_value(hex), json_string_length(hex), err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* Parents come before their children: numbers below own. */
static int
get_parents(const json_t *array, size_t own, uint16_t *parent, size_t *n)
{
	*n = json_array_size(array);
	if (!json_is_array(array) || *n > CN_HISTORY_NODES)
		return -1;
	for (size_t i = 0; i < *n; i++) {
		const json_t *number = json_array_get(array, i);

		if (!json_is_integer(number) || json_integer_value(number) < 0 || (size_t)json_integer_value(number) >= own)
			return -1;
		parent[i] = (uint16_t)json_integer_value(number);
	}
	return 0;
}

static int
get_node(const json_t *object, struct cn_history *to, struct cn_err *err)
{
	uint16_t parent[CN_HISTORY_NODES];
	size_t n = 0;
	struct cn_meta meta = { 0 };
	int status = get_parents(json_object_get(object, "parents"), to->n, parent, &n);

	if (status == 0)
		status = get_meta(json_object_get(object, "meta"), &meta, err);
	if (status == 0)
		status = cn_history_add(to, &meta, parent, n, err) < 0 ? -1 : 0;
	cn_meta_release(&meta);
	return status;
}

int
cn_historyjson_read(const char *name, const char *text, size_t size, struct cn_history *to, struct cn_err *err)
{
	json_error_t where;

	if (err->code)
		return -1;
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return cn_err_set(err, CN_FAILED, "%s: not JSON at byte %d", name, where.position);

	const json_t *nodes = json_object_get(root, "nodes");
	const size_t n = json_array_size(nodes);
	int status = json_is_array(nodes) && n <= CN_HISTORY_NODES ? 0 : -1;

	if (status != 0)
		cn_err_set(err, CN_FAILED, "%s: no list \"nodes\" of at most %d nodes", name, CN_HISTORY_NODES);
	for (size_t i = 0; i < n && status == 0; i++) {
		status = get_node(json_array_get(nodes, i), to, err);
		if (status != 0)
			cn_err_set(err, CN_FAILED, "%s: node %zu is not {\"parents\":[numbers before it],\"meta\":{texts}}", name, i);
	}
	json_decref(root);
	return status;
}
