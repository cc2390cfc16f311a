/* SPDX-License-Identifier: BSD-2-Clause */
/* Apart from the table, which says nothing of SASL. */
#include "pop3d/conf.h"

int
pop3d_conf_check(const void *section, struct err *err)
{
	const struct pop3d_conf *conf = section;

	return login_conf_check(&conf->login, err);
}
