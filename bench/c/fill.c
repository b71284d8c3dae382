// The start of a pipe under test: writes so many bytes to standard output, as fast as they are taken.
//
//   fill BYTES [LINE]                  with LINE, every LINEth byte is LF
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 256 * 1024 };

int main(int argc, char **argv)
{
	static char block[ROOM];
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: fill BYTES [LINE]\n");
		return 2;
	}
	long long left = atoll(argv[1]);
	size_t line = argc == 3 ? (size_t)atol(argv[2]) : ROOM;
	if (line == 0 || line > ROOM)
		return 2;
	size_t whole = ROOM - ROOM % line; // a block holds whole lines, so that it can be repeated
	memset(block, 'x', sizeof block);
	for (size_t at = line - 1; at < whole; at += line)
		block[at] = '\n';
	while (left > 0) {
		size_t now = left < (long long)whole ? (size_t)left : whole;
		for (size_t done = 0; done < now;) {
			ssize_t n = write(1, block + done, now - done);
			if (n < 0) {
				perror("fill");
				return 1;
			}
			done += (size_t)n;
		}
		left -= (long long)now;
	}
	return 0;
}
