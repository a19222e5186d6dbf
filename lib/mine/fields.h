/* fields - which fields of the input and of the banks a miner uses, and what it says when one is missing. */
#ifndef CN_MINE_FIELDS_H
#define CN_MINE_FIELDS_H

#include "mine/miner.h"

/* One stream to choose from. */
struct cn_mine_bank {
	const struct cn_schema *schema;
	const char *file;
	struct cn_vector vector;	/* field -1 = none */
	struct cn_bank_config keep;
};

struct cn_mine_fields {
	const struct cn_reader *reader;		/* of the input, with its schema and name */
	const struct cn_schema *in;
	const char *file;
	int id, epoch, label, group, content, pos_content;	/* of the input; -1 = not there or not needed */
	struct cn_vector vector, pos;
	enum cn_emit emit;
	enum cn_positive positive;
	size_t banks;				/* with config.batch the input itself is the only one */
	struct cn_mine_bank bank[CN_SPANS];
	bool streamed;				/* the banks' vectors do not fit in memory, and need not */
	struct cn_schema out;
};

/* Looks at the streams of config.  Must stay where it is: banks point into it. */
int cn_mine_fields_init(struct cn_mine_fields *fields, const struct cn_miner_config *config, struct cn_reader *in, struct cn_err *err);

#endif
