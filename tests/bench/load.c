/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load generator: so many clients play a script (script.h) against a
 * server, from one epoll loop, and one line of JSON says what it took.
 *
 *	load --script FILE --connect HOST:PORT|PATH [--clients N]
 *	    [--seconds S | --operations N] [--per-connection N] [--size OCTETS]
 *	    [--user FORMAT] [--users N] [--first N] [--tenants N] [--password P]
 *	    [--tls implicit|starttls] [--set NAME=VALUE]...
 *	    [--resume] [--think PER-CENT] [--warmup S]
 *
 * Exit status: 0, every answer was right; 1, some was not (the JSON says
 * which first); 2, usage.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "tests/bench/client.h"

struct options {
	const char *script, *connect;
	unsigned clients;
	double seconds, warmup;
	size_t size;
	bool tls;
	struct setting settings[16];
	size_t settings_len;
};

static void
usage(const char *what)
{
	(void)fprintf(
	    stderr, "load: %s; see the head of tests/bench/load.c\n", what);
	exit(2);
}

static int
address_parse(const char *text, struct load *load, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *info;
	const char *colon = strrchr(text, ':');
	char host[256];
	int rc;

	if (text[0] == '/') {
		struct sockaddr_un *un = (struct sockaddr_un *)&load->address;

		un->sun_family = AF_UNIX;
		if (strlen(text) >= sizeof(un->sun_path))
			return err_set(err, ERR_SYNTAX, "path too long");
		memcpy(un->sun_path, text, strlen(text) + 1);
		load->address_len = sizeof(*un);
		return 0;
	}
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return err_set(err, ERR_SYNTAX, "%s: expected HOST:PORT", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	rc = getaddrinfo(host, colon + 1, &hints, &info);
	if (rc != 0)
		return err_set(err, ERR_TEMP, "%s: %s", text, gai_strerror(rc));
	memcpy(&load->address, info->ai_addr, info->ai_addrlen);
	load->address_len = info->ai_addrlen;
	freeaddrinfo(info);
	return 0;
}

/* A header and lines of text, size octets in all with their CRLF. */
static void
message_make(struct buf *b, size_t size)
{
	buf_init(b, 64u << 20);
	buf_append(b, SPAN("From: Load <sender@load.example>\r\n"
			   "To: Reader <reader@load.example>\r\n"
			   "Subject: a message of the load generator\r\n"
			   "Date: Tue, 24 Nov 2026 09:00:00 +0900\r\n"
			   "MIME-Version: 1.0\r\n"
			   "Content-Type: text/plain; charset=utf-8\r\n\r\n"));
	for (unsigned n = 0; b->len < size; n++)
		buf_append_fmt(b,
		    "%08x The quick brown fox jumps over the lazy dog, "
		    "and over again.\r\n",
		    n * 2654435761u);
}

/* NAME=VALUE, which the program's arguments hold as long as it runs. */
static void
setting_add(struct options *o, char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL ||
	    o->settings_len == sizeof(o->settings) / sizeof(o->settings[0]))
		usage("--set: expected NAME=VALUE, at most 16");
	*equals = '\0';
	o->settings[o->settings_len++] =
	    (struct setting){ .name = text, .value = equals + 1 };
}

