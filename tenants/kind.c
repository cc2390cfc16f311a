/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/kind.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const char *const account_states[] = { "active", "nologin", "noreceive",
	"suspended", "deleted", NULL };
static const char *const tenant_states[] = { "active", "suspended", "closing",
	"deleted", NULL };
static const char *const services[] = { "smtp", "pop3", "imap", NULL };
static const char *const levels[] = { "low", "medium", "high", NULL };
static const char *const actions[] = { "tag", "junk", "quarantine", "discard",
	NULL };
static const char *const virus_actions[] = { "refuse", "remove", "quarantine",
	NULL };
static const char *const unscannable_actions[] = { "pass", "defer", "refuse",
	NULL };
static const char *const spoof_actions[] = { "none", "tag", "junk",
	"quarantine", "discard", NULL };
static const char *const deny_actions[] = { "junk", "quarantine", "discard",
	NULL };
static const char *const over_quota[] = { "defer", "refuse", NULL };
static const char *const tls_versions[] = { "1.0", "1.1", "1.2", "1.3", NULL };
static const char *const login_forms[] = { "address", "alias", "local",
	"legacy", NULL };

/* ---- what several kinds have ------------------------------------------------
 */

static const struct field limits[] = {
	{ "class", "hkClass", FIELD_CLASS, FIELD_COLUMN, NULL,
	    "class of service" },
	{ "max-accounts", "hkMaxAccounts", FIELD_NUMBER, 0, NULL,
	    "accounts of one tenant" },
	{ "max-quota", "hkMaxQuota", FIELD_OCTETS, 0, NULL,
	    "ceiling of quota" },
	{ "max-quota-messages", "hkMaxQuotaMessages", FIELD_NUMBER, 0, NULL,
	    "ceiling of quota-messages" },
	{ "max-message-size", "hkMaxMessageSize", FIELD_OCTETS, 0, NULL,
	    "octets of one message" },
	{ "allowed-service", "hkAllowedService", FIELD_WORD, FIELD_MANY,
	    services, "what may be used" },
	{ "max-aliases", "hkMaxAliases", FIELD_NUMBER, 0, NULL,
	    "addresses beside the primary one" },
	{ "max-forwards", "hkMaxForwards", FIELD_NUMBER, 0, NULL,
	    "values of forward-to" },
	{ "max-forward-rules", "hkMaxForwardRules", FIELD_NUMBER, 0, NULL,
	    "values of forward-rule" },
	{ "max-quarantine-rules", "hkMaxQuarantineRules", FIELD_NUMBER, 0, NULL,
	    "values of quarantine-rule" },
	{ "max-rule-length", "hkMaxRuleLength", FIELD_NUMBER, 0, NULL,
	    "octets of one rule" },
	{ "max-rule-conditions", "hkMaxRuleConditions", FIELD_NUMBER, 0, NULL,
	    "conditions of one rule" },
	{ "max-rule-text", "hkMaxRuleText", FIELD_NUMBER, 0, NULL,
	    "characters of one text in a rule" },
	{ "max-rule-targets", "hkMaxRuleTargets", FIELD_NUMBER, 0, NULL,
	    "addresses that one rule forwards to" },
	{ "min-rule-size", "hkMinRuleSize", FIELD_OCTETS, 0, NULL,
	    "the least size that a rule may name" },
	{ "max-rule-size", "hkMaxRuleSize", FIELD_OCTETS, 0, NULL,
	    "the greatest size that a rule may name" },
	{ "max-list-entries", "hkMaxListEntries", FIELD_NUMBER, 0, NULL,
	    "values of allow-sender, and of deny-sender" },
	{ "max-auto-reply-length", "hkMaxAutoReplyLength", FIELD_NUMBER, 0,
	    NULL, "characters of auto-reply-text" },
	{ "max-retention-days", "hkMaxRetentionDays", FIELD_NUMBER, 0, NULL,
	    "ceiling of junk-days, trash-days, quarantine-days" },
	{ "undelete-days", "hkUndeleteDays", FIELD_NUMBER, 0, NULL,
	    "days until what is deleted is gone" },
	{ "max-pop3-sessions", "hkMaxPop3Sessions", FIELD_NUMBER, 0, NULL,
	    "POP3 sessions of one account at a time" },
	{ "max-imap-sessions", "hkMaxImapSessions", FIELD_NUMBER, 0, NULL,
	    "IMAP sessions of one account at a time" },
	{ "max-send-hour", "hkMaxSendHour", FIELD_NUMBER, 0, NULL,
	    "recipients of one account in an hour" },
	{ "max-send-day", "hkMaxSendDay", FIELD_NUMBER, 0, NULL,
	    "recipients of one account in a day" },
	{ "keep-secret", "hkKeepSecret", FIELD_BOOL, 0, NULL,
	    "whether secrets for CRAM-MD5 and APOP may be kept" },
	{ "max-app-passwords", "hkMaxAppPasswords", FIELD_NUMBER, 0, NULL,
	    "passwords for single programs" },
};

