/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/feed.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf_outline.h"
#include "common/file.h"
#include "common/log.h"
#include "common/tls.h"
#include "store/account.h"
#include "store/marker.h"

/* ---- the log
 * ------------------------------------------------------------------- */

static int
log_file_open(const struct daemon_conf *top, struct err *err)
{
	int fd = open(top->log_file,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd == -1)
		return err_sys(err, "log-file %s", top->log_file);
	return fd;
}

int
feed_log(const struct master_conf *conf, struct err *err)
{
	const struct daemon_conf *top = &conf->top;
	int fd = -1;

	if (top->log_target == LOG_TO_FILE &&
	    (fd = log_file_open(top, err)) == -1)
		return -1;
	return log_open("hikyakud", (enum log_target)top->log_target, fd,
	    (enum log_level)top->log_level, err);
}

int
feed_output(const struct master *m)
{
	return m->conf->top.log_target == LOG_TO_FILE
		   ? log_file_open(&m->conf->top, NULL)
		   : -1;
}

static int
put_log(struct control_draft *d, const struct daemon_conf *top, int *fd,
    struct err *err)
{
	struct err why = ERR_INIT;

	switch (top->log_target) {
	case LOG_TO_FILE:
		*fd = log_file_open(top, err);
		if (*fd == -1)
			return -1;
		break;
	case LOG_TO_SYSLOG:
		/* Mail goes on while the system's log is away. */
		if (log_syslog_fd(fd, &why) == -1)
			log_warning(
			    &log_process, "no system log", log_err(&why));
		break;
	default:
		break;
	}
	if (*fd != -1)
		control_put_fd(d, "log", *fd);
	return 0;
}

/* ---- START and RELOAD
 * ---------------------------------------------------------- */

/* Room for a wiped copy: the secret, then PEM. */
static int
tls_memfd(struct master *m, int *fd_out, struct err *err)
{
	struct buf all;
	int result;

	buf_init(&all, m->ticket_secret.len + m->conf->pem.len);
	buf_append(&all, buf_span(&m->ticket_secret));
	buf_append(&all, buf_span(&m->conf->pem));
	result = buf_check(&all, err);
	if (result == 0)
		result = file_memfd("tls", buf_span(&all), fd_out, err);
	if (all.data != NULL)
		explicit_bzero(all.data, all.cap);
	buf_fini(&all);
	return result;
}

static int
conf_memfd(struct master *m, const struct service *service, int *fd_out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };

	buf_init(&text, CONF_TEXT_MAX);
	if (master_conf_text_for(m->conf, service, &text, err) == -1)
		return -1;
	return file_memfd("conf", buf_span(&text), fd_out, err);
}

static void
put_listeners(struct control_draft *d, struct master *m, const struct unit *u)
{
	const struct listening *l;

	if (u->role == DAEMON_SESSION) {
		control_put_fd(d, "listen:session", u->session_fd);
		return;
	}
	for (l = sockets_first(m->sockets); l != NULL; l = l->next) {
		char name[48];

		if (l->service != u->service || !l->wanted)
			continue;
		(void)snprintf(name, sizeof(name), "listen:%s", l->name);
		control_put_fd(d, name, l->fd);
	}
}

static int
feed_settings(
    struct master *m, struct unit *u, enum control_type type, struct err *err)
{
	CLEANUP(control_draft_fini) struct control_draft d = { .fds_len = 0 };
	CLEANUP(fd_close) int conf = -1;
	CLEANUP(fd_close) int tls = -1;
	CLEANUP(fd_close) int log = -1;

	control_begin(&d, type, ++u->serial);
	packet_put_str(&d.text, CONTROL_FILE, m->conf->file);
	if (conf_memfd(m, u->service, &conf, err) == -1)
		return -1;
	control_put_fd(&d, "conf", conf);
	if (u->service->tls && u->role != DAEMON_SESSION) {
		if (tls_memfd(m, &tls, err) == -1)
			return -1;
		control_put_fd(&d, "tls", tls);
	}
	if (put_log(&d, &m->conf->top, &log, err) == -1)
		return -1;
	if (type == CONTROL_START)
		control_put_fd(&d, "counters", u->counters_fd);
	put_listeners(&d, m, u);
	return control_send(&d, u->control, 0, err);
}

int
feed_start(struct master *m, struct unit *u, struct err *err)
{
	if (feed_settings(m, u, CONTROL_START, err) == -1)
		return -1;
	u->start_serial = u->serial;
	return 0;
}

int
feed_reload(struct master *m, struct unit *u, struct err *err)
{
	if (feed_settings(m, u, CONTROL_RELOAD, err) == -1)
		return -1;
	u->reload_serial = u->serial;
	return 0;
}

/* ---- ADOPT and DRAIN
 * -------------------------------------------------------------- */

int
feed_adopt(struct unit *u, struct err *err)
{
	CLEANUP(control_draft_fini) struct control_draft d = { .fds_len = 0 };

	control_begin(&d, CONTROL_ADOPT, ++u->serial);
	if (control_send(&d, u->control, 0, err) == -1)
		return -1;
	u->adopt_serial = u->serial;
	return 0;
}

int
feed_drain(struct unit *u, uint64_t wait_ms, struct err *err)
{
	CLEANUP(control_draft_fini) struct control_draft d = { .fds_len = 0 };

	if (u->control == -1)
		return err_set(err, ERR_CLOSED, "no control connection");
	control_begin(&d, CONTROL_DRAIN, ++u->serial);
	packet_put_u64(&d.text, CONTROL_WAIT_MS, wait_ms);
	return control_send(&d, u->control, 0, err);
}

