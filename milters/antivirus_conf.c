/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/antivirus_conf.h"

static const char *const engines[] = { "libclamav", "clamd", NULL };

static const struct conf_key antivirus_keys[] = {
	CONF_ENUM(struct antivirus_conf, engine, "engine", "libclamav", engines,
	    "who scans: processes of ours, or an existing clamd"),
	CONF_STRING(struct antivirus_conf, clamd_socket, "clamd-socket",
	    "/run/clamav/clamd.ctl", "where clamd listens"),
	CONF_STRING(struct antivirus_conf, signatures, "signatures",
	    "/var/lib/clamav", "directory of the signatures"),
	/* In memory: libclamav unpacks into it, which a disk slows by half. */
	CONF_STRING(struct antivirus_conf, scratch, "scratch", "/dev/shm",
	    "directory for what scanners unpack"),
	CONF_COUNT(struct antivirus_conf, scanners, "scanners", "0", 0, 64,
	    "scanner processes; 0: one for each processor"),
	/* Above smtpd's largest message. */
	CONF_OCTETS(struct antivirus_conf, message_max, "message-max", "100M",
	    65536, (uint64_t)2 << 30,
	    "larger messages, and files in them, are unscannable"),
	CONF_OCTETS(struct antivirus_conf, total_max, "unpacked-max", "400M",
	    65536, (uint64_t)4 << 30,
	    "octets of one message, unpacked, that are scanned"),
	CONF_COUNT(struct antivirus_conf, depth_max, "depth-max", "17", 2, 100,
	    "containers in containers"),
	CONF_COUNT(struct antivirus_conf, files_max, "files-max", "10000", 10,
	    1000000, "files in one message"),
	CONF_SECONDS(struct antivirus_conf, scan_wait, "scan-wait", "60s", 1,
	    300, "time for one message"),
	CONF_OCTETS(struct antivirus_conf, memory_max, "memory-max", "1G",
	    (uint64_t)64 << 20, (uint64_t)64 << 30,
	    "memory of a scanner beside the signatures"),
	CONF_SECONDS(struct antivirus_conf, check_wait, "check-wait", "10s", 1,
	    86400, "how often the signatures are looked at"),
};

const struct conf_section antivirus_section = {
	.name = "antivirus",
	.keys = antivirus_keys,
	.keys_len = sizeof(antivirus_keys) / sizeof(antivirus_keys[0]),
	.size = sizeof(struct antivirus_conf),
};

int
antivirus_conf_check(const void *section, struct err *err)
{
	const struct antivirus_conf *conf = section;
	const struct {
		const char *key, *path;
	} paths[] = {
		{ "clamd-socket", conf->clamd_socket },
		{ "signatures", conf->signatures },
		{ "scratch", conf->scratch },
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (paths[i].path[0] != '/')
			return err_set(err, ERR_SYNTAX,
			    "%s: \"%.60s\"; expected an absolute path",
			    paths[i].key, paths[i].path);
	return 0;
}
