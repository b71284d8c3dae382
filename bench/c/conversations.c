// Both ends of the rows with many connections: an echo, and clients that count what comes back. 64 B a message, non-blocking
// sockets, TCP_NODELAY, one thread with epoll at each end.
//
//   conversations serve                        prints its port, echoes every client until it is ended
//   conversations short PORT AT_ONCE TOTAL     connect, send, receive, close: prints the seconds that TOTAL of them took
//   conversations round PORT AT_ONCE TOTAL     AT_ONCE connections that stay: prints the seconds that TOTAL round trips took
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { MESSAGE = 64, ROOM = 64 * 1024, EVENTS = 256, FILES = 1 << 16 };

static unsigned char room[ROOM];
// What has come back of the message under way, by descriptor.
static int have[FILES];

static void no_delay(int fd)
{
	int on = 1;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
		fail("TCP_NODELAY");
}

static void watch(int epoll, int fd, uint32_t events, int how)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	if (epoll_ctl(epoll, how, fd, &event) < 0)
		fail("epoll_ctl");
}

_Noreturn static void serve(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event ready[EVENTS];
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 4096) < 0)
		fail("listen");
	getsockname(listener, (struct sockaddr *)&at, &len);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	watch(epoll, listener, EPOLLIN, EPOLL_CTL_ADD);
	for (;;) {
		int count = epoll_wait(epoll, ready, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.fd, client;
			if (fd == listener) {
				while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					no_delay(client);
					watch(epoll, client, EPOLLIN, EPOLL_CTL_ADD);
				}
				continue;
			}
			ssize_t n = recv(fd, room, sizeof room, 0);
			if (n < 0 && errno == EAGAIN)
				continue;
			if (n <= 0 || send(fd, room, (size_t)n, MSG_NOSIGNAL) != n)
				close(fd);
		}
	}
}

static int open_to(int epoll, const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || fd >= FILES)
		fail("socket");
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS)
		fail("connect");
	no_delay(fd);
	have[fd] = 0;
	watch(epoll, fd, EPOLLOUT, EPOLL_CTL_ADD);
	return fd;
}

static void ask(int epoll, int fd)
{
	static const unsigned char message[MESSAGE] = {'x'};
	int error = 0;
	socklen_t len = sizeof error;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		errno = error;
		fail("connect");
	}
	if (send(fd, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
		fail("send");
	watch(epoll, fd, EPOLLIN, EPOLL_CTL_MOD);
}

// Whether the whole message has come back.
static int answered(int fd)
{
	ssize_t n = recv(fd, room, MESSAGE, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		fprintf(stderr, "a connection ended early\n");
		exit(1);
	}
	have[fd] += n > 0 ? (int)n : 0;
	if (have[fd] < MESSAGE)
		return 0;
	have[fd] = 0;
	return 1;
}

static int clients(int stay, int port, long at_once, long total)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event ready[EVENTS];
	static const unsigned char message[MESSAGE] = {'x'};
	long begun = 0, done = 0, warm = 0;
	int epoll = epoll_create1(0);
	double start = now();
	while (begun < at_once) {
		open_to(epoll, &to);
		begun++;
	}
	while (done < total) {
		int count = epoll_wait(epoll, ready, EVENTS, 20000);
		if (count <= 0) {
			fprintf(stderr, "nothing for 20 seconds: %ld of %ld done\n", done, total);
			return 1;
		}
		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.fd;
			if (ready[i].events & EPOLLOUT) {
				ask(epoll, fd);
				continue;
			}
			if (!answered(fd))
				continue;
			if (!stay) {
				close(fd);
				done++;
				if (begun < total) {
					open_to(epoll, &to);
					begun++;
				}
				continue;
			}
			// The clock starts when every connection has had its first answer.
			if (warm < at_once) {
				if (++warm == at_once)
					start = now();
			} else {
				done++;
			}
			if (send(fd, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
				fail("send");
		}
	}
	printf("%.6f\n", now() - start);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		serve();
	if (argc == 5 && (strcmp(argv[1], "short") == 0 || strcmp(argv[1], "round") == 0))
		return clients(argv[1][0] == 'r', atoi(argv[2]), atol(argv[3]), atol(argv[4]));
	fprintf(stderr, "usage: conversations serve | conversations short|round PORT AT_ONCE TOTAL\n");
	return 2;
}
