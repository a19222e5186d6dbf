/* hush - SIGPIPE held back for a while. */
#include "base/hush.h"

#include <pthread.h>

#include "base/banned.h"

void
cn_hush_begin(sigset_t *before)
{
	sigset_t broken;

	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &broken, before);
}

void
cn_hush_end(const sigset_t *before)
{
	sigset_t broken, pending;
	int number;

	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	if (!sigismember(before, SIGPIPE) && !sigpending(&pending) && sigismember(&pending, SIGPIPE))
		sigwait(&broken, &number);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
