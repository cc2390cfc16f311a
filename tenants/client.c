/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "common/reactor.h"
#include "tenants/client_private.h"

#define DEADLINE_MS 5000
#define SOCKETS_MAX 16

struct tenants {
	struct tenants_options options;
	atomic_uint serial;

	pthread_mutex_t lock; /* guards what follows; never held across I/O */
	pthread_cond_t freed;
	int *idle; /* sockets that nobody uses now */
	size_t idle_len;
	size_t open; /* idle ones and those in use */
};

int
tenants_new(const struct tenants_options *options, struct tenants **tenants_out,
    struct err *err)
{
	struct tenants *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (t == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	t->options = *options;
	if (t->options.deadline_ms == 0)
		t->options.deadline_ms = DEADLINE_MS;
	if (t->options.sockets_max == 0)
		t->options.sockets_max = SOCKETS_MAX;
	t->idle = calloc(t->options.sockets_max, sizeof(*t->idle));
	if (t->idle == NULL) {
		free(t);
		return err_set(err, ERR_TEMP, "out of memory");
	}
	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->freed, &attr);
	(void)pthread_condattr_destroy(&attr);
	*tenants_out = t;
	return 0;
}

void
tenants_free(struct tenants *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->idle_len; i++)
		fd_close(t->idle[i]);
	(void)pthread_cond_destroy(&t->freed);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->idle);
	free(t);
}

/* ---- sockets
 * ----------------------------------------------------------------------- */

static struct timespec
deadline_timespec(uint64_t deadline_ms)
{
	return (struct timespec){
		.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000,
	};
}

/*
 * A socket for one call: an idle one, or leave to make one (*fd_out -1), or
 * the wait for somebody to finish.
 */
static int
socket_take(
    struct tenants *t, uint64_t deadline_ms, int *fd_out, struct err *err)
{
	struct timespec until = deadline_timespec(deadline_ms);
	int rc = 0;

	(void)pthread_mutex_lock(&t->lock);
	while (t->idle_len == 0 && t->open >= t->options.sockets_max && rc == 0)
		rc = pthread_cond_timedwait(&t->freed, &t->lock, &until);
	if (t->idle_len > 0) {
		*fd_out = t->idle[--t->idle_len];
		rc = 0;
	} else if (t->open < t->options.sockets_max) {
		t->open++;
		*fd_out = -1;
		rc = 0;
	}
	(void)pthread_mutex_unlock(&t->lock);
	if (rc != 0)
		return err_set(err, ERR_TEMP,
		    "tenantd: %u calls under way, none ended in time",
		    t->options.sockets_max);
	return 0;
}

/* Puts a socket back; -1: it is gone. */
static void
socket_put(struct tenants *t, int fd)
{
	(void)pthread_mutex_lock(&t->lock);
	if (fd == -1)
		t->open--;
	else
		t->idle[t->idle_len++] = fd;
	(void)pthread_cond_signal(&t->freed);
	(void)pthread_mutex_unlock(&t->lock);
}

/*
 * A socket broke: the others that are idle belong to the same dead process.
 */
static void
sockets_drop(struct tenants *t)
{
	(void)pthread_mutex_lock(&t->lock);
	while (t->idle_len > 0) {
		fd_close(t->idle[--t->idle_len]);
		t->open--;
	}
	(void)pthread_cond_broadcast(&t->freed);
	(void)pthread_mutex_unlock(&t->lock);
}

/* ---- calls
 * ---------------------------------------------------------------------------
 */

void
call_init(struct tenants *t, struct call *c, enum tenants_type type)
{
	*c = (struct call){ .serial = atomic_fetch_add(&t->serial, 1) };
	buf_init(&c->request, PACKET_MAX);
	buf_init(&c->answer, PACKET_MAX);
	packet_begin(&c->request,
	    (struct packet_head){ .version = TENANTS_PROTOCOL_VERSION,
		.type = (uint8_t)type,
		.serial = c->serial });
}

