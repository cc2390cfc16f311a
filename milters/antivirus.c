/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * antivirus: searches mail for viruses.  One scan a message; what becomes of
 * one that is infected, or could not be searched, each recipient's settings
 * say.  A message that nobody could scan now is deferred.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milters/antivirus_conf.h"
#include "milters/filter.h"
#include "milters/scan.h"
#include "milters/target.h"
#include "milters/words.h"

struct antivirus {
	struct daemon *daemon;
	struct scan_pool *pool; /* NULL: clamd scans */
	char signatures[DAEMON_PATH_MAX], scratch[DAEMON_PATH_MAX];
	struct scan_options options;
};

/* What one recipient is to get of a message that is not clean. */
enum fate {
	FATE_PASS,
	FATE_TAG,
	FATE_NOTICE,     /* the text of a notice in its place */
	FATE_QUARANTINE, /* the tenant's owners get it */
	FATE_REFUSE,
	FATE_DEFER,
};

/* ---- deciding -------------------------------------------------------------
 */

static enum fate
fate_infected(const struct target *t)
{
	if (!t->local)
		return FATE_REFUSE;
	if (!t->settings->virus_scan)
		return FATE_TAG;
	switch (t->settings->virus_action) {
	case VIRUS_REMOVE:
		return FATE_NOTICE;
	case VIRUS_QUARANTINE:
		return FATE_QUARANTINE;
	case VIRUS_REFUSE:
		break;
	}
	return FATE_REFUSE;
}

static enum fate
fate_unscannable(const struct settings *s)
{
	if (s == NULL || !s->virus_scan)
		return FATE_PASS;
	switch (s->unscannable) {
	case UNSCANNABLE_DEFER:
		return FATE_DEFER;
	case UNSCANNABLE_REFUSE:
		return FATE_REFUSE;
	case UNSCANNABLE_PASS:
		break;
	}
	return FATE_PASS;
}

static const char *
fate_word(enum fate fate)
{
	static const char *const words[] = { "passed", "tagged", "removed",
		"quarantined", "refused", "deferred" };

	return words[fate];
}

/* The owners read it in the mailbox they have in common with postmaster. */
static void
to_owners(struct judged *j, struct target *t, struct span trace)
{
	struct extra *e = arena_take(&j->arena, sizeof(*e), &j->message->err);
	ptrdiff_t at = span_rindex(t->address, '@');

	t->change.remove = true;
	if (e == NULL || at < 0)
		return;
	e->next = j->extras;
	e->address = judged_text(
	    j, "postmaster%.*s", SPAN_FMT(span_from(t->address, (size_t)at)));
	e->change.folder = SPAN("Quarantine");
	e->change.trace = judged_text(
	    j, "%.*s for <%.*s>", SPAN_FMT(trace), SPAN_FMT(t->address));
	j->extras = e;
}

static struct span
notice(struct judged *j, const struct target *t, const struct scan_answer *a)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 4096);
	words_put(t->local ? t->settings->account.language : "",
	    a->result == SCAN_INFECTED ? WORDS_VIRUS_REMOVED
				       : WORDS_UNSCANNABLE_REMOVED,
	    span_str(a->name), &text);
	return judged_text(j, "%s", buf_str(&text));
}

static void
fate_set(struct judged *j, struct target *t, enum fate fate,
    const struct scan_answer *a)
{
	const char *kind =
	    a->result == SCAN_INFECTED ? "infected" : "unscannable";
	struct span trace = judged_text(
	    j, "antivirus=%s (%s) %s", kind, a->name, fate_word(fate));

	t->change.trace = trace;
	if (fate == FATE_TAG)
		t->change.tag = judged_text(j, "[VIRUS %s]", a->name);
	else if (fate == FATE_NOTICE)
		t->change.replace = notice(j, t, a);
	else if (fate == FATE_QUARANTINE)
		to_owners(j, t, trace);
	log_notice(&j->log, kind, log_str("name", a->name),
	    log_str("fate", fate_word(fate)),
	    log_span("recipient", t->address));
}

static void
refuse(struct judged *j, const struct scan_answer *a)
{
	char text[200];

	(void)snprintf(text, sizeof(text),
	    a->result == SCAN_INFECTED
		? "This mail is infected: %s"
		: "This mail cannot be searched for viruses: %s",
	    a->name);
	judged_refuse(j, "5.7.1", text);
	log_notice(&j->log, "message refused", log_str("name", a->name));
}

