/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/conf.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf_outline.h"
#include "common/conf_value.h"
#include "common/daemon_conf.h"
#include "common/file.h"
#include "common/log.h"
#include "common/tls.h"

/* PEM text of all brands together. */
#define PEM_MAX (48 * 1024 * 1024)

static const struct conf_key users_keys[] = {
	CONF_STRING(struct users_conf, gate, "gate", NULL,
	    "of the gates of pop3d and imapd"),
	CONF_STRING(struct users_conf, smtpd, "smtpd", NULL, "of smtpd"),
	CONF_STRING(
	    struct users_conf, deliveryd, "deliveryd", NULL, "of deliveryd"),
	CONF_STRING(struct users_conf, relayd, "relayd", NULL, "of relayd"),
	CONF_STRING(struct users_conf, tenantd, "tenantd", NULL, "of tenantd"),
	CONF_STRING(struct users_conf, pop3d, "pop3d", NULL,
	    "of pop3d's gate, instead of gate"),
	CONF_STRING(struct users_conf, imapd, "imapd", NULL,
	    "of imapd's gate, instead of gate"),
	CONF_STRING(
	    struct users_conf, metricsd, "metricsd", NULL, "of metricsd"),
	CONF_STRING(
	    struct users_conf, antivirus, "antivirus", NULL, "of antivirus"),
	CONF_STRING(
	    struct users_conf, quarantine, "quarantine", NULL, "of quarantine"),
	CONF_STRING(
	    struct users_conf, autoreply, "autoreply", NULL, "of autoreply"),
	CONF_STRING(struct users_conf, forward, "forward", NULL, "of forward"),
};
const struct conf_section users_section = { "users", users_keys,
	sizeof(users_keys) / sizeof(users_keys[0]), sizeof(struct users_conf) };

void
master_conf_free(struct master_conf *conf)
{
	if (conf == NULL)
		return;
	if (conf->pem.data != NULL)
		explicit_bzero(conf->pem.data, conf->pem.cap);
	buf_fini(&conf->pem);
	buf_fini(&conf->text);
	conf_section_fini(&daemon_top_section, &conf->top);
	conf_section_fini(&daemon_tls_section, &conf->tls);
	conf_section_fini(&users_section, &conf->users);
	conf_section_fini(&metrics_section, &conf->metrics);
	conf_section_fini(&manage_section, &conf->manage);
	conf_section_fini(&store_section, &conf->store);
	conf_listeners_fini(&conf->listeners);
	free(conf->file);
	free(conf);
}

/* ---- listeners -------------------------------------------------------------
 */

static int
check_listener_names(const struct master_conf *conf, struct err *err)
{
	for (size_t i = 0; i < conf->listeners.len; i++) {
		const char *name = conf->listeners.items[i].name;

		if (service_of_listener(name) == NULL ||
		    strcmp(name, "metrics") == 0)
			return err_set(err, ERR_SYNTAX,
			    "%s: listen %s: no daemon serves it; expected one "
			    "of mx, submission, submissions, pop3, pop3s, "
			    "imap, imaps, lmtp, antivirus, quarantine, "
			    "forward, autoreply",
			    conf->file, name);
	}
	return 0;
}

/* bind() would say only that the address is in use, and by then the daemons
 * are to start. */
static int
check_address_once(
    const struct master_conf *conf, size_t i, const char *text, struct err *err)
{
	for (size_t k = 0; k < i; k++) {
		const struct conf_listener *l = &conf->listeners.items[k];

		for (size_t n = 0; n < l->address.len; n++)
			if (strcmp(l->address.items[n], text) == 0)
				return err_set(err, ERR_SYNTAX,
				    "%s: %s: \"%s\"; expected an address of "
				    "its own, and %s has this one",
				    conf->file, conf->listeners.items[i].name,
				    text, l->name);
	}
	return 0;
}

static int
check_addresses(const struct master_conf *conf, struct err *err)
{
	for (size_t i = 1; i < conf->listeners.len; i++) {
		const struct conf_strings *address =
		    &conf->listeners.items[i].address;

		for (size_t n = 0; n < address->len; n++)
			if (check_address_once(
				conf, i, address->items[n], err) == -1)
				return -1;
	}
	return 0;
}

/* The metrics' addresses become one more listener. */
static int
add_metrics_listener(struct master_conf *conf, struct err *err)
{
	struct conf_listener *l;

	if (conf->metrics.address.len == 0)
		return 0;
	l = &conf->listeners.items[conf->listeners.len];
	memset(l, 0, sizeof(*l));
	strcpy(l->name, "metrics");
	conf->listeners.len++;
	for (size_t i = 0; i < conf->metrics.address.len; i++) {
		const char *text = conf->metrics.address.items[i];
		struct sockaddr_storage address;
		socklen_t len;

		if (conf_address_parse(text, &address, &len, err) == -1)
			return err_prefix(
			    err, "%s: metrics: address", conf->file);
		if (conf_strings_add(&l->address, text, err) == -1)
			return -1;
	}
	return 0;
}