void
call_fini(struct call *c)
{
	/* It may have held a password. */
	if (c->request.data != NULL)
		explicit_bzero(c->request.data, c->request.len);
	buf_fini(&c->request);
	buf_fini(&c->answer);
}
static int
wait_left(uint64_t deadline_ms)
{
	uint64_t now = clock_ms();

	return now >= deadline_ms ? 0 : (int)(deadline_ms - now);
}

/* Sends and receives on one socket. */
static int
call_on(struct call *c, int fd, uint64_t deadline_ms, uint8_t *type_out,
    struct err *err)
{
	struct packet_head head;
	size_t fds_len;

	if (packet_send(fd, buf_span(&c->request), NULL, 0,
		wait_left(deadline_ms), err) == -1)
		return -1;
	do {
		if (packet_recv(fd, &c->answer, NULL, 0, &fds_len,
			wait_left(deadline_ms), err) == -1 ||
		    packet_open(buf_span(&c->answer), TENANTS_PROTOCOL_VERSION,
			&head, &c->fields, err) == -1)
			return -1;
	} while (head.serial != c->serial);
	*type_out = head.type;
	return 0;
}

/* tenantd could not say: its error becomes ours. */
static int
call_refused(struct call *c, struct err *err)
{
	struct span value;
	char text[sizeof(err->text)] = "";
	uint8_t tag;

	while (packet_next(&c->fields, &tag, &value) == PACKET_FIELD) {
		if (tag == TAG_TEXT)
			(void)packet_text(value, text, sizeof(text));
	}
	return err_set(err, ERR_TEMP, "tenantd: %s", text);
}

static int
call_attempt(struct tenants *t, struct call *c, uint64_t deadline_ms,
    bool *fresh_out, uint8_t *type_out, struct err *err)
{
	int fd;

	if (socket_take(t, deadline_ms, &fd, err) == -1)
		return -1;
	*fresh_out = fd == -1;
	if (fd == -1 && t->options.connect(t->options.arg, &fd, err) == -1) {
		socket_put(t, -1);
		return -1;
	}
	if (call_on(c, fd, deadline_ms, type_out, err) == -1) {
		/* A late answer would be taken for another's. */
		(void)close(fd);
		socket_put(t, -1);
		return -1;
	}
	socket_put(t, fd);
	return 0;
}

/*
 * The whole call.  A socket that had been idle may belong to a tenantd that
 * is gone: then once more, on a new one.
 */
int
call_run(struct tenants *t, struct call *c, struct err *err)
{
	uint64_t deadline_ms = clock_ms() + t->options.deadline_ms;
	struct err first = ERR_INIT;
	bool fresh = true;
	uint8_t type = 0;
	int rc;

	if (buf_check(&c->request, err) == -1)
		return err_prefix(err, "request to tenantd");
	rc = call_attempt(t, c, deadline_ms, &fresh, &type, &first);
	if (rc == -1 && first.kind == ERR_CLOSED && !c->once) {
		sockets_drop(t);
		rc = call_attempt(t, c, deadline_ms, &fresh, &type, &first);
	}
	if (rc == -1) {
		/* Whatever broke is our side's trouble, not the user's. */
		first.kind = ERR_TEMP;
		if (err != NULL)
			*err = first;
		return err_prefix(err, "tenantd");
	}
	if (type == TENANTS_ANSWER)
		return 0;
	return call_refused(c, err);
}

int
answer_broken(struct err *err)
{
	return err_set(err, ERR_TEMP, "tenantd: an answer that makes no sense");
}

/* ---- logging in
 * ------------------------------------------------------------------------ */

static void
put_origin(struct buf *b, const struct login_origin *o)
{
	packet_put_u64(b, TAG_SERVICE, o->service);
	packet_put_str(b, TAG_CLIENT, o->client);
	packet_put_str(b, TAG_HOST, o->host);
	packet_put_str(b, TAG_LOCAL, o->local == NULL ? "" : o->local);
	packet_put_str(b, TAG_LOG_ID, o->log_id);
	packet_put_u64(b, TAG_TLS, o->tls);
}

static bool
login_field(struct login_result *r, struct sasl_token *token,
    struct buf *challenge, uint8_t tag, struct span value)
{
	uint64_t number = 0;

