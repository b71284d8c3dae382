// The end of a pipe under test: reads standard input to nowhere, counts and times it.
//
// Prints "BYTES SECONDS", the seconds running from the first read to the last (start-up is nobody's rate), when the
// input ends or SIGTERM asks.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char block[256 * 1024];
static volatile sig_atomic_t asked;

static void on_term(int signal_number)
{
	(void)signal_number;
	asked = 1;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
	unsigned long long bytes = 0;
	double first = 0, last = 0;
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_term; // without SA_RESTART, so that a waiting read returns
	sigaction(SIGTERM, &action, NULL);
	while (!asked) {
		ssize_t n = read(0, block, sizeof block);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		if (n < 0)
			continue;
		last = now();
		if (bytes == 0)
			first = last;
		bytes += (unsigned long long)n;
	}
	printf("%llu %.6f\n", bytes, last - first);
	return 0;
}