/* Of an account, and of a tenant for those who have set nothing. */
static const struct field settings[] = {
	{ "virus-scan", "hkVirusScan", FIELD_BOOL, 0, NULL,
	    "whether mail is searched for viruses" },
	{ "virus-action", "hkVirusAction", FIELD_WORD, 0, virus_actions,
	    "what becomes of infected mail" },
	{ "spam-filter", "hkSpamFilter", FIELD_BOOL, 0, NULL,
	    "whether mail is searched for spam" },
	{ "spam-level", "hkSpamLevel", FIELD_WORD, 0, levels,
	    "how much counts as spam" },
	{ "spam-action", "hkSpamAction", FIELD_WORD, 0, actions,
	    "what becomes of spam" },
	{ "spam-tag", "hkSpamTag", FIELD_TEXT, 0, NULL,
	    "text before the subject, for the action tag" },
	{ "spoof-action", "hkSpoofAction", FIELD_WORD, 0, spoof_actions,
	    "what becomes of mail with a forged sender" },
	{ "deny-action", "hkDenyAction", FIELD_WORD, 0, deny_actions,
	    "what becomes of mail from a deny-sender" },
	{ "junk-days", "hkJunkDays", FIELD_NUMBER, 0, NULL,
	    "days until mail in Junk is removed" },
	{ "trash-days", "hkTrashDays", FIELD_NUMBER, 0, NULL,
	    "days until mail in Trash is removed" },
	{ "quarantine-days", "hkQuarantineDays", FIELD_NUMBER, 0, NULL,
	    "days until mail in quarantine is removed" },
	{ "time-zone", "hkTimeZone", FIELD_TEXT, 0, NULL,
	    "such as Asia/Tokyo" },
	{ "language", "preferredLanguage", FIELD_TEXT, 0, NULL,
	    "such as ja, RFC 5646" },
};

static const struct field history[] = {
	{ "created", "createTimestamp", FIELD_TIME, FIELD_FIXED, NULL,
	    "when the entry was made" },
	{ "changed", "modifyTimestamp", FIELD_TIME, FIELD_FIXED, NULL,
	    "when it was last edited" },
	{ "changed-by", "modifiersName", FIELD_TEXT, FIELD_FIXED, NULL,
	    "and by whom" },
	{ "id", "entryUUID", FIELD_TEXT, FIELD_FIXED, NULL,
	    "what stays the same whatever it is called" },
};

/* ---- accounts ---------------------------------------------------------------
 */

static const struct field account[] = {
	{ "address", "mail", FIELD_OWN, FIELD_FIXED | FIELD_COLUMN, NULL,
	    "primary address" },
	{ "tenant", NULL, FIELD_TENANT, FIELD_FIXED | FIELD_COLUMN, NULL,
	    "brand" },
	{ "alias", "mailLocalAddress", FIELD_OWN, FIELD_MANY | FIELD_BESIDE,
	    NULL, "further addresses" },
	{ "intl-alias", "hkIntlAddress", FIELD_OWN, FIELD_MANY, NULL,
	    "addresses outside ASCII" },
	{ "login", "uid", FIELD_OWN, FIELD_MANY | FIELD_BESIDE, NULL,
	    "further names to log in with" },
	{ "legacy-id", "hkLegacyId", FIELD_TEXT, FIELD_MANY, NULL,
	    "TENANT/ID: login id of an old system" },
	{ "name", "displayName", FIELD_TEXT, FIELD_COLUMN, NULL,
	    "what the person is called" },
	{ "common-name", "cn", FIELD_TEXT, 0, NULL, "the same for LDAP" },
	{ "surname", "sn", FIELD_TEXT, 0, NULL, "family name" },
	{ "given-name", "givenName", FIELD_TEXT, 0, NULL, "given name" },
	{ "telephone", "telephoneNumber", FIELD_TEXT, FIELD_MANY, NULL,
	    "numbers" },
	{ "description", "description", FIELD_TEXT, 0, NULL,
	    "for administrators" },
	{ "status", "hkStatus", FIELD_WORD, FIELD_COLUMN, account_states,
	    "what the account may do" },
	{ "delete-after", "hkDeleteAfter", FIELD_TIME, 0, NULL,
	    "when a deleted account may be removed" },
	{ "service", "hkService", FIELD_WORD, FIELD_MANY, services,
	    "what is switched on; none named: all" },
	{ "quota", "hkQuota", FIELD_OCTETS, FIELD_COLUMN, NULL,
	    "octets of the mailbox" },
	{ "quota-messages", "hkQuotaMessages", FIELD_NUMBER, 0, NULL,
	    "messages in the mailbox" },
	{ "parent", "hkParent", FIELD_PERSON, 0, NULL,
	    "account whose user may edit the settings" },
	{ "mail-host", "mailHost", FIELD_TEXT, 0, NULL,
	    "node that has the mailbox" },
	{ "account-id", "hkAccountId", FIELD_TEXT, 0, NULL,
	    "names the Maildir of a migrated account" },
	{ "app-password", "hkAppLabel", FIELD_TEXT, FIELD_MANY, NULL,
	    "ID SERVICES TIME LABEL of passwords for single programs" },
};

