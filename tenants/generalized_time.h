/* SPDX-License-Identifier: BSD-2-Clause */
/* Times as LDAP writes them.			RFC 4517 section 3.3.13 */
#ifndef HK_TENANTS_GENERALIZED_TIME_H
#define HK_TENANTS_GENERALIZED_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

/*
 *	YYYYMMDDHH [ MM [ SS ] ] [ ( "." / "," ) 1*DIGIT ]
 *	    ( "Z" / ( "+" / "-" ) HH [ MM ] )
 *
 * The whole span, as seconds since 1970.  A fraction is checked and dropped;
 * a leap second is the second before it.  False: it is none.
 */
bool generalized_time_parse(struct span text, int64_t *seconds_out);

#endif
