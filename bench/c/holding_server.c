// Accepts any number of TCP connections and holds them, saying nothing: the target of the memory row of a bridge.
//
//   holding_server                     prints its port, holds until it is ended
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

int main(void)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 4096) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &length) < 0) {
		perror("holding_server");
		return 1;
	}
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	while (accept(listener, NULL, NULL) >= 0)
		;
	perror("accept");
	return 1;
}
