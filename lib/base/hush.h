/*
 * hush - writing where perhaps nobody reads: words on standard error, farewells in a pipe.  Between begin and
 * end a write into a pipe without a reader fails with EPIPE; outside it ends the process, as filters should.
 */
#ifndef CN_BASE_HUSH_H
#define CN_BASE_HUSH_H

#include <signal.h>

void cn_hush_begin(sigset_t *before);	/* SIGPIPE is held back, in this thread */
void cn_hush_end(const sigset_t *before);	/* one that came meanwhile is forgotten */

#endif
