/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tenantd and its clients say to each other, on common/packet.h.
 *
 * A request has a type and fields; its answer has the same serial and either
 * the type ANSWER with fields, or FAILED with the kind and text of an error.
 * Lists that do not fit one packet are asked for page by page: START is the
 * number of elements that came before, COUNT in the answer is the length of
 * the whole list.  Recipients and settings come with a MARK over the whole
 * list: when it differs between two pages the list has changed, and is read
 * anew.
 */
#ifndef HK_TENANTS_PROTOCOL_H
#define HK_TENANTS_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/packet.h"
#include "common/span.h"
#include "tenants/client.h"

#define TENANTS_PROTOCOL_VERSION 1

enum tenants_type {
	TENANTS_LOGIN = 1,   /* LOGIN PASSWORD and an origin */
	TENANTS_SASL_START,  /* MECHANISM [RESPONSE] and an origin */
	TENANTS_SASL_STEP,   /* TOKEN RESPONSE */
	TENANTS_SASL_CANCEL, /* TOKEN; no answer */
	TENANTS_RESOLVE,     /* ADDRESS START */
	TENANTS_MAY_SEND_AS, /* ID ADDRESS */
	TENANTS_ACCOUNT,     /* ID */
	TENANTS_TENANT,      /* NAME */
	TENANTS_HOST,        /* NAME */
	TENANTS_DOMAIN,      /* NAME */
	TENANTS_LIST,        /* START */
	TENANTS_DOMAINS,     /* [NAME] START */
	TENANTS_SETTINGS,    /* ID or LOGIN, START */
	TENANTS_DEFAULTS,    /* NAME START: a tenant's settings */

	TENANTS_ANSWER = 128,
	TENANTS_FAILED, /* KIND TEXT */
};

enum tenants_tag {
	/* of requests */
	TAG_LOGIN = 1,
	TAG_PASSWORD,
	TAG_MECHANISM,
	TAG_RESPONSE, /* present but empty is not the same as absent */
	TAG_TOKEN,
	TAG_ADDRESS,
	TAG_ID,
	TAG_NAME,
	TAG_START,
	TAG_SERVICE, /* origin: one of SERVICE_* */
	TAG_CLIENT,
	TAG_HOST,
	TAG_LOG_ID,
	TAG_TLS,
	TAG_LOCAL,
	/* of answers */
	TAG_OUTCOME = 64, /* of whichever enum the request has */
	TAG_DELAY_MS,
	TAG_CHALLENGE,
	TAG_COUNT,
	TAG_KIND,
	TAG_TEXT,
	TAG_ACCOUNT_INFO, /* these hold fields themselves */
	TAG_TENANT_INFO,
	TAG_DOMAIN_INFO,
	TAG_RECIPIENT,
	TAG_MARK,
	TAG_SETTING, /* fields of enum setting_tag, settings_spec.h */
	TAG_LAST_KNOWN,
	TAG_ACTING, /* the account is not that of LOGIN */
};

/* A request as tenantd sees it.  Spans are borrowed from the packet; absent
 * ones have p NULL. */
struct tenants_request {
	enum tenants_type type;
	struct span login, password, mechanism, response;
	struct span address, id, name, client, host, log_id, local;
	struct sasl_token token;
	uint64_t start;
	unsigned service;
	bool tls;
};

/*
 * Reads a request's fields and checks that those its type needs are there,
 * within the limits of client.h.
 *
 * Errors: ERR_SYNTAX, unknown type, broken field, missing field;
 *         ERR_LIMIT, a value over its limit.
 */
int tenants_request_parse(uint8_t type, struct span fields,
    struct tenants_request *out, struct err *err);

/* ---- values that are fields themselves ------------------------------------
 */

void tenants_put_tenant(struct buf *b, const struct tenant_info *t);
void tenants_put_domain(struct buf *b, const struct domain_info *d);
void tenants_put_account(struct buf *b, const struct account_info *a);
void tenants_put_recipient(struct buf *b, const struct recipient *r);

/* False: the value is broken; *out is then undefined. */
bool tenants_get_tenant(struct span value, struct tenant_info *out);
bool tenants_get_domain(struct span value, struct domain_info *out);
bool tenants_get_account(struct span value, struct account_info *out);
bool tenants_get_recipient(struct span value, struct recipient *out);

#endif
