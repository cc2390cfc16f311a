/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/quota.h"

#include "store/quota.h"

int
quota_ask(struct placer *p, const struct account_info *account, uint64_t octets,
    bool *fits_out, struct err *err)
{
	const struct placer_owner owner = {
		.tenant = span_str(account->tenant.name),
		.account = span_str(account->id),
		.uid = account->tenant.uid,
		.gid = account->tenant.gid,
	};
	const struct quota_owner told = {
		.address = account->address,
		.title = account->tenant.title,
		.language = account->language,
	};
	struct err why = ERR_INIT;
	struct account *a;
	int asked;

	*fits_out = true;
	if (account->quota_octets == 0 && account->quota_messages == 0)
		return 0;
	if (placer_enter(p, &owner, &a, err) == -1)
		return -1;
	account_limits(a, &(struct quota_limits){
			      account->quota_octets, account->quota_messages });
	account_owner(a, &told);
	asked = account_room(a, octets, 1, &why);
	account_unref(a);
	placer_leave(p);
	if (asked == 0)
		return 0;
	*fits_out = false;
	if (why.kind == ERR_LIMIT && why.os == EDQUOT)
		return 0;
	if (err != NULL)
		*err = why;
	return -1;
}
