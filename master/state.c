/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/state.h"

#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "master/request.h"
#include "master/unit.h"

#define STATE_NAME "hikyakud.state"
#define STATE_HEAD "hikyakud 1"
#define STATE_MAX (4 * 1024 * 1024)

void
state_save(struct master *m)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	struct err err = ERR_INIT;

	if (!m->state_dirty)
		return;
	buf_init(&text, STATE_MAX);
	buf_append(&text, SPAN(STATE_HEAD "\n"));
	for (const struct unit *u = m->units; u != NULL; u = u->next)
		if (u->pid != 0)
			buf_append_fmt(&text, "%s %s %s %u %ld %llu %lld %u\n",
			    u->service->name, unit_role_name(u->role),
			    u->tenant[0] == '\0' ? "-" : u->tenant, u->shard,
			    (long)u->pid, (unsigned long long)u->start_time,
			    (long long)u->since, u->restarts);
	if (buf_check(&text, &err) == 0 &&
	    file_replace(m->run_dir, STATE_NAME, buf_span(&text), 0600, &err) ==
		0)
		m->state_dirty = false;
	else
		log_error(&log_process, "state not saved", log_err(&err));
}

/* ---- reading
 * ------------------------------------------------------------------- */

static bool
take_word(struct span *line, char *out, size_t size)
{
	struct span word;

	if (!span_take_until(line, ' ', &word) || word.len >= size)
		return false;
	memcpy(out, word.p, word.len);
	out[word.len] = '\0';
	return true;
}

static bool
take_number(struct span *line, uint64_t *out)
{
	struct span word;

	if (!span_take_until(line, ' ', &word)) {
		word = *line;
		*line = span_from(*line, line->len);
	}
	return span_to_u64(word, out);
}

static bool
take_role(struct span *line, enum daemon_role *out)
{
	char role[16];

	if (!take_word(line, role, sizeof(role)))
		return false;
	for (unsigned r = DAEMON_ONLY; r <= DAEMON_SESSION; r++) {
		if (strcmp(unit_role_name((enum daemon_role)r), role) == 0) {
			*out = (enum daemon_role)r;
			return true;
		}
	}
	return false;
}

static bool
parse_line(struct span line, struct state_line *out)
{
	char service[32];

	if (!take_word(&line, service, sizeof(service)) ||
	    !take_role(&line, &out->role) ||
	    !take_word(&line, out->tenant, sizeof(out->tenant)) ||
	    !take_number(&line, &out->shard) ||
	    !take_number(&line, &out->pid) ||
	    !take_number(&line, &out->start) ||
	    !take_number(&line, &out->since) ||
	    !take_number(&line, &out->restarts))
		return false;
	out->service = service_find(service);
	if (strcmp(out->tenant, "-") == 0)
		out->tenant[0] = '\0';
	if ((out->role == DAEMON_SESSION) != request_tenant_name(out->tenant) ||
	    out->shard > 63 || out->pid > INT32_MAX)
		return false;
	return out->service != NULL;
}

static void
adopt_line(void *arg, const struct state_line *line)
{
	struct master *m = arg;
	struct unit *u = unit_find(
	    m, line->service, line->role, line->tenant, (unsigned)line->shard);

	if (u == NULL)
		u = unit_new(m, line->service, line->role, line->tenant,
		    (unsigned)line->shard);
	if (u == NULL || u->pidfd != -1)
		return;
	if (unit_adopt(m, u, (pid_t)line->pid, line->start,
		(int64_t)line->since, (unsigned)line->restarts))
		return;
	/* Died with or after hikyakud: it is started as one that died. */
	u->restarts = (unsigned)line->restarts + 1;
	log_info(&log_process, "daemon died while hikyakud was away",
	    log_str("daemon", u->name), log_u64("pid", line->pid));
}

void
state_read(int run_dir, void (*each)(void *arg, const struct state_line *line),
    void *arg)
{
	CLEANUP(fd_close)
	int fd = openat(run_dir, STATE_NAME, O_RDONLY | O_CLOEXEC);
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	struct span rest, line;

	buf_init(&text, STATE_MAX);
	if (fd == -1 || file_read_fd(fd, &text, NULL) == -1)
		return;
	rest = buf_span(&text);
	if (!span_take_until(&rest, '\n', &line) ||
	    !span_eq(line, SPAN(STATE_HEAD))) {
		log_warning(&log_process, "state file of another version");
		return;
	}
	while (span_take_until(&rest, '\n', &line)) {
		struct state_line parsed;

		if (parse_line(line, &parsed))
			each(arg, &parsed);
		else
			log_warning(&log_process, "odd line in state file",
			    log_span("line", line));
	}
}

void
state_adopt(struct master *m)
{
	state_read(m->run_dir, adopt_line, m);
}
