/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/manage_conf.h"

static const struct conf_key manage_keys[] = {
	CONF_STRING(struct manage_conf, uri, "uri", "",
	    "the LDAP server that takes writes; empty: as tenantd has it"),
	CONF_STRING(struct manage_conf, bind_dn, "bind-dn",
	    "cn=operator,ou=platform,o=hikyaku", "who the operator is there"),
	CONF_STRING(struct manage_conf, password_file, "password-file", "",
	    "file with the operator's password; empty: ask"),
	CONF_COUNT(struct manage_conf, undelete_days, "undelete-days", "30", 0,
	    3650, "grace of what is deleted, where no limit says otherwise"),
};
const struct conf_section manage_section = { "manage", manage_keys,
	sizeof(manage_keys) / sizeof(manage_keys[0]),
	sizeof(struct manage_conf) };

int
manage_conf_check(
    const struct manage_conf *conf, const char *file, struct err *err)
{
	if (conf->bind_dn[0] == '\0')
		return err_set(err, ERR_SYNTAX,
		    "%s: manage: bind-dn is empty; expected a DN", file);
	if (conf->password_file[0] != '\0' && conf->password_file[0] != '/')
		return err_set(err, ERR_SYNTAX,
		    "%s: manage: password-file = \"%s\": expected an absolute "
		    "path",
		    file, conf->password_file);
	return 0;
}
