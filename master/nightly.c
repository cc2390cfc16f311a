/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/nightly.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "master/spawn.h"
#include "master/store_conf.h"

/* A start that is so late is none. */
#define WINDOW_MINUTES 5
#define PROGRAM_MAX 4200

/* Beside the daemons as find_hikyakud of the command looks for us. */
static const char *
find_program(const struct master *m, char out[PROGRAM_MAX])
{
	(void)snprintf(out, PROGRAM_MAX, "%s/../../bin/hikyaku", m->programs);
	if (access(out, X_OK) != 0)
		(void)snprintf(out, PROGRAM_MAX, "%s/hikyaku", HK_BINDIR);
	return out;
}

static void
start(struct master *m)
{
	char program[PROGRAM_MAX];
	char name[] = "hikyaku", option[] = "-c", store[] = "store",
	     purge[] = "purge";
	char *argv[] = { name, option, m->conf->file, store, purge, NULL };
	struct spawn s = { .path = find_program(m, program),
		.argv = argv,
		.as_we_are = true,
		.in = -1,
		.control = -1 };
	struct err err = ERR_INIT;
	int pipe_fds[2], pidfd = -1;

	if (pipe2(pipe_fds, O_CLOEXEC) == -1) {
		(void)err_sys(&err, "pipe");
		log_error(
		    &log_process, "old mail is not purged", log_err(&err));
		return;
	}
	(void)fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	s.out = pipe_fds[1];
	if (spawn_start(&s, &m->nightly.pid, &pidfd, &err) == -1) {
		log_error(
		    &log_process, "old mail is not purged", log_err(&err));
		fd_close(pipe_fds[0]);
	} else {
		fd_close(pidfd);
		m->nightly.out = pipe_fds[0];
		m->nightly.len = 0;
		log_info(&log_process, "old mail is being purged",
		    log_u64("pid", (uint64_t)m->nightly.pid));
	}
	fd_close(pipe_fds[1]);
}

/* ---- what it says ---- */

static void
tell(struct master *m, size_t len)
{
	struct span line = span_of(m->nightly.text, len);

	if (span_starts(line, SPAN("hikyaku: ")))
		log_warning(&log_process, "store purge",
		    log_span("line", span_from(line, 9)));
	else if (len > 0)
		log_notice(
		    &log_process, "old mail purged", log_span("line", line));
}

/* Whole lines; one that is too long comes in parts. */
static void
listen_to(struct master *m)
{
	struct nightly *n = &m->nightly;
	ssize_t len;

	while ((len = read(
		    n->out, n->text + n->len, sizeof(n->text) - n->len)) > 0) {
		const char *lf;

		n->len += (size_t)len;
		while ((lf = memchr(n->text, '\n', n->len)) != NULL) {
			size_t line = (size_t)(lf - n->text);

			tell(m, line);
			n->len -= line + 1;
			memmove(n->text, lf + 1, n->len);
		}
		if (n->len == sizeof(n->text)) {
			tell(m, n->len);
			n->len = 0;
		}
	}
}

static void
look_after(struct master *m)
{
	struct nightly *n = &m->nightly;
	char text[80];
	int status;

	listen_to(m);
	if (waitpid(n->pid, &status, WNOHANG) != n->pid)
		return;
	listen_to(m);
	tell(m, n->len);
	fd_close(n->out);
	n->pid = 0;
	if (status == 0)
		return;
	spawn_status_text(status, text, sizeof(text));
	log_warning(
	    &log_process, "store purge ended badly", log_str("status", text));
}

/* ---- when ---- */

static bool
is_time(struct master *m)
{
	int at = store_conf_purge_at(&m->conf->store), late;
	time_t now = time(NULL);
	struct tm tm;

	if (at == -1 || localtime_r(&now, &tm) == NULL)
		return false;
	late = tm.tm_hour * 60 + tm.tm_min - at;
	if (late < 0 || late >= WINDOW_MINUTES) {
		m->nightly.done_today = false;
		return false;
	}
	return !m->nightly.done_today;
}

void
nightly_tick(struct master *m)
{
	if (m->nightly.pid != 0) {
		look_after(m);
		return;
	}
	if (m->phase != PHASE_RUN || !m->started || !is_time(m))
		return;
	m->nightly.done_today = true;
	start(m);
}

void
nightly_stop(struct master *m)
{
	if (m->nightly.pid != 0)
		(void)kill(m->nightly.pid, SIGTERM);
}
