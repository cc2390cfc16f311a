/* SPDX-License-Identifier: BSD-2-Clause */
/* Recipients as they are found, each once: a list can have thousands. */
#ifndef HK_TENANTS_RECIPIENTS_H
#define HK_TENANTS_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "tenants/client.h"

/* What is kept beside a resolution while it grows; zeros to begin with. */
struct recipients {
	size_t cap;
	uint32_t *seen; /* by hash: index + 1, 0: none */
	size_t seen_cap;
};

bool recipients_has(const struct recipients *r, const struct resolution *out,
    const struct recipient *one);
/* Adds it to *out unless it is there. */
int recipients_add(struct recipients *r, struct resolution *out,
    const struct recipient *new, struct err *err);
void recipients_fini(struct recipients *r);

#endif