	switch (tag) {
	case TAG_OUTCOME:
		if (!packet_u64(value, &number) || number > LOGIN_WEAK)
			return false;
		r->outcome = (enum login_outcome)number;
		return true;
	case TAG_DELAY_MS:
		if (!packet_u64(value, &number) || number > 600000)
			return false;
		r->delay_ms = (unsigned)number;
		return true;
	case TAG_LOGIN:
		return packet_text(value, r->login, sizeof(r->login));
	case TAG_ACCOUNT_INFO:
		return tenants_get_account(value, &r->account);
	case TAG_ACTING:
		r->acting = true;
		return true;
	case TAG_TOKEN:
		if (token == NULL || value.len != sizeof(token->octets))
			return token == NULL;
		memcpy(token->octets, value.p, value.len);
		return true;
	case TAG_CHALLENGE:
		if (challenge != NULL)
			buf_append(challenge, value);
		return true;
	default:
		return true;
	}
}

static int
login_answer(struct call *c, struct login_result *r, struct sasl_token *token,
    struct buf *challenge, struct err *err)
{
	bool outcome = false;
	struct span value;
	uint8_t tag;

	for (;;) {
		switch (packet_next(&c->fields, &tag, &value)) {
		case PACKET_FIELD:
			if (!login_field(r, token, challenge, tag, value))
				return answer_broken(err);
			outcome = outcome || tag == TAG_OUTCOME;
			continue;
		case PACKET_BROKEN:
			return answer_broken(err);
		case PACKET_END:
			break;
		}
		break;
	}
	/* Nobody is let in by an answer that names nobody. */
	if (!outcome || (r->outcome == LOGIN_OK && r->account.id[0] == '\0'))
		return answer_broken(err);
	return challenge == NULL ? 0 : buf_check(challenge, err);
}

int
tenants_login(struct tenants *t, const struct login_origin *origin,
    struct span login, struct span password, struct login_result *result_out,
    struct err *err)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };

	*result_out = (struct login_result){ .outcome = LOGIN_WRONG };
	call_init(t, &c, TENANTS_LOGIN);
	if (login.len > TENANT_LOGIN_MAX || password.len > TENANT_PASSWORD_MAX)
		return 0;
	packet_put(&c.request, TAG_LOGIN, login);
	packet_put(&c.request, TAG_PASSWORD, password);
	put_origin(&c.request, origin);
	if (call_run(t, &c, err) == -1)
		return -1;
	return login_answer(&c, result_out, NULL, NULL, err);
}

int
tenants_sasl_start(struct tenants *t, const struct login_origin *origin,
    struct span mechanism, struct span initial, struct sasl_token *token_out,
    struct buf *challenge, struct login_result *result_out, struct err *err)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };

	*result_out = (struct login_result){ .outcome = LOGIN_BAD };
	buf_clear(challenge);
	call_init(t, &c, TENANTS_SASL_START);
	if (mechanism.len > 20 || initial.len > TENANT_SASL_MAX)
		return 0;
	packet_put(&c.request, TAG_MECHANISM, mechanism);
	if (initial.p != NULL)
		packet_put(&c.request, TAG_RESPONSE, initial);
	put_origin(&c.request, origin);
	if (call_run(t, &c, err) == -1)
		return -1;
	return login_answer(&c, result_out, token_out, challenge, err);
}

int
tenants_apop(struct tenants *t, const struct login_origin *origin,
    struct span timestamp, struct span login, struct span digest,
    struct login_result *result_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf message, challenge;
	struct sasl_token token;

	buf_init(&message, TENANT_SASL_MAX);
	buf_init(&challenge, TENANT_SASL_MAX);
	buf_append(&message, timestamp);
	buf_append_octet(&message, '\0');
	buf_append(&message, login);
	buf_append_octet(&message, '\0');
	buf_append(&message, digest);
	if (buf_check(&message, err) == -1)
		return -1;
	if (tenants_sasl_start(t, origin, SPAN("APOP"), buf_span(&message),
		&token, &challenge, result_out, err) == -1)
		return -1;
	/* It has one message: nobody waits for a second one. */
	return result_out->outcome == LOGIN_CONTINUE ? answer_broken(err) : 0;
}

