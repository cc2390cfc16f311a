/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/conf_outline.h"

#include <string.h>

#include "common/ascii.h"

const char *const conf_section_names[] = { "listen", "tls", "users", "metrics",
	"tenantd", "smtpd", "deliveryd", "relayd", "pop3d", "imapd", "manage",
	"store", "antivirus", "quarantine", "forward", "autoreply", "milter",
	NULL };

enum token_type {
	TOKEN_WORD,
	TOKEN_QUOTED,
	TOKEN_MARK,
	TOKEN_END
};

struct token {
	enum token_type type;
	struct span text; /* of a mark: "{", "}", "=", "+=" or "," */
	unsigned line;
	size_t start; /* offsets in the whole text */
	size_t end;
};

struct scan {
	struct conf_outline *o;
	const char *file, *wanted;
	struct span text;
	size_t at;
	unsigned line;
	/* Keys of the scope that is being read, to find those set twice. */
	struct conf_setting scope[CONF_SETTINGS_MAX];
	size_t scope_len;
	size_t section; /* index of the section it is, or SIZE_MAX */
};

static bool
is_word_octet(char c)
{
	return ascii_is(c, ASCII_ALPHA | ASCII_DIGIT) ||
	       (c != '\0' && strchr("_-./:@[]%", c) != NULL);
}

static bool
scan_sees(const struct scan *s, struct span what)
{
	return span_starts(span_from(s->text, s->at), what);
}

/* Puts spaces over [start, end) of the filtered text, but keeps lines. */
static void
scan_blank(struct scan *s, size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		if (s->o->text.data[i] != '\n')
			s->o->text.data[i] = ' ';
}

static int
scan_skip_block_comment(struct scan *s, struct err *err)
{
	unsigned line = s->line;

	while (!scan_sees(s, SPAN("*/"))) {
		if (s->at >= s->text.len)
			return err_set(err, ERR_SYNTAX,
			    "%s:%u: a comment begins here and never ends; "
			    "expected \"*/\"",
			    s->file, line);
		s->line += s->text.p[s->at++] == '\n';
	}
	s->at += 2;
	return 0;
}

/* Skips white space and comments; comments become spaces. */
static int
scan_skip(struct scan *s, struct err *err)
{
	while (s->at < s->text.len) {
		char c = s->text.p[s->at];
		size_t start = s->at;

		if (c == '\n') {
			s->line++;
			s->at++;
		} else if (c == ' ' || c == '\t' || c == '\r') {
			s->at++;
		} else if (c == '#' || scan_sees(s, SPAN("//"))) {
			while (s->at < s->text.len && s->text.p[s->at] != '\n')
				s->at++;
			scan_blank(s, start, s->at);
		} else if (scan_sees(s, SPAN("/*"))) {
			if (scan_skip_block_comment(s, err) == -1)
				return -1;
			scan_blank(s, start, s->at);
		} else {
			break;
		}
	}
	return 0;
}

/* A quoted text.  Within it a backslash takes the next octet as it is. */
static int
scan_quoted(struct scan *s, struct err *err)
{
	char quote = s->text.p[s->at++];

	for (; s->at < s->text.len; s->at++) {
		char c = s->text.p[s->at];

		if (c == quote) {
			s->at++;
			return 0;
		}
		if (c == '\n' || c == '\0')
			break;
		/* libconfuse would put an environment variable there. */
		if (quote == '"' && scan_sees(s, SPAN("${")))
			return err_set(err, ERR_SYNTAX,
			    "%s:%u: \"${\" stands in a text; nothing is taken "
			    "from the environment, expected single quotes if "
			    "it is meant so",
			    s->file, s->line);
		if (c != '\\')
			continue;
		s->at++;
		if (s->at >= s->text.len ||
		    (s->text.p[s->at] != quote && s->text.p[s->at] != '\\'))
			return err_set(err, ERR_SYNTAX,
			    "%s:%u: a backslash stands in a text; expected "
			    "\\%c or \\\\",
			    s->file, s->line, quote);
	}
	return err_set(err, ERR_SYNTAX,
	    "%s:%u: a text begins with %c and does not end on its line; "
	    "expected a closing %c",
	    s->file, s->line, quote, quote);
}

static int
scan_token(struct scan *s, struct token *t, struct err *err)
{
	char c;

	if (scan_skip(s, err) == -1)
		return -1;
	*t = (struct token){ TOKEN_END, SPAN("end of file"), s->line, s->at,
		s->at };
	if (s->at >= s->text.len)
		return 0;
	c = s->text.p[s->at];
	if (is_word_octet(c)) {
		t->type = TOKEN_WORD;
		while (s->at < s->text.len && is_word_octet(s->text.p[s->at]))
			s->at++;
	} else if (c == '"' || c == '\'') {
		t->type = TOKEN_QUOTED;
		if (scan_quoted(s, err) == -1)
			return -1;
	} else if (c == '{' || c == '}' || c == '=' || c == ',') {
		t->type = TOKEN_MARK;
		s->at++;
	} else if (scan_sees(s, SPAN("+="))) {
		t->type = TOKEN_MARK;
		s->at += 2;
	} else {
		return err_set(err, ERR_SYNTAX,
		    ascii_is(c, ASCII_VCHAR)
			? "%s:%u: \"%c\" stands outside of a text; expected "
			  "quotes around it"
			: "%s:%u: octet \\x%02x stands outside of a text",
		    s->file, s->line, (unsigned)(unsigned char)c);
	}
	t->end = s->at;
	t->text = span_of(s->text.p + t->start, t->end - t->start);
	return 0;
}

