/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/dns.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unbound.h>

#include "common/ascii.h"
#include "common/log.h"
#include "common/reactor.h"

/* The keys of the root, of 2017 and of 2024: data.iana.org/root-anchors. */
static const char *const root_anchors[] = {
	". IN DS 20326 8 2 "
	"E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 "
	"683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

struct dns {
	struct ub_ctx *ctx;
	pthread_t thread;
	bool has_thread;
	int stop_fd;
};

/* A question under way: who waits for it has one reference, libunbound the
 * other. */
struct question {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
	unsigned refs;
	int failed;
	struct ub_result *result;
};

static int
option(struct dns *d, const char *name, const char *value, struct err *err)
{
	int rc = ub_ctx_set_option(d->ctx, name, value);

	return rc == 0 ? 0
		       : err_set(err, ERR_TEMP, "libunbound: %s %s: %s", name,
			     value, ub_strerror(rc));
}

static int
add_anchors(struct dns *d, const struct conf_strings *anchors, struct err *err)
{
	size_t count = anchors->len > 0 ? anchors->len : 2;

	for (size_t i = 0; i < count; i++) {
		const char *text =
		    anchors->len > 0 ? anchors->items[i] : root_anchors[i];
		int rc = ub_ctx_add_ta(d->ctx, text);

		if (rc != 0)
			return err_set(err, ERR_SYNTAX,
			    "trust-anchors: \"%s\": %s", text, ub_strerror(rc));
	}
	return 0;
}

static int
configure(struct dns *d, const struct dns_options *options, struct err *err)
{
	if (option(d, "do-not-query-localhost:", "no", err) == -1 ||
	    option(d, "edns-buffer-size:", "1232", err) == -1 ||
	    option(d, "cache-max-negative-ttl:", "300", err) == -1 ||
	    option(d, "module-config:",
		options->dnssec ? "validator iterator" : "iterator", err) == -1)
		return -1;
	for (size_t i = 0; i < options->resolvers->len; i++) {
		const char *text = options->resolvers->items[i];
		int rc = ub_ctx_set_fwd(d->ctx, text);

		if (rc != 0)
			return err_set(err, ERR_SYNTAX, "resolvers: \"%s\": %s",
			    text, ub_strerror(rc));
	}
	return options->dnssec ? add_anchors(d, options->anchors, err) : 0;
}

int
dns_new(
    const struct dns_options *options, struct dns **dns_out, struct err *err)
{
	CLEANUP(dns_free) struct dns *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (d->stop_fd == -1)
		return err_sys(err, "eventfd");
	d->ctx = ub_ctx_create();
	if (d->ctx == NULL)
		return err_set(err, ERR_TEMP, "libunbound does not start");
	if (configure(d, options, err) == -1)
		return -1;
	(void)ub_ctx_async(d->ctx, 1);
	*dns_out = STEAL(d);
	return 0;
}

static void *
dns_run(void *arg)
{
	struct dns *d = arg;
	struct pollfd fds[2] = { { .fd = ub_fd(d->ctx), .events = POLLIN },
		{ .fd = d->stop_fd, .events = POLLIN } };

	while (fds[1].revents == 0) {
		if (poll(fds, 2, -1) == -1 && errno != EINTR)
			break;
		if (fds[0].revents != 0)
			(void)ub_process(d->ctx);
	}
	return NULL;
}

int
dns_start(struct dns *d, struct err *err)
{
	int failed = pthread_create(&d->thread, NULL, dns_run, d);

	if (failed != 0) {
		errno = failed;
		return err_sys(err, "start a thread");
	}
	d->has_thread = true;
	return 0;
}

void
dns_free(struct dns *d)
{
	uint64_t one = 1;

	if (d == NULL)
		return;
	if (d->has_thread && write(d->stop_fd, &one, sizeof(one)) > 0)
		(void)pthread_join(d->thread, NULL);
	if (d->ctx != NULL)
		ub_ctx_delete(d->ctx);
	fd_close(d->stop_fd);
	free(d);
}

/* ---- a question ---- */

static void
question_unref(struct question *question)
{
	unsigned left;

	(void)pthread_mutex_lock(&question->mutex);
	left = --question->refs;
	(void)pthread_mutex_unlock(&question->mutex);
	if (left > 0)
		return;
	if (question->result != NULL)
		ub_resolve_free(question->result);
	(void)pthread_mutex_destroy(&question->mutex);
	(void)pthread_cond_destroy(&question->cond);
	free(question);
}

static void
answered(void *arg, int failed, struct ub_result *result)
{
	struct question *question = arg;

	(void)pthread_mutex_lock(&question->mutex);
	question->done = true;
	question->failed = failed;
	question->result = result;
	(void)pthread_cond_signal(&question->cond);
	(void)pthread_mutex_unlock(&question->mutex);
	question_unref(question);
}

static struct question *
question_new(void)
{
	struct question *question = calloc(1, sizeof(*question));
	pthread_condattr_t monotonic;

	if (question == NULL)
		return NULL;
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&question->mutex, NULL);
	(void)pthread_cond_init(&question->cond, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	question->refs = 2;
	return question;
}

static void
question_wait(struct question *question, unsigned wait_ms)
{
	uint64_t at = clock_ms() + wait_ms;
	struct timespec until = {
		.tv_sec = (time_t)(at / 1000),
		.tv_nsec = (long)(at % 1000) * 1000000,
	};
	int late = 0;

	(void)pthread_mutex_lock(&question->mutex);
	while (!question->done && late == 0)
		late = pthread_cond_timedwait(
		    &question->cond, &question->mutex, &until);
	(void)pthread_mutex_unlock(&question->mutex);
}

static void
judge(struct ub_result *r, struct dns_answer *out)
{
	out->secure = r->secure != 0;
	out->ttl = r->ttl < 0 ? 0 : (uint32_t)r->ttl;
	out->canonical = r->canonname;
	if (r->bogus)
		out->outcome = DNS_BOGUS;
	else if (r->havedata)
		out->outcome = DNS_FOUND;
	else if (r->nxdomain)
		out->outcome = DNS_NXDOMAIN;
	else if (r->rcode == 0)
		out->outcome = DNS_NODATA;
	while (out->outcome == DNS_FOUND && r->data[out->count] != NULL)
		out->count++;
}

void
dns_ask(struct dns *d, const char *name, int type, unsigned wait_ms,
    struct dns_answer *out)
{
	struct question *question = question_new();
	int id = 0;

	*out = (struct dns_answer){ .outcome = DNS_FAILED };
	if (question == NULL)
		return;
	if (ub_resolve_async(d->ctx, name, type, 1, question, answered, &id) !=
	    0) {
		question_unref(question);
		question_unref(question);
		return;
	}
	question_wait(question, wait_ms);
	(void)pthread_mutex_lock(&question->mutex);
	if (question->done && question->failed == 0 &&
	    question->result != NULL) {
		out->result = STEAL(question->result);
		judge(out->result, out);
	}
	id = question->done ? 0 : id;
	(void)pthread_mutex_unlock(&question->mutex);
	/* Then nobody calls answered() any more. */
	if (id != 0 && ub_cancel(d->ctx, id) == 0)
		question_unref(question);
	question_unref(question);
}

void
dns_answer_fini(struct dns_answer *a)
{
	if (a->result != NULL)
		ub_resolve_free(a->result);
	a->result = NULL;
	a->count = 0;
}

struct span
dns_record(const struct dns_answer *a, size_t i)
{
	const struct ub_result *r = a->result;

	return i < a->count ? span_of(r->data[i], (size_t)r->len[i])
			    : SPAN_NONE;
}

bool
dns_name(struct span record, size_t at, char *out, size_t size)
{
	size_t len = 0;

	for (;;) {
		size_t label;

		if (at >= record.len)
			return false;
		label = (unsigned char)record.p[at++];
		if (label == 0)
			break;
		if (label > 63 || record.len - at < label ||
		    len + label + 2 > size)
			return false;
		if (len > 0)
			out[len++] = '.';
		for (size_t i = 0; i < label; i++) {
			char c = record.p[at + i];

			/* Nothing that breaks a line or a name of ours. */
			if (!ascii_is(c, ASCII_VCHAR) || c == '.')
				return false;
			out[len++] = ascii_lower(c);
		}
		at += label;
	}
	out[len] = '\0';
	return true;
}
