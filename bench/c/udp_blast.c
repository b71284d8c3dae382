// A UDP sender faster than the peers here receive: 64-byte datagrams, 60 with each system call.
//
//   udp_blast each|together PORT SECONDS   sends to 127.0.0.1 so long, or until SIGTERM
//
// each: datagram by datagram through the stack, as most programs' datagrams come (sendmmsg). together: one large send
// that the kernel cuts into datagrams as late as it can (UDP_SEGMENT).
//
// Each datagram is 64 printable bytes, so that the text that comes out of a program can be counted by its size.
#define _GNU_SOURCE // sendmmsg
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { DATAGRAM = 64, TOGETHER = 60 }; // the kernel takes at most 64 segments a send
static char block[DATAGRAM * TOGETHER];
static volatile sig_atomic_t asked;

static void on_term(int signal_number)
{
	(void)signal_number;
	asked = 1;
}

static int send_each(int fd)
{
	struct iovec parts[TOGETHER];
	struct mmsghdr messages[TOGETHER];
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < TOGETHER; i++) {
		parts[i] = (struct iovec){.iov_base = block + i * DATAGRAM, .iov_len = DATAGRAM};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	return sendmmsg(fd, messages, TOGETHER, 0);
}

static int send_together(int fd)
{
	return (int)send(fd, block, sizeof block, 0);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: udp_blast each|together PORT SECONDS\n");
		return 2;
	}
	int together = strcmp(argv[1], "together") == 0;
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int size = DATAGRAM, fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
	    (together && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) < 0)) {
		perror("udp_blast");
		return 1;
	}
	signal(SIGTERM, on_term);
	memset(block, 'x', sizeof block);
	double end = now() + atof(argv[3]);
	while (!asked && now() < end) {
		int sent = together ? send_together(fd) : send_each(fd);
		if (sent < 0 && errno != ECONNREFUSED && errno != EINTR && errno != ENOBUFS) {
			perror("udp_blast: send");
			return 1;
		}
	}
	return 0;
}
