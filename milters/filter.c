/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/filter.h"

#include <fcntl.h>
#include <libmilter/mfapi.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "common/sandbox.h"
#include "milters/target.h"

/* What a judge makes of one message. */
#define JUDGE_ARENA_MAX (64 * 1024 * 1024)
#define TEXT_MAX 8192
/* libmilter closes a connection on which nothing came for so long. */
#define IDLE_S 7200
/* Messages that are being judged at the end may take so long to finish. */
#define FINISH_MS 8000

struct running {
	const struct filter *filter;
	struct daemon *daemon;
	struct reactor *reactor;
	struct tenants *tenants;
	void *state;
	int listening; /* libmilter's descriptor */
	int wake;      /* never readable */
	atomic_int judging;
	atomic_bool ending;
	bool serving; /* libmilter has threads */
	pthread_t thread;
};

/* libmilter's callbacks get no argument of ours before the first connection
 * has one, so there is one for the process. */
static struct running running;

/* One connection of the MTA. */
struct connection {
	bool leading_space;
	struct message message;
};

/* ---- what a judge says --------------------------------------------------- */

static void
answer_set(
    struct judged *j, enum answer answer, const char *status, const char *text)
{
	j->answer = answer;
	(void)snprintf(j->status, sizeof(j->status), "%s", status);
	(void)snprintf(j->text, sizeof(j->text), "%s", text);
}

void
judged_defer(struct judged *j, const char *status, const char *text)
{
	answer_set(j, ANSWER_DEFER, status, text);
}

void
judged_refuse(struct judged *j, const char *status, const char *text)
{
	answer_set(j, ANSWER_REFUSE, status, text);
}

struct span
judged_text(struct judged *j, const char *format, ...)
{
	char text[TEXT_MAX];
	struct span copy;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	copy = arena_copy(&j->arena, span_str(text), NULL);
	return copy.p == NULL ? SPAN("") : copy;
}

/* ---- the end of a message
 * ------------------------------------------------- */

static struct span
macro(SMFICTX *ctx, const char *name)
{
	char copy[32];

	(void)snprintf(copy, sizeof(copy), "%s", name);
	return span_str(smfi_getsymval(ctx, copy));
}

static sfsistat
answer_code(SMFICTX *ctx, bool temporary, const char *status, const char *text)
{
	char code[4] = "550", xcode[16], words[256];
	size_t len = 0;

	memcpy(code, temporary ? "451" : "550", 4);
	(void)snprintf(xcode, sizeof(xcode), "%s", status);
	/* libmilter refuses "%" and line ends; names of viruses have both. */
	for (; *text != '\0' && len < sizeof(words) - 1; text++)
		words[len++] = *text == '%' || (unsigned char)*text < ' ' ||
				       (unsigned char)*text > '~'
				   ? '?'
				   : *text;
	words[len] = '\0';
	(void)smfi_setreply(ctx, code, xcode, words);
	return temporary ? SMFIS_TEMPFAIL : SMFIS_REJECT;
}

static int
judge_prepared(struct judged *j, struct err *err)
{
	if (running.filter->judge(running.state, j, err) == -1)
		return -1;
	return j->message->err.kind == ERR_NONE ? 0 : -1;
}

static sfsistat
judge_answer(SMFICTX *ctx, struct judged *j)
{
	struct err err = ERR_INIT;
	int result = -1;

	if (dispositions_parse(macro(ctx, DISPOSITIONS_MACRO),
		j->message->rcpts_len, &j->arena, &j->before, &err) == 0)
		result = judge_prepared(j, &err);
	if (result == 0 && j->answer == ANSWER_ACCEPT)
		result = targets_apply(j, ctx, &err);
	if (result == -1) {
		log_error(&j->log, "message not judged", log_err(&err));
		counter_add(
		    daemon_counters(j->daemon), COUNTER_FILTER_DEFERRED, 1);
		return answer_code(ctx, true, "4.3.0",
		    "This mail cannot be checked now; try again later");
	}
	if (j->answer == ANSWER_ACCEPT)
		return SMFIS_ACCEPT;
	counter_add(daemon_counters(j->daemon),
	    j->answer == ANSWER_DEFER ? COUNTER_FILTER_DEFERRED
				      : COUNTER_MESSAGES_REFUSED,
	    1);
	return answer_code(ctx, j->answer == ANSWER_DEFER, j->status, j->text);
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);
	struct judged j = { .daemon = running.daemon,
		.tenants = running.tenants };
	sfsistat result;

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	(void)atomic_fetch_add(&running.judging, 1);
	if (atomic_load(&running.ending)) {
		/* finish() has seen nobody here, or waits for us. */
		(void)atomic_fetch_sub(&running.judging, 1);
		return SMFIS_TEMPFAIL;
	}
	j.message = &c->message;
	j.log.id = log_id_of(macro(ctx, "i"));
	j.user = macro(ctx, "{auth_authen}");
	arena_init(&j.arena, JUDGE_ARENA_MAX);
	counter_add(daemon_counters(j.daemon), COUNTER_FILTER_MESSAGES, 1);
	counter_add(
	    daemon_counters(j.daemon), COUNTER_OCTETS_IN, c->message.octets);
	result = judge_answer(ctx, &j);
	targets_free(&j);
	arena_fini(&j.arena);
	message_reset(&c->message);
	(void)atomic_fetch_sub(&running.judging, 1);
	return result;
}

