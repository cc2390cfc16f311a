/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load for tenantd: so many clients ask it over its SEQPACKET socket, each one
 * question at a time, and one line of JSON says how fast the answers came.
 *
 *	directory_load --connect PATH --ask resolve|account|login|plain
 *	    [--clients N] [--threads N] [--seconds S | --operations N]
 *	    [--warmup S] [--names N] [--tenants N] [--first N] [--walk]
 *	    [--name FORMAT] [--answer FORMAT] [--tenant FORMAT]
 *	    [--password FORMAT]
 *	    [--expect OUTCOME] [--addresses N] [--address N] [--step N]
 *	    [--pace PER-SECOND]
 *
 * Names are numbers below --names, times --step, behind --first
 * (directory_ask.h), drawn at random, or one after the other with --walk, each
 * once; with --walk or --operations there is no end by time unless --seconds
 * says so.  Clients are spread over the threads, each thread one epoll loop.
 * --addresses is how many client addresses logins come from, each in a /24 of
 * its own, beginning at --address.  --pace limits the questions a second of all
 * clients together.
 *
 * Every answer is checked.  Exit status: 0, all were right; 1, some was not
 * (the JSON says which first); 2, usage.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/packet.h"
#include "tests/bench/directory_ask.h"
#include "tests/bench/histogram.h"

struct options {
	const char *connect, *expect, *password;
	const struct ask *ask;
	struct person person; /* the formats */
	unsigned clients, threads;
	double seconds, warmup, pace;
	uint64_t operations, names, first, step, addresses, address;
	bool walk;
};

struct load {
	struct options o;
	uint64_t start_us, warm_us, until_us;
	atomic_ullong asked;
	atomic_bool failed;
	char first_error[400]; /* of the thread that set failed */
};

struct asker {
	int fd;
	uint32_t serial;
	struct person who;
	uint64_t sent_us;
	bool waits;
};

struct worker {
	struct load *load;
	pthread_t thread;
	struct asker *askers;
	unsigned askers_len, waiting;
	uint64_t random, errors, operations;
	struct histogram latency;
	struct buf request, answer;
};

static uint64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
usage(const char *what)
{
	(void)fprintf(stderr,
	    "directory_load: %s; see the head of "
	    "tests/bench/directory_load.c\n",
	    what);
	exit(2);
}

/* xorshift64: the same names in every run. */
static uint64_t
draw(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static void
worker_error(struct worker *w, const struct asker *a, const char *what)
{
	bool first = false;

	w->errors++;
	if (atomic_compare_exchange_strong(&w->load->failed, &first, true))
		(void)snprintf(w->load->first_error,
		    sizeof(w->load->first_error), "number %llu: %s",
		    (unsigned long long)a->who.number, what);
}

/* False: no question is left. */
static bool
person_next(struct worker *w, struct asker *a)
{
	const struct options *o = &w->load->o;
	uint64_t turn = atomic_fetch_add(&w->load->asked, 1);

	if ((o->operations != 0 && turn >= o->operations) ||
	    (o->walk && turn >= o->names))
		return false;
	a->who = o->person;
	a->who.number =
	    o->first + o->step * (o->walk ? turn : draw(w) % o->names);
	a->who.client = o->address + turn % o->addresses;
	return true;
}

/* It is time for one more question. */
static bool
pace_allows(const struct worker *w)
{
	const struct load *l = w->load;
	double due = l->o.pace * (double)(now_us() - l->start_us) / 1e6;

	return l->o.pace == 0 || (double)atomic_load(&l->asked) < due;
}

static void
asker_ask(struct worker *w, struct asker *a)
{
	const struct options *o = &w->load->o;

	if (a->fd == -1 || !pace_allows(w) || now_us() >= w->load->until_us ||
	    !person_next(w, a))
		return;
	ask_request(&w->request, o->ask, &a->who, o->password, ++a->serial);
	a->sent_us = now_us();
	if (send(a->fd, buf_str(&w->request), w->request.len, MSG_NOSIGNAL) ==
	    -1) {
		worker_error(w, a, "tenantd is gone");
		return;
	}
	a->waits = true;
	w->waiting++;
}

static void
asker_answered(struct worker *w, struct asker *a)
{
	ssize_t got;
	const char *wrong;
	uint64_t now;

	buf_clear(&w->answer);
	got = recv(a->fd, buf_reserve(&w->answer, PACKET_MAX), PACKET_MAX,
	    MSG_DONTWAIT);
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	w->waiting -= a->waits;
	a->waits = false;
	if (got <= 0) {
		worker_error(w, a, "tenantd closed the socket");
		(void)close(a->fd);
		a->fd = -1;
		return;
	}
	buf_commit(&w->answer, (size_t)got);
	wrong = ask_check(buf_span(&w->answer), w->load->o.ask, &a->who,
	    w->load->o.expect, a->serial);
	if (wrong != NULL)
		worker_error(w, a, wrong);
	now = now_us();
	/* What came before does not count. */
	if (a->sent_us >= w->load->warm_us) {
		w->operations++;
		histogram_add(&w->latency, now - a->sent_us);
	}
	asker_ask(w, a);
}

static void
worker_connect(struct worker *w, struct asker *a, int epfd)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = a };

	(void)snprintf(
	    un.sun_path, sizeof(un.sun_path), "%s", w->load->o.connect);
	a->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (a->fd == -1 ||
	    connect(a->fd, (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, a->fd, &event) == -1)
		usage("cannot connect");
}

