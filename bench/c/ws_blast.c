// A WebSocket client that sends binary messages as fast as they are taken, as a browser masks them.
//
//   ws_blast PORT MESSAGES SIZE        messages of SIZE bytes, at most 125; stays until the peer ends
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 256 * 1024 };

static char block[ROOM];

static void all(int peer, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(peer, bytes, length);
		if (n <= 0) {
			perror("ws_blast");
			exit(1);
		}
		bytes += n;
		length -= (size_t)n;
	}
}

// Fills the block with whole frames, and says how many bytes they are.
static size_t frames(size_t size)
{
	size_t frame = 2 + 4 + size, whole = ROOM - ROOM % frame;
	for (size_t at = 0; at < whole; at += frame) {
		unsigned char *f = (unsigned char *)block + at;
		f[0] = 0x82;
		f[1] = (unsigned char)(0x80 | size);
		for (int i = 0; i < 4; i++)
			f[2 + i] = (unsigned char)(at * 7 + (size_t)i * 31 + 5);
		for (size_t i = 0; i < size; i++)
			f[6 + i] = (unsigned char)('x' ^ f[2 + i % 4]);
	}
	return whole;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (argc != 4 || atol(argv[3]) > 125) {
		fprintf(stderr, "usage: ws_blast PORT MESSAGES SIZE\n");
		return 2;
	}
	at.sin_port = htons((unsigned short)atoi(argv[1]));
	size_t left = (size_t)atoll(argv[2]), size = (size_t)atol(argv[3]), frame = 6 + size;
	int peer = socket(AF_INET, SOCK_STREAM, 0);
	if (peer < 0 || connect(peer, (struct sockaddr *)&at, sizeof at)) {
		perror("ws_blast");
		return 1;
	}
	char request[512], head[2048] = "";
	int length = snprintf(request, sizeof request,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", argv[1]);
	all(peer, request, (size_t)length);
	for (size_t have = 0; !strstr(head, "\r\n\r\n"); have++) {
		if (have + 1 == sizeof head || read(peer, head + have, 1) != 1) {
			fprintf(stderr, "ws_blast: not let in: %s\n", head);
			return 1;
		}
	}
	if (strncmp(head, "HTTP/1.1 101", 12) != 0) {
		fprintf(stderr, "ws_blast: not let in: %s\n", head);
		return 1;
	}
	for (size_t whole = frames(size) / frame; left > 0;) {
		size_t now = left < whole ? left : whole;
		all(peer, block, now * frame);
		left -= now;
	}
	// Not all who stand in between know a half-close: it stays open until it is ended.
	while (read(peer, block, sizeof block) > 0)
		;
	return 0;
}