static bool
has_listener(const struct master_conf *conf, const struct service *service)
{
	for (size_t i = 0; i < conf->listeners.len; i++)
		if (conf->listeners.items[i].address.len > 0 &&
		    service_of_listener(conf->listeners.items[i].name) ==
			service)
			return true;
	return false;
}

bool
master_conf_wants(const struct master_conf *conf, const struct service *service)
{
	return service->always || has_listener(conf, service);
}

/* ---- certificates
 * ------------------------------------------------------------ */

static int
read_certificate(struct master_conf *conf, const char *path, struct err *err)
{
	size_t before = conf->pem.len;
	struct stat st;

	if (file_read(path, &conf->pem, err) == -1)
		return err_prefix(err, "%s: tls: certificate", conf->file);
	if (span_find(span_from(buf_span(&conf->pem), before),
		SPAN("-----BEGIN ")) == -1)
		return err_set(err, ERR_SYNTAX,
		    "%s: tls: certificate: %s: no PEM in it; expected a "
		    "certificate and its private key",
		    conf->file, path);
	/* A file may end without one, and the next begins a block. */
	buf_append(&conf->pem, SPAN("\n"));
	if (stat(path, &st) == 0 && (st.st_mode & 0004) != 0)
		log_warning(&log_process, "everybody can read a private key",
		    log_str("file", path));
	return buf_check(&conf->pem, err);
}

static int
try_certificates(
    const struct master_conf *conf, struct span pem, struct err *err)
{
	CLEANUP(tls_context_unref) struct tls_context *tls = NULL;
	struct tls_options options = { .service = "check",
		.pem = pem,
		.minimum = daemon_tls_version(&conf->tls) };

	return tls_context_new(&options, &tls, err);
}

/* Which of the files is it that cannot be used alone? */
static int
blame_certificate(const struct master_conf *conf, struct err *err)
{
	for (size_t i = 0; i < conf->tls.certificate.len; i++) {
		const char *path = conf->tls.certificate.items[i];
		CLEANUP(buf_fini) struct buf pem = { .max = PEM_MAX };
		struct err why = ERR_INIT;
		int result = file_read(path, &pem, &why);

		if (result == 0)
			result = try_certificates(conf, buf_span(&pem), &why);
		if (pem.data != NULL)
			explicit_bzero(pem.data, pem.cap);
		if (result == -1) {
			*err = why;
			return err_prefix(
			    err, "%s: tls: certificate: %s", conf->file, path);
		}
	}
	return err_prefix(err, "%s: tls: certificate", conf->file);
}

/* Reads the files and tries them, so that a bad one never reaches a daemon. */
static int
read_certificates(struct master_conf *conf, struct err *err)
{
	for (size_t i = 0; i < conf->tls.certificate.len; i++)
		if (read_certificate(
			conf, conf->tls.certificate.items[i], err) == -1)
			return -1;
	if (conf->pem.len == 0 ||
	    try_certificates(conf, buf_span(&conf->pem), err) == 0)
		return 0;
	return blame_certificate(conf, err);
}

static int
check_tls_listeners(const struct master_conf *conf, struct err *err)
{
	static const char *const names[] = { "submissions", "pop3s", "imaps" };

	if (conf->pem.len > 0)
		return 0;
	for (size_t i = 0; i < conf->listeners.len; i++)
		for (size_t k = 0; k < 3; k++)
			if (strcmp(conf->listeners.items[i].name, names[k]) ==
			    0)
				return err_set(err, ERR_SYNTAX,
				    "%s: listen %s: TLS without a certificate; "
				    "expected tls { certificate = ... }",
				    conf->file, names[k]);
	return 0;
}

/* ---- users
 * ------------------------------------------------------------------- */

static const char *
user_of(const struct master_conf *conf, const struct service *service)
{
	const struct {
		const char *service, *value, *or_else;
	} values[] = {
		{ "smtpd", conf->users.smtpd, NULL },
		{ "deliveryd", conf->users.deliveryd, NULL },
		{ "relayd", conf->users.relayd, NULL },
		{ "tenantd", conf->users.tenantd, NULL },
		{ "metricsd", conf->users.metricsd, NULL },
		{ "antivirus", conf->users.antivirus, NULL },
		{ "quarantine", conf->users.quarantine, NULL },
		{ "forward", conf->users.forward, NULL },
		{ "autoreply", conf->users.autoreply, NULL },
		{ "pop3d", conf->users.pop3d, conf->users.gate },
		{ "imapd", conf->users.imapd, conf->users.gate },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(values[i].service, service->name) != 0)
			continue;
		if (values[i].value != NULL)
			return values[i].value;
		if (values[i].or_else != NULL)
			return values[i].or_else;
	}
	return service->user;
}

