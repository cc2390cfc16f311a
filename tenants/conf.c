/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/conf.h"

#include <stdio.h>
#include <string.h>

#include <ldap.h>

#include "tenants/ldap_connect.h"

static const struct conf_key keys[] = {
	CONF_STRING(struct tenantd_conf, uri, "uri", "ldap://127.0.0.1:389",
	    "LDAP servers, with spaces between, in the order to try"),
	CONF_STRING(struct tenantd_conf, base, "base", "o=hikyaku",
	    "root of the directory"),
	CONF_STRING(struct tenantd_conf, bind_dn, "bind-dn",
	    "cn=tenantd,ou=platform,o=hikyaku", "who tenantd is there"),
	CONF_STRING(struct tenantd_conf, password_file, "password-file", "",
	    "file with its password"),
	CONF_STRING(struct tenantd_conf, ca_file, "ca-file", "",
	    "certificates that vouch for the servers"),
	CONF_BOOL(struct tenantd_conf, starttls, "starttls", "no",
	    "TLS on ldap:// connections before anything else"),
	/* Each has many searches under way at a time. */
	CONF_COUNT(struct tenantd_conf, connections, "connections", "4", 1, 32,
	    "connections to the LDAP server"),
	CONF_SECONDS(struct tenantd_conf, connect_wait, "connect-wait", "2s", 1,
	    60, "time for a connection"),
	CONF_SECONDS(struct tenantd_conf, search_wait, "search-wait", "4s", 1,
	    60, "time for a search"),
	CONF_COUNT(struct tenantd_conf, password_cost, "password-cost", "5", 1,
	    8, "of yescrypt, for new passwords"),
	CONF_STRING(struct tenantd_conf, rehash_uri, "rehash-uri", "",
	    "the LDAP server that takes writes; empty: as uri"),
	CONF_STRING(struct tenantd_conf, rehash_dn, "rehash-dn",
	    "cn=rehash,ou=platform,o=hikyaku",
	    "who stores passwords anew at login"),
	CONF_STRING(struct tenantd_conf, rehash_password_file,
	    "rehash-password-file", "",
	    "file with the password of rehash-dn; empty: none is stored anew"),
	/* About 1.5 KB each with its entry. */
	CONF_COUNT(struct tenantd_conf, cache_keys, "cache-keys", "100000",
	    1000, 10000000, "answers kept in memory"),
	CONF_OCTETS(struct tenantd_conf, cache_disk, "cache-disk", "16M",
	    1024 * 1024, 1024 * 1024 * 1024,
	    "memory for the entries kept on disk"),
	CONF_COUNT(struct tenantd_conf, hash_threads, "hash-threads", "0", 0,
	    64, "threads that compute slow hashes (0: one a processor)"),
	/* More of them than can be done while clients wait are dropped in
	 * time; this bounds their memory. */
	CONF_COUNT(struct tenantd_conf, hash_waiting, "hash-waiting", "1000", 1,
	    100000, "slow hashes that may wait in one tenant's queue"),
	CONF_SECONDS(struct tenantd_conf, penalty.half_life,
	    "penalty-half-life", "15m", 1, 7 * 86400,
	    "time in which counts of failed logins halve"),
	CONF_COUNT(struct tenantd_conf, penalty.delay_ms, "penalty-delay",
	    "500", 0, 60000,
	    "milliseconds before the first failure is answered"),
	CONF_SECONDS(struct tenantd_conf, penalty.delay_max,
	    "penalty-delay-max", "15s", 0, 60, "ceiling of this delay"),
	CONF_COUNT(struct tenantd_conf, penalty.account_lock,
	    "penalty-account-lock", "20", 0, 1000000,
	    "failures that lock an account (0: never)"),
	CONF_COUNT(struct tenantd_conf, penalty.block_free,
	    "penalty-block-free", "20", 0, 1000000,
	    "failures of a block of addresses before it waits longer"),
	CONF_COUNT(struct tenantd_conf, penalty.block_lock,
	    "penalty-block-lock", "200", 0, 1000000,
	    "failures that lock a block of addresses (0: never)"),
	CONF_COUNT(struct tenantd_conf, penalty.tenant_free,
	    "penalty-tenant-free", "1000", 0, 100000000,
	    "failures from strangers before a tenant is under attack"),
	CONF_COUNT(struct tenantd_conf, penalty.tenant_lock,
	    "penalty-tenant-lock", "0", 0, 100000000,
	    "failures that lock a tenant to strangers (0: never)"),
	CONF_STRINGS(struct tenantd_conf, penalty.exempt, "penalty-exempt",
	    "networks whose addresses are not counted"),
};

