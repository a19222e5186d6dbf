/*
 * assembler - the rows of a stream in an order whose batches are hard (mine/assembly.h), window after window.
 *
 * A window is so many consecutive rows of one epoch.  What rows are compared by is held in memory, the rows themselves
 * wait in a temporary file, so that memory is bounded by the window's vectors.
 *
 *	assembler = cn_assembler_new(&config, step.in, &err);
 *	cn_step_output(&step, cn_reader_schema(step.in), NULL, 0, &err);
 *	cn_assembler_run(assembler, &step, &err);
 */
#ifndef CN_MINE_ASSEMBLER_H
#define CN_MINE_ASSEMBLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/pairs.h"
#include "mine/assembly.h"
#include "nn/encoder.h"
#include "stream/step.h"

struct cn_assembler_config {
	struct cn_assembly_config assembly;	/* but for first_row */
	size_t window;			/* rows, cut down to whole batches */
	enum cn_metric metric;
	enum cn_relation group;
	bool label_aware;
	const struct cn_pairs *known;	/* or NULL; not owned */
	uint64_t memory;		/* bytes for a window; 0 = no bound */
	struct cn_encoder *encoder;	/* compare by its head; NULL = by field z; not owned */
};

struct cn_assembler_counts {
	uint64_t rows, batches;
	uint64_t clashing;		/* rows in a batch with one they should not be with */
	struct cn_assembly_hardness before, after;
};

struct cn_assembler;

/* Checks fields, and that a window fits in memory.  in must outlive the assembler. */
struct cn_assembler *cn_assembler_new(const struct cn_assembler_config *config, struct cn_reader *in, struct cn_err *err);

/* All rows of step's input, or -n of them, to its output. */
int cn_assembler_run(struct cn_assembler *assembler, struct cn_step *step, struct cn_err *err);

const struct cn_assembler_counts *cn_assembler_counts(const struct cn_assembler *assembler);
void cn_assembler_free(struct cn_assembler *assembler);

#endif
