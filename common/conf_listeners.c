/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/conf.h"
#include "common/conf_confuse.h"
#include "common/conf_value.h"

static const struct conf_key listen_keys[] = {
	CONF_STRINGS(struct conf_listener, address, "address",
	    "addresses with ports, or paths of Unix sockets"),
};
static const struct conf_section listen_section = { "listen", listen_keys,
	sizeof(listen_keys) / sizeof(listen_keys[0]),
	sizeof(struct conf_listener) };

static int
address_unix(const char *text, struct sockaddr_storage *out, socklen_t *len_out,
    struct err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(text);

	if (len >= sizeof(un.sun_path))
		return err_set(err, ERR_SYNTAX,
		    "a path of %zu octets; expected at most %zu", len,
		    sizeof(un.sun_path) - 1);
	memcpy(un.sun_path, text, len + 1);
	memcpy(out, &un, sizeof(un));
	*len_out = sizeof(un);
	return 0;
}

/* The port behind the last colon: 1 to 65535. */
static bool
address_port(struct span text, uint16_t *port_out)
{
	uint64_t port;

	if (text.len > 5 || !span_to_u64(text, &port) || port == 0 ||
	    port > UINT16_MAX)
		return false;
	*port_out = (uint16_t)port;
	return true;
}

static bool
address_inet(const char *host, uint16_t port, struct sockaddr_storage *out,
    socklen_t *len_out)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port) };

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	memcpy(out, &in, sizeof(in));
	*len_out = sizeof(in);
	return true;
}

static bool
address_inet6(const char *host, uint16_t port, struct sockaddr_storage *out,
    socklen_t *len_out)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };

	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return false;
	memcpy(out, &in6, sizeof(in6));
	*len_out = sizeof(in6);
	return true;
}

int
conf_address_parse(const char *text, struct sockaddr_storage *out,
    socklen_t *len_out, struct err *err)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t len;
	uint16_t port;

	memset(out, 0, sizeof(*out));
	if (text[0] == '/')
		return address_unix(text, out, len_out, err);
	if (colon != NULL && address_port(span_str(colon + 1), &port) &&
	    (len = (size_t)(colon - text)) < sizeof(host)) {
		memcpy(host, text, len);
		host[len] = '\0';
		if (address_inet(host, port, out, len_out))
			return 0;
		if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
			host[len - 1] = '\0';
			if (address_inet6(host + 1, port, out, len_out))
				return 0;
		}
	}
	return err_set(err, ERR_SYNTAX,
	    "\"%.60s\"; expected \"192.0.2.1:25\", \"[2001:db8::1]:25\" or an "
	    "absolute path",
	    text);
}

static int
listener_fill(struct conf_listener *l, cfg_t *cfg,
    const struct conf_outline *outline, const char *file, struct err *err)
{
	cfg_opt_t *opt = cfg_getopt(cfg, "address");
	const char *title = cfg_title(cfg);
	unsigned line = conf_outline_line(outline, title, "address");

	if (strlen(title) >= sizeof(l->name))
		return err_set(err, ERR_SYNTAX,
		    "%s:%u: listen: a name of %zu octets; expected at most %zu",
		    file, line, strlen(title), sizeof(l->name) - 1);
	(void)snprintf(l->name, sizeof(l->name), "%s", title);
	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *text = cfg_opt_getnstr(opt, i);
		struct sockaddr_storage address;
		socklen_t len;

		if (conf_address_parse(text, &address, &len, err) == -1)
			return err_prefix(err, "%s:%u: listen %s: address",
			    file, line, title);
		if (conf_strings_add(&l->address, text, err) == -1)
			return -1;
	}
	return 0;
}

/* With libconfuse's lock held. */
static int
listeners_fill(struct conf_listeners *out, const struct conf_outline *outline,
    const char *file, struct err *err)
{
	cfg_opt_t keys[] = { CFG_STR_LIST("address", NULL, CFGF_NODEFAULT),
		CFG_END() };
	cfg_opt_t top[] = { CFG_SEC("listen", keys, CFGF_MULTI | CFGF_TITLE),
		CFG_END() };
	CLEANUP(confuse_free) cfg_t *cfg = NULL;
	unsigned len;

	if (confuse_parse(top, outline, file, &cfg, err) == -1)
		return -1;
	len = cfg_size(cfg, "listen");
	out->items = calloc(len + 1, sizeof(*out->items));
	if (out->items == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	for (out->len = 0; out->len < len;) {
		struct conf_listener *l = &out->items[out->len];

		out->len++;
		if (listener_fill(l,
			cfg_getnsec(cfg, "listen", (unsigned)out->len - 1),
			outline, file, err) == -1)
			return -1;
	}
	return 0;
}

int
conf_listeners_parse(struct span text, const char *file,
    struct conf_listeners *out, struct err *err)
{
	CLEANUP(mem_free)
	struct conf_outline *outline = malloc(sizeof(*outline));
	int result;

	*out = (struct conf_listeners){ NULL, 0 };
	if (outline == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	result = conf_outline_init(outline, text, file, "listen", err);
	if (result == 0)
		result =
		    conf_check_settings(&listen_section, outline, file, err);
	if (result == 0) {
		confuse_lock();
		result = listeners_fill(out, outline, file, err);
		confuse_unlock();
	}
	conf_outline_fini(outline);
	if (result == -1)
		conf_listeners_fini(out);
	return result;
}

void
conf_listeners_fini(struct conf_listeners *l)
{
	for (size_t i = 0; i < l->len; i++)
		conf_strings_fini(&l->items[i].address);
	free(l->items);
	*l = (struct conf_listeners){ NULL, 0 };
}
