/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything that hikyakud takes from the configuration, in one snapshot. */
#ifndef HK_MASTER_CONF_H
#define HK_MASTER_CONF_H

#include <sys/types.h>

#include "common/buf.h"
#include "common/conf.h"
#include "common/daemon.h"
#include "common/err.h"
#include "master/manage_conf.h"
#include "master/store_conf.h"
#include "master/metrics_conf.h"
#include "master/service.h"

struct users_conf {
	char *gate, *smtpd, *deliveryd, *relayd, *tenantd, *pop3d, *imapd,
	    *metricsd, *antivirus, *quarantine, *forward, *autoreply;
};
extern const struct conf_section users_section;

struct master_conf {
	char *file;
	struct buf text;
	struct daemon_conf top;
	struct daemon_tls_conf tls;
	struct users_conf users;
	struct metrics_conf metrics;
	struct store_conf store;
	struct manage_conf manage; /* the command's; here to be checked */
	/* With "metrics" among them, from its own section. */
	struct conf_listeners listeners;
	struct buf pem; /* of all certificate files, one behind the other */
	uid_t tenant_low, tenant_high;
};

/*
 * Reads and checks the file: the sections of hikyakud itself, certificates
 * and users.  The daemons' own sections are checked by conf_check_daemons.
 */
int master_conf_load(
    const char *file, struct master_conf **conf_out, struct err *err);
void master_conf_free(struct master_conf *conf);
CLEANUP_DEFINE_PTR(struct master_conf, master_conf_free)

/* Does this service run under this configuration? */
bool master_conf_wants(
    const struct master_conf *conf, const struct service *service);

/*
 * The ids of a service's daemon or gate.  Without root: the process's own.
 * Errors: ERR_POLICY, no such user, with what to do.
 */
int master_conf_user(const struct master_conf *conf,
    const struct service *service, uid_t *uid_out, gid_t *gid_out,
    struct err *err);

/*
 * The text for one daemon: as in the file, line by line, but without the
 * sections of others, which may hold secrets of theirs.
 */
int master_conf_text_for(const struct master_conf *conf,
    const struct service *service, struct buf *out, struct err *err);

/*
 * Runs every wanted daemon's -n on its text, as its user, from the directory
 * programs.  The error is the daemon's own line.
 */
int master_conf_check_daemons(
    const struct master_conf *conf, const char *programs, struct err *err);

#endif
