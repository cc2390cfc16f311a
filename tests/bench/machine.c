/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's own limits, measured in the run whose figures they bound:
 *
 *	machine DIRECTORY
 *
 * prints one line of JSON: flushes a second by one writer and by 32 that
 * share each flush, round trips a second over loopback TCP, and octets a
 * second through it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 1.0

static double
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Writes of 4 KB, so many to a flush; answers writes a second. */
static double
flushes(int dirfd, unsigned together)
{
	static char octets[4096];
	double start, seconds;
	unsigned long writes = 0;
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd == -1)
		die("O_TMPFILE");
	memset(octets, 'x', sizeof(octets));
	start = now();
	do {
		for (unsigned i = 0; i < together; i++) {
			if (write(fd, octets, sizeof(octets)) == -1)
				die("write");
		}
		if (fdatasync(fd) == -1)
			die("fdatasync");
		writes += together;
		seconds = now() - start;
	} while (seconds < SECONDS);
	(void)close(fd);
	return (double)writes / seconds;
}

static void *
echo(void *arg)
{
	static char octets[65536];
	int fd = *(int *)arg;
	ssize_t n;

	/* Answers short messages, swallows long ones. */
	while ((n = recv(fd, octets, sizeof(octets), 0)) > 0) {
		if (n < 100 && send(fd, octets, (size_t)n, 0) == -1)
			break;
	}
	return NULL;
}

static int
loopback(int *other_out)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener == -1 || fd == -1 ||
	    bind(listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(listener, 1) == -1 ||
	    getsockname(listener, (struct sockaddr *)&sin, &len) == -1 ||
	    connect(fd, (struct sockaddr *)&sin, len) == -1)
		die("loopback");
	*other_out = accept(listener, NULL, NULL);
	(void)close(listener);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(
	    *other_out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static double
round_trips(void)
{
	int other, fd = loopback(&other);
	pthread_t thread;
	char octets[16] = "ping";
	double start, seconds;
	unsigned long trips = 0;

	if (pthread_create(&thread, NULL, echo, &other) != 0)
		die("thread");
	start = now();
	do {
		if (send(fd, octets, sizeof(octets), 0) == -1 ||
		    recv(fd, octets, sizeof(octets), MSG_WAITALL) <= 0)
			die("loopback");
		trips++;
		seconds = now() - start;
	} while (seconds < SECONDS);
	(void)close(fd);
	(void)pthread_join(thread, NULL);
	(void)close(other);
	return (double)trips / seconds;
}

static double
throughput(void)
{
	static char octets[65536];
	int other, fd = loopback(&other);
	pthread_t thread;
	double start, seconds, total = 0;

	if (pthread_create(&thread, NULL, echo, &other) != 0)
		die("thread");
	start = now();
	do {
		ssize_t n = send(fd, octets, sizeof(octets), 0);

		if (n == -1)
			die("loopback");
		total += (double)n;
		seconds = now() - start;
	} while (seconds < SECONDS);
	(void)close(fd);
	(void)pthread_join(thread, NULL);
	(void)close(other);
	return total / seconds;
}

int
main(int argc, char **argv)
{
	int dirfd;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: machine DIRECTORY\n");
		return 2;
	}
	dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd == -1)
		die(argv[1]);
	(void)printf("{\"flushes\": %.0f, ", flushes(dirfd, 1));
	(void)printf("\"flushes_grouped\": %.0f, ", flushes(dirfd, 32));
	(void)printf("\"round_trips\": %.0f, ", round_trips());
	(void)printf("\"octets\": %.0f}\n", throughput());
	return 0;
}
