/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of the envelope.                      RFC 5321 sections 4.1.2-3
 *
 * Deviations, each because real mail needs it:
 *  - dots may stand at either end of an unquoted local part and beside each
 *    other (".a..b."): Japanese mobile carriers have given out such
 *    addresses;
 *  - "_" counts as a letter in a domain: hosts with such names send mail;
 *  - a reverse-path may have a local part over 64 octets, since lists and
 *    mailing services put a recipient's whole address there (VERP).
 * The length of a path stays limited to 256 octets (4.5.3.1.3).
 */
#ifndef HK_MIME_ADDRESS_H
#define HK_MIME_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum {
	MAILADDR_PATH_MAX = 256,   /* with "<" and ">" */
	MAILADDR_LOCAL_MAX = 64,   /* 4.5.3.1.1 */
	MAILADDR_DOMAIN_MAX = 255, /* 4.5.3.1.2 */
	MAILADDR_LABEL_MAX = 63,   /* RFC 1035 2.3.4 */
};

enum { /* what a caller allows beside the plain grammar */
	MAILADDR_UTF8 = 1 << 0,       /* RFC 6531 3.3: needs SMTPUTF8 */
	MAILADDR_LONG_LOCAL = 1 << 1, /* reverse-paths */
};

/* Borrowed from the text it was parsed from. */
struct mailaddr {
	struct span local_part; /* as sent, quotes and backslashes included */
	struct span domain;     /* empty: <postmaster>, or the null path */
};

/*
 *	Mailbox    = Local-part "@" ( Domain / address-literal )
 *	Local-part = Dot-string / Quoted-string
 *
 * The whole span.  Errors: ERR_SYNTAX; ERR_LIMIT, a part is too long.
 */
int mailaddr_parse(struct span text, unsigned flags,
    struct mailaddr *address_out, struct err *err);

/*
 *	Reverse-path = Path / "<>"
 *	Path         = "<" [ A-d-l ":" ] Mailbox ">"
 *
 * Takes a path off the front of *in.  The null path is an empty local part
 * and an empty domain.  A source route is checked and dropped (appendix C).
 * On failure *in and *address_out stay.
 *
 * Errors: ERR_SYNTAX; ERR_LIMIT, the path or a part of it is too long.
 */
int reverse_path_parse(struct span *in, unsigned flags,
    struct mailaddr *address_out, struct err *err);

/*
 *	"<Postmaster>" / Forward-path				4.1.1.3
 *
 * Likewise; Postmaster without a domain, in any case, has an empty domain.
 */
int forward_path_parse(struct span *in, unsigned flags,
    struct mailaddr *address_out, struct err *err);

bool mailaddr_is_null(struct mailaddr address);
/* "[192.0.2.1]" and the like, not a name. */
bool mailaddr_is_literal(struct mailaddr address);

/*
 *	Domain          = sub-domain *("." sub-domain)
 *	address-literal = "[" ( IPv4 / "IPv6:" IPv6 / General ) "]"
 *
 * The whole span.
 */
bool mail_domain_valid(struct span text, bool utf8);
bool address_literal_valid(struct span text);

/*
 * Octets of the well-formed character at the front of a text that is not
 * empty, or 0.						RFC 3629 section 4
 */
size_t utf8_sequence(struct span text);

/* No control, overlong form, surrogate or other malformed UTF-8 in it. */
bool utf8_valid(struct span text);

/* Appends local-part@domain as sent; nothing for the null path. */
void mailaddr_format(struct mailaddr address, struct buf *out);

/* Appends the local part's meaning: quotes and backslashes removed. */
void mailaddr_unquote(struct span local_part, struct buf *out);

/*
 * The same address?  Local parts after removal of quotes, octet for octet
 * (only the domain's own host may fold their case, 2.4); domains without
 * ASCII case.
 */
bool mailaddr_same(struct mailaddr a, struct mailaddr b);

#endif
