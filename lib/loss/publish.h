/*
 * publish - a training gives away its encoder as it learns: see nn/snapshot.h for the form, nn/follow.h for who takes it.
 *
 * Each path is a FIFO, for one follower, or a name for files, for any number of them; each is written by a thread of its own.
 * Training waits for a follower only where that is several snapshots behind, which none can be that training waits for.
 *
 *	publish = cn_publish_open(&config, &err);	... announces the network, before anything is read
 *	cn_publish_snapshot(publish, trainer, node, &err);	... before the first step, and then each time it is due
 *	cn_publish_end(publish, &err);			... there will be no more
 *	cn_publish_finish(publish, &err);		... waits until all is written
 */
#ifndef CN_LOSS_PUBLISH_H
#define CN_LOSS_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"
#include "loss/trainer.h"

#define CN_PUBLISH_PATHS 16

struct cn_publish;

struct cn_publish_config {
	const char *const *path;	/* at most CN_PUBLISH_PATHS */
	size_t paths;
	uint64_t every;			/* rows from one snapshot to the next */
	const char *arch, *head;	/* of the network, as words (no preset) */
	void (*say)(const char *words);	/* is told, from other threads, where nobody has come to read for a while, and who went; or NULL */
};

/* A name for files under which something is published already is refused. */
struct cn_publish *cn_publish_open(const struct cn_publish_config *config, struct cn_err *err);

/* The trainer's encoder as it is now, with node as in cn_trainer_save, is the next snapshot.  0 or -1. */
int cn_publish_snapshot(struct cn_publish *publish, struct cn_trainer *trainer, const struct cn_meta *node, struct cn_err *err);

int cn_publish_end(struct cn_publish *publish, struct cn_err *err);
int cn_publish_finish(struct cn_publish *publish, struct cn_err *err);

/* Without cn_publish_end before it followers learn that the training has failed.  NULL is fine. */
void cn_publish_free(struct cn_publish *publish);

#endif
