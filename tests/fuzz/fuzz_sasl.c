/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any mechanism, fed with messages from the input.  Nobody is let in but by
 * the one right password, and names come out without NUL.
 *
 *	input = mechanism-octet *(length-octet message)
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum sasl_verdict
the_password(
    void *arg, struct span authcid, struct span password, struct err *err)
{
	(void)err;
	assert(authcid.len > 0 && span_index(authcid, '\0') == -1);
	assert(password.len > 0);
	*(bool *)arg = span_eq(password, SPAN("pw"));
	return *(bool *)arg ? SASL_OK : SASL_WRONG;
}

static enum sasl_verdict
the_secret(void *arg, struct span authcid, struct buf *secret, struct err *err)
{
	(void)arg;
	(void)authcid;
	(void)err;
	buf_append(secret, SPAN("pw"));
	return SASL_WRONG;
}

static enum sasl_verdict
the_scram(
    void *arg, struct span authcid, struct sasl_scram *scram, struct err *err)
{
	(void)arg;
	(void)authcid;
	(void)err;
	*scram = (struct sasl_scram){ .iterations = 4096, .salt_len = 8 };
	return SASL_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sasl_mechanism *m;
	struct span rest = { (const char *)data, size };
	bool right = false;
	struct sasl_directory directory = { the_password, the_secret, the_scram,
		&right };
	CLEANUP(sasl_exchange_free) struct sasl_exchange *x = NULL;
	CLEANUP(buf_fini) struct buf challenge;
	enum sasl_verdict verdict = SASL_CONTINUE;

	buf_init(&challenge, 8192);
	if (size == 0)
		return 0;
	m = sasl_mechanism_at(data[0] % 4);
	if (sasl_exchange_new(
		m, &directory, "mail.example", "nonce", &x, NULL) == -1)
		abort();
	rest = span_from(rest, 1);
	while (verdict == SASL_CONTINUE && rest.len > 0) {
		size_t len = (unsigned char)rest.p[0];

		rest = span_from(rest, 1);
		verdict = sasl_exchange_step(
		    x, span_first(rest, len), &challenge, NULL);
		rest = span_from(rest, len);
	}
	/* No proof for these keys is known to the fuzzer. */
	assert(verdict != SASL_OK || right);
	return 0;
}
