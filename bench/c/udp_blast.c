// A UDP sender faster than any receiver here: 64-byte datagrams, the kernel cuts them out of large sends (UDP_SEGMENT).
//
//   udp_blast PORT SECONDS             sends to 127.0.0.1 so long, or until SIGTERM
//
// Each datagram is 64 printable bytes, so that the text that comes out of a program can be counted by its size.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { DATAGRAM = 64, TOGETHER = 60 }; // the kernel takes at most 64 segments a send
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

int main(int argc, char **argv)
{
	static char block[DATAGRAM * TOGETHER];
	if (argc != 3) {
		fprintf(stderr, "usage: udp_blast PORT SECONDS\n");
		return 2;
	}
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int size = DATAGRAM, fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
	    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) < 0) {
		perror("udp_blast");
		return 1;
	}
	signal(SIGTERM, on_term);
	memset(block, 'x', sizeof block);
	double end = now() + atof(argv[2]);
	while (!asked && now() < end) {
		ssize_t n = send(fd, block, sizeof block, 0);
		if (n < 0 && errno != ECONNREFUSED && errno != EINTR && errno != ENOBUFS) {
			perror("udp_blast: send");
			return 1;
		}
	}
	return 0;
}
