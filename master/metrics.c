/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/metrics.h"

#include "common/file.h"
#include "master/unit.h"

/* Thousands of session processes with twenty counters each. */
#define METRICS_MAX (64 * 1024 * 1024)

static void
put_head(struct buf *out, const char *name, const char *help, const char *type)
{
	buf_append_fmt(out, "# HELP hikyaku_%s %s\n# TYPE hikyaku_%s %s\n",
	    name, help, name, type);
}

/* Names of services and tenants are [a-z0-9-]: nothing to escape. */
static void
put_labels(struct buf *out, const char *name, const struct unit *u)
{
	buf_append_fmt(out, "hikyaku_%s{daemon=\"%s\",role=\"%s\"", name,
	    u->service->name, unit_role_name(u->role));
	if (u->role == DAEMON_SESSION)
		buf_append_fmt(
		    out, ",tenant=\"%s\",shard=\"%u\"", u->tenant, u->shard);
	buf_append(out, SPAN("} "));
}

static void
put_line(
    struct buf *out, const char *name, const struct unit *u, uint64_t value)
{
	put_labels(out, name, u);
	buf_append_u64(out, value);
	buf_append(out, SPAN("\n"));
}

static void
put_units(struct buf *out, const struct unit *units)
{
	put_head(out, "up", "1 when the process is ready.", "gauge");
	for (const struct unit *u = units; u != NULL; u = u->next)
		if (u->role != DAEMON_SESSION || u->state == UNIT_READY)
			put_line(out, "up", u, u->state == UNIT_READY);
	put_head(out, "restarts_total", "Times the process died.", "counter");
	for (const struct unit *u = units; u != NULL; u = u->next)
		put_line(out, "restarts_total", u, u->restarts);
	put_head(out, "start_time_seconds",
	    "Start of the process, seconds since the epoch.", "gauge");
	for (const struct unit *u = units; u != NULL; u = u->next)
		if (u->pid != 0)
			put_line(
			    out, "start_time_seconds", u, (uint64_t)u->since);
}

static void
put_counter(struct buf *out, const struct unit *units, enum counter c)
{
	put_head(out, counter_name(c), counter_help(c),
	    counter_is_gauge(c) ? "gauge" : "counter");
	for (const struct unit *u = units; u != NULL; u = u->next)
		/* A daemon of another version has fewer. */
		if (u->counters != NULL && (uint32_t)c < u->counters->count)
			put_line(out, counter_name(c), u,
			    atomic_load(&u->counters->value[c]));
}

int
metrics_memfd(struct master *m, int *fd_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = { .max = 0 };

	buf_init(&out, METRICS_MAX);
	buf_append_fmt(&out,
	    "# HELP hikyakud_up 1 when hikyakud answers.\n"
	    "# TYPE hikyakud_up gauge\nhikyakud_up 1\n"
	    "# HELP hikyakud_start_time_seconds Start of hikyakud.\n"
	    "# TYPE hikyakud_start_time_seconds gauge\n"
	    "hikyakud_start_time_seconds %lld\n"
	    "# HELP hikyakud_reloads_total Reloads that went through.\n"
	    "# TYPE hikyakud_reloads_total counter\n"
	    "hikyakud_reloads_total %u\n",
	    (long long)m->since, m->reloads);
	put_units(&out, m->units);
	for (int c = 0; c < COUNTER_END; c++)
		put_counter(&out, m->units, (enum counter)c);
	if (buf_check(&out, err) == -1)
		return err_prefix(err, "metrics");
	return file_memfd("metrics", buf_span(&out), fd_out, err);
}
