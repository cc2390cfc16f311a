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

/* The lines but for the end, which a session adds: what holds for its user. */
void capa_format(const struct capa *capa, struct buf *out);
/* login_delay: seconds between two logins of this user; 0: any. */
void capa_end(uint32_t login_delay, struct buf *out);

#endif
