/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outline of a configuration file: which sections there are, which keys
 * the wanted one sets, and on which lines.  It is found before libconfuse
 * reads values, because libconfuse forgives a missing brace, miscounts lines
 * after a comment, expands environment variables and knows nothing of the
 * sections of other daemons.
 *
 *	file    = *( setting / section )
 *	section = name [ name ] "{" *setting "}"
 *	setting = name ( "=" / "+=" ) ( value / list )
 *	list    = "{" [ value *( "," value ) [ "," ] ] "}"
 *	value   = word / DQUOTE text DQUOTE / "'" text "'"
 *	word    = 1*( ALPHA / DIGIT / one of _ - . / : @ [ ] % )
 *	comment = "#" or "//" to the end of line, or between "/" "*" and "*" "/"
 */
#ifndef HK_COMMON_CONF_OUTLINE_H
#define HK_COMMON_CONF_OUTLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

#define CONF_TEXT_MAX (1024 * 1024)
#define CONF_SETTINGS_MAX 128 /* of one section */
#define CONF_KEPT_MAX 2048    /* of all sections of one name together */
#define CONF_SECTIONS_MAX 256

struct conf_setting {
	struct span name; /* borrowed from the text */
	unsigned line;
	bool list, append;
	size_t section; /* index into sections; SIZE_MAX: the top level */
};

struct conf_outline_section {
	struct span name, title;
	unsigned line;
};

struct conf_outline {
	/* Of the wanted section or sections, or of the top level. */
	struct conf_setting settings[CONF_KEPT_MAX];
	size_t settings_len;
	struct conf_outline_section sections[CONF_SECTIONS_MAX];
	size_t sections_len;
	/* The text with spaces for comments and for all but the wanted part;
	 * lines are where they were. */
	struct buf text;
};

/*
 * wanted: a section's name, or NULL for the settings of the top level.  The
 * text must outlive the outline.  Free with conf_outline_fini in any case.
 *
 * Errors: ERR_SYNTAX, with "FILE:LINE: KEY: what stood there, what was
 * expected"; ERR_LIMIT, longer or with more settings than the limits above.
 */
int conf_outline_init(struct conf_outline *o, struct span text,
    const char *file, const char *wanted, struct err *err);
void conf_outline_fini(struct conf_outline *o);
CLEANUP_DEFINE_VALUE(struct conf_outline, conf_outline_fini)

/*
 * The line where the key is set, or 0.  title: of the section, NULL when it
 * has none.
 */
unsigned conf_outline_line(
    const struct conf_outline *o, const char *title, const char *name);

/* The names of all sections that a file may have; NULL-terminated. */
extern const char *const conf_section_names[];

#endif
