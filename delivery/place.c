/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/place.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/daemon_conf.h"
#include "store/list.h"

struct placer {
	struct daemon *daemon;
	struct store *store;
	bool switches;
	uid_t low, high; /* uids that tenants may have */
};

static struct __user_cap_header_struct
cap_head(void)
{
	return (struct __user_cap_header_struct){
		.version = _LINUX_CAPABILITY_VERSION_3
	};
}

/* Whether CAP_SETUID and CAP_SETGID are there: hikyakud runs as root. */
static bool
may_switch(void)
{
	struct __user_cap_header_struct head = cap_head();
	struct __user_cap_data_struct data[2] = { 0 };
	const uint32_t both = 1U << CAP_SETUID | 1U << CAP_SETGID;

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & both) == both;
}

int
placer_keep_rights_here(struct err *err)
{
	struct __user_cap_header_struct head = cap_head();
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) == -1)
		return err_sys(err, "capget");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		return err_sys(err, "ambient capabilities");
	data[0].inheritable = data[1].inheritable = 0;
	if (syscall(SYS_capset, &head, data) == -1)
		return err_sys(err, "capset");
	return 0;
}

int
placer_new(struct daemon *d, struct placer **placer_out, struct err *err)
{
	CLEANUP(placer_free) struct placer *p = calloc(1, sizeof(*p));
	const struct daemon_conf *conf = daemon_conf(d);
	struct store_options options = { .path = conf->store_directory };

	if (p == NULL)
		return err_set(err, ERR_TEMP, "placer: out of memory");
	p->daemon = d;
	p->switches = may_switch();
	if (p->switches &&
	    !daemon_uid_range(conf->tenant_uids, &p->low, &p->high))
		return err_set(err, ERR_TEMP, "tenant-uids is no range");
	if (store_new(&options, &p->store, err) == -1)
		return -1;
	*placer_out = STEAL(p);
	return 0;
}

void
placer_free(struct placer *p)
{
	if (p == NULL)
		return;
	store_free(p->store);
	free(p);
}

bool
placer_switches(const struct placer *p)
{
	return p->switches;
}

/* ---- acting for a tenant ---- */

/* The calling thread's file system ids; answers false when it may not. */
static bool
take_ids(uid_t uid, gid_t gid)
{
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	/* They tell nothing of failure but the ids that were before. */
	return (uid_t)setfsuid((uid_t)-1) == uid &&
	       (gid_t)setfsgid((gid_t)-1) == gid;
}

static int
act_for(
    const struct placer *p, const struct placer_owner *owner, struct err *err)
{
	if (!p->switches)
		return 0;
	/* The directory may be wrong or taken over; no uid of the system, and
	 * none of our daemons', can be reached through it. */
	if (owner->uid < p->low || owner->uid > p->high || owner->gid == 0)
		return err_set(err, ERR_POLICY,
		    "tenant %.*s: uid %u is not within tenant-uids",
		    SPAN_FMT(owner->tenant), (unsigned)owner->uid);
	if (!take_ids(owner->uid, owner->gid)) {
		(void)take_ids(geteuid(), getegid());
		return err_set(
		    err, ERR_TEMP, "setfsuid %u failed", (unsigned)owner->uid);
	}
	return 0;
}

static void
act_as_self(const struct placer *p)
{
	/* A thread that went on under a tenant's uid would serve the next
	 * tenant with it. */
	if (p->switches && !take_ids(geteuid(), getegid()))
		abort();
}

static int
enter_once(struct placer *p, const struct placer_owner *owner,
    struct account **account_out, struct err *err)
{
	if (act_for(p, owner, err) == -1)
		return -1;
	if (account_open(p->store, owner->tenant, owner->account,
		ACCOUNT_CREATE, account_out, err) == 0)
		return 0;
	act_as_self(p);
	return -1;
}

int
placer_enter(struct placer *p, const struct placer_owner *owner,
    struct account **account_out, struct err *err)
{
	struct err first = ERR_INIT;
	char tenant[STORE_TENANT_MAX + 1] = "";

	if (enter_once(p, owner, account_out, &first) == 0)
		return 0;
	/* A brand's first mail: its directory is hikyakud's to make. */
	if ((first.os != ENOENT && first.os != EACCES) ||
	    owner->tenant.len > STORE_TENANT_MAX) {
		if (err != NULL)
			*err = first;
		return -1;
	}
	memcpy(tenant, owner->tenant.p, owner->tenant.len);
	if (daemon_tenant_directory(p->daemon, tenant, err) == -1)
		return -1;
	return enter_once(p, owner, account_out, err);
}

void
placer_leave(struct placer *p)
{
	act_as_self(p);
}

struct store *
placer_store(struct placer *p)
{
	return p->store;
}

/* ---- placing ---- */

static const struct span inbox = { "INBOX", 5 };

/* Where a message goes when there is no such mailbox: there, once it is made,
 * or to INBOX. */
static int
other_place(struct account *a, struct span *mailbox, struct err *err)
{
	struct err why = ERR_INIT;

	if (mailbox_name_is_inbox(*mailbox))
		return -1;
	*err = ERR_INIT;
	if (mailbox_create(a, *mailbox, &why) == 0 ||
	    mailbox_exists(a, *mailbox))
		return 0;
	if (why.kind != ERR_POLICY && why.kind != ERR_SYNTAX) {
		*err = why;
		return -1;
	}
	*mailbox = inbox;
	return 0;
}

int
placer_write(struct account *a, struct placing_message *m,
    struct placing **placing_out, struct err *err)
{
	/* It may be deleted again meanwhile, but not for ever. */
	for (unsigned tries = 0;; tries++) {
		if (placing_write(a, m, placing_out, err) == 0)
			return 0;
		if (err->kind != ERR_POLICY)
			return -1;
		if (tries > 2)
			m->mailbox = inbox;
		if (other_place(a, &m->mailbox, err) == -1)
			return -1;
	}
}

static int
write_message(struct account *a, const struct placer_message *m,
    struct span mailbox, struct draft_result *result_out, struct err *err)
{
	static const struct draft_options options = { .has_date = false };
	CLEANUP(draft_free) struct draft *d = NULL;

	if (draft_new(a, mailbox, &d, err) == -1 ||
	    draft_write(d, m->trace, err) == -1 ||
	    draft_write(d, m->text, err) == -1)
		return -1;
	return draft_commit(d, &options, result_out, err);
}

int
placer_place(struct placer *p, const struct placer_message *m,
    struct draft_result *result_out, struct err *err)
{
	const struct placer_owner owner = {
		.tenant = span_str(m->account->tenant.name),
		.account = span_str(m->account->id),
		.uid = m->account->tenant.uid,
		.gid = m->account->tenant.gid,
	};
	struct span mailbox = m->mailbox;
	struct account *a;
	int done;

	if (placer_enter(p, &owner, &a, err) == -1)
		return -1;
	done = write_message(a, m, mailbox, result_out, err);
	if (done == -1 && err->kind == ERR_POLICY &&
	    other_place(a, &mailbox, err) == 0)
		done = write_message(a, m, mailbox, result_out, err);
	account_unref(a);
	placer_leave(p);
	return done;
}
