/*
 * queue - files in memory from one thread to another, in order, and no more of them at once than agreed.
 *
 * One thread puts, another takes.  Either can end it: who puts, by saying that there are no more; who takes, or
 * whoever wants both to end, by calling it off.
 */
#ifndef CN_BASE_QUEUE_H
#define CN_BASE_QUEUE_H

#include <stddef.h>

#include "base/err.h"

struct cn_queue;

/* Bytes of their own (cn_mem_array), with a word about them that only their users understand. */
struct cn_letter {
	unsigned char *bytes;
	size_t size;
	int kind;
};

struct cn_queue *cn_queue_new(size_t most, struct cn_err *err);

/* Waits while the queue is full.  1: the queue has taken the bytes over; 0: it was called off, they are freed. */
int cn_queue_put(struct cn_queue *queue, const struct cn_letter *letter);

/* Waits while it is empty.  1: the bytes are the caller's; 0: there are no more, or it was called off. */
int cn_queue_take(struct cn_queue *queue, struct cn_letter *letter);

void cn_queue_close(struct cn_queue *queue);	/* nothing will be put any more */
void cn_queue_cancel(struct cn_queue *queue);	/* calls it off: nobody waits here any more, and what waits is thrown away */
int cn_queue_cancelled(struct cn_queue *queue);	/* a descriptor that can be read once it was called off, for poll */

/* When both threads have ended. */
void cn_queue_free(struct cn_queue *queue);

#endif
