// A capture for the rows that read one: PostgreSQL, CopyData messages over a few connections, as pcap with Ethernet.
//
//   capture SIZE                       writes about SIZE bytes to standard output
//
// Payloads have 64 bytes to 1 KiB. A segment has at most 1448 bytes, and begins and ends anywhere in a message, as in bulk. Every
// second segment is acknowledged. Checksums are zero, as a card that computes them leaves them.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum { CONNECTIONS = 16, MSS = 1448, HEADERS = 14 + 20 + 32, SERVER_PORT = 5432 };

struct connection {
	uint32_t seq, ack;
	unsigned segments;
	size_t length;
	unsigned char waiting[8 * MSS];
};

static struct connection connections[CONNECTIONS];
static uint64_t microseconds = 1700000000000000ULL;
static long long written;

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static void packet(int index, int to_server, unsigned flags, const unsigned char *data, size_t length)
{
	static unsigned char out[HEADERS + MSS];
	struct connection *of = &connections[index];
	uint32_t head[4] = {(uint32_t)(microseconds / 1000000), (uint32_t)(microseconds % 1000000), (uint32_t)(HEADERS + length),
			    (uint32_t)(HEADERS + length)};
	unsigned client = 40000 + (unsigned)index;
	microseconds += 7;
	memset(out, 0, HEADERS);
	put16(out + 12, 0x0800);
	unsigned char *ip = out + 14, *tcp = ip + 20;
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(HEADERS - 14 + length));
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 6;
	put32(ip + 12, to_server ? 0x0a000001 : 0x0a000002);
	put32(ip + 16, to_server ? 0x0a000002 : 0x0a000001);
	put16(tcp, to_server ? client : SERVER_PORT);
	put16(tcp + 2, to_server ? SERVER_PORT : client);
	put32(tcp + 4, to_server ? of->seq : of->ack);
	put32(tcp + 8, flags == 2 ? 0 : to_server ? of->ack : of->seq);
	tcp[12] = 0x80;
	tcp[13] = (unsigned char)flags;
	put16(tcp + 14, 0xffff);
	memset(tcp + 20, 1, 12);
	memcpy(out + HEADERS, data, length);
	uint32_t *next = to_server ? &of->seq : &of->ack;
	*next += (uint32_t)length + (flags & 3 ? 1 : 0);
	if (fwrite(head, sizeof head, 1, stdout) != 1 || fwrite(out, HEADERS + length, 1, stdout) != 1)
		fail("write");
	written += (long long)(sizeof head + HEADERS + length);
}

static void wait_for_room(int index, const unsigned char *data, size_t length)
{
	struct connection *of = &connections[index];
	memcpy(of->waiting + of->length, data, length);
	of->length += length;
	size_t done = 0;
	for (; of->length - done >= MSS; done += MSS) {
		packet(index, 1, 0x18, of->waiting + done, MSS);
		if (++of->segments % 2 == 0)
			packet(index, 0, 0x10, NULL, 0);
	}
	of->length -= done;
	memmove(of->waiting, of->waiting + done, of->length);
}

int main(int count, char **words)
{
	static const unsigned char connect[] = "\0\0\0\x10\0\3\0\0user\0a\0";
	static const unsigned char accepted[] = "R\0\0\0\x8\0\0\0\0Z\0\0\0\5I";
	static const uint32_t file[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	if (count != 2)
		return 2;
	long long size = atoll(words[1]);
	if (fwrite(file, sizeof file, 1, stdout) != 1)
		fail("write");
	for (int at = 0; at < CONNECTIONS; at++) {
		packet(at, 1, 0x02, NULL, 0);
		packet(at, 0, 0x12, NULL, 0);
		packet(at, 1, 0x10, NULL, 0);
		packet(at, 1, 0x18, connect, sizeof connect);
		packet(at, 0, 0x18, accepted, sizeof accepted - 1);
	}
	uint32_t chance = 1;
	for (int at = 0; written < size; at = (at + 1) % CONNECTIONS) {
		unsigned char message[2048];
		chance = chance * 1664525u + 1013904223u;
		size_t payload = 64 + (chance >> 8) % (1024 - 64 + 1);
		message[0] = 'd';
		put32(message + 1, (uint32_t)(4 + payload));
		memset(message + 5, 'a' + (int)(chance >> 28), payload);
		wait_for_room(at, message, 5 + payload);
	}
	for (int at = 0; at < CONNECTIONS; at++) {
		packet(at, 1, 0x18, connections[at].waiting, connections[at].length);
		packet(at, 1, 0x11, NULL, 0);
		packet(at, 0, 0x11, NULL, 0);
		packet(at, 1, 0x10, NULL, 0);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