/*
 * One answer holds for all recipients.  Refused is what all of them refuse;
 * where others take it, the ones who would refuse get a notice.  Deferred is
 * what one of them defers, since it comes again for all.
 */
static void
fates_apply(
    struct judged *j, const struct scan_answer *a, const enum fate *fates)
{
	size_t refusing = 0;

	for (size_t i = 0; i < j->targets_len; i++) {
		refusing += fates[i] == FATE_REFUSE;
		if (fates[i] != FATE_DEFER)
			continue;
		log_notice(&j->log, "message deferred",
		    log_str("name", a->name),
		    log_span("recipient", j->targets[i].address));
		judged_defer(
		    j, "4.7.1", "This mail cannot be searched for viruses");
		return;
	}
	if (refusing == j->targets_len) {
		refuse(j, a);
		return;
	}
	for (size_t i = 0; i < j->targets_len; i++)
		fate_set(j, &j->targets[i],
		    fates[i] == FATE_REFUSE ? FATE_NOTICE : fates[i], a);
}

/* Of mail that a user of ours sends, the user's tenant decides. */
static int
sender_fate(struct judged *j, const struct scan_answer *a, enum fate *fate_out,
    struct err *err)
{
	CLEANUP(settings_fini) struct settings s = { .faults_len = 0 };
	enum lookup found;

	*fate_out = FATE_REFUSE;
	if (a->result == SCAN_INFECTED)
		return 0;
	found = tenants_settings_of(j->tenants, j->user, &s, err);
	if (found == LOOKUP_FAILED)
		return -1;
	*fate_out = found == LOOKUP_FOUND ? fate_unscannable(&s) : FATE_PASS;
	return 0;
}

static int
judge_found(struct judged *j, const struct scan_answer *a, struct err *err)
{
	CLEANUP(mem_free) enum fate *fates = NULL;
	enum fate sender = FATE_PASS;

	if (targets_find(j, err) == -1)
		return -1;
	if (j->targets_len == 0)
		return 0;
	if (j->user.len > 0 && sender_fate(j, a, &sender, err) == -1)
		return -1;
	fates = calloc(j->targets_len, sizeof(*fates));
	if (fates == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	for (size_t i = 0; i < j->targets_len; i++) {
		const struct target *t = &j->targets[i];

		if (sender != FATE_PASS)
			fates[i] = sender;
		else if (a->result == SCAN_INFECTED)
			fates[i] = fate_infected(t);
		else
			fates[i] = fate_unscannable(t->settings);
	}
	fates_apply(j, a, fates);
	return 0;
}

static int
trace_all(struct judged *j, const char *trace, struct err *err)
{
	if (j->targets == NULL && targets_plain(j, err) == -1)
		return -1;
	for (size_t i = 0; i < j->targets_len; i++)
		j->targets[i].change.trace = span_str(trace);
	return 0;
}

/* Nobody could scan it.  It passes only to those who want no scan at all. */
static int
judge_failed(struct judged *j, const struct scan_answer *a, struct err *err)
{
	bool wanted = j->user.len > 0;

	log_error(&j->log, "message not scanned", log_str("why", a->name));
	if (targets_find(j, err) == -1)
		return -1;
	for (size_t i = 0; i < j->targets_len; i++)
		if (!j->targets[i].local || j->targets[i].settings->virus_scan)
			wanted = true;
	if (!wanted)
		return trace_all(j, "antivirus=off", err);
	judged_defer(j, "4.3.0", "No virus scanner is there; try again later");
	return 0;
}

/* ---- scanning -------------------------------------------------------------
 */

static int
scan(struct antivirus *av, struct judged *j, struct scan_answer *a,
    struct err *err)
{
	const struct antivirus_conf *conf = daemon_section(av->daemon);
	int fd;

	memset(a, 0, sizeof(*a));
	if (j->message->cut || j->message->octets > conf->message_max) {
		a->result = SCAN_UNSCANNABLE;
		(void)snprintf(a->name, sizeof(a->name), "%s",
		    "Heuristics.Limits.Exceeded.MaxFileSize");
		return 0;
	}
	if (message_memfd(j->message, &fd, err) == -1)
		return -1;
	if (av->pool != NULL)
		scan_pool_scan(av->pool, fd, j->message->octets, a);
	else
		scan_clamd(conf->clamd_socket, conf->scan_wait * 1000, fd, a);
	return 0;
}

static int
judge(void *state, struct judged *j, struct err *err)
{
	struct counters *counters = daemon_counters(j->daemon);
	struct scan_answer a;

	if (scan(state, j, &a, err) == -1)
		return -1;
	switch (a.result) {
	case SCAN_CLEAN:
		log_info(
		    &j->log, "clean", log_u64("octets", j->message->octets));
		return trace_all(j, "antivirus=clean", err);
	case SCAN_INFECTED:
		counter_add(counters, COUNTER_FILTER_HITS, 1);
		return judge_found(j, &a, err);
	case SCAN_UNSCANNABLE:
		counter_add(counters, COUNTER_FILTER_UNJUDGED, 1);
		return judge_found(j, &a, err);
	default:
		counter_add(counters, COUNTER_FILTER_UNJUDGED, 1);
		return judge_failed(j, &a, err);
	}
}

/* ---- the program ----------------------------------------------------------
 */

static void
options_fill(struct antivirus *av, const struct antivirus_conf *conf)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	av->options = (struct scan_options){
		.signatures = av->signatures,
		.scratch = av->scratch,
		.counters = daemon_counters(av->daemon),
		.limits = { .file_max = conf->message_max,
		    .total_max = conf->total_max,
		    .depth_max = conf->depth_max,
		    .files_max = conf->files_max,
		    .time_ms = conf->scan_wait * 1000,
		    .memory_max = conf->memory_max,
		    .check_s = conf->check_wait,
		    .scanners = conf->scanners },
	};
	if (conf->scanners == 0)
		av->options.limits.scanners =
		    processors < 1 ? 1 : (uint64_t)processors;
}

