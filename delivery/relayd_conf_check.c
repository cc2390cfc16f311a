/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/relayd_conf.h"
#include "delivery/route.h"

int
relayd_conf_check(const void *section, struct err *err)
{
	const struct relayd_conf *conf = section;

	for (size_t i = 0; i < conf->transports.len; i++)
		if (!route_transport_valid(conf->transports.items[i]))
			return err_set(err, ERR_SYNTAX,
			    "transports: \"%s\"; expected "
			    "\"example.org=host:port\", or \"*=host\"",
			    conf->transports.items[i]);
	if (conf->retry_max < conf->retry_min)
		return err_set(
		    err, ERR_SYNTAX, "retry-max is less than retry-min");
	return 0;
}
