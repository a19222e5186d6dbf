/* queue - a ring behind a lock, and an eventfd for those who wait elsewhere. */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/banned.h"

struct cn_queue {
	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t changed;
	struct cn_letter *letter;	/* (most) a ring */
	size_t most, first, n;
	bool closed, cancelled;
	int wake;			/* an eventfd */
};

struct cn_queue *
cn_queue_new(size_t most, struct cn_err *err)
{
	struct cn_queue *queue = err->code ? NULL : cn_mem_array(1, sizeof *queue, err);

	if (!queue)
		return NULL;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->changed, NULL);
	queue->most = most;
	queue->letter = cn_mem_array(most, sizeof *queue->letter, err);
	queue->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->wake < 0)
		cn_err_errno(err, "cannot make an eventfd");
	if (!err->code)
		return queue;
	cn_queue_free(queue);
	return NULL;
}

static void
empty(struct cn_queue *queue)
{
	for (; queue->n; queue->n--) {
		cn_mem_free(queue->letter[queue->first].bytes);
		queue->first = (queue->first + 1) % queue->most;
	}
}

void
cn_queue_free(struct cn_queue *queue)
{
	if (!queue)
		return;
	empty(queue);
	if (queue->wake >= 0)
		close(queue->wake);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	cn_mem_free(queue->letter);
	cn_mem_free(queue);
}

int
cn_queue_put(struct cn_queue *queue, const struct cn_letter *letter)
{
	pthread_mutex_lock(&queue->lock);
	while (queue->n == queue->most && !queue->cancelled)
		pthread_cond_wait(&queue->changed, &queue->lock);
	const bool put = !queue->cancelled;

	if (put)
		queue->letter[(queue->first + queue->n++) % queue->most] = *letter;
	else
		cn_mem_free(letter->bytes);
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	return put;
}

int
cn_queue_take(struct cn_queue *queue, struct cn_letter *letter)
{
	pthread_mutex_lock(&queue->lock);
	while (queue->n == 0 && !queue->closed && !queue->cancelled)
		pthread_cond_wait(&queue->changed, &queue->lock);
	const bool taken = queue->n > 0;

	if (taken) {
		*letter = queue->letter[queue->first];
		queue->first = (queue->first + 1) % queue->most;
		queue->n--;
	}
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

void
cn_queue_close(struct cn_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

void
cn_queue_cancel(struct cn_queue *queue)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&queue->lock);
	queue->cancelled = true;
	empty(queue);
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	while (write(queue->wake, &one, sizeof one) < 0 && errno == EINTR)
		;
}

int
cn_queue_cancelled(struct cn_queue *queue)
{
	return queue->wake;
}
