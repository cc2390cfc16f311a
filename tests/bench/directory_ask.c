/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/directory_ask.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/packet.h"
#include "tenants/client.h"
#include "tenants/protocol.h"

enum {
	NAME_SIZE = 400
};

/* ---- names -------------------------------------------------------------- */

static void
name_make(const char *format, const struct person *who, char *out, size_t size)
{
	size_t len = 0;

	for (const char *p = format; *p != '\0' && len + 24 < size; p++) {
		if (p[0] == '{' && (p[1] == 'n' || p[1] == 't') &&
		    p[2] == '}') {
			uint64_t number = p[1] == 'n'
					      ? who->number
					      : who->number % who->tenants;

			len += (size_t)snprintf(out + len, size - len, "%llu",
			    (unsigned long long)number);
			p += 2;
		} else {
			out[len++] = *p;
		}
	}
	out[len] = '\0';
}

/* ---- answers ------------------------------------------------------------ */

struct word {
	const char *word;
	unsigned outcome;
};

static const struct word resolve_words[] = { { "mailbox", RESOLVE_MAILBOX },
	{ "group", RESOLVE_GROUP }, { "unknown", RESOLVE_UNKNOWN },
	{ "foreign", RESOLVE_FOREIGN }, { "suspended", RESOLVE_SUSPENDED },
	{ "refused", RESOLVE_REFUSED }, { NULL, 0 } };
static const struct word lookup_words[] = { { "found", LOOKUP_FOUND },
	{ "none", LOOKUP_NONE }, { NULL, 0 } };
static const struct word login_words[] = { { "ok", LOGIN_OK },
	{ "wrong", LOGIN_WRONG }, { "refused", LOGIN_REFUSED }, { NULL, 0 } };

static const struct word *
word_find(const struct word *words, const char *word)
{
	for (; words->word != NULL; words++)
		if (strcmp(words->word, word) == 0)
			return words;
	return NULL;
}

/* The first value of a tag; p NULL: there is none. */
static struct span
value_of(struct span fields, uint8_t wanted)
{
	struct span value;
	uint8_t tag;

	while (packet_next(&fields, &tag, &value) == PACKET_FIELD)
		if (tag == wanted)
			return value;
	return SPAN_NONE;
}

static bool
outcome_is(struct span fields, const struct word *words, const char *expect)
{
	const struct word *word = word_find(words, expect);
	uint64_t outcome = 0;

	return word != NULL &&
	       packet_u64(value_of(fields, TAG_OUTCOME), &outcome) &&
	       outcome == word->outcome;
}

static bool
tenant_is(const struct tenant_info *tenant, const struct person *who)
{
	char name[NAME_SIZE];

	name_make(who->tenant, who, name, sizeof(name));
	return strcmp(tenant->name, name) == 0;
}

static bool
address_is(const char *address, const struct person *who, const char *name)
{
	char other[NAME_SIZE];

	if (who->answer == NULL)
		return strcasecmp(address, name) == 0;
	name_make(who->answer, who, other, sizeof(other));
	return strcasecmp(address, other) == 0;
}

static const char *
resolve_check(struct span fields, const struct person *who, const char *expect,
    const char *name)
{
	struct recipient recipient;

	if (!outcome_is(fields, resolve_words, expect))
		return "another outcome";
	if (strcmp(expect, "mailbox") != 0)
		return NULL;
	if (!tenants_get_recipient(
		value_of(fields, TAG_RECIPIENT), &recipient) ||
	    !recipient.local)
		return "no local recipient";
	if (!address_is(recipient.address, who, name))
		return "another recipient";
	return tenant_is(&recipient.account.tenant, who) ? NULL
							 : "another tenant";
}

static const char *
account_check(struct span fields, const struct person *who, const char *expect,
    const char *name)
{
	struct account_info account;

	if (!outcome_is(fields, lookup_words, expect))
		return "another outcome";
	if (strcmp(expect, "none") == 0)
		return NULL;
	if (!tenants_get_account(value_of(fields, TAG_ACCOUNT_INFO), &account))
		return "no account";
	if (strcmp(account.id, name) != 0)
		return "another account";
	return tenant_is(&account.tenant, who) ? NULL : "another tenant";
}

