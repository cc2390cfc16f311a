/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/client_private.h"
#include "tenants/settings.h"

enum {
	ITEMS_OCTETS_MAX = 16 * 1024 * 1024
};

/* Whose settings: one of the three. */
struct asked {
	const char *id, *tenant;
	struct span login;
};

struct pages {
	struct settings *out;
	struct buf items; /* fields TAG_SETTING */
	uint64_t count, total, mark;
	enum lookup outcome;
	bool owner;  /* account or tenant was there */
	bool marked; /* mark is the first page's */
	bool changed;
};

static void
pages_fini(struct pages *p)
{
	buf_fini(&p->items);
}
CLEANUP_DEFINE_VALUE(struct pages, pages_fini)

static bool
page_field(struct pages *p, uint8_t tag, struct span value)
{
	uint64_t number;

	switch (tag) {
	case TAG_OUTCOME:
		if (!packet_u64(value, &number) || number > LOOKUP_NONE)
			return false;
		p->outcome = (enum lookup)number;
		return true;
	case TAG_ACCOUNT_INFO:
		p->owner = true;
		return tenants_get_account(value, &p->out->account);
	case TAG_TENANT_INFO:
		p->owner = true;
		return tenants_get_tenant(value, &p->out->account.tenant);
	case TAG_COUNT:
		return packet_u64(value, &p->total);
	case TAG_MARK:
		if (!packet_u64(value, &number))
			return false;
		p->changed = p->marked && number != p->mark;
		p->mark = number;
		p->marked = true;
		return true;
	case TAG_SETTING:
		packet_put(&p->items, TAG_SETTING, value);
		p->count++;
		return true;
	default:
		return true;
	}
}

static int
page_run(struct tenants *t, const struct asked *asked, struct pages *p,
    struct err *err)
{
	CLEANUP(call_fini) struct call c;
	enum packet_next next;
	struct span value;
	uint8_t tag;

	call_init(
	    t, &c, asked->tenant != NULL ? TENANTS_DEFAULTS : TENANTS_SETTINGS);
	if (asked->tenant != NULL)
		packet_put_str(&c.request, TAG_NAME, asked->tenant);
	else if (asked->id != NULL)
		packet_put_str(&c.request, TAG_ID, asked->id);
	else
		packet_put(&c.request, TAG_LOGIN, asked->login);
	packet_put_u64(&c.request, TAG_START, p->count);
	if (call_run(t, &c, err) == -1)
		return -1;
	p->outcome = LOOKUP_FAILED;
	while ((next = packet_next(&c.fields, &tag, &value)) == PACKET_FIELD)
		if (!page_field(p, tag, value))
			return answer_broken(err);
	if (next == PACKET_BROKEN || p->outcome == LOOKUP_FAILED ||
	    (p->outcome == LOOKUP_FOUND && !p->owner))
		return answer_broken(err);
	return buf_check(&p->items, err);
}

/* All pages, from the first on. */
static int
pages_run(struct tenants *t, const struct asked *asked, struct pages *p,
    struct err *err)
{
	uint64_t before;

	buf_clear(&p->items);
	p->count = p->total = 0;
	p->marked = p->changed = false;
	do {
		before = p->count;
		if (page_run(t, asked, p, err) == -1)
			return -1;
	} while (p->outcome == LOOKUP_FOUND && !p->changed &&
		 p->count < p->total && p->count > before);
	if (!p->changed && p->count < p->total && p->outcome == LOOKUP_FOUND)
		return answer_broken(err);
	return 0;
}

static enum lookup
ask(struct tenants *t, const struct asked *asked, struct settings *out,
    struct err *err)
{
	CLEANUP(pages_fini) struct pages p = { .out = out, .changed = true };

	buf_init(&p.items, ITEMS_OCTETS_MAX);
	for (int tries = 0; p.changed && tries < LIST_TRIES; tries++)
		if (pages_run(t, asked, &p, err) == -1)
			return LOOKUP_FAILED;
	if (p.changed) {
		(void)err_set(
		    err, ERR_TEMP, "tenantd: settings that keep changing");
		return LOOKUP_FAILED;
	}
	if (p.outcome == LOOKUP_FOUND &&
	    settings_decode(buf_span(&p.items), out, err) == -1)
		return LOOKUP_FAILED;
	return p.outcome;
}

static enum lookup
run(struct tenants *t, const struct asked *asked, struct settings *out,
    struct err *err)
{
	enum lookup found;

	*out = (struct settings){ .account = { .id = "" } };
	found = ask(t, asked, out, err);
	if (found != LOOKUP_FOUND)
		settings_fini(out);
	/* Nothing that a user wrote can be the reason. */
	if (found == LOOKUP_FAILED && err != NULL)
		err->kind = ERR_TEMP;
	return found;
}

enum lookup
tenants_settings(
    struct tenants *t, const char *id, struct settings *out, struct err *err)
{
	return run(t, &(struct asked){ .id = id }, out, err);
}

enum lookup
tenants_settings_of(
    struct tenants *t, struct span login, struct settings *out, struct err *err)
{
	if (login.len > TENANT_LOGIN_MAX) {
		*out = (struct settings){ .account = { .id = "" } };
		return LOOKUP_NONE;
	}
	return run(t, &(struct asked){ .login = login }, out, err);
}

enum lookup
tenants_tenant_settings(
    struct tenants *t, const char *name, struct settings *out, struct err *err)
{
	return run(t, &(struct asked){ .tenant = name }, out, err);
}
