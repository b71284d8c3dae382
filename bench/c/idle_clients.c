// Opens COUNT TCP connections to 127.0.0.1:PORT and holds them, sending nothing, until its standard input ends.
//
//   idle_clients PORT COUNT            prints "open" when all are connected
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char rest[16];
	if (argc != 3) {
		fprintf(stderr, "usage: idle_clients PORT COUNT\n");
		return 2;
	}
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int left = atoi(argv[2]); left > 0; left--) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
			perror("idle_clients");
			return 1;
		}
	}
	printf("open\n");
	fflush(stdout);
	while (read(0, rest, sizeof rest) > 0)
		;
	return 0;
}