/* Whoever neither waits nor had a turn, as the pace did not allow it. */
static void
worker_pace(struct worker *w)
{
	for (unsigned i = 0; i < w->askers_len; i++)
		if (!w->askers[i].waits)
			asker_ask(w, &w->askers[i]);
}

static bool
worker_done(const struct worker *w)
{
	const struct load *l = w->load;
	uint64_t asked = atomic_load(&l->asked);

	return w->waiting == 0 &&
	       (now_us() >= l->until_us || l->o.pace == 0 ||
		   (l->o.operations != 0 && asked >= l->o.operations) ||
		   (l->o.walk && asked >= l->o.names));
}

static void *
worker_run(void *arg)
{
	struct worker *w = arg;
	struct epoll_event events[64];
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	uint64_t deadline;

	buf_init(&w->request, PACKET_MAX);
	buf_init(&w->answer, PACKET_MAX);
	for (unsigned i = 0; i < w->askers_len; i++)
		worker_connect(w, &w->askers[i], epfd);
	worker_pace(w);
	do {
		int n =
		    epoll_wait(epfd, events, 64, w->load->o.pace > 0 ? 1 : 100);

		for (int i = 0; i < n; i++)
			asker_answered(w, events[i].data.ptr);
		if (w->load->o.pace > 0)
			worker_pace(w);
		/* After the end, ten seconds for what is under way. */
		deadline = w->load->until_us + 10000000;
		if (now_us() > deadline && w->waiting > 0) {
			worker_error(w, &w->askers[0], "answers are missing");
			break;
		}
	} while (!worker_done(w) && w->errors < 1000);
	for (unsigned i = 0; i < w->askers_len; i++)
		if (w->askers[i].fd != -1)
			(void)close(w->askers[i].fd);
	(void)close(epfd);
	buf_fini(&w->request);
	buf_fini(&w->answer);
	return NULL;
}

/* ---- options and report ------------------------------------------------- */

static double
to_number(const char *text)
{
	char *end;
	double number = strtod(text, &end);

	if (*end != '\0' || end == text || number < 0)
		usage("expected a number");
	return number;
}

static bool
option_text(struct options *o, int c, const char *text)
{
	switch (c) {
	case 'c':
		o->connect = text;
		return true;
	case 'q':
		o->ask = ask_find(text);
		return true;
	case 'f':
		o->person.name = text;
		return true;
	case 'r':
		o->person.answer = text;
		return true;
	case 'F':
		o->person.tenant = text;
		return true;
	case 'P':
		o->password = text;
		return true;
	case 'e':
		o->expect = text;
		return true;
	case 'w':
		o->walk = true;
		return true;
	default:
		return false;
	}
}

static void
option_number(struct options *o, int c, double number)
{
	switch (c) {
	case 'n':
		o->clients = (unsigned)number;
		break;
	case 'j':
		o->threads = (unsigned)number;
		break;
	case 't':
		o->seconds = number;
		break;
	case 'o':
		o->operations = (uint64_t)number;
		break;
	case 'W':
		o->warmup = number;
		break;
	case 'N':
		o->names = (uint64_t)number;
		break;
	case 'T':
		o->person.tenants = (unsigned)number;
		break;
	case '1':
		o->first = (uint64_t)number;
		break;
	case 'a':
		o->addresses = (uint64_t)number;
		break;
	case 'A':
		o->address = (uint64_t)number;
		break;
	case 's':
		o->step = (uint64_t)number;
		break;
	default:
		o->pace = number;
		break;
	}
}

