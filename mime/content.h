/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values of Content-Type, Content-Disposition and their like.
 *
 *	content   = type "/" subtype *(";" parameter)	RFC 2045 section 5.1
 *	disposition = type *(";" parameter)		RFC 2183 section 2
 *	parameter = attribute "=" value
 *	value     = token / quoted-string
 *
 * Values are read leniently: what is not understood is passed over up to the
 * next ";".  RFC 2231 parameters come out as they were sent ("name*0").
 */
#ifndef HK_MIME_CONTENT_H
#define HK_MIME_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

#define MIME_PARAMS_MAX 200 /* of one field; the rest is not read */

struct mime_param {
	struct span name, value; /* quotes and escapes removed */
};

struct mime_content {
	struct span type;    /* empty: the field could not be read */
	struct span subtype; /* empty for a disposition */
	struct mime_param *params;
	size_t params_len;
};

/*
 * Spans point into value or the arena.  Only the arena makes these fail; a
 * field that makes no sense gives an empty type.
 */
int mime_content_type_parse(struct span value, struct arena *a,
    struct mime_content *out, struct err *err);
int mime_disposition_parse(struct span value, struct arena *a,
    struct mime_content *out, struct err *err);

/* The first parameter of that name, compared without case; p NULL: none. */
struct span mime_param_find(const struct mime_content *c, struct span name);

/* One token, comments around it dropped; empty: none. (Encodings, tags.) */
struct span mime_token_parse(struct span value);

#endif
