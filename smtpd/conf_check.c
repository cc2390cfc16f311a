/* SPDX-License-Identifier: BSD-2-Clause */
/* Apart from conf.c, so that the table alone needs no SASL. */
#include "common/sasl.h"
#include "smtpd/conf.h"

int
smtpd_conf_check(const void *section, struct err *err)
{
	const struct smtpd_conf *conf = section;

	for (size_t i = 0; i < conf->mechanisms.len; i++) {
		if (sasl_mechanism_find(span_str(conf->mechanisms.items[i])) ==
		    NULL)
			return err_set(err, ERR_SYNTAX,
			    "mechanisms: \"%s\" is not a mechanism we have",
			    conf->mechanisms.items[i]);
	}
	return 0;
}
