/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/told.h"

#include <pthread.h>

enum {
	SLOTS = 8192 /* a power of two */
};

struct told {
	pthread_mutex_t mutex; /* guards slots */
	struct {
		uint64_t entry, faults;
	} slots[SLOTS];
};

int
told_new(struct told **told_out, struct err *err)
{
	struct told *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_sys(err, "told");
	(void)pthread_mutex_init(&t->mutex, NULL);
	*told_out = t;
	return 0;
}

void
told_free(struct told *t)
{
	if (t == NULL)
		return;
	(void)pthread_mutex_destroy(&t->mutex);
	free(t);
}

uint64_t
told_digest(uint64_t digest, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		digest =
		    (digest ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	/* So that "ab", "c" is another one than "a", "bc". */
	return (digest ^ s.len) * UINT64_C(1099511628211);
}

bool
told_changed(struct told *t, struct span uuid, uint64_t faults)
{
	uint64_t entry = told_digest(TOLD_DIGEST, uuid);
	size_t at = (size_t)(entry ^ entry >> 32) & (SLOTS - 1);
	bool same;

	(void)pthread_mutex_lock(&t->mutex);
	same = t->slots[at].entry == entry && t->slots[at].faults == faults;
	if (faults != 0 || t->slots[at].entry == entry) {
		t->slots[at].entry = entry;
		t->slots[at].faults = faults;
	}
	(void)pthread_mutex_unlock(&t->mutex);
	return faults != 0 && !same;
}
