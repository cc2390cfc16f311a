/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From entries to the settings that hold: the account's own values, else the
 * tenant's, judged by settings_spec.h within the limits of all layers.  A bad
 * value is said to be so, and told to the log once each time it changes.
 */
#ifndef HK_TENANTS_EFFECTIVE_H
#define HK_TENANTS_EFFECTIVE_H

#include "tenants/directory_private.h"

enum {
	/* Of fields TAG_SETTING together. */
	EFFECTIVE_OCTETS_MAX = 8 * 1024 * 1024
};

/*
 * Appends fields TAG_SETTING (protocol.h) for the entry of an account or of a
 * tenant.  Those whose value is nobody's are left out.
 * LOOKUP_NONE: the entry is unusable, and the log says so.
 */
enum lookup effective_settings(
    struct directory *d, struct entry *own, struct buf *items, struct err *err);

#endif
