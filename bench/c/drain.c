// The end of a pipe under test: reads standard input to nowhere, counts and times it.
//
//   drain BYTES                        prints "SECONDS" from the first read to the last
//
// Ends when so many bytes have come, for not every program under test ends by itself; fails when the input ends before.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

static char block[256 * 1024];

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: drain BYTES\n");
		return 2;
	}
	long long wanted = atoll(argv[1]), have = 0;
	double first = 0;
	while (have < wanted) {
		ssize_t n = read(0, block, sizeof block);
		if (n <= 0) {
			fprintf(stderr, "drain: the input ended after %lld of %lld bytes\n", have, wanted);
			return 1;
		}
		if (have == 0)
			first = now();
		have += n;
	}
	printf("%.6f\n", now() - first);
	return 0;
}