static const struct field own_settings[] = {
	{ "allow-sender", "hkAllowSender", FIELD_TEXT, FIELD_MANY, NULL,
	    "who passes the filters; * and ? are wildcards" },
	{ "deny-sender", "hkDenySender", FIELD_TEXT, FIELD_MANY, NULL,
	    "who is held back" },
	{ "forward-to", "hkForwardTo", FIELD_ADDRESS, FIELD_MANY, NULL,
	    "addresses that get all mail" },
	{ "forward-keep", "hkForwardKeep", FIELD_BOOL, 0, NULL,
	    "whether forwarded mail stays here too" },
	{ "forward-rule", "hkForwardRule", FIELD_TEXT, FIELD_MANY, NULL,
	    "rules that forward some mail" },
	{ "quarantine", "hkQuarantineOn", FIELD_BOOL, 0, NULL,
	    "master switch of quarantine-rule" },
	{ "quarantine-rule", "hkQuarantineRule", FIELD_TEXT, FIELD_MANY, NULL,
	    "rules that hold mail back" },
	{ "auto-reply", "hkAutoReply", FIELD_BOOL, 0, NULL,
	    "whether mail is answered" },
	{ "auto-reply-subject", "hkAutoReplySubject", FIELD_TEXT, 0, NULL,
	    "subject of the answer" },
	{ "auto-reply-text", "hkAutoReplyText", FIELD_LINES, 0, NULL,
	    "text of the answer" },
	{ "auto-reply-start", "hkAutoReplyStart", FIELD_TIME, 0, NULL,
	    "first moment of answering" },
	{ "auto-reply-end", "hkAutoReplyEnd", FIELD_TIME, 0, NULL,
	    "last moment of answering" },
	{ "auto-reply-days", "hkAutoReplyDays", FIELD_NUMBER, 0, NULL,
	    "days until the same sender is answered again" },
	{ "notice", "hkNotice", FIELD_BOOL, 0, NULL,
	    "whether notice-to is told of new mail" },
	{ "notice-to", "hkNoticeTo", FIELD_ADDRESS, FIELD_MANY, NULL,
	    "who is told of new mail" },
	{ "consent", "hkConsent", FIELD_TEXT, FIELD_MANY, NULL,
	    "FUNCTION VERSION TIME BY: terms that were accepted" },
};

/* ---- tenants and domains ----------------------------------------------------
 */

