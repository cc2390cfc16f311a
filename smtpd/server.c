/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/server.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/tally.h"
#include "smtpd/conf.h"
#include "smtpd/session.h"

/* Spare connections to milters are looked at so often. */
#define MILTER_TICK_MS 10000

struct smtp_server {
	struct daemon *daemon;
	struct reactor *reactor;
	struct tenants *tenants;
	struct lmtp_client *lmtp;
	struct relay_client *relay;
	struct tally *clients;
	struct counters *counters;
	char spool[DAEMON_PATH_MAX + 16];
	int spool_fd;
	pthread_mutex_t mutex; /* guards what follows */
	struct milters *milters;
	struct tls_context *tls; /* NULL: no certificate, no STARTTLS */
};

struct daemon *
smtp_server_daemon(const struct smtp_server *server)
{
	return server->daemon;
}

const char *
smtp_server_hostname(const struct smtp_server *server)
{
	return daemon_conf(server->daemon)->hostname;
}

struct counters *
smtp_server_counters(const struct smtp_server *server)
{
	return server->counters;
}

struct tenants *
smtp_server_tenants(const struct smtp_server *server)
{
	return server->tenants;
}

struct lmtp_client *
smtp_server_lmtp(const struct smtp_server *server)
{
	return server->lmtp;
}

struct relay_client *
smtp_server_relay(const struct smtp_server *server)
{
	return server->relay;
}

struct tally *
smtp_server_clients(const struct smtp_server *server)
{
	return server->clients;
}

int
smtp_server_spool_fd(const struct smtp_server *server)
{
	return server->spool_fd;
}

const char *
smtp_server_spool(const struct smtp_server *server)
{
	return server->spool;
}

const char *
smtp_listener_name(enum smtp_listener listener)
{
	static const char *const names[] = { "mx", "submission",
		"submissions" };

	return names[listener];
}

struct milters *
smtp_server_milters(struct smtp_server *server)
{
	struct milters *milters;

	(void)pthread_mutex_lock(&server->mutex);
	milters = milters_ref(server->milters);
	(void)pthread_mutex_unlock(&server->mutex);
	return milters;
}

struct tls_context *
smtp_server_tls(struct smtp_server *server)
{
	struct tls_context *tls;

	(void)pthread_mutex_lock(&server->mutex);
	tls = server->tls == NULL ? NULL : tls_context_ref(server->tls);
	(void)pthread_mutex_unlock(&server->mutex);
	return tls;
}

/* ---- connections
 * -------------------------------------------------------------------- */

static void
server_accept(struct smtp_server *server, int fd, enum smtp_listener listener)
{
	CLEANUP(tls_context_unref)
	struct tls_context *tls = listener == SMTP_LISTENER_SUBMISSIONS
				      ? smtp_server_tls(server)
				      : NULL;
	struct smtp_session *s = smtp_session_new(server, listener);
	struct err err = ERR_INIT;
	struct conn *c;

	if (s == NULL ||
	    (listener == SMTP_LISTENER_SUBMISSIONS && tls == NULL)) {
		(void)close(fd);
		if (s != NULL)
			smtp_service.closed(s);
		return;
	}

	struct conn_options options = {
		.service = &smtp_service,
		.session = s,
		.log = &s->log,
		.line_max = SMTP_AUTH_LINE_MAX,
		.wait_ms = (unsigned)s->conf->command_wait * 1000,
		.min_rate = (unsigned)s->conf->data_rate_min,
		.tls = tls,
		.counters = server->counters,
	};
	if (conn_new(server->reactor, fd, &options, &c, &err) == -1) {
		log_error(&s->log, "connection not served", log_err(&err));
		smtp_service.closed(s);
	}
}

static void
accepted_mx(struct reactor *r, int fd, void *arg)
{
	(void)r;
	server_accept(arg, fd, SMTP_LISTENER_MX);
}

static void
accepted_submission(struct reactor *r, int fd, void *arg)
{
	(void)r;
	server_accept(arg, fd, SMTP_LISTENER_SUBMISSION);
}

static void
accepted_submissions(struct reactor *r, int fd, void *arg)
{
	(void)r;
	server_accept(arg, fd, SMTP_LISTENER_SUBMISSIONS);
}

