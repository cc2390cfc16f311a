/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/app_password.h"

#include <string.h>

#include "tenants/client.h"

enum {
	ID_MAX = 16
};

/* ---- labels -------------------------------------------------------------- */

static unsigned
service_of(struct span word)
{
	if (span_eq(word, SPAN("smtp")))
		return SERVICE_SMTP;
	if (span_eq(word, SPAN("pop3")))
		return SERVICE_POP3;
	return span_eq(word, SPAN("imap")) ? SERVICE_IMAP : 0;
}

static unsigned
services_of(struct span list)
{
	unsigned services = 0;
	struct span word;

	while (span_take_until(&list, ',', &word))
		services |= service_of(word);
	return services | service_of(list);
}

bool
app_label_parse(struct span text, struct app_label *out)
{
	struct span services;

	if (!span_take_until(&text, ' ', &out->id) || out->id.len == 0 ||
	    out->id.len > ID_MAX || !span_take_until(&text, ' ', &services) ||
	    !span_take_until(&text, ' ', &out->time))
		return false;
	out->services = services_of(services);
	out->label = text;
	return true;
}

/* ---- those of an entry --------------------------------------------------- */

static int
compare(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len == 0 ? 0 : memcmp(a.p, b.p, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* It is among the first max of the alphabet. */
static bool
is_kept(const struct entry *e, struct span label, uint64_t max)
{
	struct span rest = entry_fields(e), other;
	uint64_t before = 0;

	while (entry_next(&rest, ATTR_APP_LABEL, &other))
		if (compare(other, label) < 0)
			before++;
	return before < max;
}

static bool
has_label(const struct entry *e, struct span id, unsigned service, uint64_t max)
{
	struct span rest = entry_fields(e), text;
	struct app_label label;

	while (entry_next(&rest, ATTR_APP_LABEL, &text))
		if (app_label_parse(text, &label) && span_eq(label.id, id) &&
		    (label.services & service) != 0 && is_kept(e, text, max))
			return true;
	return false;
}

void
app_passwords_put(
    const struct entry *e, unsigned service, uint64_t max, struct buf *out)
{
	struct span rest = entry_fields(e), value;

	while (entry_next(&rest, ATTR_APP_PASSWORD, &value)) {
		struct span stored = value, id;

		/* NUL ends a value here; no scheme has one. */
		if (span_index(value, '\0') != -1 ||
		    !span_take_until(&stored, ' ', &id) || stored.len == 0 ||
		    stored.p[0] != '{' || !has_label(e, id, service, max))
			continue;
		buf_append(out, value);
		buf_append_octet(out, '\0');
	}
}

bool
app_password_next(
    struct span *rest, struct span *id_out, struct span *stored_out)
{
	return span_take_until(rest, '\0', stored_out) &&
	       span_take_until(stored_out, ' ', id_out);
}
