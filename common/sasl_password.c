/* SPDX-License-Identifier: BSD-2-Clause */
/* The mechanisms that show the password: PLAIN and LOGIN. */
#include "common/sasl_private.h"

static enum sasl_verdict
ask_directory(struct sasl_exchange *x, struct span password, struct err *err)
{
	return x->directory.password(
	    x->directory.arg, buf_span(&x->authcid), password, err);
}

/*
 *	message = [authzid] UTF8NUL authcid UTF8NUL passwd
 *
 *						    RFC 4616 section 2
 */
static enum sasl_verdict
plain_step(struct sasl_exchange *x, struct span message, struct buf *challenge,
    struct err *err)
{
	struct span authzid, authcid, rest = message;

	(void)challenge; /* empty: "go on" */
	if (message.p == NULL && x->state++ == 0)
		return SASL_CONTINUE;
	if (!span_take_until(&rest, '\0', &authzid) ||
	    !span_take_until(&rest, '\0', &authcid) || rest.len == 0 ||
	    rest.len > SASL_SECRET_MAX || span_index(rest, '\0') != -1 ||
	    authzid.len > SASL_NAME_MAX || !sasl_set_authcid(x, authcid))
		return SASL_BAD;
	buf_clear(&x->authzid);
	buf_append(&x->authzid, authzid);
	return ask_directory(x, rest, err);
}

const struct sasl_mechanism sasl_plain = { "PLAIN", true, plain_step };

/*
 * Never a standard: the server asks for the name, then for the password.
 * Some clients send the name as initial response.
 *				 draft-murchison-sasl-login-00 section 2
 */
static enum sasl_verdict
login_step(struct sasl_exchange *x, struct span message, struct buf *challenge,
    struct err *err)
{
	switch (x->state++) {
	case 0:
		if (message.p == NULL || message.len == 0) {
			buf_append(challenge, SPAN("Username:"));
			return SASL_CONTINUE;
		}
		x->state++;
		__attribute__((fallthrough));
	case 1:
		if (!sasl_set_authcid(x, message))
			return SASL_BAD;
		x->state = 2;
		buf_append(challenge, SPAN("Password:"));
		return SASL_CONTINUE;
	default:
		if (message.len == 0 || message.len > SASL_SECRET_MAX ||
		    span_index(message, '\0') != -1)
			return SASL_BAD;
		return ask_directory(x, message, err);
	}
}

const struct sasl_mechanism sasl_login = { "LOGIN", true, login_step };
