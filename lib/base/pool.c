/* pool - threads that never change a result. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/banned.h"

struct cn_pool;

struct worker {
	struct cn_pool *pool;
	size_t number;
	pthread_t thread;
};

struct cn_pool {
	size_t threads;
	struct worker *worker;		/* [threads]; worker 0 is whoever calls cn_pool_run */
	pthread_mutex_t run;		/* one job at a time */
	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t work, done;
	unsigned long job;		/* counts jobs, so that a worker takes each once */
	size_t busy, n;
	bool ending;
	void (*part)(void *context, size_t i, size_t worker);
	void *context;
	atomic_size_t next;
};

/* Which pool this thread is working for, and as whom: a nested run happens in place with the same number. */
static _Thread_local const struct cn_pool *inside;
static _Thread_local size_t inside_number;

static void
take_parts(struct cn_pool *pool, size_t number)
{
	const struct cn_pool *before = inside;
	size_t before_number = inside_number;

	inside = pool;
	inside_number = number;
	for (;;) {
		size_t i = atomic_fetch_add(&pool->next, 1);

		if (i >= pool->n)
			break;
		pool->part(pool->context, i, number);
	}
	inside = before;
	inside_number = before_number;
}

static void *
work_for_pool(void *argument)
{
	struct worker *self = argument;
	struct cn_pool *pool = self->pool;
	unsigned long seen = 0;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (pool->job == seen && !pool->ending)
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->ending)
			break;
		seen = pool->job;
		pthread_mutex_unlock(&pool->lock);
		take_parts(pool, self->number);
		pthread_mutex_lock(&pool->lock);
		if (--pool->busy == 0)
			pthread_cond_signal(&pool->done);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static size_t
processors(void)
{
	long n = 0;
#ifdef __linux__
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof set, &set))
		n = CPU_COUNT(&set);
#endif
	if (n < 1)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > 1024 ? 1024 : (size_t)n;
}

struct cn_pool *
cn_pool_new(size_t threads, struct cn_err *err)
{
	struct cn_pool *pool = cn_mem_array(1, sizeof *pool, err);
	size_t wanted = threads ? threads : processors();

	if (!pool)
		return NULL;
	pthread_mutex_init(&pool->run, NULL);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->done, NULL);
	pool->threads = 1;
	pool->worker = cn_mem_array(wanted, sizeof *pool->worker, err);
	for (size_t i = 1; pool->worker && i < wanted; i++) {
		pool->worker[i] = (struct worker){ .pool = pool, .number = i };
		if (pthread_create(&pool->worker[i].thread, NULL, work_for_pool, &pool->worker[i])) {
			cn_err_set(err, CN_FAILED, "cannot start thread %zu of %zu; ask for fewer with -T",
				i + 1, wanted);
			break;
		}
		pool->threads = i + 1;
	}
	if (err->code) {
		cn_pool_free(pool);
		return NULL;
	}
	return pool;
}

void
cn_pool_free(struct cn_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 1; i < pool->threads; i++)
		pthread_join(pool->worker[i].thread, NULL);
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->done);
	pthread_mutex_destroy(&pool->lock);
	pthread_mutex_destroy(&pool->run);
	cn_mem_free(pool->worker);
	cn_mem_free(pool);
}

size_t
cn_pool_threads(const struct cn_pool *pool)
{
	return pool ? pool->threads : 1;
}

void
cn_pool_run(struct cn_pool *pool, size_t n, void (*part)(void *context, size_t i, size_t worker),
	void *context)
{
	bool nested = pool && inside == pool;

	if (!pool || nested) {
		for (size_t i = 0; i < n; i++)
			part(context, i, nested ? inside_number : 0);
		return;
	}
	/* Two threads that share a pool take turns; both call themselves worker 0, never at once. */
	pthread_mutex_lock(&pool->run);
	pthread_mutex_lock(&pool->lock);
	pool->part = part;
	pool->context = context;
	pool->n = n;
	atomic_store(&pool->next, 0);
	pool->busy = n > 1 ? pool->threads - 1 : 0;
	if (pool->busy) {
		pool->job++;
		pthread_cond_broadcast(&pool->work);
	}
	pthread_mutex_unlock(&pool->lock);
	take_parts(pool, 0);
	pthread_mutex_lock(&pool->lock);
	while (pool->busy)
		pthread_cond_wait(&pool->done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	pthread_mutex_unlock(&pool->run);
}

size_t
cn_pool_parts(size_t n, size_t of)
{
	return n / of + (n % of > 0);
}

size_t
cn_pool_part_size(size_t n, size_t i, size_t of)
{
	return n - i * of < of ? n - i * of : of;
}

struct cn_task {
	void (*work)(void *context);
	void *context;
	pthread_t thread;
};

static void *
work_for_task(void *argument)
{
	struct cn_task *task = argument;

	task->work(task->context);
	return NULL;
}

struct cn_task *
cn_task_start(void (*work)(void *context), void *context, struct cn_err *err)
{
	struct cn_task *task = cn_mem_array(1, sizeof *task, err);

	if (!task)
		return NULL;
	*task = (struct cn_task){ .work = work, .context = context };
	if (pthread_create(&task->thread, NULL, work_for_task, task)) {
		cn_err_set(err, CN_FAILED, "cannot start a background thread");
		cn_mem_free(task);
		return NULL;
	}
	return task;
}

void
cn_task_wait(struct cn_task *task)
{
	if (!task)
		return;
	pthread_join(task->thread, NULL);
	cn_mem_free(task);
}