/* ---- before the end: nothing is answered
 * ---------------------------------- */

static struct connection *
connection_of(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c != NULL)
		return c;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	message_init(&c->message);
	if (smfi_setpriv(ctx, c) != MI_SUCCESS) {
		free(c);
		return NULL;
	}
	counter_add(daemon_counters(running.daemon), COUNTER_CONNECTIONS, 1);
	counter_add(daemon_counters(running.daemon), COUNTER_SESSIONS, 1);
	return c;
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long unused2, unsigned long unused3, unsigned long *actions_out,
    unsigned long *steps_out, unsigned long *unused2_out,
    unsigned long *unused3_out)
{
	unsigned long wanted = SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT;
	unsigned long quiet = SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR |
			      SMFIP_NR_EOH | SMFIP_NR_BODY;
	unsigned long absent =
	    SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA;
	struct connection *c = connection_of(ctx);
	char mail[] = "i {auth_authen}", end[] = "i " DISPOSITIONS_MACRO;
	char none[] = "i";

	(void)unused2;
	(void)unused3;
	if (c == NULL || (actions & wanted) != wanted) {
		log_error(&log_process,
		    "the MTA lacks changes of recipients, or memory is short",
		    log_u64("offered", actions));
		return SMFIS_REJECT;
	}
	c->leading_space = (steps & SMFIP_HDR_LEADSPC) != 0;
	if (!running.filter->body)
		absent |= SMFIP_NOBODY;
	if ((actions & SMFIF_SETSYMLIST) != 0) {
		wanted |= SMFIF_SETSYMLIST;
		(void)smfi_setsymlist(ctx, SMFIM_ENVFROM, mail);
		(void)smfi_setsymlist(ctx, SMFIM_ENVRCPT, none);
		(void)smfi_setsymlist(ctx, SMFIM_EOM, end);
	}
	*actions_out = wanted;
	*steps_out = steps & (quiet | absent | SMFIP_HDR_LEADSPC);
	*unused2_out = *unused3_out = 0;
	return SMFIS_CONTINUE;
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	message_reset(&c->message);
	message_sender(&c->message, argv[0]);
	return SMFIS_CONTINUE;
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	message_rcpt(&c->message, argv[0]);
	return SMFIS_CONTINUE;
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	message_field(&c->message, name, value, c->leading_space);
	return SMFIS_CONTINUE;
}

static sfsistat
on_end_of_header(SMFICTX *ctx)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	message_end_of_header(&c->message);
	return SMFIS_CONTINUE;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *octets, size_t len)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	message_body(
	    &c->message, span_of((const char *)(const void *)octets, len));
	return SMFIS_CONTINUE;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c != NULL)
		message_reset(&c->message);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c == NULL)
		return SMFIS_CONTINUE;
	(void)smfi_setpriv(ctx, NULL);
	message_reset(&c->message);
	free(c);
	counter_sub(daemon_counters(running.daemon), COUNTER_SESSIONS, 1);
	return SMFIS_CONTINUE;
}

/* ---- the program
 * ---------------------------------------------------------- */

/*
 * libmilter opens its socket, and its descriptor becomes hikyakud's.  No
 * thread exists yet, so the lowest free descriptor is the one it gets.
 */
static int
listen_instead(int given, const char *directory, struct err *err)
{
	static char where[] = "unix:milter.sock";
	int at = dup(given), accepts = 0;
	socklen_t len = sizeof(accepts);

	if (at == -1)
		return err_sys(err, "dup");
	fd_close(at);
	if (chdir(directory) == -1)
		return err_sys(err, "chdir %s", directory);
	if (smfi_setconn(where) != MI_SUCCESS ||
	    smfi_opensocket(true) != MI_SUCCESS)
		return err_set(err, ERR_TEMP, "libmilter opens no socket");
	(void)unlink("milter.sock");
	if (chdir("/") == -1)
		return err_sys(err, "chdir /");
	if (getsockopt(at, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) == -1 ||
	    accepts == 0)
		return err_set(
		    err, ERR_TEMP, "libmilter's socket is not found");
	if (dup3(given, at, O_CLOEXEC) == -1)
		return err_sys(err, "dup3");
	running.listening = at;
	running.wake = eventfd(0, EFD_CLOEXEC);
	return running.wake == -1 ? err_sys(err, "eventfd") : 0;
}

