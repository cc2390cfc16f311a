/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/surrogate.h"

#include "mime/downgrade.h"
#include "mime/header.h"

/* A header that grows beyond this is not for such a client. */
#define HEADER_MAX ((size_t)8 * 1024 * 1024)

int
surrogate_make(
    struct span message, struct surrogate *surrogate_out, struct err *err)
{
	struct span fields = span_first(message, header_end(message).fields);
	bool international;

	buf_init(&surrogate_out->header, HEADER_MAX);
	surrogate_out->from = 0;
	if (header_is_international(fields, &international, err) == -1)
		return -1;
	if (!international)
		return 0;
	surrogate_out->from = fields.len;
	return header_downgrade(fields, &surrogate_out->header, err);
}

void
surrogate_fini(struct surrogate *s)
{
	buf_fini(&s->header);
}
