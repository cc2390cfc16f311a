/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/ldap_connect.h"

#include <stdlib.h>
#include <string.h>


/* What Debian's ca-certificates makes of all that the operator trusts. */
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

enum {
	KEEPALIVE_IDLE_S = 60,
	KEEPALIVE_PROBES = 3,
	KEEPALIVE_GAP_S = 10
};

void
ldap_connect_init(void)
{
	(void)setenv("LDAPNOINIT", "1", 1);
}

static int
set_number(LDAP *ld, int option, int value)
{
	return ldap_set_option(ld, option, &value);
}

static int
set_time(LDAP *ld, int option, unsigned ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	return ldap_set_option(ld, option, &tv);
}

static int
set_tls(LDAP *ld, const struct ldap_options *o)
{
	const char *ca = o->ca_file[0] == '\0' ? SYSTEM_CA_FILE : o->ca_file;
	int rc =
	    set_number(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND);

	if (rc == 0)
		rc = set_number(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN,
		    LDAP_OPT_X_TLS_PROTOCOL_TLS1_2);
	if (rc == 0)
		rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca);
	/* What was set above holds for a context of its own only. */
	if (rc == 0)
		rc = set_number(ld, LDAP_OPT_X_TLS_NEWCTX, 0);
	return rc;
}

static int
set_options(LDAP *ld, const struct ldap_options *o)
{
	int rc = set_number(ld, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3);

	if (rc == 0)
		rc = set_time(ld, LDAP_OPT_NETWORK_TIMEOUT, o->connect_ms);
	if (rc == 0)
		rc = set_time(ld, LDAP_OPT_TIMEOUT, o->connect_ms);
	if (rc == 0)
		rc = ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	/* A server whose machine is gone says nothing on an idle socket. */
	(void)set_number(ld, LDAP_OPT_X_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
	(void)set_number(ld, LDAP_OPT_X_KEEPALIVE_PROBES, KEEPALIVE_PROBES);
	(void)set_number(ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, KEEPALIVE_GAP_S);
	return rc;
}

static int
bind_as(LDAP *ld, const struct ldap_options *o)
{
	struct berval password = { strlen(o->password), NULL };
	int rc;

	/* libldap reads it only, but takes no const. */
	memcpy(&password.bv_val, &o->password, sizeof(o->password));
	rc = ldap_sasl_bind_s(
	    ld, o->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, NULL);
	if (rc == LDAP_SUCCESS)
		rc = set_time(ld, LDAP_OPT_TIMEOUT, o->search_ms);
	return rc;
}

static int
connect_err(LDAP *ld, int rc, const char *uri, bool tls, struct err *err)
{
	char *text = NULL;

	if (ld != NULL)
		(void)ldap_get_option(
		    ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, (void *)&text);
	/* libldap has no words of its own for what GnuTLS does not like. */
	if (tls && text != NULL && strcmp(text, "(unknown error code)") == 0)
		(void)err_set(err, ERR_TEMP,
		    "%s: TLS failed: is the certificate vouched for by "
		    "ca-file, and made out to this host name?",
		    uri);
	else
		(void)err_set(err, ERR_TEMP, "%s: %s%s%s", uri,
		    ldap_err2string(rc),
		    text == NULL || text[0] == '\0' ? "" : ": ",
		    text == NULL ? "" : text);
	ldap_memfree(text);
	return -1;
}

int
ldap_server_connect(const struct ldap_options *o, const char *uri,
    LDAP **ld_out, struct err *err)
{
	bool tls = o->starttls || strncmp(uri, "ldaps:", 6) == 0;
	LDAP *ld = NULL;
	int rc = ldap_initialize(&ld, uri);

	if (rc == LDAP_SUCCESS)
		rc = set_options(ld, o);
	if (rc == LDAP_SUCCESS && tls)
		rc = set_tls(ld, o);
	if (rc == LDAP_SUCCESS && o->starttls)
		rc = ldap_start_tls_s(ld, NULL, NULL);
	if (rc == LDAP_SUCCESS)
		rc = bind_as(ld, o);
	if (rc == LDAP_SUCCESS) {
		*ld_out = ld;
		return 0;
	}
	(void)connect_err(ld, rc, uri, tls, err);
	if (ld != NULL)
		(void)ldap_unbind_ext(ld, NULL, NULL);
	return -1;
}

bool
ldap_uri_take(struct span *list, struct span *uri_out)
{
	*list = span_trim(*list);
	if (list->len == 0)
		return false;
	if (!span_take_until(list, ' ', uri_out)) {
		*uri_out = *list;
		*list = span_from(*list, list->len);
	}
	return true;
}