static void
options_parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "connect", 1, NULL, 'c' },
		{ "ask", 1, NULL, 'q' }, { "clients", 1, NULL, 'n' },
		{ "threads", 1, NULL, 'j' }, { "seconds", 1, NULL, 't' },
		{ "operations", 1, NULL, 'o' }, { "warmup", 1, NULL, 'W' },
		{ "names", 1, NULL, 'N' }, { "tenants", 1, NULL, 'T' },
		{ "first", 1, NULL, '1' }, { "walk", 0, NULL, 'w' },
		{ "name", 1, NULL, 'f' }, { "tenant", 1, NULL, 'F' },
		{ "answer", 1, NULL, 'r' }, { "password", 1, NULL, 'P' },
		{ "expect", 1, NULL, 'e' }, { "addresses", 1, NULL, 'a' },
		{ "address", 1, NULL, 'A' }, { "step", 1, NULL, 's' },
		{ "pace", 1, NULL, 'p' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == '?')
			usage("unknown option");
		if (!option_text(o, c, optarg))
			option_number(o, c, to_number(optarg));
	}
	if (o->connect == NULL || o->ask == NULL || o->clients == 0 ||
	    o->threads == 0 || o->threads > o->clients || o->names == 0 ||
	    o->person.tenants == 0 || o->addresses == 0)
		usage("--connect and --ask are needed, and numbers above 0");
	if (o->seconds == 0)
		o->seconds = o->walk || o->operations != 0 ? 86400 : 5;
	if (o->expect == NULL)
		o->expect = o->ask->expect;
	if (!ask_expects(o->ask, o->expect))
		usage("--expect: no outcome of this question");
}

static void
report(const struct load *l, const struct worker *sum, double seconds)
{
	const struct histogram *h = &sum->latency;
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	(void)printf("{\"operations\": %llu, \"errors\": %llu, "
		     "\"seconds\": %.3f, \"rate\": %.1f, ",
	    (unsigned long long)sum->operations,
	    (unsigned long long)sum->errors, seconds,
	    (double)sum->operations / seconds);
	(void)printf("\"mean_us\": %.0f, \"p50_us\": %llu, \"p90_us\": %llu, "
		     "\"p99_us\": %llu, \"p999_us\": %llu, \"max_us\": %llu, ",
	    h->count == 0 ? 0.0 : (double)h->sum / (double)h->count,
	    (unsigned long long)histogram_quantile(h, 0.50),
	    (unsigned long long)histogram_quantile(h, 0.90),
	    (unsigned long long)histogram_quantile(h, 0.99),
	    (unsigned long long)histogram_quantile(h, 0.999),
	    (unsigned long long)h->max);
	(void)printf("\"cpu_seconds\": %.3f, \"first_error\": \"",
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	for (const char *p = l->first_error; *p != '\0'; p++)
		if (*p != '"' && *p != '\\' && *p >= 32)
			(void)putchar(*p);
	(void)printf("\"}\n");
}

static void
worker_add(struct worker *sum, const struct worker *w)
{
	sum->operations += w->operations;
	sum->errors += w->errors;
	sum->latency.count += w->latency.count;
	sum->latency.sum += w->latency.sum;
	if (w->latency.max > sum->latency.max)
		sum->latency.max = w->latency.max;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->latency.bucket[i] += w->latency.bucket[i];
}

static void
workers_start(struct load *load, struct worker *workers, struct asker *askers)
{
	const struct options *o = &load->o;
	unsigned at = 0;

	load->start_us = now_us();
	load->warm_us = load->start_us + (uint64_t)(o->warmup * 1e6);
	load->until_us = load->warm_us + (uint64_t)(o->seconds * 1e6);
	for (unsigned i = 0; i < o->threads; i++) {
		workers[i].load = load;
		workers[i].askers = askers + at;
		workers[i].askers_len = (o->clients - at) / (o->threads - i);
		workers[i].random = 0x9e3779b97f4a7c15u * (i + 1);
		at += workers[i].askers_len;
		if (pthread_create(
			&workers[i].thread, NULL, worker_run, &workers[i]) != 0)
			usage("no thread");
	}
}

int
main(int argc, char **argv)
{
	static struct load load = { .o = {
					.password = "hikyaku-demo",
					.person = { .name = "u{n}@t{t}.example",
					    .tenant = "t{t}",
					    .tenants = 1 },
					.clients = 1,
					.threads = 1,
					.names = 1,
					.step = 1,
					.addresses = 1,
				    } };
	static struct worker sum;
	struct worker *workers;
	struct asker *askers;
	double seconds;

	options_parse(argc, argv, &load.o);
	workers = calloc(load.o.threads, sizeof(*workers));
	askers = calloc(load.o.clients, sizeof(*askers));
	if (workers == NULL || askers == NULL)
		usage("out of memory");
	workers_start(&load, workers, askers);
	for (unsigned i = 0; i < load.o.threads; i++) {
		(void)pthread_join(workers[i].thread, NULL);
		worker_add(&sum, &workers[i]);
	}
	seconds = (double)(now_us() - load.warm_us) / 1e6;
	report(&load, &sum, seconds);
	free(workers);
	free(askers);
	return sum.errors == 0 ? 0 : 1;
}