static void
busy(int fd, void *arg)
{
	static const char words[] =
	    "421 4.3.2 Too many connections, try again later\r\n";
	struct smtp_server *server = arg;

	counter_add(server->counters, COUNTER_REFUSED, 1);
	(void)send(fd, words, sizeof(words) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
busy_tls(int fd, void *arg)
{
	struct smtp_server *server = arg;

	(void)fd; /* words in clear would only confuse a TLS client */
	counter_add(server->counters, COUNTER_REFUSED, 1);
}

static void
milters_due(struct reactor *r, void *arg)
{
	CLEANUP(milters_unref) struct milters *m = smtp_server_milters(arg);

	(void)r;
	milters_tick(m);
}

int
smtp_server_start(
    struct smtp_server *server, struct reactor *r, struct err *err)
{
	static const struct {
		const char *name;
		void (*accepted)(struct reactor *r, int fd, void *arg);
		void (*busy)(int fd, void *arg);
	} kinds[] = {
		{ "mx", accepted_mx, busy },
		{ "submission", accepted_submission, busy },
		{ "submissions", accepted_submissions, busy_tls },
	};
	const struct daemon_listener *listeners;
	size_t count = daemon_listeners(server->daemon, &listeners);

	server->reactor = r;
	milters_attach(server->milters, r);
	if (reactor_every(r, MILTER_TICK_MS, milters_due, server, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		size_t kind = 0;

		while (kind < 3 &&
		       strcmp(listeners[i].name, kinds[kind].name) != 0)
			kind++;
		if (kind == 3)
			return err_set(err, ERR_TEMP,
			    "listener \"%s\" is not SMTP's", listeners[i].name);
		if (kinds[kind].busy == busy_tls && server->tls == NULL)
			return err_set(err, ERR_TEMP,
			    "listener submissions needs a certificate");

		struct reactor_listener l = { .fd = listeners[i].fd,
			.accepted = kinds[kind].accepted,
			.busy = kinds[kind].busy,
			.arg = server };
		if (reactor_listen(r, &l, err) == -1)
			return -1;
	}
	return 0;
}

/* ---- the process
 * ----------------------------------------------------------------------- */

static int
server_tls_make(const struct smtp_server *server, struct tls_context **tls_out,
    struct err *err)
{
	struct tls_options options = {
		.service = "smtp",
		.pem = daemon_tls_pem(server->daemon),
		.ticket_secret = daemon_ticket_secret(server->daemon),
		.minimum = daemon_tls_version(daemon_tls_conf(server->daemon)),
	};

	*tls_out = NULL;
	return options.pem.len == 0 ? 0
				    : tls_context_new(&options, tls_out, err);
}

static int
connect_tenantd(void *arg, int *fd_out, struct err *err)
{
	return daemon_connect(arg, "tenantd", NULL, 0, fd_out, err);
}

static int
connect_deliveryd(void *arg, int *fd_out, struct err *err)
{
	return daemon_connect(arg, "deliveryd", NULL, 0, fd_out, err);
}

static int
connect_relayd(void *arg, int *fd_out, struct err *err)
{
	return daemon_connect(arg, "relayd", NULL, 0, fd_out, err);
}

/* Large messages wait here, unnamed, until deliveryd has them. */
static int
spool_open(struct smtp_server *server, struct err *err)
{
	(void)snprintf(server->spool, sizeof(server->spool), "%s/smtpd",
	    daemon_conf(server->daemon)->state_directory);
	server->spool_fd =
	    open(server->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (server->spool_fd == -1)
		return err_sys(err, "open %s", server->spool);
	return 0;
}

int
smtp_server_new(
    struct daemon *d, struct smtp_server **server_out, struct err *err)
{
	CLEANUP(smtp_server_free)
	struct smtp_server *server = calloc(1, sizeof(*server));
	struct tenants_options tenants = {
		.connect = connect_tenantd,
		.arg = d,
		.sockets_max = (unsigned)daemon_conf(d)->workers,
	};
	const struct smtpd_conf *conf = daemon_section(d);
	struct lmtp_options lmtp = {
		.connect = connect_deliveryd,
		.arg = d,
		.hostname = daemon_conf(d)->hostname,
		.sockets_max = daemon_conf(d)->workers,
		.wait_ms = (unsigned)conf->delivery_wait * 1000,
	};
	struct relay_options relay = { .connect = connect_relayd, .arg = d };

	if (server == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	server->daemon = d;
	server->counters = daemon_counters(d);
	server->spool_fd = -1;
	(void)pthread_mutex_init(&server->mutex, NULL);
	if (spool_open(server, err) == -1 ||
	    server_tls_make(server, &server->tls, err) == -1 ||
	    milters_new(daemon_titled(d), &server->milters, err) == -1 ||
	    tally_new(&server->clients, err) == -1 ||
	    tenants_new(&tenants, &server->tenants, err) == -1 ||
	    lmtp_client_new(&lmtp, &server->lmtp, err) == -1 ||
	    relay_client_new(&relay, &server->relay, err) == -1)
		return -1;
	*server_out = STEAL(server);
	return 0;
}

void
smtp_server_free(struct smtp_server *server)
{
	if (server == NULL)
		return;
	lmtp_client_free(server->lmtp);
	relay_client_free(server->relay);
	tenants_free(server->tenants);
	milters_unref(server->milters);
	tally_free(server->clients);
	tls_context_unref(server->tls);
	fd_close(server->spool_fd);
	(void)pthread_mutex_destroy(&server->mutex);
	free(server);
}

/* Sessions go on with the milters they began with. */
static void
milters_reload(struct smtp_server *server)
{
	struct milters *fresh, *old;
	struct err err = ERR_INIT;

	if (milters_new(daemon_titled(server->daemon), &fresh, &err) == -1) {
		log_error(&log_process, "old milters kept", log_err(&err));
		return;
	}
	milters_attach(fresh, server->reactor);
	(void)pthread_mutex_lock(&server->mutex);
	old = server->milters;
	server->milters = fresh;
	(void)pthread_mutex_unlock(&server->mutex);
	milters_unref(old);
}

/* Settings are read anew by each connection; certificates and milters here. */
void
smtp_server_reload(struct smtp_server *server)
{
	struct tls_context *tls, *old;
	struct err err = ERR_INIT;

	milters_reload(server);
	if (server_tls_make(server, &tls, &err) == -1) {
		log_error(&log_process, "old certificates kept", log_err(&err));
		return;
	}
	(void)pthread_mutex_lock(&server->mutex);
	old = server->tls;
	server->tls = tls;
	(void)pthread_mutex_unlock(&server->mutex);
	tls_context_unref(old);
}
