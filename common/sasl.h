/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SASL for servers: PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login),
 * CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 5802, 7677).
 *
 * Gates use the first part: names, and the base64 of the protocols.  The
 * exchanges run in tenantd, which alone has the secrets.
 */
#ifndef HK_COMMON_SASL_H
#define HK_COMMON_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

/* ---- for gates ----------------------------------------------------------- */

struct sasl_mechanism; /* what one mechanism does; see sasl.c */

/* The mechanism of that name, without regard to case, or NULL. */
const struct sasl_mechanism *sasl_mechanism_find(struct span name);
/* The i-th in order of preference, NULL behind the last. */
const struct sasl_mechanism *sasl_mechanism_at(size_t i);
const char *sasl_mechanism_name(const struct sasl_mechanism *m);
/*
 * APOP of RFC 1939 section 7 as a mechanism of one message,
 *
 *	timestamp NUL name NUL 32(lower-case hexadecimal digit)
 *
 * which none of the functions above finds: a client that could choose the
 * timestamp would need no secret, only an answer that it has overheard.
 */
const struct sasl_mechanism *sasl_mechanism_apop(void);
/* It shows the password to whoever reads the line: offer it under TLS. */
bool sasl_mechanism_plaintext(const struct sasl_mechanism *m);

/* What a client's line in an exchange is (RFC 4954 4, 5034 4, 3501 6.2.2). */
enum sasl_line {
	SASL_LINE_OK,     /* decoded octets are in the buffer */
	SASL_LINE_CANCEL, /* "*" */
	SASL_LINE_BAD,    /* not base64, or longer than the buffer may be */
};

/* A response line without its CRLF.  An empty line is an empty response. */
enum sasl_line sasl_line_decode(struct span line, struct buf *response);
/* The same for an initial response in a command, where "=" is empty. */
enum sasl_line sasl_initial_decode(struct span argument, struct buf *response);
/* Appends a challenge in base64 (nothing for an empty one). */
void sasl_line_encode(struct span challenge, struct buf *line);

/* Base64 of RFC 4648 section 4, canonical: padded, no other octet, no bits
 * left over.  Failure leaves *out as it was. */
int base64_decode(struct span text, struct buf *out, struct err *err);
void base64_encode(struct span octets, struct buf *out);

/* ---- exchanges ------------------------------------------------------------
 */

enum {
	SASL_SCRAM_SIZE = 32
}; /* SHA-256 */

/* What is kept of a password for SCRAM-SHA-256. RFC 5802 section 3. */
struct sasl_scram {
	uint32_t iterations;
	unsigned char salt[64];
	size_t salt_len;
	unsigned char stored_key[SASL_SCRAM_SIZE];
	unsigned char server_key[SASL_SCRAM_SIZE];
};

/* Derives it; ERR_LIMIT for a salt or an iteration count out of range. */
int sasl_scram_derive(struct span password, struct span salt,
    uint32_t iterations, struct sasl_scram *scram_out, struct err *err);
/*
 * The text form, which PostgreSQL has too:
 *
 *	value = iterations "$" salt "$" StoredKey ":" ServerKey
 *
 * with the iterations in decimal and the rest in base64.  In LDAP the words
 * {SCRAM-SHA-256} stand before it, which parse and format leave to the caller.
 */
int sasl_scram_parse(
    struct span value, struct sasl_scram *scram_out, struct err *err);
void sasl_scram_format(const struct sasl_scram *scram, struct buf *out);

enum sasl_verdict {
	SASL_OK,       /* proved who they are */
	SASL_CONTINUE, /* send the challenge */
	SASL_WRONG,    /* unknown, or the proof is wrong */
	SASL_BAD,      /* grammar */
	SASL_WEAK,     /* this account has no material for the mechanism */
	SASL_FAILED,   /* our side: err is ERR_TEMP */
};

/* How an exchange reaches the directory. */
struct sasl_directory {
	/* Is it their password?  Unknown users cost the same as known ones. */
	enum sasl_verdict (*password)(void *arg, struct span authcid,
	    struct span password, struct err *err);
	/* A clear secret for CRAM-MD5; the exchange cleans the buffer. */
	enum sasl_verdict (*secret)(void *arg, struct span authcid,
	    struct buf *secret, struct err *err);
	/*
	 * SCRAM material.  For an unknown user it answers SASL_OK with
	 * material that no password has made, the same for a name each time:
	 * the exchange then fails at its end, as with a wrong password.
	 * It is asked once more at the end, where other material is none.
	 */
	enum sasl_verdict (*scram)(void *arg, struct span authcid,
	    struct sasl_scram *scram, struct err *err);
	void *arg;
};

struct sasl_exchange;

/*
 * hostname: for CRAM-MD5's challenge.  nonce: NULL, or a fixed nonce
 * (printable, no comma) for tests with published vectors.
 */
int sasl_exchange_new(const struct sasl_mechanism *m,
    const struct sasl_directory *directory, const char *hostname,
    const char *nonce, struct sasl_exchange **exchange_out, struct err *err);
/* Cleans secrets before it frees. */
void sasl_exchange_free(struct sasl_exchange *x);
CLEANUP_DEFINE_PTR(struct sasl_exchange, sasl_exchange_free)

/*
 * Feeds one message (p NULL only at the start: no initial response) and
 * appends the next challenge.  After anything but SASL_CONTINUE it is over,
 * except that after SASL_FAILED the same message may be fed once more.
 */
enum sasl_verdict sasl_exchange_step(struct sasl_exchange *x,
    struct span message, struct buf *challenge, struct err *err);

/* Another arg for the functions of its directory. */
void sasl_exchange_set_arg(struct sasl_exchange *x, void *arg);

/* Who it is about; empty until the client said so.  Borrowed. */
struct span sasl_exchange_authcid(const struct sasl_exchange *x);
/* On whose behalf: empty means the same.  Borrowed. */
struct span sasl_exchange_authzid(const struct sasl_exchange *x);

#endif