/* A directory of this process's own, emptied by who made it. */
static int
scratch_make(struct antivirus *av, const char *parent, struct err *err)
{
	int len = snprintf(av->scratch, sizeof(av->scratch),
	    "%s/hikyaku-antivirus-%u", parent, (unsigned)geteuid());
	struct stat st;

	if (len < 0 || (size_t)len >= sizeof(av->scratch) - 32)
		return err_set(err, ERR_LIMIT, "scratch: too long a path");
	if (mkdir(av->scratch, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "mkdir %s", av->scratch);
	/* Others may write into the parent. */
	if (lstat(av->scratch, &st) == -1)
		return err_sys(err, "%s", av->scratch);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077) != 0)
		return err_set(err, ERR_POLICY,
		    "%s: somebody else's; remove it", av->scratch);
	return 0;
}

static int
prepare(struct daemon *d, void *state, struct err *err)
{
	const struct antivirus_conf *conf = daemon_section(d);
	struct antivirus *av = state;

	av->daemon = d;
	if (conf->engine == ENGINE_LIBCLAMAV) {
		if (scratch_make(av, conf->scratch, err) == -1)
			return -1;
		if (strlen(conf->signatures) >= sizeof(av->signatures))
			return err_set(err, ERR_LIMIT, "signatures: too long");
		strcpy(av->signatures, conf->signatures);
		options_fill(av, conf);
		if (scan_pool_new(&av->options, &av->pool, err) == -1)
			return -1;
	}
	return filter_without_files(d, state, err);
}

static int
start(struct daemon *d, void *state, struct err *err)
{
	struct antivirus *av = state;

	(void)d;
	return av->pool == NULL ? 0 : scan_pool_start(av->pool, err);
}

static void
reload(struct daemon *d, void *state)
{
	struct antivirus *av = state;

	(void)d;
	if (av->pool != NULL)
		scan_pool_reload(av->pool);
}

static void
stop(void *state)
{
	struct antivirus *av = state;

	scan_pool_free(av->pool);
	av->pool = NULL;
}

int
main(int argc, char **argv)
{
	static const struct filter filter = {
		.name = "antivirus",
		.conf = &antivirus_section,
		.check = antivirus_conf_check,
		.size = sizeof(struct antivirus),
		.body = true,
		.prepare = prepare,
		.start = start,
		.reload = reload,
		.stop = stop,
		.judge = judge,
	};

	return filter_main(argc, argv, &filter);
}