static const struct field tenant[] = {
	{ "tenant", "ou", FIELD_TEXT, FIELD_FIXED | FIELD_COLUMN, NULL,
	    "short name, also of the directory in the store" },
	{ "name", "displayName", FIELD_TEXT, FIELD_COLUMN, NULL,
	    "what the brand calls itself" },
	{ "status", "hkTenantStatus", FIELD_WORD, FIELD_COLUMN, tenant_states,
	    "what its people may do" },
	{ "delete-after", "hkDeleteAfter", FIELD_TIME, 0, NULL,
	    "when a deleted tenant may be removed" },
	{ "uid", "hkUid", FIELD_NUMBER, FIELD_COLUMN, NULL,
	    "system user that owns its store" },
	{ "gid", "hkGid", FIELD_NUMBER, 0, NULL,
	    "system group that owns its store" },
	{ "primary-domain", "hkPrimaryDomain", FIELD_DOMAIN, FIELD_COLUMN, NULL,
	    "completes a login name without one" },
	{ "host", "hkHost", FIELD_DOMAIN, FIELD_MANY, NULL,
	    "host names of ours that are the brand's" },
	{ "host-mx", "hkHostMx", FIELD_DOMAIN, 0, NULL, "the one of the MX" },
	{ "host-submission", "hkHostSubmission", FIELD_DOMAIN, 0, NULL,
	    "the one for submission" },
	{ "host-pop3", "hkHostPop3", FIELD_DOMAIN, 0, NULL,
	    "the one for POP3" },
	{ "host-imap", "hkHostImap", FIELD_DOMAIN, 0, NULL,
	    "the one for IMAP" },
	{ "host-portal", "hkHostPortal", FIELD_DOMAIN, 0, NULL,
	    "the one of the portal" },
	{ "host-address", "hkHostAddress", FIELD_TEXT, FIELD_MANY, NULL,
	    "ADDRESS or ADDRESS:PORT of ours that is the brand's" },
	{ "certificate", "hkCertificate", FIELD_TEXT, FIELD_MANY, NULL,
	    "[PROTOCOL ]NAME of a configured certificate" },
	{ "relay-network", "hkRelayNetwork", FIELD_TEXT, FIELD_MANY, NULL,
	    "ADDRESS/LENGTH whose clients send without a login" },
	{ "tls-min", "hkTlsMin", FIELD_WORD, 0, tls_versions,
	    "lowest version of TLS" },
	{ "login-form", "hkLoginForm", FIELD_WORD, FIELD_MANY, login_forms,
	    "what may be typed to log in" },
	{ "unique-ids", "hkUidlFormat", FIELD_TEXT, 0, NULL,
	    "form of POP3 unique-ids" },
	{ "pop3-seen", "hkPop3Seen", FIELD_BOOL, 0, NULL,
	    "whether mail read by POP3 is marked as seen" },
	{ "pop3-login-delay", "hkPop3LoginDelay", FIELD_NUMBER, 0, NULL,
	    "seconds from one POP3 login to the next" },
	{ "plus-addressing", "hkPlusAddressing", FIELD_BOOL, 0, NULL,
	    "whether user+detail goes to user" },
	{ "rehash", "hkRehash", FIELD_BOOL, 0, NULL,
	    "whether passwords are stored anew at login" },
	{ "over-quota", "hkOverQuota", FIELD_WORD, 0, over_quota,
	    "what becomes of mail for a full mailbox" },
	{ "unscannable", "hkUnscannable", FIELD_WORD, 0, unscannable_actions,
	    "what becomes of mail that no virus scan can examine" },
	{ "pop3-apop", "hkPop3Apop", FIELD_BOOL, 0, NULL,
	    "whether APOP is a way to log in" },
	{ "inbox-days", "hkInboxDays", FIELD_NUMBER, 0, NULL,
	    "days until mail in INBOX is removed" },
	{ "allow-sender", "hkAllowSender", FIELD_TEXT, FIELD_MANY, NULL,
	    "who passes the filters of all accounts" },
	{ "deny-sender", "hkDenySender", FIELD_TEXT, FIELD_MANY, NULL,
	    "who is held back from all accounts" },
	{ "quarantine-rule", "hkQuarantineRule", FIELD_TEXT, FIELD_MANY, NULL,
	    "rules that hold mail back from all accounts" },
	{ "brand", "hkBrand", FIELD_TEXT, FIELD_MANY, NULL,
	    "KEY=VALUE for the portal" },
	{ "languages", "hkLanguage", FIELD_TEXT, FIELD_MANY, NULL,
	    "that can be chosen" },
	{ "terms", "hkTerms", FIELD_TEXT, FIELD_MANY, NULL,
	    "FUNCTION VERSION URL to accept before it opens" },
	{ "description", "description", FIELD_TEXT, 0, NULL,
	    "for administrators" },
};

static const struct field domain[] = {
	{ "domain", "associatedDomain", FIELD_DOMAIN,
	    FIELD_FIXED | FIELD_COLUMN, NULL, "the domain" },
	{ "tenant", NULL, FIELD_TENANT, FIELD_FIXED | FIELD_COLUMN, NULL,
	    "brand" },
	{ "status", "hkTenantStatus", FIELD_WORD, FIELD_COLUMN, tenant_states,
	    "whether it takes mail" },
	{ "alias-of", "hkAliasDomain", FIELD_DOMAIN, FIELD_COLUMN, NULL,
	    "domain of the tenant that it is another name of" },
	{ "catch-all", "hkCatchAll", FIELD_OWN, FIELD_COLUMN, NULL,
	    "address that gets what is for nobody" },
	{ "description", "description", FIELD_TEXT, 0, NULL,
	    "for administrators" },
};