static bool
token_is(const struct token *t, const char *mark)
{
	return t->type == TOKEN_MARK && span_eq(t->text, span_str(mark));
}

static bool
token_is_value(const struct token *t)
{
	return t->type == TOKEN_WORD || t->type == TOKEN_QUOTED;
}

static int
expected(const struct scan *s, const struct token *t, struct span key,
    const char *what, struct err *err)
{
	return err_set(err, ERR_SYNTAX, "%s:%u: %.*s%s%.*s; expected %s",
	    s->file, t->line, SPAN_FMT(span_first(key, 60)),
	    key.len > 0 ? ": " : "", SPAN_FMT(span_first(t->text, 60)), what);
}

/* The rest of a list, whose "{" has been taken. */
static int
scan_list(struct scan *s, struct span key, struct err *err)
{
	struct token t;

	for (;;) {
		if (scan_token(s, &t, err) == -1)
			return -1;
		if (token_is(&t, "}"))
			return 0;
		if (!token_is_value(&t))
			return expected(s, &t, key, "a value or \"}\"", err);
		if (scan_token(s, &t, err) == -1)
			return -1;
		if (token_is(&t, "}"))
			return 0;
		if (!token_is(&t, ","))
			return expected(
			    s, &t, key, "\",\" or \"}\" in the list", err);
	}
}

static int
scan_remember(
    struct scan *s, const struct conf_setting *setting, struct err *err)
{
	for (size_t i = 0; i < s->scope_len && !setting->append; i++)
		if (span_eq(s->scope[i].name, setting->name))
			return err_set(err, ERR_SYNTAX,
			    "%s:%u: %.*s: set again; expected it once, and "
			    "line %u has it",
			    s->file, setting->line,
			    SPAN_FMT(span_first(setting->name, 60)),
			    s->scope[i].line);
	if (s->scope_len == CONF_SETTINGS_MAX)
		return err_set(err, ERR_LIMIT,
		    "%s:%u: over %d settings in a section", s->file,
		    setting->line, CONF_SETTINGS_MAX);
	s->scope[s->scope_len++] = *setting;
	return 0;
}

/* A setting whose name has been taken; t is the token after it. */
static int
scan_setting(
    struct scan *s, const struct token *name, struct token *t, struct err *err)
{
	struct conf_setting setting = {
		.name = name->text, .line = name->line, .section = s->section
	};

	setting.append = token_is(t, "+=");
	if (!setting.append && !token_is(t, "="))
		return expected(s, t, name->text, "\"=\" and a value", err);
	if (scan_token(s, t, err) == -1)
		return -1;
	setting.list = token_is(t, "{");
	if (!setting.list && !token_is_value(t))
		return expected(s, t, name->text, "a value", err);
	if (setting.list && scan_list(s, name->text, err) == -1)
		return -1;
	return scan_remember(s, &setting, err);
}

/* The settings of a section whose "{" has been taken. */
static int
scan_body(struct scan *s, const struct token *section, struct err *err)
{
	struct token name, t;

	s->scope_len = 0;
	for (;;) {
		if (scan_token(s, &name, err) == -1)
			return -1;
		if (token_is(&name, "}"))
			return 0;
		if (name.type == TOKEN_END)
			return err_set(err, ERR_SYNTAX,
			    "%s:%u: %.*s: its \"{\" is never closed; expected "
			    "\"}\"",
			    s->file, section->line, SPAN_FMT(section->text));
		if (name.type != TOKEN_WORD)
			return expected(
			    s, &name, section->text, "a key or \"}\"", err);
		if (scan_token(s, &t, err) == -1 ||
		    scan_setting(s, &name, &t, err) == -1)
			return -1;
	}
}

static int
scan_section_known(
    struct scan *s, const struct conf_outline_section *section, struct err *err)
{
	char names[240] = "";
	size_t i;

	for (i = 0; conf_section_names[i] != NULL; i++) {
		if (span_eq(section->name, span_str(conf_section_names[i])))
			break;
		if (i > 0)
			strcat(names, ", ");
		strcat(names, conf_section_names[i]);
	}
	if (conf_section_names[i] == NULL)
		return err_set(err, ERR_SYNTAX,
		    "%s:%u: %.*s: no such section; expected one of %s", s->file,
		    section->line, SPAN_FMT(span_first(section->name, 40)),
		    names);
	for (i = 0; i < s->o->sections_len; i++) {
		const struct conf_outline_section *other = &s->o->sections[i];

		if (span_eq(other->name, section->name) &&
		    span_eq(other->title, section->title))
			return err_set(err, ERR_SYNTAX,
			    "%s:%u: %.*s %.*s: a second one; expected it once, "
			    "and line %u has it",
			    s->file, section->line, SPAN_FMT(section->name),
			    SPAN_FMT(span_first(section->title, 40)),
			    other->line);
	}
	return 0;
}

