// The far end of a bridge under test: takes one TCP connection's bytes to nowhere, counts and times them.
//
//   tcp_sink BYTES                     prints its port, then "SECONDS" from the first byte to the last of so many
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

static char block[256 * 1024];

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (argc != 2 || listener < 0 || bind(listener, (struct sockaddr *)&at, length) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&at, &length)) {
		fprintf(stderr, "usage: tcp_sink BYTES\n");
		return 2;
	}
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	int peer = accept(listener, NULL, NULL);
	long long wanted = atoll(argv[1]), have = 0;
	double first = 0;
	while (have < wanted) {
		ssize_t n = read(peer, block, sizeof block);
		if (n <= 0) {
			fprintf(stderr, "tcp_sink: the peer ended after %lld of %lld bytes\n", have, wanted);
			return 1;
		}
		if (have == 0)
			first = now();
		have += n;
	}
	printf("%.6f\n", now() - first);
	return 0;
}