int
tenants_sasl_step(struct tenants *t, const struct sasl_token *token,
    struct span response, struct buf *challenge,
    struct login_result *result_out, struct err *err)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };

	*result_out = (struct login_result){ .outcome = LOGIN_BAD };
	buf_clear(challenge);
	call_init(t, &c, TENANTS_SASL_STEP);
	if (response.len > TENANT_SASL_MAX)
		return 0;
	c.once = true;
	packet_put(&c.request, TAG_TOKEN,
	    span_of((const char *)token->octets, sizeof(token->octets)));
	packet_put(&c.request, TAG_RESPONSE, response);
	if (call_run(t, &c, err) == -1)
		return -1;
	return login_answer(&c, result_out, NULL, challenge, err);
}

void
tenants_sasl_cancel(struct tenants *t, const struct sasl_token *token)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };
	int fd;

	call_init(t, &c, TENANTS_SASL_CANCEL);
	packet_put(&c.request, TAG_TOKEN,
	    span_of((const char *)token->octets, sizeof(token->octets)));
	/* Without a free socket at hand, the exchange ends by its own time. */
	if (socket_take(t, clock_ms(), &fd, NULL) == -1)
		return;
	if (fd != -1 &&
	    packet_send(fd, buf_span(&c.request), NULL, 0, 0, NULL) == -1) {
		(void)close(fd);
		fd = -1;
	}
	socket_put(t, fd);
}

/* ---- addresses
 * ---------------------------------------------------------------------------
 */

void
resolution_fini(struct resolution *r)
{
	free(r->recipients);
	*r = (struct resolution){ .outcome = RESOLVE_UNKNOWN };
}

