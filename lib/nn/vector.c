/* Where vectors come from, and the promise that they are finite. */
#include "nn/vector.h"

#include <string.h>

#include "tensor/dtype.h"
#include "tensor/kernel.h"

#include "base/banned.h"

int
cn_vector_init(struct cn_vector *vector, const struct cn_schema *schema, const char *file, const char *name,
	struct cn_encoder *encoder, enum cn_encoder_layer layer, struct cn_err *err)
{
	static const char *const hints[2][2] = {	/* for vectors, for samples; each for the row and for its positive */
		{ "make vectors with cn-embed, or name a model with -m", "make vectors of pairs with cn-embed --pos, or name a model with -m" },
		{ "a model embeds samples", "make pairs with cn-augment" },
	};
	const char *hint = hints[encoder != NULL][strncmp(name, "pos", 3) == 0];

	*vector = (struct cn_vector){ encoder, layer, -1, 0, file };
	vector->field = cn_schema_need(schema, file, name, 0, encoder ? -1 : 1, hint, err);
	if (vector->field < 0)
		return -1;
	if (!encoder) {
		vector->dim = cn_shape_count(&schema->field[vector->field].shape);
		return 0;
	}
	vector->dim = cn_encoder_dim(encoder, layer);
	return cn_encoder_check(encoder, &schema->field[vector->field], file, err);
}

struct cn_space
cn_vector_space(const struct cn_vector *vector, const struct cn_reader *reader)
{
	if (vector->encoder)
		return cn_space_of_encoder(vector->encoder, vector->layer);
	return cn_space_of_field(reader, cn_reader_schema(reader)->field[vector->field].name);
}

static int
refuse_nonfinite(const struct cn_vector *vector, const struct cn_batch *batch, size_t at, struct cn_err *err)
{
	const unsigned long long row = batch->first_row + at / vector->dim;
	const char *name = batch->schema.field[vector->field].name;

	if (vector->encoder)
		return cn_err_set(err, CN_FAILED, "%s: row %llu: the model makes of field '%s' a vector that is not finite; "
			"train it anew with a lower --lr", vector->file, row, name);
	return cn_err_set(err, CN_FAILED, "%s: row %llu: field '%s' is not finite, such a vector has no neighbours; "
		"look at it with cn-info --text", vector->file, row, name);
}

int
cn_vector_read(const struct cn_vector *vector, const struct cn_batch *batch, float *z, struct cn_err *err)
{
	const struct cn_field *field = &batch->schema.field[vector->field];
	const void *column = batch->column[vector->field];
	const size_t count = batch->rows * vector->dim;
	size_t at;

	if (err->code)
		return -1;
	if (!vector->encoder)
		cn_dtype_to_f32(field->dtype, column, z, count);
	else if (cn_encoder_check_rows(vector->encoder, batch, vector->field, vector->file, err) < 0
	    || cn_encoder_embed(vector->encoder, column, batch->rows, vector->layer, z, err) < 0)
		return -1;
	at = cn_dtype_find_nonfinite(CN_DTYPE_F32, z, count);
	return at < count ? refuse_nonfinite(vector, batch, at, err) : 0;
}

int
cn_vector_read_unit(const struct cn_vector *vector, const struct cn_batch *batch, float *unit, struct cn_err *err)
{
	if (cn_vector_read(vector, batch, unit, err) < 0)
		return -1;
	cn_kernel_normalize(unit, batch->rows, vector->dim);
	return 0;
}