const struct conf_section tenantd_section = { "tenantd", keys,
	sizeof(keys) / sizeof(*keys), sizeof(struct tenantd_conf) };

/* A word that is no LDAP URL would be a server that never answers. */
static int
check_uris(const char *uris, struct err *err)
{
	struct span rest = span_str(uris), word;
	unsigned count = 0;

	while (ldap_uri_take(&rest, &word)) {
		char text[512];
		LDAPURLDesc *url = NULL;
		bool good;

		(void)snprintf(text, sizeof(text), "%.*s", SPAN_FMT(word));
		good = ldap_url_parse(text, &url) == LDAP_URL_SUCCESS;
		ldap_free_urldesc(url);
		if (++count > LDAP_SERVERS_MAX)
			return err_set(err, ERR_SYNTAX,
			    "tenantd: uri: more than %d servers",
			    LDAP_SERVERS_MAX);
		if (!good)
			return err_set(err, ERR_SYNTAX,
			    "tenantd: uri = \"%s\": expected "
			    "\"ldap://HOST:PORT ldaps://HOST ...\"",
			    uris);
	}
	return 0;
}

int
tenantd_conf_penalty(const struct penalty_conf *conf,
    struct penalty_rules *rules_out, struct network **exempt_out,
    struct err *err)
{
	CLEANUP(mem_free)
	struct network *exempt = calloc(conf->exempt.len + 1, sizeof(*exempt));

	if (exempt == NULL)
		return err_sys(err, "penalty-exempt");
	for (size_t i = 0; i < conf->exempt.len; i++)
		if (network_parse(
			span_str(conf->exempt.items[i]), &exempt[i], err) == -1)
			return err_prefix(err, "tenantd: penalty-exempt");
	*rules_out = (struct penalty_rules){
		.half_life_s = (unsigned)conf->half_life,
		.first_ms = (unsigned)conf->delay_ms,
		.max_ms = (unsigned)conf->delay_max * 1000,
		.account_lock = (unsigned)conf->account_lock,
		.block_free = (unsigned)conf->block_free,
		.block_lock = (unsigned)conf->block_lock,
		.tenant_free = (unsigned)conf->tenant_free,
		.tenant_lock = (unsigned)conf->tenant_lock,
		.exempt = exempt,
		.exempt_len = conf->exempt.len,
	};
	*exempt_out = STEAL(exempt);
	return 0;
}

int
tenantd_conf_check(const void *section, struct err *err)
{
	const struct tenantd_conf *conf = section;
	CLEANUP(mem_free) struct network *exempt = NULL;
	struct penalty_rules rules;

	if (span_trim(span_str(conf->uri)).len == 0)
		return err_set(err, ERR_SYNTAX, "tenantd: uri is empty");
	if (check_uris(conf->uri, err) == -1)
		return -1;
	if (conf->base[0] == '\0' || conf->bind_dn[0] == '\0')
		return err_set(err, ERR_SYNTAX,
		    "tenantd: base and bind-dn: expected a DN");
	if (conf->password_file[0] != '/')
		return err_set(err, ERR_SYNTAX,
		    "tenantd: password-file = \"%s\": expected an absolute "
		    "path",
		    conf->password_file);
	if (conf->rehash_password_file[0] != '\0' &&
	    conf->rehash_password_file[0] != '/')
		return err_set(err, ERR_SYNTAX,
		    "tenantd: rehash-password-file = \"%s\": expected an "
		    "absolute path",
		    conf->rehash_password_file);
	if (check_uris(conf->rehash_uri, err) == -1)
		return -1;
	if (conf->ca_file[0] != '\0' && conf->ca_file[0] != '/')
		return err_set(err, ERR_SYNTAX,
		    "tenantd: ca-file = \"%s\": expected an absolute path",
		    conf->ca_file);
	if (tenantd_conf_penalty(&conf->penalty, &rules, &exempt, err) == -1)
		return -1;
	if (conf->starttls && strstr(conf->uri, "ldaps://") != NULL)
		return err_set(err, ERR_SYNTAX,
		    "tenantd: starttls = yes: not together with ldaps://");
	return 0;
}
