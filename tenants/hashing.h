/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns at slow hashes: each takes milliseconds of a processor, so that one
 * tenant's wave of wrong passwords must not take them all.
 */
#ifndef HK_TENANTS_HASHING_H
#define HK_TENANTS_HASHING_H

#include "common/cleanup.h"
#include "common/err.h"

struct hashing;

/*
 * running: slow hashes of one tenant at a time; waiting: calls of one tenant
 * that may wait for a turn (each holds a worker meanwhile).
 */
int hashing_new(unsigned running, unsigned waiting,
    struct hashing **hashing_out, struct err *err);
void hashing_free(struct hashing *h);
CLEANUP_DEFINE_PTR(struct hashing, hashing_free)

/*
 * Waits for a turn; hashing_end gives it back.  tenant "" is a tenant too: of
 * those who do not exist.  ERR_TEMP: too many of this tenant wait already.
 */
int hashing_begin(struct hashing *h, const char *tenant, struct err *err);
void hashing_end(struct hashing *h, const char *tenant);

#endif
