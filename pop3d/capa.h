/* SPDX-License-Identifier: BSD-2-Clause */
/* CAPA.					RFC 2449 section 5 */
#ifndef HK_POP3D_CAPA_H
#define HK_POP3D_CAPA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/conn.h"
#include "common/span.h"

struct capa {
	struct span mechanisms; /* " PLAIN LOGIN", or empty: no SASL */
	bool user;              /* USER and PASS are accepted */
	bool stls;
};

/* What holds for one user.  0 of either: nothing said. */
struct capa_user {
	uint32_t login_delay; /* seconds between two logins */
	uint32_t expire_days; /* mail is kept so long; 0: for ever */
};

/* The lines but for the end, which a session adds. */
void capa_format(const struct capa *capa, struct buf *out);
/* user NULL: nobody knows yet who it is. */
void capa_end(const struct capa_user *user, struct buf *out);

#endif
