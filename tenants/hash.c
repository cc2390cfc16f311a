/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/hash.h"

#include <openssl/rand.h>

int
hash_secret_new(struct hash_secret *secret_out, struct err *err)
{
	if (RAND_bytes((unsigned char *)secret_out, sizeof(*secret_out)) != 1)
		return err_set(err, ERR_TEMP, "no random octets");
	secret_out->factor |= 1; /* 0 would make all keys equal */
	return 0;
}
