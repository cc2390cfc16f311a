/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/reload.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "master/admin.h"
#include "master/feed.h"
#include "master/notify.h"
#include "master/unit.h"

#define RELOAD_WAIT_MS 15000

static void
reload_failed(struct master *m, const struct err *err)
{
	log_error(&log_process, "configuration refused; the old one stays",
	    log_err(err));
	m->reloading = false;
	admin_reload_done(m, err->text);
	notify_send(m->notify, "READY=1");
}

/* Everything hangs from these directories. */
static int
check_fixed(
    const struct master *m, const struct master_conf *next, struct err *err)
{
	const struct {
		const char *key, *now, *next;
	} fixed[] = {
		{ "run-directory", m->conf->top.run_directory,
		    next->top.run_directory },
		{ "state-directory", m->conf->top.state_directory,
		    next->top.state_directory },
		{ "store-directory", m->conf->top.store_directory,
		    next->top.store_directory },
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strcmp(fixed[i].now, fixed[i].next) != 0)
			return err_set(err, ERR_POLICY,
			    "%s: %s: changes only with hikyaku stop and start",
			    next->file, fixed[i].key);
	return 0;
}

static int
reload_try(struct master *m, struct err *err)
{
	CLEANUP(master_conf_free) struct master_conf *next = NULL;
	struct master_conf *old;

	if (master_conf_load(m->conf->file, &next, err) == -1 ||
	    check_fixed(m, next, err) == -1 ||
	    master_conf_check_daemons(next, m->programs, err) == -1 ||
	    sockets_open(m->sockets, next, m->internal_dir, err) == -1)
		return -1;
	old = m->conf;
	m->conf = STEAL(next);
	if (feed_log(m->conf, err) == -1 || units_wanted(m, err) == -1) {
		next = m->conf;
		m->conf = old;
		sockets_rollback(m->sockets);
		return -1;
	}
	master_conf_free(old);
	return 0;
}

void
reload_begin(struct master *m)
{
	struct err err = ERR_INIT;

	if (m->reloading || m->phase != PHASE_RUN) {
		m->reload_again = m->reloading;
		return;
	}
	m->reloading = true;
	m->reload_trouble[0] = '\0';
	notify_reloading(m->notify);
	log_info(&log_process, "reload", log_str("file", m->conf->file));
	if (reload_try(m, &err) == -1) {
		reload_failed(m, &err);
		return;
	}
	for (struct unit *u = m->units; u != NULL; u = u->next) {
		if (u->unwanted && u->pidfd != -1 && u->state != UNIT_DRAINING)
			unit_drain(m, u, m->conf->top.drain_wait * 1000);
		else
			unit_reload(m, u);
	}
	/* The daemons have their own descriptors of what stays. */
	sockets_commit(m->sockets);
	m->reload_due_ms = master_now_ms() + RELOAD_WAIT_MS;
	reload_step(m);
}

void
reload_step(struct master *m)
{
	if (!m->reloading)
		return;
	for (struct unit *u = m->units; u != NULL; u = u->next) {
		if (u->reload_serial == 0 || u->state != UNIT_READY)
			continue;
		if (master_now_ms() < m->reload_due_ms)
			return;
		u->reload_serial = 0;
		(void)snprintf(m->reload_trouble, sizeof(m->reload_trouble),
		    "%s does not answer", u->name);
		log_error(&log_process, "daemon does not answer its reload",
		    log_str("daemon", u->name));
	}
	m->reloading = false;
	m->reloads++;
	log_info(
	    &log_process, "reload done", log_str("trouble", m->reload_trouble));
	notify_send(m->notify, "READY=1");
	if (m->reload_again) {
		m->reload_again = false;
		reload_begin(m);
		return;
	}
	admin_reload_done(m, m->reload_trouble);
}
