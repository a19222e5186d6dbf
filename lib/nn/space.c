/* space - two lengths, two layers, and the sentence for each of them. */
#include "nn/space.h"

#include <stdio.h>

#include "nn/origin.h"

#include "base/banned.h"

struct cn_space
cn_space_of_field(const struct cn_reader *reader, const char *field)
{
	const struct cn_schema *schema = cn_reader_schema(reader);
	const struct cn_shape *shape = &schema->field[cn_schema_find(schema, field)].shape;

	return (struct cn_space){ cn_reader_name(reader), field, cn_origin_of_field(cn_reader_meta(reader), field),
		shape->dim[shape->rank - 1] };
}

struct cn_space
cn_space_of_encoder(const struct cn_encoder *encoder, enum cn_encoder_layer layer)
{
	return (struct cn_space){ NULL, NULL, cn_origin_of_layer(encoder, layer), cn_encoder_dim(encoder, layer) };
}

bool
cn_space_same(const struct cn_space *a, const struct cn_space *b)
{
	return a->dim == b->dim && !cn_origin_differ(a->layer, b->layer);
}

int
cn_space_match(const struct cn_space *a, const struct cn_space *b, struct cn_err *err)
{
	char other[sizeof err->text];

	if (cn_space_same(a, b))
		return 0;
	snprintf(other, sizeof other, b->field ? "in '%s' of %s" : "of the encoder", b->field, b->file);
	if (a->dim != b->dim)
		return cn_err_set(err, CN_FAILED, "%s: vectors in '%s' of %zu numbers, but those %s have %zu; %s", a->file, a->field, a->dim,
			other, b->dim, b->field ? "make both with one model" : "name the encoder of both with -m");
	return cn_err_set(err, CN_FAILED, "%s: vectors in '%s' lie in the space of the %s, but those %s in that of the %s; %s "
		"cn-embed --layer %s", a->file, a->field, a->layer, other, b->layer,
		b->field ? "make these with" : "leave out -m, and compare with what comes from", a->layer);
}

int
cn_space_match_all(const struct cn_space *space, size_t n, struct cn_err *err)
{
	for (size_t b = 1; b < n; b++)
		for (size_t a = 0; a < b; a++)
			if (cn_space_match(space + a, space + b, err) < 0)
				return -1;
	return 0;
}