static const char *
login_check(struct span fields, const struct person *who, const char *expect,
    const char *name)
{
	struct account_info account;

	if (!outcome_is(fields, login_words, expect))
		return "another outcome";
	if (strcmp(expect, "wrong") == 0)
		return NULL;
	if (!tenants_get_account(value_of(fields, TAG_ACCOUNT_INFO), &account))
		return "no account";
	if (!address_is(account.address, who, name))
		return "another account";
	return tenant_is(&account.tenant, who) ? NULL : "another tenant";
}

/* ---- questions ---------------------------------------------------------- */

static void
named_put(struct buf *b, const struct ask *ask, const struct person *who,
    const char *password)
{
	char name[NAME_SIZE];

	(void)password;
	name_make(who->name, who, name, sizeof(name));
	packet_put_str(
	    b, strcmp(ask->word, "account") == 0 ? TAG_ID : TAG_ADDRESS, name);
	if (strcmp(ask->word, "resolve") == 0)
		packet_put_u64(b, TAG_START, 0);
}

/* Each client address in an IPv4 /24 of its own. */
static void
origin_put(struct buf *b, const struct person *who)
{
	struct in_addr in = { .s_addr = htonl(
				  0x0a000001u + ((uint32_t)who->client << 8)) };
	char text[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, &in, text, sizeof(text));
	packet_put_u64(b, TAG_SERVICE, SERVICE_POP3);
	packet_put_str(b, TAG_CLIENT, text);
	packet_put_str(b, TAG_LOG_ID, "directory-load");
	packet_put_u64(b, TAG_TLS, 1);
}

static void
login_put(struct buf *b, const struct ask *ask, const struct person *who,
    const char *password)
{
	char name[NAME_SIZE], secret[NAME_SIZE];

	name_make(who->name, who, name, sizeof(name));
	name_make(password, who, secret, sizeof(secret));
	if (strcmp(ask->word, "login") == 0) {
		packet_put_str(b, TAG_LOGIN, name);
		packet_put_str(b, TAG_PASSWORD, secret);
	} else {
		char message[2 * NAME_SIZE + 2];
		int len = snprintf(
		    message, sizeof(message), "%c%s%c%s", 0, name, 0, secret);

		packet_put_str(b, TAG_MECHANISM, "PLAIN");
		packet_put(b, TAG_RESPONSE, span_of(message, (size_t)len));
	}
	origin_put(b, who);
}

static const struct {
	struct ask ask;
	uint8_t type;
	const struct word *words;
} asks[] = {
	{ { "resolve", "mailbox", named_put, resolve_check }, TENANTS_RESOLVE,
	    resolve_words },
	{ { "account", "found", named_put, account_check }, TENANTS_ACCOUNT,
	    lookup_words },
	{ { "login", "ok", login_put, login_check }, TENANTS_LOGIN,
	    login_words },
	{ { "plain", "ok", login_put, login_check }, TENANTS_SASL_START,
	    login_words },
};

static size_t
ask_index(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(asks) / sizeof(*asks); i++)
		if (strcmp(asks[i].ask.word, word) == 0)
			break;
	return i;
}

const struct ask *
ask_find(const char *word)
{
	size_t i = ask_index(word);

	return i < sizeof(asks) / sizeof(*asks) ? &asks[i].ask : NULL;
}

bool
ask_expects(const struct ask *ask, const char *expect)
{
	return word_find(asks[ask_index(ask->word)].words, expect) != NULL;
}

void
ask_request(struct buf *request, const struct ask *ask,
    const struct person *who, const char *password, uint32_t serial)
{
	packet_begin(request, (struct packet_head){ TENANTS_PROTOCOL_VERSION,
				  asks[ask_index(ask->word)].type, serial });
	ask->put(request, ask, who, password);
}

const char *
ask_check(struct span packet, const struct ask *ask, const struct person *who,
    const char *expect, uint32_t serial)
{
	static _Thread_local char text[300];
	struct packet_head head;
	struct span fields, value;
	char name[NAME_SIZE];

	if (packet_open(
		packet, TENANTS_PROTOCOL_VERSION, &head, &fields, NULL) == -1)
		return "no packet";
	if (head.serial != serial)
		return "the answer to another question";
	if (head.type == TENANTS_FAILED) {
		value = value_of(fields, TAG_TEXT);
		(void)snprintf(
		    text, sizeof(text), "failed: %.*s", SPAN_FMT(value));
		return text;
	}
	name_make(who->name, who, name, sizeof(name));
	return ask->check(fields, who, expect, name);
}
