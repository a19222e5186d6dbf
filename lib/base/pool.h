/*
 * pool - threads that never change a result.
 *
 * cn_pool_run splits work into n independent parts, numbered, each writing to its own place;
 * which thread does which part is free, so nothing may depend on it.  The calling thread works
 * too: a pool of 1 starts no thread.  Calls from inside a part run in place (no nesting).
 */
#ifndef CN_BASE_POOL_H
#define CN_BASE_POOL_H

#include <stddef.h>

#include "base/err.h"

struct cn_pool;

/* threads: 1..1024, 0 = all processors this process may use. */
struct cn_pool *cn_pool_new(size_t threads, struct cn_err *err);
void cn_pool_free(struct cn_pool *pool);

/* How many threads; 1 for NULL. */
size_t cn_pool_threads(const struct cn_pool *pool);

/*
 * Runs part(context, i, worker) for i in 0..n-1 and returns when all are done.  worker:
 * 0..threads-1, for scratch space.  NULL pool: in order, here.
 */
void cn_pool_run(struct cn_pool *pool, size_t n, void (*part)(void *context, size_t i, size_t worker),
	void *context);

/*
 * Work on n things, so many of them to a part and the rest to the last: how many parts that are, and how many things fall to part i.
 *
 *	cn_pool_run(pool, cn_pool_parts(n, 64), part, &job);	... part: things [i 64, i 64 + cn_pool_part_size(n, i, 64))
 */
size_t cn_pool_parts(size_t n, size_t of);
size_t cn_pool_part_size(size_t n, size_t i, size_t of);

/*
 * A background task beside the pool (prefetching, reading ahead): starts at once, one thread each;
 * cn_task_wait joins and frees it.
 */
struct cn_task;
struct cn_task *cn_task_start(void (*work)(void *context), void *context, struct cn_err *err);
void cn_task_wait(struct cn_task *task);

#endif
