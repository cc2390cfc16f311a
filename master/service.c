/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/service.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/socket.h>

/* Placers act under each tenant's uid by setfsuid, in its gid. */
static const int deliveryd_keep[] = { CAP_SETUID, CAP_SETGID };

const struct service services[] = {
	{ .name = "tenantd",
	    .user = "hikyaku-tenantd",
	    .internal = "tenantd",
	    .internal_type = SOCK_SEQPACKET,
	    .always = true },
	{ .name = "deliveryd",
	    .user = "hikyaku-deliveryd",
	    .listeners = { "lmtp" },
	    .internal = "lmtp",
	    .internal_type = SOCK_STREAM,
	    .keep = deliveryd_keep,
	    .keep_len = sizeof(deliveryd_keep) / sizeof(deliveryd_keep[0]),
	    .may = MAY_TENANTD | MAY_DIRECTORY,
	    .always = true },
	{ .name = "relayd",
	    .user = "hikyaku-relayd",
	    .internal = "relayd",
	    .internal_type = SOCK_SEQPACKET,
	    .may = MAY_TENANTD | MAY_DELIVERYD,
	    .always = true },
	{ .name = "smtpd",
	    .user = "hikyaku-smtpd",
	    .listeners = { "mx", "submission", "submissions" },
	    .may = MAY_TENANTD | MAY_DELIVERYD | MAY_RELAYD,
	    .tls = true },
	{ .name = "pop3d",
	    .user = "hikyaku-gate",
	    .listeners = { "pop3", "pop3s" },
	    .may = MAY_TENANTD | MAY_SESSION,
	    .gated = true,
	    .tls = true },
	{ .name = "imapd",
	    .user = "hikyaku-gate",
	    .listeners = { "imap", "imaps" },
	    .may = MAY_TENANTD | MAY_SESSION,
	    .gated = true,
	    .tls = true },
	{ .name = "antivirus",
	    .user = "hikyaku-antivirus",
	    .listeners = { "antivirus" },
	    .client = "smtpd",
	    .may = MAY_TENANTD },
	{ .name = "quarantine",
	    .user = "hikyaku-quarantine",
	    .listeners = { "quarantine" },
	    .client = "smtpd",
	    .may = MAY_TENANTD },
	{ .name = "forward",
	    .user = "hikyaku-forward",
	    .listeners = { "forward" },
	    .client = "smtpd",
	    .may = MAY_TENANTD },
	{ .name = "autoreply",
	    .user = "hikyaku-autoreply",
	    .listeners = { "autoreply" },
	    .client = "smtpd",
	    .may = MAY_TENANTD | MAY_RELAYD },
	{ .name = "metricsd",
	    .user = "hikyaku-metrics",
	    .listeners = { "metrics" },
	    .may = MAY_METRICS },
};
const size_t services_len = sizeof(services) / sizeof(services[0]);

const struct service *
service_find(const char *name)
{
	for (size_t i = 0; i < services_len; i++)
		if (strcmp(services[i].name, name) == 0)
			return &services[i];
	return NULL;
}

const struct service *
service_of_listener(const char *listener)
{
	for (size_t i = 0; i < services_len; i++)
		for (size_t k = 0; k < 4 && services[i].listeners[k] != NULL;
		     k++)
			if (strcmp(services[i].listeners[k], listener) == 0)
				return &services[i];
	return NULL;
}