static int
recipient_add(struct resolution *r, struct span value, struct err *err)
{
	struct recipient *recipients;

	if (r->count >= TENANT_RECIPIENTS_MAX)
		return answer_broken(err);
	recipients =
	    reallocarray(r->recipients, r->count + 1, sizeof(*recipients));
	if (recipients == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	r->recipients = recipients;
	if (!tenants_get_recipient(value, &recipients[r->count]))
		return answer_broken(err);
	r->count++;
	return 0;
}

/* Of a list's pages, as far as they have come. */
struct pages {
	uint64_t total, mark;
	bool marked;  /* mark is the first page's */
	bool changed; /* and a later one has another */
};

/* One page of a resolution. */
static int
resolve_answer(
    struct call *c, struct resolution *r, struct pages *pages, struct err *err)
{
	bool outcome = false, tenant = false;
	struct span value;
	uint64_t number;
	uint8_t tag;

	for (;;) {
		switch (packet_next(&c->fields, &tag, &value)) {
		case PACKET_FIELD:
			break;
		case PACKET_BROKEN:
			return answer_broken(err);
		case PACKET_END:
			if (!outcome ||
			    (!tenant && r->outcome != RESOLVE_FOREIGN))
				return answer_broken(err);
			return 0;
		}
		if (tag == TAG_OUTCOME) {
			if (!packet_u64(value, &number) ||
			    number > RESOLVE_LOOP)
				return answer_broken(err);
			r->outcome = (enum resolve_outcome)number;
			outcome = true;
		} else if (tag == TAG_TENANT_INFO) {
			if (!tenants_get_tenant(value, &r->tenant))
				return answer_broken(err);
			tenant = true;
		} else if (tag == TAG_COUNT) {
			if (!packet_u64(value, &pages->total))
				return answer_broken(err);
		} else if (tag == TAG_LAST_KNOWN) {
			r->last_known = true;
		} else if (tag == TAG_MARK) {
			if (!packet_u64(value, &number))
				return answer_broken(err);
			pages->changed = pages->marked && number != pages->mark;
			pages->mark = number;
			pages->marked = true;
		} else if (tag == TAG_RECIPIENT &&
			   recipient_add(r, value, err) == -1) {
			return -1;
		}
	}
}

/* All pages.  *changed_out: the list became another one in between. */
static int
resolve_pages(struct tenants *t, struct span address, struct resolution *r,
    bool *changed_out, struct err *err)
{
	struct pages pages = { .total = 0 };
	size_t before;

	do {
		CLEANUP(call_fini) struct call c;

		before = r->count;
		call_init(t, &c, TENANTS_RESOLVE);
		packet_put(&c.request, TAG_ADDRESS, address);
		packet_put_u64(&c.request, TAG_START, r->count);
		if (call_run(t, &c, err) == -1 ||
		    resolve_answer(&c, r, &pages, err) == -1)
			return -1;
	} while (!pages.changed && r->count < pages.total && r->count > before);
	*changed_out = pages.changed;
	return 0;
}

int
tenants_resolve(struct tenants *t, struct span address,
    struct resolution *resolution_out, struct err *err)
{
	struct resolution r = { .outcome = RESOLVE_UNKNOWN };
	bool changed = true;

	*resolution_out = r;
	if (address.len > TENANT_ADDRESS_MAX)
		return err_set(err, ERR_SYNTAX, "address over %d octets",
		    TENANT_ADDRESS_MAX);
	for (int tries = 0; changed && tries < LIST_TRIES; tries++) {
		resolution_fini(&r);
		if (resolve_pages(t, address, &r, &changed, err) == -1) {
			resolution_fini(&r);
			return -1;
		}
	}
	if (changed) {
		resolution_fini(&r);
		return err_set(
		    err, ERR_TEMP, "tenantd: a list that keeps changing");
	}
	*resolution_out = r;
	return 0;
}

/* ---- one entry
 * ------------------------------------------------------------------------------
 */

/*
 * Runs a call whose answer is an outcome (enum lookup) and perhaps one value
 * of the wanted tag.
 */
static enum lookup
lookup_run(struct tenants *t, struct call *c, uint8_t wanted,
    struct span *value_out, struct err *err)
{
	enum lookup outcome = LOOKUP_FAILED;
	bool have = wanted == 0;
	struct span value;
	uint64_t number;
	uint8_t tag;

	if (call_run(t, c, err) == -1)
		return LOOKUP_FAILED;
	while (packet_next(&c->fields, &tag, &value) == PACKET_FIELD) {
		if (tag == TAG_OUTCOME && packet_u64(value, &number) &&
		    number <= LOOKUP_NONE)
			outcome = (enum lookup)number;
		else if (tag == wanted) {
			*value_out = value;
			have = true;
		}
	}
	if (outcome == LOOKUP_FAILED || (outcome == LOOKUP_FOUND && !have)) {
		(void)answer_broken(err);
		return LOOKUP_FAILED;
	}
	return outcome;
}

enum lookup
tenants_may_send_as(struct tenants *t, const char *account_id,
    struct span address, struct err *err)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };

	call_init(t, &c, TENANTS_MAY_SEND_AS);
	if (address.len > TENANT_ADDRESS_MAX)
		return LOOKUP_NONE;
	packet_put_str(&c.request, TAG_ID, account_id);
	packet_put(&c.request, TAG_ADDRESS, address);
	return lookup_run(t, &c, 0, NULL, err);
}

enum lookup
tenants_account(struct tenants *t, const char *id,
    struct account_info *account_out, struct err *err)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };
	struct span value;
	enum lookup outcome;

	call_init(t, &c, TENANTS_ACCOUNT);
	packet_put_str(&c.request, TAG_ID, id);
	outcome = lookup_run(t, &c, TAG_ACCOUNT_INFO, &value, err);
	if (outcome == LOOKUP_FOUND &&
	    !tenants_get_account(value, account_out)) {
		(void)answer_broken(err);
		return LOOKUP_FAILED;
	}
	return outcome;
}

static enum lookup
tenant_by(struct tenants *t, enum tenants_type type, struct span name,
    struct tenant_info *tenant_out, struct err *err)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };
	struct span value;
	enum lookup outcome;

	call_init(t, &c, type);
	if (name.len > TENANT_DOMAIN_MAX)
		return LOOKUP_NONE;
	packet_put(&c.request, TAG_NAME, name);
	outcome = lookup_run(t, &c, TAG_TENANT_INFO, &value, err);
	if (outcome == LOOKUP_FOUND && !tenants_get_tenant(value, tenant_out)) {
		(void)answer_broken(err);
		return LOOKUP_FAILED;
	}
	return outcome;
}