/* ---- groups and classes of service ------------------------------------------
 */

static const struct field group[] = {
	{ "address", "mail", FIELD_OWN, FIELD_FIXED | FIELD_COLUMN, NULL,
	    "primary address" },
	{ "tenant", NULL, FIELD_TENANT, FIELD_FIXED | FIELD_COLUMN, NULL,
	    "brand" },
	{ "alias", "mailLocalAddress", FIELD_OWN, FIELD_MANY | FIELD_BESIDE,
	    NULL, "further addresses" },
	{ "intl-alias", "hkIntlAddress", FIELD_OWN, FIELD_MANY, NULL,
	    "addresses outside ASCII" },
	{ "description", "description", FIELD_TEXT, FIELD_COLUMN, NULL,
	    "what it is for" },
	{ "member", "rfc822MailMember", FIELD_ADDRESS, FIELD_MANY, NULL,
	    "addresses that get its mail" },
	{ "account", "member", FIELD_PERSON, FIELD_MANY, NULL,
	    "accounts that get its mail, whatever their address is" },
	{ "owner", "owner", FIELD_PERSON, FIELD_MANY, NULL,
	    "accounts that may send under its address" },
	{ "may-send", "hkMaySend", FIELD_TEXT, FIELD_MANY, NULL,
	    "anyone, tenant, members, owners, or an address" },
	{ "status", "hkStatus", FIELD_WORD, FIELD_COLUMN, account_states,
	    "whether it takes mail" },
	{ "delete-after", "hkDeleteAfter", FIELD_TIME, 0, NULL,
	    "when a deleted group may be removed" },
};

static const struct field class[] = {
	{ "class", "cn", FIELD_TEXT, FIELD_FIXED | FIELD_COLUMN, NULL,
	    "its name" },
	{ "description", "description", FIELD_TEXT, FIELD_COLUMN, NULL,
	    "what it is for" },
};

/* ---- the kinds --------------------------------------------------------------
 */

#define LIST(a)                                                                \
	{                                                                      \
		(a), sizeof(a) / sizeof(*(a))                                  \
	}

const struct kind kinds[] = {
	{ KIND_TENANT, "tenant", "tenant", "hkTenant", "hkTenantStatus",
	    "active",
	    { LIST(tenant), LIST(settings), LIST(limits), LIST(history) } },
	{ KIND_DOMAIN, "domain", "domain", "hkDomain", "hkTenantStatus",
	    "active", { LIST(domain), LIST(history) } },
	{ KIND_ACCOUNT, "account", "address", "hkAccount", "hkStatus", "active",
	    { LIST(account), LIST(own_settings), LIST(settings), LIST(limits),
		LIST(history) } },
	{ KIND_GROUP, "group", "address", "hkGroup", "hkStatus", "active",
	    { LIST(group), LIST(history) } },
	/* Not the first of limits, since a class is of no other class. */
	{ KIND_CLASS, "class", "class", "hkClassOfService", NULL, NULL,
	    { LIST(class), { limits + 1, sizeof(limits) / sizeof(*limits) - 1 },
		LIST(history) } },
};
const size_t kinds_len = sizeof(kinds) / sizeof(*kinds);

const struct kind *
kind_find(const char *name)
{
	for (size_t i = 0; i < kinds_len; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

const struct kind *
kind_of(enum kind_id id)
{
	return &kinds[id];
}

const struct field *
kind_field(const struct kind *k, size_t i)
{
	for (size_t n = 0; n < KIND_LISTS_MAX; n++) {
		if (i < k->lists[n].len)
			return &k->lists[n].items[i];
		i -= k->lists[n].len;
	}
	return NULL;
}

const struct field *
kind_field_find(const struct kind *k, struct span name)
{
	const struct field *f;

	for (size_t i = 0; (f = kind_field(k, i)) != NULL; i++)
		if (span_eq(span_str(f->name), name))
			return f;
	return NULL;
}

void
kind_attributes(const struct kind *k, const char **attrs_out)
{
	const struct field *f;
	size_t len = 0;

	for (size_t i = 0; (f = kind_field(k, i)) != NULL; i++) {
		if (f->attribute == NULL)
			continue;
		assert(len < KIND_ATTRS_MAX - 1);
		attrs_out[len++] = f->attribute;
	}
	attrs_out[len] = NULL;
}
