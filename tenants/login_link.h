/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets from a gate to session processes, one a (tenant, shard), kept for
 * the next login.  Workers share a socket: a packet is sent whole or not at
 * all.  A socket whose process has ended is replaced when it is asked for.
 */
#ifndef HK_TENANTS_LOGIN_LINK_H
#define HK_TENANTS_LOGIN_LINK_H

#include "common/cleanup.h"
#include "common/err.h"

struct login_links;
struct login_link;

struct login_links_options {
	const char *daemon; /* borrowed: outlives the links */
	int (*connect)(void *arg, const char *daemon, const char *tenant,
	    unsigned shard, int *fd_out, struct err *err);
	void *arg;
};

int login_links_new(const struct login_links_options *options,
    struct login_links **links_out, struct err *err);
/* No link may be in use. */
void login_links_free(struct login_links *links);
CLEANUP_DEFINE_PTR(struct login_links, login_links_free)

/* Borrowed until login_link_unref.  Errors: those of connect; ERR_TEMP. */
int login_link_get(struct login_links *links, const char *tenant,
    unsigned shard, struct login_link **link_out, struct err *err);
int login_link_fd(const struct login_link *link);
/* Sending failed: the next login_link_get connects anew. */
void login_link_drop(struct login_links *links, struct login_link *link);
void login_link_unref(struct login_links *links, struct login_link *link);

#endif
