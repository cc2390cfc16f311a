/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/content.h"

#include "mime/lex.h"

/* tspecials of RFC 2045 5.1, which end a token. */
#define TSPECIALS "()<>@,;:\\\"/[]?="

/* value = token / quoted-string; a token may hold what it should not. */
static int
param_value_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err)
{
	struct span raw;
	char *p;

	if (!lex_quoted(in, &raw)) {
		(void)lex_run(in, ";\"(", out);
		return 0;
	}
	p = arena_take(a, raw.len + 1, err);
	if (p == NULL)
		return -1;
	*out = span_of(p, lex_unquote(raw, p));
	return 0;
}

/* Behind "type" or "type/subtype". */
static int
params_parse(
    struct span in, struct arena *a, struct mime_content *out, struct err *err)
{
	struct mime_param list[MIME_PARAMS_MAX];
	size_t len = 0;
	struct span junk;

	while (in.len > 0 && len < MIME_PARAMS_MAX) {
		struct mime_param param;

		if (!span_take_until(&in, ';', &junk))
			break;
		(void)lex_cfws(&in, NULL);
		if (!lex_run(&in, TSPECIALS, &param.name))
			continue;
		(void)lex_cfws(&in, NULL);
		if (!span_take_octet(&in, '='))
			continue;
		(void)lex_cfws(&in, NULL);
		if (param_value_parse(&in, a, &param.value, err) == -1)
			return -1;
		list[len++] = param;
	}
	if (len == 0)
		return 0;
	out->params = arena_array(a, len, sizeof(*list), err);
	if (out->params == NULL)
		return -1;
	memcpy(out->params, list, len * sizeof(*list));
	out->params_len = len;
	return 0;
}

int
mime_content_type_parse(struct span value, struct arena *a,
    struct mime_content *out, struct err *err)
{
	struct span in = value, type, subtype;

	*out = (struct mime_content){ .params = NULL };
	(void)lex_cfws(&in, NULL);
	if (!lex_run(&in, TSPECIALS, &type))
		return 0;
	(void)lex_cfws(&in, NULL);
	if (!span_take_octet(&in, '/'))
		return 0;
	(void)lex_cfws(&in, NULL);
	if (!lex_run(&in, TSPECIALS, &subtype))
		return 0;
	out->type = type;
	out->subtype = subtype;
	return params_parse(in, a, out, err);
}

int
mime_disposition_parse(struct span value, struct arena *a,
    struct mime_content *out, struct err *err)
{
	struct span in = value;

	*out = (struct mime_content){ .params = NULL };
	(void)lex_cfws(&in, NULL);
	if (!lex_run(&in, TSPECIALS, &out->type))
		return 0;
	return params_parse(in, a, out, err);
}

struct span
mime_param_find(const struct mime_content *c, struct span name)
{
	for (size_t i = 0; i < c->params_len; i++) {
		if (span_eq_nocase(c->params[i].name, name))
			return c->params[i].value;
	}
	return SPAN_NONE;
}

struct span
mime_token_parse(struct span value)
{
	struct span token;

	(void)lex_cfws(&value, NULL);
	(void)lex_run(&value, "()<>@,;:\\\"[]?", &token);
	return token;
}