enum lookup
tenants_tenant(struct tenants *t, const char *name,
    struct tenant_info *tenant_out, struct err *err)
{
	return tenant_by(t, TENANTS_TENANT, span_str(name), tenant_out, err);
}

enum lookup
tenants_host(struct tenants *t, struct span host,
    struct tenant_info *tenant_out, struct err *err)
{
	return tenant_by(t, TENANTS_HOST, host, tenant_out, err);
}

enum lookup
tenants_domain(struct tenants *t, struct span domain,
    struct domain_info *domain_out, struct err *err)
{
	CLEANUP(call_fini) struct call c = { .serial = 0 };
	struct span value;
	enum lookup outcome;

	call_init(t, &c, TENANTS_DOMAIN);
	if (domain.len > TENANT_DOMAIN_MAX)
		return LOOKUP_NONE;
	packet_put(&c.request, TAG_NAME, domain);
	outcome = lookup_run(t, &c, TAG_DOMAIN_INFO, &value, err);
	if (outcome == LOOKUP_FOUND && !tenants_get_domain(value, domain_out)) {
		(void)answer_broken(err);
		return LOOKUP_FAILED;
	}
	return outcome;
}

/* ---- lists
 * ------------------------------------------------------------------------------------
 */

struct list {
	char *items;
	size_t count, size; /* size: octets of an item */
	bool (*get)(struct span value, void *out);
	uint8_t tag;
};

static bool
list_get_tenant(struct span value, void *out)
{
	return tenants_get_tenant(value, out);
}

static bool
list_get_domain(struct span value, void *out)
{
	return tenants_get_domain(value, out);
}

static int
list_page(struct call *c, struct list *l, uint64_t *total_out, struct err *err)
{
	struct span value;
	uint8_t tag;
	char *items;

	while (packet_next(&c->fields, &tag, &value) == PACKET_FIELD) {
		if (tag == TAG_COUNT && !packet_u64(value, total_out))
			return answer_broken(err);
		if (tag != l->tag)
			continue;
		items = reallocarray(l->items, l->count + 1, l->size);
		if (items == NULL)
			return err_set(err, ERR_TEMP, "out of memory");
		l->items = items;
		if (!l->get(value, items + l->count * l->size))
			return answer_broken(err);
		l->count++;
	}
	return 0;
}

static int
list_run(struct tenants *t, enum tenants_type type, const char *name,
    struct list *l, struct err *err)
{
	uint64_t total = 0;
	size_t before;

	do {
		CLEANUP(call_fini) struct call c = { .serial = 0 };

		before = l->count;
		call_init(t, &c, type);
		if (name != NULL)
			packet_put_str(&c.request, TAG_NAME, name);
		packet_put_u64(&c.request, TAG_START, l->count);
		if (call_run(t, &c, err) == -1 ||
		    list_page(&c, l, &total, err) == -1) {
			free(l->items);
			return -1;
		}
	} while (l->count < total && l->count > before);
	return 0;
}

int
tenants_list(struct tenants *t, struct tenant_info **list_out,
    size_t *count_out, struct err *err)
{
	struct list l = { .size = sizeof(struct tenant_info),
		.get = list_get_tenant,
		.tag = TAG_TENANT_INFO };

	if (list_run(t, TENANTS_LIST, NULL, &l, err) == -1)
		return -1;
	*list_out = (struct tenant_info *)(void *)l.items;
	*count_out = l.count;
	return 0;
}

int
tenants_domains(struct tenants *t, const char *tenant,
    struct domain_info **list_out, size_t *count_out, struct err *err)
{
	struct list l = { .size = sizeof(struct domain_info),
		.get = list_get_domain,
		.tag = TAG_DOMAIN_INFO };

	if (list_run(t, TENANTS_DOMAINS, tenant, &l, err) == -1)
		return -1;
	*list_out = (struct domain_info *)(void *)l.items;
	*count_out = l.count;
	return 0;
}
