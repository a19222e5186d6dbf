/* banned - calls that have a safe relative; using one does not compile.  Included by every .c file last. */
#ifndef CN_BASE_BANNED_H
#define CN_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat strncat sprintf vsprintf gets atoi atol atof strtok asctime ctime tmpnam

#endif
