/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passwords for single programs.
 *
 *	hkAppLabel	ID SP SERVICE *("," SERVICE) SP TIME SP LABEL
 *	hkAppPassword	ID SP "{" scheme "}" material
 *
 * A label without a password, and a password without a label of the same ID,
 * is nothing: whoever takes a label away takes the password back.
 */
#ifndef HK_TENANTS_APP_PASSWORD_H
#define HK_TENANTS_APP_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"
#include "tenants/entry.h"

struct app_label {
	struct span id;
	unsigned services; /* SERVICE_* */
	struct span time, label;
};

/* False: no label.  Spans are borrowed from text. */
bool app_label_parse(struct span text, struct app_label *out);

/*
 * Appends those of an entry that hold for a service:
 *
 *	value = ID SP "{" scheme "}" material NUL
 *
 * Of over max labels those hold that come first by the alphabet.
 */
void app_passwords_put(
    const struct entry *e, unsigned service, uint64_t max, struct buf *out);

/* One of these values after another. */
bool app_password_next(
    struct span *rest, struct span *id_out, struct span *stored_out);

#endif