static void
options_parse(int argc, char **argv, struct options *o, struct load *load,
    struct err *err)
{
	static const struct option longs[] = {
		{ "script", 1, NULL, 's' },
		{ "connect", 1, NULL, 'c' },
		{ "clients", 1, NULL, 'n' },
		{ "seconds", 1, NULL, 't' },
		{ "warmup", 1, NULL, 'w' },
		{ "operations", 1, NULL, 'o' },
		{ "per-connection", 1, NULL, 'p' },
		{ "size", 1, NULL, 'z' },
		{ "user", 1, NULL, 'u' },
		{ "users", 1, NULL, 'U' },
		{ "first", 1, NULL, 'f' },
		{ "tenants", 1, NULL, 'e' },
		{ "set", 1, NULL, 'S' },
		{ "password", 1, NULL, 'P' },
		{ "tls", 1, NULL, 'T' },
		{ "resume", 0, NULL, 'r' },
		{ "think", 1, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->script = optarg;
			break;
		case 'c':
			o->connect = optarg;
			break;
		case 'n':
			o->clients = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 't':
			o->seconds = strtod(optarg, NULL);
			break;
		case 'w':
			o->warmup = strtod(optarg, NULL);
			break;
		case 'o':
			load->operations_max = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			load->per_connection =
			    (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'z':
			o->size = strtoull(optarg, NULL, 10);
			break;
		case 'u':
			load->user_format = optarg;
			break;
		case 'U':
			load->users = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			load->user_first = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'e':
			load->tenants = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'S':
			setting_add(o, optarg);
			break;
		case 'P':
			load->password = optarg;
			break;
		case 'T':
			o->tls = true;
			load->implicit_tls = strcmp(optarg, "implicit") == 0;
			break;
		case 'r':
			load->resume = true;
			break;
		case 'k':
			load->think_scale = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			usage("unknown option");
		}
	}
	if (o->script == NULL || o->connect == NULL || o->clients == 0 ||
	    load->users == 0 || load->tenants == 0)
		usage("--script, --connect, --clients and --users are needed");
	if (script_load(o->script, o->settings, o->settings_len, &load->script,
		err) == -1 ||
	    address_parse(o->connect, load, err) == -1)
		usage(err->text);
}

static void
report(const struct load *load, double seconds)
{
	const struct histogram *h = &load->latency;
	struct rusage usage_self;

	(void)getrusage(RUSAGE_SELF, &usage_self);
	(void)printf("{\"operations\": %llu, \"errors\": %llu, "
		     "\"seconds\": %.3f, \"rate\": %.1f, ",
	    (unsigned long long)load->operations,
	    (unsigned long long)load->errors, seconds,
	    (double)load->operations / seconds);
	(void)printf("\"mean_us\": %.0f, \"p50_us\": %llu, \"p90_us\": %llu, "
		     "\"p99_us\": %llu, \"max_us\": %llu, ",
	    h->count == 0 ? 0.0 : (double)h->sum / (double)h->count,
	    (unsigned long long)histogram_quantile(h, 0.50),
	    (unsigned long long)histogram_quantile(h, 0.90),
	    (unsigned long long)histogram_quantile(h, 0.99),
	    (unsigned long long)h->max);
	(void)printf("\"connections\": %llu, \"handshakes\": %llu, "
		     "\"connect_p50_us\": %llu, \"octets_in\": %llu, "
		     "\"octets_out\": %llu, \"cpu_seconds\": %.3f, "
		     "\"first_error\": \"",
	    (unsigned long long)load->connections,
	    (unsigned long long)load->handshakes,
	    (unsigned long long)histogram_quantile(&load->connect_latency, 0.5),
	    (unsigned long long)load->octets_in,
	    (unsigned long long)load->octets_out,
	    (double)(usage_self.ru_utime.tv_sec + usage_self.ru_stime.tv_sec) +
		(double)(usage_self.ru_utime.tv_usec +
			 usage_self.ru_stime.tv_usec) /
		    1e6);
	for (const char *p = load->first_error; *p != '\0'; p++) {
		unsigned char octet = (unsigned char)*p;

		if (octet == '"' || octet == '\\')
			(void)printf("\\%c", octet);
		else if (octet >= 32 && octet < 127)
			(void)putchar(octet);
	}
	(void)printf("\"}\n");
}

/* How long epoll may sleep: until the next client has thought enough. */
static int
next_wait_ms(const struct client *clients, unsigned len, uint64_t until_us)
{
	uint64_t now = now_us(), next = until_us;

	for (unsigned i = 0; i < len; i++) {
		uint64_t at = client_deadline(&clients[i]);

		if (at != 0 && at < next)
			next = at;
	}
	if (next <= now)
		return 0;
	return (int)((next - now) / 1000 > 100 ? 100 : (next - now) / 1000 + 1);
}

static void
thinkers_run(struct client *clients, unsigned len)
{
	uint64_t now = now_us();

	for (unsigned i = 0; i < len; i++) {
		uint64_t at = client_deadline(&clients[i]);

		if (at != 0 && (at <= now || clients[i].load->stopping)) {
			clients[i].think_until_us = now;
			client_run(&clients[i]);
		}
	}
}

/* Clients whose connection ended begin anew; answers how many still run. */
static unsigned
clients_revive(struct client *clients, unsigned len)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < len; i++) {
		if (clients[i].fd == -1 && clients[i].load->errors < 100)
			(void)client_connect(&clients[i]);
		if (clients[i].fd != -1)
			alive++;
	}
	return alive;
}

static double
load_run(struct load *load, struct client *clients, const struct options *o)
{
	uint64_t start = now_us(), measured = start;
	uint64_t warm = start + (uint64_t)(o->warmup * 1e6);
	uint64_t until =
	    o->seconds > 0 ? warm + (uint64_t)(o->seconds * 1e6) : UINT64_MAX;
	struct epoll_event events[256];

	while (clients_revive(clients, o->clients) > 0) {
		int n = epoll_wait(load->epoll_fd, events, 256,
		    load->stopping ? 50
				   : next_wait_ms(clients, o->clients, until));
		uint64_t now = now_us();

		if (measured < warm && now >= warm) {
			/* What came before does not count. */
			load->operations = 0;
			memset(&load->latency, 0, sizeof(load->latency));
			measured = now;
		}
		if (now >= until && !load->stopping) {
			load->stopping = true;
			until = now;
		}
		for (int i = 0; i < n; i++)
			client_run(events[i].data.ptr);
		thinkers_run(clients, o->clients);
		/* After the end, five seconds for what is under way. */
		if (load->stopping && now > until + 5000000)
			break;
	}
	return (double)(now_us() - measured) / 1e6;
}

int
main(int argc, char **argv)
{
	static struct load load = {
		.user_format = "user%u@bench.example",
		.tenants = 1,
		.users = 1,
		.password = "hikyaku-demo",
		.think_scale = 100,
		.per_connection = 1,
	};
	struct options o = { .clients = 1, .size = 4096 };
	struct err err = ERR_INIT;
	struct client *clients;
	double seconds;

	(void)signal(SIGPIPE, SIG_IGN);
	options_parse(argc, argv, &o, &load, &err);
	message_make(&load.message, o.size);
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (o.tls) {
		load.tls = SSL_CTX_new(TLS_client_method());
		if (load.tls == NULL)
			usage("no TLS");
		(void)SSL_CTX_set_session_cache_mode(
		    load.tls, SSL_SESS_CACHE_CLIENT);
	}
	clients = calloc(o.clients, sizeof(*clients));
	if (clients == NULL || load.epoll_fd == -1)
		usage("out of memory");
	for (unsigned i = 0; i < o.clients; i++) {
		clients[i] = (struct client){ .load = &load, .fd = -1 };
		buf_init(&clients[i].out, 128u << 20);
	}
	seconds = load_run(&load, clients, &o);
	report(&load, seconds);
	for (unsigned i = 0; i < o.clients; i++) {
		client_close(&clients[i]);
		buf_fini(&clients[i].out);
		SSL_SESSION_free(clients[i].session);
	}
	free(clients);
	SSL_CTX_free(load.tls);
	buf_fini(&load.message);
	script_fini(&load.script);
	(void)close(load.epoll_fd);
	return load.errors == 0 ? 0 : 1;
}
