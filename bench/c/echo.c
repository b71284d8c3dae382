// A local echo for the start-to-exit row: one client at a time, everything back at once, closed when the client ends.
//
//   echo                               prints its port, serves until it is ended
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	static char room[64 * 1024];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 128) < 0) {
		perror("echo");
		return 1;
	}
	getsockname(listener, (struct sockaddr *)&at, &len);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		ssize_t n;
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		while ((n = recv(fd, room, sizeof room, 0)) > 0)
			if (send(fd, room, (size_t)n, MSG_NOSIGNAL) != n)
				break;
		close(fd);
	}
}