static int
milter_register(const struct filter *filter, struct err *err)
{
	static char name[32];
	struct smfiDesc d = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_header,
		.xxfi_eoh = on_end_of_header,
		.xxfi_body = filter->body ? on_body : NULL,
		.xxfi_eom = on_end,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	(void)snprintf(name, sizeof(name), "%s", filter->name);
	if (smfi_register(d) != MI_SUCCESS ||
	    smfi_settimeout(IDLE_S) != MI_SUCCESS)
		return err_set(err, ERR_TEMP, "smfi_register");
	return 0;
}

int
filter_without_files(struct daemon *d, void *state, struct err *err)
{
	bool landlock;

	(void)d;
	(void)state;
	if (sandbox_paths(NULL, 0, &landlock, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	return 0;
}

static int
prepare(struct daemon *d, void *state, struct err *err)
{
	const struct daemon_listener *l;
	size_t len = daemon_listeners(d, &l);
	char directory[DAEMON_PATH_MAX + 64];

	(void)snprintf(directory, sizeof(directory), "%s/%s",
	    daemon_conf(d)->state_directory, running.filter->name);
	if (len != 1)
		return err_set(err, ERR_POLICY,
		    "listen %s: %zu addresses; libmilter serves one",
		    running.filter->name, len);
	if (sandbox_drop(geteuid(), getegid(), NULL, 0, err) == -1 ||
	    milter_register(running.filter, err) == -1 ||
	    listen_instead(l[0].fd, directory, err) == -1)
		return -1;
	running.daemon = d;
	running.state = state;
	return running.filter->prepare == NULL
		   ? 0
		   : running.filter->prepare(d, state, err);
}

static int
connect_tenantd(void *arg, int *fd_out, struct err *err)
{
	return daemon_connect(arg, "tenantd", NULL, 0, fd_out, err);
}

/* libmilter's own loop. */
static void *
serve(void *arg)
{
	(void)arg;
	(void)smfi_main();
	if (atomic_load(&running.ending))
		return NULL;
	log_error(&log_process, "libmilter has ended");
	reactor_drain(running.reactor, 0);
	return NULL;
}

static int
start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	struct tenants_options options = {
		.connect = connect_tenantd,
		.arg = d,
		.sockets_max = (unsigned)daemon_conf(d)->workers,
	};

	running.reactor = r;
	if (tenants_new(&options, &running.tenants, err) == -1 ||
	    (running.filter->start != NULL &&
		running.filter->start(d, state, err) == -1) ||
	    sandbox_seccomp(SANDBOX_NETWORK, err) == -1)
		return -1;
	errno = pthread_create(&running.thread, NULL, serve, NULL);
	if (errno != 0)
		return err_sys(err, "thread of libmilter");
	(void)pthread_detach(running.thread);
	running.serving = true;
	return 0;
}

static void
reload(struct daemon *d, void *state)
{
	if (running.filter->reload != NULL)
		running.filter->reload(d, state);
}

/* Idle connections need no farewell: an MTA connects anew. */
static void
finish(void *state)
{
	struct timespec nap = { .tv_nsec = 10 * 1000 * 1000 };

	(void)state;
	atomic_store(&running.ending, true);
	/* smfi_stop would wait up to five seconds for its own loop.  A client
	 * that comes now stays in hikyakud's backlog: what libmilter accepts
	 * from is no socket any more. */
	(void)dup3(running.wake, running.listening, O_CLOEXEC);
	for (int ms = 0; atomic_load(&running.judging) > 0 && ms < FINISH_MS;
	     ms += 10)
		(void)nanosleep(&nap, NULL);
}

static void
stop(void *state)
{
	/* What is still being judged uses all of it: the process ends. */
	if (atomic_load(&running.judging) > 0)
		_exit(1);
	if (running.filter->stop != NULL)
		running.filter->stop(state);
	if (running.serving) {
		/* libmilter's threads cannot be joined: one may be at the end
		 * of its conversation yet, and look at what would be freed. */
		log_info(&log_process, "daemon ends");
		_exit(0);
	}
	tenants_free(running.tenants);
	running.tenants = NULL;
}

int
filter_main(int argc, char **argv, const struct filter *filter)
{
	const struct daemon_program program = {
		.spec = { .name = filter->name,
		    .conf = filter->conf,
		    .check = filter->check },
		.size = filter->size,
		.prepare = prepare,
		.start = start,
		.reload = reload,
		.finish = finish,
		.stop = stop,
	};

	running.filter = filter;
	return daemon_main(argc, argv, &program);
}
