/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entries whose limits hold for an account: its own, its class of
 * service, its tenant's, and the tenant's class.
 */
#ifndef HK_TENANTS_LAYERS_H
#define HK_TENANTS_LAYERS_H

#include "common/cleanup.h"
#include "tenants/directory_private.h"

enum {
	LAYERS_MAX = 4
};
struct layers {
	struct entry *entries[LAYERS_MAX]; /* the most particular one first */
	size_t len;
};

void layers_fini(struct layers *l);
CLEANUP_DEFINE_VALUE(struct layers, layers_fini)

/*
 * *l is empty before.  LOOKUP_NONE: something that an entry names is not
 * there, and a line in the log says so; no limit is lost by a typing error.
 */
enum lookup layers_of_tenant(struct directory *d, struct entry *tenant,
    struct layers *l, struct err *err);
/* *tenant_out is borrowed from *l. */
enum lookup layers_of_account(struct directory *d, struct entry *account,
    struct layers *l, struct entry **tenant_out, struct err *err);

/* The entry of the tenant in whose branch e stands: the caller's reference. */
enum lookup layers_tenant(struct directory *d, struct entry *e,
    struct entry **tenant_out, struct err *err);

/* Of what own and ceiling say in any layer; 0 is, and says, no limit. */
uint64_t layers_smallest(
    const struct layers *l, enum entry_attr own, enum entry_attr ceiling);
/* Where 0 is a limit too; otherwise: no layer says anything. */
uint64_t layers_ceiling(
    const struct layers *l, enum entry_attr attr, uint64_t otherwise);
uint64_t layers_floor(
    const struct layers *l, enum entry_attr attr, uint64_t otherwise);

/* Says why in the log; answers LOOKUP_NONE. */
enum lookup entry_unusable(const struct entry *e, const char *why);

#endif
