/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What daemons ask of hikyakud.  They face the network, so every field is
 * read as an attacker's: each service may ask only for what its table row
 * says, and names are checked before they become paths.
 */
#ifndef HK_MASTER_REQUEST_H
#define HK_MASTER_REQUEST_H

#include "common/control.h"
#include "master/master.h"

void request_connect(
    struct master *m, struct unit *u, struct control_packet *p);
void request_directory(
    struct master *m, struct unit *u, struct control_packet *p);

/* A tenant's ids have come (or an error), for whoever waited. */
void request_tenant_known(struct master *m, const char *tenant, uid_t uid,
    gid_t gid, const struct err *trouble);

/* [a-z0-9-], 1 to 63 octets. */
bool request_tenant_name(const char *name);

#endif
