/* basis_method - hard true samples of the round as they are: what rows get while a method by value learns. */
#include "base/mem.h"
#include "gen/basis.h"
#include "gen/method.h"

#include "base/banned.h"

struct giver {
	struct cn_basis basis;
	struct cn_basis_sample *chosen;	/* (k) */
};

static void
end(void *self)
{
	struct giver *g = self;

	if (!g)
		return;
	cn_mem_free(g->chosen);
	cn_mem_free(g);
}

static void *
begin(const struct cn_method_config *config, struct cn_err *err)
{
	struct giver *g = err->code ? NULL : cn_mem_array(1, sizeof *g, err);

	if (!g)
		return NULL;
	cn_basis_init(&g->basis, config);
	g->chosen = cn_mem_array(config->k, sizeof *g->chosen, err);
	if (!err->code)
		return g;
	end(g);
	return NULL;
}

static void
make(void *self, const struct cn_round *round, size_t from, size_t to, const struct cn_made *made)
{
	struct giver *g = self;

	for (size_t row = from; row < to; row++) {
		cn_basis_choose(&g->basis, round, row, made->k, g->chosen);
		for (size_t j = 0; j < made->k; j++)
			cn_basis_take(&g->basis, g->chosen + j, round, row, j, made);
	}
}

const struct cn_method_kind cn_basis_kind = { .word = "true", .by_value = true, .new = begin, .free = end, .make = make };
