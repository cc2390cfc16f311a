/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/attrs.h"

#include <stddef.h>

/* Indexed by enum entry_attr - ATTR_UUID. */
const char *const entry_attrs[] = { "entryUUID", "objectClass", "ou", "cn",
	"uid", "mail", "mailLocalAddress", "hkIntlAddress", "mailHost",
	"displayName", "preferredLanguage", "userPassword", "hkSecret",
	"associatedDomain", "member", "rfc822MailMember", "owner",
	"hkTenantStatus", "hkUid", "hkGid", "hkHost", "hkClass", "hkAdminGroup",
	"hkAccountId", "hkAliasDomain", "hkMaxQuota", "hkMaxQuotaMessages",
	"hkMaxMessageSize", "hkAllowedService", "hkQuota", "hkQuotaMessages",
	"hkStatus", "hkService", "hkCatchAll", "hkPlusAddressing",
	"hkVirusScan", "hkSpamFilter", "hkSpamLevel", "hkSpamAction",
	"hkSpamTag", "hkSpoofAction", "hkAllowSender", "hkDenySender",
	"hkDenyAction", "hkForwardTo", "hkForwardKeep", "hkForwardRule",
	"hkQuarantineOn", "hkQuarantineRule", "hkAutoReply",
	"hkAutoReplySubject", "hkAutoReplyText", "hkAutoReplyStart",
	"hkAutoReplyEnd", "hkAutoReplyDays", "hkNotice", "hkNoticeTo",
	"hkJunkDays", "hkTrashDays", "hkQuarantineDays", "hkTimeZone",
	"hkTerms", "hkConsent", "hkMaxForwards", "hkMaxForwardRules",
	"hkMaxQuarantineRules", "hkMaxRuleLength", "hkMaxRuleText",
	"hkMaxRuleConditions", "hkMaxRuleTargets", "hkMinRuleSize",
	"hkMaxRuleSize", "hkMaxListEntries", "hkMaxAutoReplyLength",
	"hkMaxRetentionDays", "hkUidlFormat", "hkPop3Seen", "hkUndeleteDays",
	"hkOverQuota", "hkInboxDays", "hkPop3LoginDelay", "hkVirusAction",
	"hkUnscannable", "hkPop3Apop", "hkMaxPop3Sessions", "hkMaxImapSessions",
	"hkActAs", "hkLoginForm", "hkPrimaryDomain", "hkLegacyId",
	"hkHostAddress", "hkAppPassword", "hkAppLabel", "hkMaxAppPasswords",
	"hkRehash", "hkKeepSecret", NULL };

const char *
entry_attr_name(enum entry_attr attr)
{
	return entry_attrs[(attr > ATTR_OF_TENANT ? attr - ATTR_OF_TENANT
						  : attr) -
			   ATTR_UUID];
}

_Static_assert(sizeof(entry_attrs) / sizeof(*entry_attrs) ==
		   ATTR_BEHIND_LAST - ATTR_UUID + 1,
    "a name for each attribute");