int
master_conf_user(const struct master_conf *conf, const struct service *service,
    uid_t *uid_out, gid_t *gid_out, struct err *err)
{
	const char *name = user_of(conf, service);
	const struct passwd *pw;
	uint64_t number;

	if (geteuid() != 0) {
		*uid_out = geteuid();
		*gid_out = getegid();
		return 0;
	}
	if (span_to_u64(span_str(name), &number)) {
		if (number == 0 || number >= UINT32_MAX - 1)
			return err_set(err, ERR_POLICY,
			    "%s: users: %s runs as %s; expected another user "
			    "than root",
			    conf->file, service->name, name);
		*uid_out = (uid_t)number;
		*gid_out = (gid_t)number;
		return 0;
	}
	pw = getpwnam(name);
	if (pw == NULL || pw->pw_uid == 0)
		return err_set(err, ERR_POLICY,
		    "%s: users: %s: %s user \"%s\"; make it (adduser --system "
		    "--group %s) or name another in users { %s = ... }",
		    conf->file, service->name,
		    pw == NULL ? "there is no" : "root is no", name, name,
		    service->gated ? "gate" : service->name);
	*uid_out = pw->pw_uid;
	*gid_out = pw->pw_gid;
	return 0;
}

/* The daemons' users must be others than the tenants'. */
static int
check_users(const struct master_conf *conf, struct err *err)
{
	for (size_t i = 0; i < services_len; i++) {
		uid_t uid;
		gid_t gid;

		if (!master_conf_wants(conf, &services[i]))
			continue;
		if (master_conf_user(conf, &services[i], &uid, &gid, err) == -1)
			return -1;
		if (geteuid() == 0 && uid >= conf->tenant_low &&
		    uid <= conf->tenant_high)
			return err_set(err, ERR_POLICY,
			    "%s: users: %s runs as %u, which tenant-uids "
			    "gives to tenants",
			    conf->file, services[i].name, (unsigned)uid);
	}
	return 0;
}

/* ---- all of it
 * --------------------------------------------------------------- */

static int
parse_sections(struct master_conf *conf, struct err *err)
{
	struct span text = buf_span(&conf->text);
	struct conf_listener *more;

	if (conf_parse(
		&daemon_top_section, text, conf->file, &conf->top, err) == -1 ||
	    daemon_conf_check(&conf->top, conf->file, err) == -1 ||
	    conf_parse(
		&daemon_tls_section, text, conf->file, &conf->tls, err) == -1 ||
	    conf_parse(&users_section, text, conf->file, &conf->users, err) ==
		-1 ||
	    conf_parse(&metrics_section, text, conf->file, &conf->metrics,
		err) == -1 ||
	    conf_parse(&manage_section, text, conf->file, &conf->manage, err) ==
		-1 ||
	    manage_conf_check(&conf->manage, conf->file, err) == -1 ||
	    conf_parse(&store_section, text, conf->file, &conf->store, err) ==
		-1 ||
	    store_conf_check(&conf->store, conf->file, err) == -1 ||
	    conf_listeners_parse(text, conf->file, &conf->listeners, err) == -1)
		return -1;
	(void)daemon_uid_range(
	    conf->top.tenant_uids, &conf->tenant_low, &conf->tenant_high);
	more = realloc(
	    conf->listeners.items, (conf->listeners.len + 1) * sizeof(*more));
	if (more == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	conf->listeners.items = more;
	return 0;
}

int
master_conf_load(
    const char *file, struct master_conf **conf_out, struct err *err)
{
	CLEANUP(master_conf_free)
	struct master_conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL || (conf->file = strdup(file)) == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	buf_init(&conf->text, CONF_TEXT_MAX);
	buf_init(&conf->pem, PEM_MAX);
	if (file_read(file, &conf->text, err) == -1 ||
	    parse_sections(conf, err) == -1 ||
	    check_listener_names(conf, err) == -1 ||
	    add_metrics_listener(conf, err) == -1 ||
	    check_addresses(conf, err) == -1 ||
	    read_certificates(conf, err) == -1 ||
	    check_tls_listeners(conf, err) == -1 ||
	    check_users(conf, err) == -1)
		return -1;
	*conf_out = STEAL(conf);
	return 0;
}

/* Puts what stands in one part over the spaces of another. */
static int
overlay(const struct master_conf *conf, const char *wanted, struct buf *out,
    struct err *err)
{
	CLEANUP(mem_free) struct conf_outline *o = malloc(sizeof(*o));
	int result;

	if (o == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	result = conf_outline_init(
	    o, buf_span(&conf->text), conf->file, wanted, err);
	if (result == 0 && out->len == 0)
		buf_append(out, buf_span(&o->text));
	for (size_t i = 0; result == 0 && i < out->len; i++)
		if (o->text.data[i] != ' ')
			out->data[i] = o->text.data[i];
	conf_outline_fini(o);
	return result;
}

int
master_conf_text_for(const struct master_conf *conf,
    const struct service *service, struct buf *out, struct err *err)
{
	const char *own =
	    strcmp(service->name, "metricsd") == 0 ? "metrics" : service->name;

	if (overlay(conf, NULL, out, err) == -1 ||
	    overlay(conf, "tls", out, err) == -1 ||
	    overlay(conf, own, out, err) == -1 ||
	    (strcmp(own, "smtpd") == 0 &&
		overlay(conf, "milter", out, err) == -1))
		return -1;
	return buf_check(out, err);
}
