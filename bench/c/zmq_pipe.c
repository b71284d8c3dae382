// The libzmq peer of the one-way row: PUSH to PULL over TCP loopback, default options, so its own default batching.
//
//   zmq_pipe pull COUNT                prints its port, then "MESSAGES SECONDS" from the first message to the last
//   zmq_pipe push PORT COUNT           sends COUNT messages of 64 bytes
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "clock.h"

enum { PAYLOAD = 64 };

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
	exit(1);
}

static int pull(void *context, long count)
{
	char endpoint[256];
	size_t len = sizeof endpoint;
	void *socket = zmq_socket(context, ZMQ_PULL);
	if (zmq_bind(socket, "tcp://127.0.0.1:*") != 0)
		die("bind");
	zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &len);
	printf("%s\n", strrchr(endpoint, ':') + 1);
	fflush(stdout);

	double start = 0;
	zmq_msg_t message;
	zmq_msg_init(&message);
	for (long i = 0; i < count; i++) {
		if (zmq_msg_recv(&message, socket, 0) != PAYLOAD)
			die("recv");
		if (i == 0)
			start = now();
	}
	printf("%ld %.6f\n", count, now() - start);
	zmq_msg_close(&message);
	return zmq_close(socket);
}

static int push(void *context, int port, long count)
{
	char endpoint[64], payload[PAYLOAD];
	memset(payload, 'x', sizeof payload);
	snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
	void *socket = zmq_socket(context, ZMQ_PUSH);
	if (zmq_connect(socket, endpoint) != 0)
		die("connect");
	for (long i = 0; i < count; i++)
		if (zmq_send(socket, payload, PAYLOAD, 0) != PAYLOAD)
			die("send");
	return zmq_close(socket); // the default linger: the context waits until all is sent
}

int main(int argc, char **argv)
{
	int status = 2;
	void *context = zmq_ctx_new();
	if (argc == 3 && strcmp(argv[1], "pull") == 0)
		status = pull(context, atol(argv[2]));
	else if (argc == 4 && strcmp(argv[1], "push") == 0)
		status = push(context, atoi(argv[2]), atol(argv[3]));
	else
		fprintf(stderr, "usage: zmq_pipe pull COUNT | zmq_pipe push PORT COUNT\n");
	zmq_ctx_term(context);
	return status;
}
