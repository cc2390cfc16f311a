/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration: one file, read with libconfuse, described by tables.
 *
 *	hostname = "mail.isp.example"
 *	listen mx { address = { "192.0.2.25:25", "[2001:db8::25]:25" } }
 *	smtpd { message-max = 35M }
 *
 * Each section has one table; a daemon brings its own and ignores the inside
 * of other known sections.  `hikyaku check` has every daemon check its own.
 * Errors name file, line, key, what stood there and what was expected.
 */
#ifndef HK_COMMON_CONF_H
#define HK_COMMON_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum conf_type {
	CONF_TYPE_STRING,  /* char *, owned by the struct */
	CONF_TYPE_STRINGS, /* struct conf_strings */
	CONF_TYPE_BOOL,    /* bool: yes, no, true, false, on, off */
	CONF_TYPE_COUNT,   /* uint64_t within min..max */
	CONF_TYPE_OCTETS,  /* uint64_t: "35M", k, M, G are powers of 1024 */
	CONF_TYPE_SECONDS, /* uint64_t: "5m", s, m, h, d */
	CONF_TYPE_ENUM,    /* unsigned: index into choices */
};

struct conf_strings {
	char **items;
	size_t len;
};

struct conf_key {
	const char *name; /* "message-max" */
	enum conf_type type;
	size_t offset;              /* of the field in the section's struct */
	const char *fallback;       /* default, written as in the file */
	uint64_t min, max;          /* COUNT, OCTETS, SECONDS */
	const char *const *choices; /* ENUM: NULL-terminated */
	const char *help; /* half a sentence; the man page says more */
};

#define CONF_STRING(s, f, n, d, h)                                             \
	{                                                                      \
		(n), CONF_TYPE_STRING, offsetof(s, f), (d), 0, 0, NULL, (h)    \
	}
#define CONF_STRINGS(s, f, n, h)                                               \
	{                                                                      \
		(n), CONF_TYPE_STRINGS, offsetof(s, f), NULL, 0, 0, NULL, (h)  \
	}
#define CONF_BOOL(s, f, n, d, h)                                               \
	{                                                                      \
		(n), CONF_TYPE_BOOL, offsetof(s, f), (d), 0, 0, NULL, (h)      \
	}
#define CONF_COUNT(s, f, n, d, lo, hi, h)                                      \
	{                                                                      \
		(n), CONF_TYPE_COUNT, offsetof(s, f), (d), (lo), (hi), NULL,   \
		    (h)                                                        \
	}
#define CONF_OCTETS(s, f, n, d, lo, hi, h)                                     \
	{                                                                      \
		(n), CONF_TYPE_OCTETS, offsetof(s, f), (d), (lo), (hi), NULL,  \
		    (h)                                                        \
	}
#define CONF_SECONDS(s, f, n, d, lo, hi, h)                                    \
	{                                                                      \
		(n), CONF_TYPE_SECONDS, offsetof(s, f), (d), (lo), (hi), NULL, \
		    (h)                                                        \
	}
#define CONF_ENUM(s, f, n, d, c, h)                                            \
	{                                                                      \
		(n), CONF_TYPE_ENUM, offsetof(s, f), (d), 0, 0, (c), (h)       \
	}

struct conf_section {
	const char *name; /* "smtpd"; NULL: the top level */
	const struct conf_key *keys;
	size_t keys_len;
	size_t size; /* of the struct that the offsets are in */
};

/*
 * Known sections: listen NAME, tls, users, metrics, tenantd, smtpd, deliveryd,
 * relayd, pop3d, imapd, manage, store, antivirus, quarantine, forward,
 * autoreply, milter NAME
 * (conf_outline.c has the list); any other is refused.
 */

/*
 * Parses text (file: its name for messages) and fills *out, a struct as the
 * section describes, zeroed by the caller; free with conf_section_fini.
 * With several sections, call it for each.
 */
int conf_parse(const struct conf_section *section, struct span text,
    const char *file, void *out, struct err *err);
void conf_section_fini(const struct conf_section *section, void *out);

/* The settings in force, one "key = value" a line. */
void conf_print(
    const struct conf_section *section, const void *values, struct buf *out);

/* "SECTION KEY" a line, or "KEY" of the top level; for the man page's check. */
void conf_print_keys(const struct conf_section *section, struct buf *out);

/*
 * The titled sections of one kind, "milter NAME { ... }", each with a struct
 * as the section describes.  On failure the list is empty.
 */
struct conf_titled {
	char name[32];
	void *values;
};
struct conf_titled_list {
	const struct conf_section *section;
	struct conf_titled *items;
	size_t len;
};
int conf_titled_parse(const struct conf_section *section, struct span text,
    const char *file, struct conf_titled_list *out, struct err *err);
void conf_titled_fini(struct conf_titled_list *list);
CLEANUP_DEFINE_VALUE(struct conf_titled_list, conf_titled_fini)
/* The values of that name, or NULL. */
const void *conf_titled_find(
    const struct conf_titled_list *list, const char *name);
/* Appends "milter NAME: key = value" a line. */
void conf_titled_print(const struct conf_titled_list *list, struct buf *out);

/*
 * The titled sections "listen NAME { address = {...} }".  address is
 * "1.2.3.4:25", "[::1]:25" or an absolute path (Unix socket).
 */
struct conf_listener {
	char name[32];
	struct conf_strings address;
};
struct conf_listeners {
	struct conf_listener *items;
	size_t len;
};
int conf_listeners_parse(struct span text, const char *file,
    struct conf_listeners *out, struct err *err);
void conf_listeners_fini(struct conf_listeners *l);
CLEANUP_DEFINE_VALUE(struct conf_listeners, conf_listeners_fini)

/*
 * One such address.  A path is limited by sun_path (107 octets).
 * Errors: ERR_SYNTAX, what stood there and what was expected.
 */
int conf_address_parse(const char *text, struct sockaddr_storage *out,
    socklen_t *len_out, struct err *err);

#endif
