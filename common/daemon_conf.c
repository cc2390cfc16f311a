/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/daemon_conf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const log_targets[] = { "stderr", "file", "syslog", NULL };
static const char *const log_levels[] = { "error", "warning", "notice", "info",
	"debug", NULL };

static const struct conf_key top_keys[] = {
	CONF_STRING(struct daemon_conf, hostname, "hostname", NULL,
	    "how this machine calls itself; default: the system's name"),
	CONF_STRING(struct daemon_conf, store_directory, "store-directory",
	    "/var/lib/hikyaku/store", "mailboxes"),
	CONF_STRING(struct daemon_conf, state_directory, "state-directory",
	    "/var/lib/hikyaku/state", "what daemons keep"),
	CONF_STRING(struct daemon_conf, run_directory, "run-directory",
	    "/run/hikyaku", "sockets"),
	CONF_ENUM(struct daemon_conf, log_target, "log-target", "syslog",
	    log_targets, "where log lines go"),
	CONF_ENUM(struct daemon_conf, log_level, "log-level", "info",
	    log_levels, "the least level that is logged"),
	CONF_STRING(struct daemon_conf, log_file, "log-file",
	    "/var/log/hikyaku.log", "for log-target = file"),
	CONF_COUNT(struct daemon_conf, workers, "workers", "16", 1, 256,
	    "threads that run sessions, a process"),
	CONF_COUNT(struct daemon_conf, shards, "session-shards", "1", 1, 64,
	    "session processes of a service for one tenant"),
	CONF_SECONDS(struct daemon_conf, session_idle, "session-idle", "10m", 1,
	    86400, "a session process without clients ends after this"),
	CONF_SECONDS(struct daemon_conf, drain_wait, "drain-wait", "10s", 0,
	    3600, "how long an orderly end may take"),
	CONF_STRING(struct daemon_conf, tenant_uids, "tenant-uids",
	    "200000-299999", "uids that tenants may have"),
};
const struct conf_section daemon_top_section = { NULL, top_keys,
	sizeof(top_keys) / sizeof(top_keys[0]), sizeof(struct daemon_conf) };

static const char *const tls_versions[] = { "TLSv1", "TLSv1.1", "TLSv1.2",
	"TLSv1.3", NULL };

static const struct conf_key tls_keys[] = {
	CONF_STRINGS(struct daemon_tls_conf, certificate, "certificate",
	    "PEM files: chain, leaf first, then the private key"),
	CONF_ENUM(struct daemon_tls_conf, minimum, "minimum", "TLSv1.2",
	    tls_versions, "the oldest version that is spoken"),
};
const struct conf_section daemon_tls_section = { "tls", tls_keys,
	sizeof(tls_keys) / sizeof(tls_keys[0]),
	sizeof(struct daemon_tls_conf) };

const char *
daemon_tls_version(const struct daemon_tls_conf *conf)
{
	return tls_versions[conf->minimum];
}

bool
daemon_uid_range(const char *text, uid_t *low_out, uid_t *high_out)
{
	struct span in = span_str(text);
	uint64_t low, high;

	if (!span_take_u64(&in, &low) || !span_take_octet(&in, '-') ||
	    !span_to_u64(in, &high))
		return false;
	/* Neither root nor the ids that mean "none". */
	if (low == 0 || low > high || high >= UINT32_MAX - 1)
		return false;
	*low_out = (uid_t)low;
	*high_out = (uid_t)high;
	return true;
}

static int
check_path(const char *file, const char *key, const char *path, struct err *err)
{
	if (path[0] == '/' && strlen(path) < DAEMON_PATH_MAX)
		return 0;
	return err_set(err, ERR_SYNTAX,
	    "%s: %s: \"%.60s\"; expected an absolute path of under %d octets",
	    file, key, path, DAEMON_PATH_MAX);
}

static int
default_hostname(char **out, struct err *err)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) == -1 || name[0] == '\0')
		return err_set(err, ERR_SYNTAX,
		    "hostname: not set, and the system has no name");
	*out = strdup(name);
	return *out == NULL ? err_set(err, ERR_TEMP, "out of memory") : 0;
}

int
daemon_conf_check(struct daemon_conf *conf, const char *file, struct err *err)
{
	uid_t low, high;

	if (check_path(file, "store-directory", conf->store_directory, err) ==
		-1 ||
	    check_path(file, "state-directory", conf->state_directory, err) ==
		-1 ||
	    check_path(file, "run-directory", conf->run_directory, err) == -1 ||
	    check_path(file, "log-file", conf->log_file, err) == -1)
		return -1;
	if (!daemon_uid_range(conf->tenant_uids, &low, &high))
		return err_set(err, ERR_SYNTAX,
		    "%s: tenant-uids: \"%.40s\"; expected LOW-HIGH, such as "
		    "200000-299999",
		    file, conf->tenant_uids);
	if (conf->hostname == NULL)
		return default_hostname(&conf->hostname, err);
	return 0;
}
