/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One bound connection to one LDAP server.  Over ldaps:// and StartTLS the
 * server's certificate must be vouched for and bear the host name of the URI;
 * nothing is said before.  Neither the environment nor ldap.conf(5) has a say.
 */
#ifndef HK_TENANTS_LDAP_CONNECT_H
#define HK_TENANTS_LDAP_CONNECT_H

#include <stdbool.h>

#include <ldap.h>

#include "common/err.h"
#include "common/span.h"

enum {
	LDAP_SERVERS_MAX = 16
};

struct ldap_options {
	const char *uri; /* of servers, with blanks between: in that order */
	const char *bind_dn;
	const char *password;
	const char *ca_file; /* "": the system's */
	bool starttls;
	unsigned connect_ms, search_ms;
	unsigned connections; /* at most */
};

/* Before the first thread exists: libldap shall not read its own files. */
void ldap_connect_init(void);

/*
 * Takes the next URI off the front of a list; false: there is none.  A list
 * has blanks between them.
 */
bool ldap_uri_take(struct span *list, struct span *uri_out);

/* To one of the URIs.  Errors: ERR_TEMP, with the URI and the reason. */
int ldap_server_connect(const struct ldap_options *o, const char *uri,
    LDAP **ld_out, struct err *err);

#endif
