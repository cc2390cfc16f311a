/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/store_conf.h"

#include <string.h>

#include "common/span.h"

static const struct conf_key store_keys[] = {
	CONF_STRING(struct store_conf, purge_at, "purge-at", "03:00",
	    "when old mail is removed, HH:MM in local time, or never"),
	CONF_COUNT(struct store_conf, purge_rate, "purge-rate", "200", 1,
	    1000000, "messages a second that are removed then, at most"),
	CONF_SECONDS(struct store_conf, purge_for, "purge-for", "4h", 1, 86400,
	    "how long it may take; the rest follows the next night"),
};
const struct conf_section store_section = { "store", store_keys,
	sizeof(store_keys) / sizeof(store_keys[0]), sizeof(struct store_conf) };

/* -1: it has another form. */
static int
minutes_of(struct span text)
{
	uint64_t hours, minutes;

	if (text.len != 5 || !span_take_u64(&text, &hours) || hours > 23 ||
	    text.len != 3 || !span_take_octet(&text, ':') ||
	    !span_to_u64(text, &minutes) || minutes > 59)
		return -1;
	return (int)(hours * 60 + minutes);
}

int
store_conf_purge_at(const struct store_conf *conf)
{
	return minutes_of(span_str(conf->purge_at));
}

int
store_conf_check(
    const struct store_conf *conf, const char *file, struct err *err)
{
	if (strcmp(conf->purge_at, "never") == 0 ||
	    store_conf_purge_at(conf) != -1)
		return 0;
	return err_set(err, ERR_SYNTAX,
	    "%s: store: purge-at = \"%.40s\": expected HH:MM, such as 03:00, "
	    "or never",
	    file, conf->purge_at);
}
