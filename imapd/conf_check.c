/* SPDX-License-Identifier: BSD-2-Clause */
/* Apart from the table, which says nothing of SASL. */
#include "imapd/conf.h"

int
imapd_conf_check(const void *section, struct err *err)
{
	const struct imapd_conf *conf = section;

	return login_conf_check(&conf->login, err);
}
