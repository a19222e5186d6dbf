/* negz - one field of negatives, read or embedded. */
#include "eval/negz.h"

#include <string.h>

#include "nn/bank.h"
#include "tensor/dtype.h"
#include "tensor/kernel.h"

#include "base/banned.h"

/* Whether negatives of that name may be taken. */
static bool
wanted(const struct cn_negz *negz, const char *name)
{
	return !negz->field || strcmp(negz->field, name) == 0;
}

void
cn_negz_find(struct cn_negz *negz, struct cn_reader *in, struct cn_encoder *encoder, const char *field)
{
	const struct cn_schema *schema = cn_reader_schema(in);

	*negz = (struct cn_negz){ in, encoder, field, -1, -1, -1, 0, 0 };
	const int neg = encoder && wanted(negz, "neg") ? cn_schema_find(schema, "neg") : -1;
	const int ids = cn_schema_find_as(schema, "neg_id", CN_DTYPE_U64, 1);

	if (wanted(negz, "neg_z"))
		negz->neg_z = cn_schema_find_as(schema, "neg_z", CN_DTYPE_F32, 2);
	if (negz->neg_z >= 0) {
		negz->k = schema->field[negz->neg_z].shape.dim[0];
		negz->dim = schema->field[negz->neg_z].shape.dim[1];
	} else if (neg >= 0 && schema->field[neg].shape.rank > 0) {
		negz->neg = neg;
		negz->k = schema->field[neg].shape.dim[0];
		negz->dim = cn_encoder_dim(encoder, CN_ENCODER_HEAD);
		negz->neg_id = ids >= 0 && schema->field[ids].shape.dim[0] == negz->k ? ids : -1;
	}
}

/* What a sample in neg is. */
static struct cn_field
sample_field(const struct cn_field *neg)
{
	struct cn_field one = *neg;

	one.shape.rank = neg->shape.rank - 1;
	for (size_t d = 0; d < one.shape.rank; d++)
		one.shape.dim[d] = neg->shape.dim[d + 1];
	return one;
}

static int
refuse_none(const struct cn_negz *negz, const char *file, struct cn_err *err)
{
	if (!negz->field)
		return cn_err_set(err, CN_FAILED, "%s: no field 'neg_z'%s; make negatives with cn-gen", file,
			negz->encoder ? " or 'neg'" : ", and 'neg' asks for an encoder (-m)");
	if (wanted(negz, "neg") && cn_schema_find(cn_reader_schema(negz->in), "neg") >= 0)
		return cn_err_set(err, CN_FAILED, "%s: field 'neg' asks for an encoder: name it with -m", file);
	return cn_err_set(err, CN_FAILED, "%s: no field '%s', which --negatives asks for; make it with cn-gen", file, negz->field);
}

int
cn_negz_need(const struct cn_negz *negz, struct cn_err *err)
{
	const char *file = cn_reader_name(negz->in);

	if (negz->neg_z < 0 && negz->neg < 0)
		return refuse_none(negz, file, err);
	if (negz->neg < 0)
		return 0;
	const struct cn_field one = sample_field(&cn_reader_schema(negz->in)->field[negz->neg]);

	return cn_encoder_check(negz->encoder, &one, file, err);
}

struct cn_space
cn_negz_space(const struct cn_negz *negz)
{
	return negz->neg_z < 0 ? cn_space_of_encoder(negz->encoder, CN_ENCODER_HEAD) : cn_space_of_field(negz->in, "neg_z");
}

int
cn_negz_read(const struct cn_negz *negz, const struct cn_batch *batch, float *z, struct cn_err *err)
{
	const size_t n = batch->rows * negz->k, numbers = n * negz->dim;
	const char *file = cn_reader_name(negz->in);

	if (negz->neg_z >= 0)
		memcpy(z, batch->column[negz->neg_z], numbers * sizeof *z);
	else if (cn_encoder_check_rows(negz->encoder, batch, negz->neg, file, err) < 0 ||
	    cn_encoder_embed(negz->encoder, batch->column[negz->neg], n, CN_ENCODER_HEAD, z, err) < 0)
		return -1;
	const size_t bad = cn_dtype_find_nonfinite(CN_DTYPE_F32, z, numbers);

	if (bad < numbers)
		return cn_err_set(err, CN_FAILED, "%s: row %llu: %s is not finite; look at it with cn-info --text", file,
			(unsigned long long)(batch->first_row + bad / negz->dim / negz->k),
			negz->neg_z >= 0 ? "field 'neg_z'" : "what the model makes of 'neg'");
	return 0;
}

bool
cn_negz_there(const struct cn_negz *negz, const struct cn_batch *batch, const float *z, size_t place)
{
	const float *vector = z + place * negz->dim;

	if (negz->neg_id >= 0)
		return ((const uint64_t *)(const void *)batch->column[negz->neg_id])[place] != UINT64_MAX;
	return cn_kernel_dot(vector, vector, negz->dim) > 0;
}

uint64_t
cn_negz_content(const struct cn_negz *negz, const struct cn_batch *batch, size_t place)
{
	const int field = negz->neg_z >= 0 ? negz->neg_z : negz->neg;
	const size_t bytes = cn_field_bytes(&batch->schema.field[field]) / negz->k;

	return cn_bank_hash(batch->column[field] + place * bytes, bytes);
}