void
feed_adopted(struct master *m, struct unit *u, struct control_packet *p)
{
	static const char prefix[] = "listen:";

	if (u->counters == NULL) {
		u->counters_fd = control_packet_take_fd(p, "counters");
		if (u->counters_fd == -1 ||
		    counters_map(u->counters_fd, &u->counters, NULL) == -1) {
			fd_close(u->counters_fd);
			u->counters_fd = -1;
		}
	}
	for (size_t i = 0; i < p->fds_len; i++) {
		const char *name = p->fds[i].name;

		if (p->fds[i].fd == -1 ||
		    strncmp(name, prefix, sizeof(prefix) - 1) != 0)
			continue;
		name += sizeof(prefix) - 1;
		if (u->role == DAEMON_SESSION) {
			fd_close(u->session_fd);
			u->session_fd = fd_steal(&p->fds[i].fd);
		} else if (strlen(name) <
			   sizeof(((struct listening *)0)->name)) {
			sockets_adopt(m->sockets, u->service, name,
			    fd_steal(&p->fds[i].fd));
		}
	}
}

/* ---- directories
 * --------------------------------------------------------------------- */

/* parent/name of that owner and mode; made, or made right. */
static int
directory_make(const char *parent, const char *name, uid_t uid, gid_t gid,
    mode_t mode, struct err *err)
{
	CLEANUP(fd_close) int dir = -1;
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return err_sys(err, "open %s", parent);
	if (mkdirat(dir, name, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "mkdir %s/%s", parent, name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_sys(err, "open %s/%s", parent, name);
	if (geteuid() == 0 && (st.st_uid != uid || st.st_gid != gid) &&
	    fchown(fd, uid, gid) == -1)
		return err_sys(err, "chown %s/%s", parent, name);
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) == -1)
		return err_sys(err, "chmod %s/%s", parent, name);
	return 0;
}

int
feed_tenant_directory(
    struct master *m, const char *tenant, uid_t uid, gid_t gid, struct err *err)
{
	/*
	 * Mail that belongs to somebody else stays where it is: an entry with
	 * a wrong uid must not hand one brand's store to another.
	 */
	return store_make_tenant(m->conf->top.store_directory, span_str(tenant),
	    geteuid() == 0 ? uid : (uid_t)-1, gid, err);
}

/* deliveryd's journal, in the store: what is in it was acknowledged, so its
 * name is flushed before anything can be. */
static int
feed_journal(struct master *m, const struct unit *u, struct err *err)
{
	const char *store = m->conf->top.store_directory;
	CLEANUP(fd_close)
	int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return err_sys(err, "open %s", store);
	if (marker_need(fd, ".", err) == -1 ||
	    directory_make(store, ".journal", u->uid, u->gid, 0700, err) == -1)
		return -1;
	return fsync(fd) == -1 ? err_sys(err, "fsync %s", store) : 0;
}

int
feed_directories(struct master *m, const struct unit *u, struct err *err)
{
	const char *state = m->conf->top.state_directory;
	char path[DAEMON_PATH_MAX + 80];

	if (u->role == DAEMON_ONLY && directory_make(state, u->service->name,
					  u->uid, u->gid, 0700, err) == -1)
		return -1;
	if (u->role == DAEMON_ONLY)
		return (u->service->may & MAY_DIRECTORY) == 0
			   ? 0
			   : feed_journal(m, u, err);
	/* Gates keep nothing; of session processes each tenant has its own. */
	if (directory_make(
		state, u->service->name, geteuid(), getegid(), 0711, err) == -1)
		return -1;
	if (u->role == DAEMON_GATE)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%s", state, u->service->name);
	if (directory_make(path, u->tenant, u->uid, u->gid, 0700, err) == -1)
		return -1;
	return feed_tenant_directory(m, u->tenant, u->uid, u->gid, err);
}

/* ---- the ticket secret
 * ------------------------------------------------------------------- */

static int
secret_new(const char *directory, struct buf *out, struct err *err)
{
	CLEANUP(fd_close)
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char octets[TLS_TICKET_SECRET_LEN];
	int result;

	if (dir == -1)
		return err_sys(err, "open %s", directory);
	if (getrandom(octets, sizeof(octets), 0) != (ssize_t)sizeof(octets))
		return err_sys(err, "getrandom");
	buf_append(out, span_of(octets, sizeof(octets)));
	result = file_replace(
	    dir, "ticket.secret", span_of(octets, sizeof(octets)), 0600, err);
	explicit_bzero(octets, sizeof(octets));
	return result;
}

int
feed_ticket_secret(struct master *m, struct err *err)
{
	const char *directory = m->conf->top.state_directory;
	char path[DAEMON_PATH_MAX + 32];
	struct err why = ERR_INIT;

	buf_init(&m->ticket_secret, TLS_TICKET_SECRET_LEN);
	(void)snprintf(path, sizeof(path), "%s/ticket.secret", directory);
	if (file_read(path, &m->ticket_secret, &why) == 0 &&
	    m->ticket_secret.len == TLS_TICKET_SECRET_LEN)
		return 0;
	if (why.os != ENOENT)
		log_warning(&log_process,
		    "a new ticket secret: the old one cannot be used",
		    log_str("file", path), log_err(&why));
	buf_clear(&m->ticket_secret);
	return secret_new(directory, &m->ticket_secret, err);
}
