// The clock of the programs that measure, and their way to fail.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline double now(void)
{
	return (double)now_ns() / 1e9;
}

// Ends the program, because a system call failed.
static inline void fail(const char *what)
{
	perror(what);
	exit(1);
}
