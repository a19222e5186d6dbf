/* historyjson: there and back without loss, canonical text, and refusals by name. */
#include <string.h>

#include "base/mem.h"
#include "data/historyjson.h"
#include "tap.h"
#include "base/banned.h"

static void
there_and_back(struct cn_err *err)
{
	struct cn_history made = { 0 }, again = { 0 };
	struct cn_meta node = { 0 };
	const uint16_t parent[] = { 0, 1 };

	cn_meta_set(&node, "program", "cn-import", err);
	cn_meta_set(&node, "input.1", "a \"b\"\\\n\tä€😀", err);
	cn_history_add(&made, &node, NULL, 0, err);
	cn_meta_set(&node, "program", "cn-cat", err);
	cn_history_add(&made, &node, parent, 1, err);
	cn_meta_set_bytes(&node, "input.1", "caf\xe9\0x", 6, err);
	cn_meta_set(&node, "option.empty", "", err);
	cn_history_add(&made, &node, parent, 2, err);

	char *text = cn_historyjson_write(&made, err);
	static const char want[] = "{\"nodes\":[{\"parents\":[],\"meta\":"
		"{\"input.1\":\"a \\\"b\\\"\\\\\\u000a\\u0009ä€😀\",\"program\":\"cn-import\"}},"
		"{\"parents\":[0],\"meta\":{\"input.1\":\"a \\\"b\\\"\\\\\\u000a\\u0009ä€😀\",\"program\":\"cn-cat\"}},"
		"{\"parents\":[0,1],\"meta\":"
		"{\"input.1\":{\"hex\":\"636166e90078\"},\"option.empty\":\"\",\"program\":\"cn-cat\"}}]}";

	TAP_OK(text && strcmp(text, want) == 0, "canonical text");
	TAP_OK(text && cn_historyjson_read("it", text, strlen(text), &again, err) == 0, "is read again");
	TAP_OK(again.n == 3 && again.node[2].n_parents == 2 && again.node[2].parent[1] == 1, "nodes and parents");
	TAP_OK(again.n == 3 && again.node[2].meta.pair[0].size == 6
		&& memcmp(again.node[2].meta.pair[0].value, "caf\xe9\0x", 6) == 0, "bytes that are no text");
	char *second = cn_historyjson_write(&again, err);

	TAP_OK(text && second && strcmp(text, second) == 0, "the same text again");
	TAP_OK(err->code == 0, "no error");
	cn_mem_free(text);
	cn_mem_free(second);
	cn_meta_release(&node);
	cn_history_release(&made);
	cn_history_release(&again);
}

static void
refused(const char *text, const char *part)
{
	struct cn_err err = { 0 };
	struct cn_history history = { 0 };

	TAP_OK(cn_historyjson_read("m.safetensors: cn.provenance", text, strlen(text), &history, &err) == -1
		&& err.code == CN_FAILED && strstr(err.text, "m.safetensors: cn.provenance: ")
		&& strstr(err.text, part), "refused: %s", text);
	cn_history_release(&history);
}

static void
not_utf8(void)
{
	static const char *const bad[] = { "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct cn_err err = { 0 };
		struct cn_history history = { 0 };
		struct cn_meta node = { 0 };

		cn_meta_set(&node, "k", bad[i], &err);
		cn_history_add(&history, &node, NULL, 0, &err);
		char *text = cn_historyjson_write(&history, &err);

		TAP_OK(text && strstr(text, "{\"hex\":\""), "bytes %zu are not taken for UTF-8", i);
		cn_mem_free(text);
		cn_meta_release(&node);
		cn_history_release(&history);
	}
}

int
main(void)
{
	struct cn_err err = { 0 };
	char many[CN_HISTORY_NODES * 32 + 64] = "{\"nodes\":[";
	size_t n = strlen(many);

	there_and_back(&err);
	not_utf8();
	refused("{\"nodes\":[", "not JSON");
	refused("[]", "no list");
	refused("{\"nodes\":[{\"parents\":[0],\"meta\":{}}]}", "node 0");
	refused("{\"nodes\":[{\"parents\":[],\"meta\":{}},{\"parents\":[1],\"meta\":{}}]}", "node 1");
	refused("{\"nodes\":[{\"parents\":[-1],\"meta\":{}}]}", "node 0");
	refused("{\"nodes\":[{\"parents\":[],\"meta\":{\"a\":1}}]}", "node 0");
	refused("{\"nodes\":[{\"parents\":[],\"meta\":{\"a\":{\"hex\":\"0g\"}}}]}", "node 0");
	refused("{\"nodes\":[{\"parents\":[],\"meta\":{\"a\":{\"hex\":\"0\"}}}]}", "node 0");
	refused("{\"nodes\":[{\"parents\":[],\"meta\":{\"a\":\"1\",\"a\":\"2\"}}]}", "not JSON");
	refused("{\"nodes\":[{\"meta\":{}}]}", "node 0");
	for (int i = 0; i <= CN_HISTORY_NODES; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "%s{\"parents\":[],\"meta\":{}}", i ? "," : "");
	snprintf(many + n, sizeof(many) - n, "]}");
	refused(many, "no list");
	return tap_done();
}
