/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/milter_conf.h"

#include <stdio.h>
#include <string.h>

#include "smtpd/conf.h"

static const char *const versions[] = { "2", "3", "4", "6", NULL };
static const char *const failures[] = { "tempfail", "accept", "reject",
	"quarantine", "shutdown", NULL };

static const struct conf_key milter_keys[] = {
	CONF_STRING(struct milter_conf, socket, "socket", NULL,
	    "where it listens: /path, inet:port@address"),
	CONF_ENUM(struct milter_conf, protocol, "protocol", "6", versions,
	    "newest version of the protocol that is offered"),
	CONF_ENUM(struct milter_conf, failure, "default-action", "tempfail",
	    failures, "what becomes of mail that it does not judge"),
	CONF_SECONDS(struct milter_conf, connect_wait, "connect-wait", "10s", 1,
	    60, "to connect and to negotiate"),
	CONF_SECONDS(struct milter_conf, command_wait, "command-wait", "30s", 1,
	    300, "for the answer to an event of the envelope"),
	CONF_SECONDS(struct milter_conf, content_wait, "content-wait", "2m", 1,
	    600, "for an answer about content; progress starts it anew"),
	CONF_SECONDS(struct milter_conf, end_wait, "end-wait", "5m", 1, 480,
	    "from the end of the message to the verdict"),
	CONF_COUNT(struct milter_conf, connections_max, "connections-max",
	    "256", 1, 10000, "connections at a time"),
	CONF_COUNT(struct milter_conf, spare, "spare", "2", 0, 64,
	    "connections that are negotiated ahead of need"),
	CONF_OCTETS(struct milter_conf, size_max, "size-max", "0", 0,
	    (uint64_t)2 << 30,
	    "larger messages get the default action unseen; 0: none does"),
	CONF_BOOL(struct milter_conf, numbers_shift, "numbers-shift", "no",
	    "deleting a header field renumbers those of its name"),
	CONF_BOOL(struct milter_conf, pipeline, "pipeline", "no",
	    "it takes content before it has answered earlier content"),
	CONF_BOOL(struct milter_conf, ours, "dispositions", "no",
	    "what it says of each recipient (FOLDER, TAG, ...) is done"),
	CONF_STRINGS(struct milter_conf, tenants, "tenants",
	    "tenants whose recipients alone it is shown"),
};

const struct conf_section milter_section = {
	.name = "milter",
	.keys = milter_keys,
	.keys_len = sizeof(milter_keys) / sizeof(milter_keys[0]),
	.size = sizeof(struct milter_conf),
};

unsigned
milter_conf_version(const struct milter_conf *conf)
{
	static const unsigned numbers[] = { 2, 3, 4, 6 };

	return numbers[conf->protocol];
}

/* "port@host" as "host:port", with brackets where they belong. */
static bool
inet_turn(struct span text, bool v6, char *out, size_t size)
{
	struct span port = text, host;
	ptrdiff_t at = span_index(text, '@');
	bool brackets;

	if (at < 0) {
		ptrdiff_t colon = span_rindex(text, ':');

		if (colon < 0)
			return false;
		host = span_first(text, (size_t)colon);
		port = span_from(text, (size_t)colon + 1);
	} else {
		host = span_from(text, (size_t)at + 1);
		port = span_first(text, (size_t)at);
	}
	if (span_eq_nocase(host, SPAN("localhost")))
		host = v6 ? SPAN("::1") : SPAN("127.0.0.1");
	brackets = span_index(host, ':') >= 0 && host.p[0] != '[';
	return snprintf(out, size, "%s%.*s%s:%.*s", brackets ? "[" : "",
		   SPAN_FMT(host), brackets ? "]" : "",
		   SPAN_FMT(port)) < (int)size;
}

int
milter_socket_parse(const char *text, struct sockaddr_storage *out,
    socklen_t *len_out, struct err *err)
{
	struct span rest = span_str(text);
	char turned[128];
	bool v6;

	if (text[0] == '/')
		return conf_address_parse(text, out, len_out, err);
	if ((span_take_nocase(&rest, SPAN("unix:")) ||
		span_take_nocase(&rest, SPAN("local:"))) &&
	    rest.len > 0 && rest.p[0] == '/')
		return conf_address_parse(rest.p, out, len_out, err);
	rest = span_str(text);
	v6 = span_take_nocase(&rest, SPAN("inet6:"));
	if ((v6 || span_take_nocase(&rest, SPAN("inet:"))) &&
	    inet_turn(rest, v6, turned, sizeof(turned)) &&
	    conf_address_parse(turned, out, len_out, NULL) == 0)
		return 0;
	return err_set(err, ERR_SYNTAX,
	    "\"%.60s\"; expected /path, unix:/path, inet:port@192.0.2.1, "
	    "inet:192.0.2.1:port or inet6:port@2001:db8::1",
	    text);
}

/* Only where no other host can be is "ours" to be believed. */
static int
milter_check(const struct milter_conf *m, struct err *err)
{
	struct sockaddr_storage address;
	socklen_t len;

	if (m->socket == NULL)
		return err_set(err, ERR_SYNTAX, "no socket; expected one");
	if (milter_socket_parse(m->socket, &address, &len, err) == -1)
		return err_prefix(err, "socket");
	if (m->ours && address.ss_family != AF_UNIX)
		return err_set(err, ERR_SYNTAX,
		    "dispositions: yes; expected it with a Unix socket only");
	return 0;
}

static bool
of_tenants(const struct conf_titled_list *milters, const char *name)
{
	const struct milter_conf *m = conf_titled_find(milters, name);

	return m->tenants.len > 0;
}

static int
chain_check(const char *key, const struct conf_strings *chain,
    const struct conf_titled_list *milters, struct err *err)
{
	for (size_t i = 0; i < chain->len; i++) {
		if (conf_titled_find(milters, chain->items[i]) == NULL)
			return err_set(err, ERR_SYNTAX,
			    "%s: \"%.40s\"; expected names of milter sections",
			    key, chain->items[i]);
		if (i > 0 && !of_tenants(milters, chain->items[i]) &&
		    of_tenants(milters, chain->items[i - 1]))
			return err_set(err, ERR_SYNTAX,
			    "%s: \"%.40s\" comes behind a milter of some "
			    "tenants; expected those for all first",
			    key, chain->items[i]);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(chain->items[i], chain->items[k]) == 0)
				return err_set(err, ERR_SYNTAX,
				    "%s: \"%.40s\" is there twice", key,
				    chain->items[i]);
		}
	}
	return 0;
}

int
milter_conf_check(const void *section, const struct conf_titled_list *milters,
    struct err *err)
{
	const struct smtpd_conf *conf = section;

	for (size_t i = 0; i < milters->len; i++) {
		if (milter_check(milters->items[i].values, err) == -1)
			return err_prefix(
			    err, "milter %s", milters->items[i].name);
	}
	if (chain_check("milters-mx", &conf->milters_mx, milters, err) == -1)
		return -1;
	return chain_check(
	    "milters-submission", &conf->milters_submission, milters, err);
}