/* Takes the scope's settings into the outline. */
static int
scan_keep(struct scan *s, struct err *err)
{
	struct conf_outline *o = s->o;

	if (s->scope_len > CONF_KEPT_MAX - o->settings_len)
		return err_set(err, ERR_LIMIT, "%s: over %d settings", s->file,
		    CONF_KEPT_MAX);
	memcpy(o->settings + o->settings_len, s->scope,
	    s->scope_len * sizeof(s->scope[0]));
	o->settings_len += s->scope_len;
	return 0;
}

/* A section whose name, perhaps title and "{" have been taken. */
static int
scan_section(struct scan *s, const struct token *name, struct span title,
    struct err *err)
{
	struct conf_outline_section section = { name->text, title, name->line };
	bool titled = span_eq(name->text, SPAN("listen")) ||
		      span_eq(name->text, SPAN("milter"));

	if (scan_section_known(s, &section, err) == -1)
		return -1;
	if (titled != (title.len > 0))
		return titled ? err_set(err, ERR_SYNTAX,
				    "%s:%u: %.*s: no name; expected %.*s NAME "
				    "{ ... }",
				    s->file, name->line, SPAN_FMT(name->text),
				    SPAN_FMT(name->text))
			      : err_set(err, ERR_SYNTAX,
				    "%s:%u: %.*s: a name; expected \"{\" at "
				    "once",
				    s->file, name->line, SPAN_FMT(name->text));
	if (s->o->sections_len == CONF_SECTIONS_MAX)
		return err_set(err, ERR_LIMIT, "%s:%u: over %d sections",
		    s->file, name->line, CONF_SECTIONS_MAX);
	s->section = s->o->sections_len;
	s->o->sections[s->o->sections_len++] = section;
	if (scan_body(s, name, err) == -1)
		return -1;
	if (s->wanted != NULL && span_eq(name->text, span_str(s->wanted)))
		return scan_keep(s, err);
	scan_blank(s, name->start, s->at);
	return 0;
}

/* One setting or section of the top level, whose first token is name. */
static int
scan_item(struct scan *s, const struct token *name, struct conf_setting *top,
    size_t *top_len, struct err *err)
{
	struct token t, title = { .text = SPAN("") };

	if (scan_token(s, &t, err) == -1)
		return -1;
	if (t.type == TOKEN_WORD) {
		title = t;
		if (scan_token(s, &t, err) == -1)
			return -1;
		if (!token_is(&t, "{"))
			return expected(s, &title, name->text,
			    "\"=\" and a value, or \"{\"", err);
	}
	if (token_is(&t, "{"))
		return scan_section(s, name, title.text, err);
	memcpy(s->scope, top, sizeof(s->scope));
	s->scope_len = *top_len;
	s->section = SIZE_MAX;
	if (scan_setting(s, name, &t, err) == -1)
		return -1;
	memcpy(top, s->scope, sizeof(s->scope));
	*top_len = s->scope_len;
	if (s->wanted != NULL)
		scan_blank(s, name->start, s->at);
	return 0;
}

static int
scan_file(struct scan *s, struct err *err)
{
	struct conf_setting top[CONF_SETTINGS_MAX];
	size_t top_len = 0;
	struct token name;

	memset(top, 0, sizeof(top));
	for (;;) {
		if (scan_token(s, &name, err) == -1)
			return -1;
		if (name.type == TOKEN_END)
			break;
		if (name.type != TOKEN_WORD)
			return expected(
			    s, &name, SPAN(""), "a key or a section", err);
		if (scan_item(s, &name, top, &top_len, err) == -1)
			return -1;
	}
	if (s->wanted != NULL)
		return 0;
	memcpy(s->scope, top, sizeof(top));
	s->scope_len = top_len;
	return scan_keep(s, err);
}

int
conf_outline_init(struct conf_outline *o, struct span text, const char *file,
    const char *wanted, struct err *err)
{
	struct scan s = {
		.o = o, .file = file, .wanted = wanted, .text = text, .line = 1
	};

	memset(o, 0, sizeof(*o));
	buf_init(&o->text, CONF_TEXT_MAX);
	buf_append(&o->text, text);
	if (buf_check(&o->text, err) == -1)
		return err_prefix(err, "%s", file);
	return scan_file(&s, err);
}

void
conf_outline_fini(struct conf_outline *o)
{
	buf_fini(&o->text);
}

unsigned
conf_outline_line(
    const struct conf_outline *o, const char *title, const char *name)
{
	for (size_t i = 0; i < o->settings_len; i++) {
		const struct conf_setting *s = &o->settings[i];

		if (span_eq(s->name, span_str(name)) &&
		    (title == NULL || span_eq(o->sections[s->section].title,
					  span_str(title))))
			return s->line;
	}
	return 0;
}
