/* SPDX-License-Identifier: BSD-2-Clause */
/* What the mechanisms' files share. */
#ifndef HK_COMMON_SASL_PRIVATE_H
#define HK_COMMON_SASL_PRIVATE_H

#include "common/sasl.h"

enum {
	SASL_NAME_MAX = 512,    /* octets of an authcid or authzid */
	SASL_SECRET_MAX = 1024, /* of a password */
	SASL_MESSAGE_MAX = 8192,
	SASL_NONCE_MAX = 256, /* of a client's nonce */
};

struct sasl_mechanism {
	const char *name;
	bool plaintext;
	/* message.p NULL: the start, with no initial response. */
	enum sasl_verdict (*step)(struct sasl_exchange *x, struct span message,
	    struct buf *challenge, struct err *err);
};

struct sasl_exchange {
	const struct sasl_mechanism *mechanism;
	struct sasl_directory directory;
	char hostname[256];
	char nonce[64]; /* ours */
	unsigned state; /* the mechanism's; 0 at the start */
	struct buf authcid, authzid;
	/* CRAM-MD5: the challenge.  SCRAM: client-first-message-bare, ",",
	 * server-first-message. */
	struct buf said;
	struct buf gs2;       /* SCRAM: gs2-header as it came */
	struct buf nonce_all; /* SCRAM: the client's nonce and ours */
	struct sasl_scram scram;
};

/* Stores a name; false when it is empty, too long or has a NUL in it. */
bool sasl_set_authcid(struct sasl_exchange *x, struct span name);
/* Empties a buffer that held a secret, over its whole memory. */
void sasl_buf_wipe(struct buf *b);

extern const struct sasl_mechanism sasl_apop, sasl_plain, sasl_login,
    sasl_cram_md5, sasl_scram_sha_256;

#endif
