// Times a command from its start to its exit, many times, without a shell in between.
//
//   start_to_exit RUNS INPUT COMMAND [ARGUMENT ...]
//
// INPUT is on the command's standard input (a pipe, closed behind it), its output is read until it ends. Prints the
// median in nanoseconds. Fails when the command fails or answers anything but INPUT.
#define _GNU_SOURCE // pipe2
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

extern char **environ;

static void die(const char *what)
{
	fprintf(stderr, "start_to_exit: %s\n", what);
	exit(1);
}

static long long one(const char *input, char **command)
{
	int in[2], out[2], status;
	char answer[4096];
	size_t have = 0, size = strlen(input);
	pid_t pid;
	posix_spawn_file_actions_t actions;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || write(in[1], input, size) != (ssize_t)size)
		die("pipe");
	close(in[1]);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	long long start = now_ns();
	if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0)
		die("cannot start the command");
	close(in[0]);
	close(out[1]);
	for (ssize_t n; (n = read(out[0], answer + have, sizeof answer - have)) > 0;)
		have += (size_t)n;
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	long long took = now_ns() - start;
	close(out[0]);
	posix_spawn_file_actions_destroy(&actions);
	if (status != 0)
		die("the command failed");
	if (have != size || memcmp(answer, input, size) != 0)
		die("the command printed something else than its input");
	return took;
}

static int by_size(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: start_to_exit RUNS INPUT COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	size_t runs = (size_t)atol(argv[1]);
	long long *took = calloc(runs, sizeof *took);
	if (!took || runs == 0)
		die("no runs");
	for (size_t i = 0; i < runs; i++)
		took[i] = one(argv[2], argv + 3);
	qsort(took, runs, sizeof *took, by_size);
	printf("%lld\n", took[runs / 2]);
	return 0;
}
