/* memory - a ring of vectors. */
#include <string.h>

#include "base/mem.h"
#include "loss/memory.h"
#include "tensor/kernel.h"

#include "base/banned.h"

int
cn_memory_init(struct cn_memory *m, size_t length, size_t dim, bool ids, bool labels, struct cn_err *err)
{
	*m = (struct cn_memory){ .length = length, .dim = dim };
	m->u = cn_mem_array(length + 1, dim * sizeof(float), err);
	if (ids)
		m->id = cn_mem_array(length + 1, sizeof(*m->id), err);
	if (labels)
		m->label = cn_mem_array(length + 1, sizeof(*m->label), err);
	return err->code ? -1 : 0;
}

void
cn_memory_push(struct cn_memory *m, const float *z, const uint64_t *id, const int32_t *label, size_t rows)
{
	for (size_t i = 0; i < rows && m->length > 0; i++) {
		float *u = m->u + m->next * m->dim;

		memcpy(u, z + i * m->dim, m->dim * sizeof(float));
		cn_kernel_normalize(u, 1, m->dim);
		if (m->id)
			m->id[m->next] = id[i];
		if (m->label)
			m->label[m->next] = label[i];
		m->next = (m->next + 1) % m->length;
		m->n += m->n < m->length;
	}
}

void
cn_memory_release(struct cn_memory *m)
{
	cn_mem_free(m->u);
	cn_mem_free(m->id);
	cn_mem_free(m->label);
	*m = (struct cn_memory){ 0 };
}
