/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metricsd: brings hikyakud's metrics to Prometheus by HTTP.  It is a process
 * of its own because root speaks no HTTP: it opens nothing, knows nothing but
 * its sockets, and asks hikyakud for the text, which comes as a descriptor.
 */
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "master/metrics_conf.h"

/* Scrapers come one at a time; this is for those that hang. */
#define CONNECTIONS_MAX 32
#define CONNECTION_WAIT_S 10

struct metricsd {
	struct daemon *daemon;
	struct MHD_Daemon *http;
};

static enum MHD_Result
respond_text(struct MHD_Connection *c, unsigned status, const char *text)
{
	struct MHD_Response *r;
	enum MHD_Result result;
	char copy[64] = "";

	strncpy(copy, text, sizeof(copy) - 1);
	r = MHD_create_response_from_buffer(
	    strlen(copy), copy, MHD_RESPMEM_MUST_COPY);
	if (r == NULL)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW,
		    MHD_HTTP_METHOD_GET ", " MHD_HTTP_METHOD_HEAD);
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result
respond_metrics(struct metricsd *metricsd, struct MHD_Connection *c)
{
	CLEANUP(fd_close) int fd = -1;
	struct MHD_Response *r;
	struct err err = ERR_INIT;
	enum MHD_Result result;
	struct stat st;

	if (daemon_connect(metricsd->daemon, "metrics", NULL, 0, &fd, &err) ==
		-1 ||
	    fstat(fd, &st) == -1) {
		log_warning(&log_process, "no metrics", log_err(&err));
		return respond_text(c, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "hikyakud does not answer\n");
	}
	r = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
	if (r == NULL)
		return MHD_NO;
	(void)fd_steal(&fd); /* the response closes it */
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
	    "text/plain; version=0.0.4; charset=utf-8");
	result = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_len, void **request)
{
	struct metricsd *metricsd = arg;

	(void)version;
	(void)upload;
	(void)request;
	counter_add(daemon_counters(metricsd->daemon), COUNTER_COMMANDS, 1);
	*upload_len = 0;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return respond_text(
		    c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
	if (strcmp(url, "/metrics") != 0)
		return respond_text(
		    c, MHD_HTTP_NOT_FOUND, "the metrics are at /metrics\n");
	return respond_metrics(metricsd, c);
}

static void
accepted(struct reactor *r, int fd, void *arg)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	struct metricsd *metricsd = arg;

	(void)r;
	if (getpeername(fd, (struct sockaddr *)&peer, &len) == -1) {
		fd_close(fd);
		return;
	}
	counter_add(daemon_counters(metricsd->daemon), COUNTER_CONNECTIONS, 1);
	/* Closes it when it fails. */
	(void)MHD_add_connection(
	    metricsd->http, fd, (struct sockaddr *)&peer, len);
}

static int
prepare(struct daemon *d, void *state, struct err *err)
{
	bool landlock;

	(void)d;
	(void)state;
	if (sandbox_drop(geteuid(), getegid(), NULL, 0, err) == -1 ||
	    sandbox_paths(NULL, 0, &landlock, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	return 0;
}

static int
start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	const struct daemon_listener *l;
	size_t len = daemon_listeners(d, &l);
	struct metricsd *metricsd = state;

	metricsd->daemon = d;
	if (sandbox_seccomp(SANDBOX_GATE, err) == -1)
		return -1;
	metricsd->http =
	    MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD |
				 MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
		0, NULL, NULL, handle, metricsd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)CONNECTION_WAIT_S, MHD_OPTION_END);
	if (metricsd->http == NULL)
		return err_set(err, ERR_TEMP, "libmicrohttpd does not start");
	for (size_t i = 0; i < len; i++) {
		struct reactor_listener listener = {
			.fd = l[i].fd, .accepted = accepted, .arg = metricsd
		};

		if (reactor_listen(r, &listener, err) == -1)
			return -1;
	}
	return 0;
}

static void
stop(void *state)
{
	struct metricsd *metricsd = state;

	if (metricsd->http != NULL)
		MHD_stop_daemon(metricsd->http);
}

int
main(int argc, char **argv)
{
	const struct daemon_program program = {
		.spec = { .name = "metricsd", .conf = &metrics_section },
		.size = sizeof(struct metricsd),
		.prepare = prepare,
		.start = start,
		.stop = stop,
	};

	return daemon_main(argc, argv, &program);
}
