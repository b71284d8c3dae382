// The peer of the ping-pong row: one TCP connection, blocking sockets, TCP_NODELAY, one send and one recv a message.
//
//   pingpong serve                     prints its port, echoes one client's frames, ends with it
//   pingpong ask PORT ROUNDS           prints the median round trip in nanoseconds
//
// A frame is a 4-byte big-endian length and 64 bytes, as in the rows it stands beside.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { PAYLOAD = 64, FRAME = 4 + PAYLOAD, ROOM = 64 * 1024 };
static unsigned char room[ROOM];

static void no_delay(int fd)
{
	int on = 1;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
		fail("TCP_NODELAY");
}

// One frame, however the bytes come: almost always one recv. 0 at the peer's end.
static int receive(int fd)
{
	size_t have = 0;
	while (have < 4 || have < 4 + (size_t)ntohl(*(uint32_t *)room)) {
		ssize_t n = recv(fd, room + have, ROOM - have, 0);
		if (n < 0)
			fail("recv");
		if (n == 0)
			return 0;
		have += (size_t)n;
	}
	return 1;
}

static int serve(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 1) < 0)
		fail("listen");
	getsockname(listener, (struct sockaddr *)&at, &len);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	int fd = accept(listener, NULL, NULL);
	if (fd < 0)
		fail("accept");
	no_delay(fd);
	while (receive(fd))
		if (send(fd, room, FRAME, 0) != FRAME)
			fail("send");
	return 0;
}

static int by_size(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;
	return (x > y) - (x < y);
}

static int ask(int port, int rounds)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	unsigned char frame[FRAME] = {0, 0, 0, PAYLOAD};
	long long *took = calloc((size_t)rounds, sizeof *took);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!took || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		fail("connect");
	no_delay(fd);
	for (int i = 0; i < rounds; i++) {
		long long start = now_ns();
		if (send(fd, frame, FRAME, 0) != FRAME)
			fail("send");
		if (!receive(fd))
			fail("the echo ended");
		took[i] = now_ns() - start;
	}
	qsort(took, (size_t)rounds, sizeof *took, by_size);
	printf("%lld\n", took[rounds / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if (argc == 4 && strcmp(argv[1], "ask") == 0)
		return ask(atoi(argv[2]), atoi(argv[3]));
	fprintf(stderr, "usage: pingpong serve | pingpong ask PORT ROUNDS\n");
	return 2;
}
