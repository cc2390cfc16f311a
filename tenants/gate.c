/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/gate.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clients.h"
#include "common/log.h"

struct tls_context *
gate_tls(struct gate *gate)
{
	struct tls_context *tls;

	(void)pthread_mutex_lock(&gate->mutex);
	tls = gate->tls == NULL ? NULL : tls_context_ref(gate->tls);
	(void)pthread_mutex_unlock(&gate->mutex);
	return tls;
}

/*
 * A client that has vanished (a telephone out of reach) must not be a session,
 * or hold a maildrop, for the whole autologout time.  What is accepted has the
 * options of the listening socket.
 */
static void
keepalive_set(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_KEEPIDLE, 60 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 20 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
}

static void
gate_say(int fd, struct span words)
{
	(void)send(fd, words.p, words.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * Counts the connection before a TLS handshake, which may be what somebody
 * wants to occupy us with; NULL: it was refused.
 */
static struct tallied *
gate_client(struct gate *gate, int fd, bool implicit_tls)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	struct err err = ERR_INIT;
	struct tallied *client;
	char text[CONN_ADDRESS_SIZE];
	uint16_t port;

	(void)getpeername(fd, (struct sockaddr *)&peer, &len);
	client = clients_enter(
	    gate->clients, &peer, atomic_load(&gate->client_max), &err);
	if (client != NULL)
		return client;
	counter_add(gate->counters, COUNTER_REFUSED, 1);
	conn_address_text(&peer, text, &port);
	log_notice(&log_process, "client has too many connections",
	    log_str("client", text), log_str("daemon", gate->protocol->daemon),
	    log_err(&err));
	if (!implicit_tls) /* else words in clear would only confuse */
		gate_say(fd, gate->protocol->crowd);
	return NULL;
}

void
gate_left(struct gate *gate, struct tallied *client)
{
	tally_leave(gate->clients, client);
}

static void
gate_accept(struct gate *gate, int fd, bool implicit_tls)
{
	const struct gate_protocol *p = gate->protocol;
	struct tallied *client = gate_client(gate, fd, implicit_tls);
	void *s = client == NULL ? NULL : p->session_new(gate, client);
	CLEANUP(tls_context_unref)
	struct tls_context *tls = implicit_tls ? gate_tls(gate) : NULL;
	struct err err = ERR_INIT;
	struct conn *c;

	if (s == NULL || (implicit_tls && tls == NULL)) {
		(void)close(fd);
		if (s != NULL)
			p->sessions->closed(s);
		else
			gate_left(gate, client);
		return;
	}

	struct conn_options options = { .service = p->sessions,
		.session = s,
		.log = p->session_log(s),
		.line_max = LOGIN_LINE_MAX,
		.wait_ms = atomic_load(&gate->wait_ms),
		.tls = tls,
		.counters = gate->counters,
		.ready = true,
		.light_start = true };
	if (conn_new(gate->reactor, fd, &options, &c, &err) == -1) {
		log_error(
		    p->session_log(s), "connection not served", log_err(&err));
		p->sessions->closed(s);
	}
}

static void
gate_accepted(struct reactor *r, int fd, void *arg)
{
	(void)r;
	gate_accept(arg, fd, false);
}

static void
gate_accepted_tls(struct reactor *r, int fd, void *arg)
{
	(void)r;
	gate_accept(arg, fd, true);
}

static void
gate_busy(int fd, void *arg)
{
	struct gate *gate = arg;

	counter_add(gate->counters, COUNTER_REFUSED, 1);
	gate_say(fd, gate->protocol->busy);
}

static void
gate_busy_tls(int fd, void *arg)
{
	struct gate *gate = arg;

	(void)fd; /* words in clear would only confuse a TLS client */
	counter_add(gate->counters, COUNTER_REFUSED, 1);
}

int
gate_start(struct gate *gate, struct reactor *r, struct err *err)
{
	const struct gate_protocol *p = gate->protocol;
	const struct daemon_listener *listeners;
	size_t count = daemon_listeners(gate->daemon, &listeners);

	gate->reactor = r;
	for (size_t i = 0; i < count; i++) {
		bool tls = strcmp(listeners[i].name, p->listener_tls) == 0;
		struct reactor_listener l = { .fd = listeners[i].fd,
			.accepted = tls ? gate_accepted_tls : gate_accepted,
			.busy = tls ? gate_busy_tls : gate_busy,
			.arg = gate };

		if (!tls && strcmp(listeners[i].name, p->protocol) != 0)
			return err_set(err, ERR_TEMP,
			    "listener \"%s\" is not for %s", listeners[i].name,
			    p->daemon);
		if (tls && gate->tls == NULL)
			return err_set(err, ERR_TEMP,
			    "listener %s needs a certificate", p->listener_tls);
		keepalive_set(l.fd);
		if (reactor_listen(gate->reactor, &l, err) == -1)
			return -1;
	}
	return 0;
}

static int
gate_tls_make(
    const struct gate *gate, struct tls_context **tls_out, struct err *err)
{
	struct tls_options options = { .service = gate->protocol->protocol,
		.pem = daemon_tls_pem(gate->daemon),
		.ticket_secret = daemon_ticket_secret(gate->daemon),
		.minimum = daemon_tls_version(daemon_tls_conf(gate->daemon)),
		.alpn = gate->protocol->protocol };

	*tls_out = NULL;
	return options.pem.len == 0 ? 0
				    : tls_context_new(&options, tls_out, err);
}

static int
gate_connect_tenantd(void *arg, int *fd_out, struct err *err)
{
	return daemon_connect(arg, "tenantd", NULL, 0, fd_out, err);
}

static int
gate_directory(struct gate *gate, struct err *err)
{
	struct tenants_options tenants = { .connect = gate_connect_tenantd,
		.arg = gate->daemon };
	const struct gate_protocol *p = gate->protocol;

	if (tenants_new(&tenants, &gate->tenants, err) == -1)
		return -1;

	struct login_gate_options login = { .daemon = p->daemon,
		.protocol = p->protocol,
		.service = p->service,
		.hostname = daemon_conf(gate->daemon)->hostname,
		.tenants = gate->tenants,
		.counters = gate->counters,
		.connect = login_daemon_connect,
		.shard = login_daemon_shard,
		.arg = gate->daemon };
	return login_gate_new(&login,
	    p->login_conf(daemon_section(gate->daemon)), &gate->login, err);
}

static unsigned
gate_wait_ms(const struct gate *gate)
{
	return gate->protocol->wait_ms(daemon_section(gate->daemon));
}

static uint64_t
gate_client_max(const struct gate *gate)
{
	return gate->protocol->login_conf(daemon_section(gate->daemon))
	    ->client_connections_max;
}

int
gate_new(struct daemon *d, const struct gate_protocol *p,
    struct gate **gate_out, struct err *err)
{
	CLEANUP(gate_free) struct gate *gate = calloc(1, sizeof(*gate));

	if (gate == NULL)
		return err_sys(err, "gate");
	(void)pthread_mutex_init(&gate->mutex, NULL);
	gate->daemon = d;
	gate->protocol = p;
	gate->counters = daemon_counters(d);
	atomic_init(&gate->wait_ms, gate_wait_ms(gate));
	atomic_init(&gate->client_max, gate_client_max(gate));
	if (tally_new(&gate->clients, err) == -1 ||
	    gate_tls_make(gate, &gate->tls, err) == -1 ||
	    gate_directory(gate, err) == -1)
		return -1;
	*gate_out = STEAL(gate);
	return 0;
}

void
gate_free(struct gate *gate)
{
	if (gate == NULL)
		return;
	login_gate_free(gate->login);
	tenants_free(gate->tenants);
	tls_context_unref(gate->tls);
	tally_free(gate->clients);
	(void)pthread_mutex_destroy(&gate->mutex);
	free(gate);
}

void
gate_reload(struct gate *gate)
{
	const void *section = daemon_section(gate->daemon);
	struct tls_context *tls, *old;
	struct err err = ERR_INIT;

	atomic_store(&gate->wait_ms, gate_wait_ms(gate));
	atomic_store(&gate->client_max, gate_client_max(gate));
	if (login_gate_reload(
		gate->login, gate->protocol->login_conf(section), &err) == -1)
		log_error(&log_process, "old login policy kept", log_err(&err));
	if (gate_tls_make(gate, &tls, &err) == -1) {
		log_error(&log_process, "old certificates kept", log_err(&err));
		return;
	}
	(void)pthread_mutex_lock(&gate->mutex);
	old = gate->tls;
	gate->tls = tls;
	(void)pthread_mutex_unlock(&gate->mutex);
	tls_context_unref(old);
}
