// The ends of the bulk rows of a bridge: a sender and a receiver over TCP, blocking, 256 KiB a call.
//
//   bulk sink SIZE                     prints its port, takes SIZE bytes of one client, prints the seconds from first to last
//   bulk source PORT SIZE              sends SIZE bytes, and waits for the end of the other side
//   bulk frames PORT COUNT             the same with COUNT frames: a 4-byte big-endian length and 64 bytes each
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { ROOM = 256 * 1024, PAYLOAD = 64, FRAME = 4 + PAYLOAD };
static unsigned char room[ROOM];

static int sink(long long size)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 16) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &length) < 0)
		fail("sink");
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	int client = accept(listener, NULL, NULL);
	if (client < 0)
		fail("accept");
	double begun = 0;
	long long left = size;
	while (left > 0) {
		ssize_t got = recv(client, room, ROOM, 0);
		if (got <= 0)
			fail("recv");
		if (left == size)
			begun = now();
		left -= got;
	}
	printf("%.9f\n", now() - begun);
	return 0;
}

static int source(int port, long long size, int once)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int server = socket(AF_INET, SOCK_STREAM, 0);
	if (server < 0 || connect(server, (struct sockaddr *)&to, sizeof to) < 0)
		fail("connect");
	long long done = 0;
	while (done < size) {
		// What is in the room repeats itself after `once` bytes, of which some have gone.
		long long offset = done % once, left = size - done;
		ssize_t sent = send(server, room + offset, left < once - offset ? (size_t)left : (size_t)(once - offset), 0);
		if (sent <= 0)
			fail("send");
		done += sent;
	}
	shutdown(server, SHUT_WR);
	while (recv(server, room, ROOM, 0) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		return sink(atoll(argv[2]));
	memset(room, 'x', sizeof room);
	if (argc == 4 && strcmp(argv[1], "source") == 0)
		return source(atoi(argv[2]), atoll(argv[3]), ROOM);
	if (argc == 4 && strcmp(argv[1], "frames") == 0) {
		int once = ROOM / FRAME * FRAME;
		for (int at = 0; at < once; at += FRAME)
			memcpy(room + at, (unsigned char[]){0, 0, 0, PAYLOAD}, 4);
		return source(atoi(argv[2]), atoll(argv[3]) * FRAME, once);
	}
	fprintf(stderr, "usage: bulk sink SIZE | bulk source PORT SIZE | bulk frames PORT COUNT\n");
	return 2;
}
