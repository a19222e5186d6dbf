/* origin - a word for each field of vectors, in the metadata of the stream that has it. */
#include "nn/origin.h"

#include <stdio.h>
#include <string.h>

#include "stream/schema.h"

#include "base/banned.h"

static const char *const word[] = { [CN_ENCODER_TRUNK] = "trunk", [CN_ENCODER_HEAD] = "head" };
static const char *const fields[] = { "z", "pos_z", "neg_z" };

enum { KEY = CN_FIELD_NAME + sizeof ".layer" };

static const char *
key_of(const char *field, char key[KEY])
{
	snprintf(key, KEY, "%s.layer", field);
	return key;
}

const char *
cn_origin_of_model(const struct cn_meta *model, enum cn_encoder_layer layer)
{
	const char *head = cn_meta_get(model, "cn.head");

	return head && *head ? word[layer] : NULL;
}

const char *
cn_origin_of_layer(const struct cn_encoder *encoder, enum cn_encoder_layer layer)
{
	return cn_origin_of_model(cn_encoder_meta(encoder), layer);
}

const char *
cn_origin_of_field(const struct cn_meta *meta, const char *field)
{
	char key[KEY];
	const char *said = cn_meta_get(meta, key_of(field, key));

	for (size_t i = 0; said && i < sizeof word / sizeof *word; i++)
		if (strcmp(said, word[i]) == 0)
			return word[i];
	return NULL;
}

bool
cn_origin_differ(const char *a, const char *b)
{
	return a && b && strcmp(a, b) != 0;
}

int
cn_origin_note(struct cn_meta *meta, const char *field, const char *origin, struct cn_err *err)
{
	char key[KEY];

	if (origin)
		return cn_meta_set(meta, key_of(field, key), origin, err);
	cn_meta_remove(meta, key_of(field, key));
	return 0;
}

void
cn_origin_join(struct cn_meta *meta, const struct cn_meta *from)
{
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const char *here = cn_origin_of_field(meta, fields[i]), *there = cn_origin_of_field(from, fields[i]);
		char key[KEY];

		if (!here || !there || strcmp(here, there) != 0)
			cn_meta_remove(meta, key_of(fields[i], key));
	}
}

void
cn_origin_rename(struct cn_meta *meta, const char *old_and_new)
{
	const size_t old = strcspn(old_and_new, "=");

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		char key[KEY];

		if ((strlen(fields[i]) == old && strncmp(old_and_new, fields[i], old) == 0) || strcmp(old_and_new + old + 1, fields[i]) == 0)
			cn_meta_remove(meta, key_of(fields[i], key));
	}
}
