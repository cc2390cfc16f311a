/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/span.h"

static const struct {
	const char *word;
	enum step_kind kind;
	bool text;
} words[] = {
	{ ">", STEP_SEND, true },
	{ ">>", STEP_SEND_MULTI, true },
	{ "+>", STEP_SEND_CONTINUE, true },
	{ "raw", STEP_RAW, true },
	{ "body", STEP_BODY, false },
	{ "literal", STEP_LITERAL, true },
	{ "starttls", STEP_STARTTLS, false },
	{ "begin", STEP_BEGIN, false },
	{ "end", STEP_END, false },
	{ "think", STEP_THINK, true },
	{ "loop", STEP_LOOP, false },
	{ "repeat", STEP_REPEAT, false },
};

static const char *const protocols[] = { "smtp", "lmtp", "pop3", "imap",
	"userdb" };

static struct step *
step_add(struct script *s, enum step_kind kind, unsigned line)
{
	struct step *steps =
	    realloc(s->steps, (s->steps_len + 1) * sizeof(*steps));

	if (steps == NULL)
		return NULL;
	s->steps = steps;
	steps[s->steps_len] = (struct step){ .kind = kind,
		.lines = -1,
		.words = -1,
		.literals = -1,
		.line = line };
	return &steps[s->steps_len++];
}

static int
protocol_parse(struct script *s, const char *name, struct err *err)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcmp(name, protocols[i]) == 0) {
			s->protocol = (enum protocol)i;
			return 0;
		}
	}
	return err_set(err, ERR_SYNTAX,
	    "protocol \"%s\": expected smtp, lmtp, pop3, imap or userdb", name);
}

static bool
is_modifier(const char *word)
{
	return strcmp(word, "expect") == 0 || strcmp(word, "lines") == 0 ||
	       strcmp(word, "words") == 0 || strcmp(word, "literals") == 0;
}

/* "expect 354" and "lines 50" say more about the step before them. */
static int
modifier_parse(
    struct script *s, const char *word, const char *rest, struct err *err)
{
	struct step *last = &s->steps[s->steps_len - 1];
	uint64_t number;

	if (!span_to_u64(span_str(rest), &number))
		return err_set(err, ERR_SYNTAX, "%s \"%s\": expected a number",
		    word, rest);
	if (strcmp(word, "expect") == 0)
		last->code = (unsigned)number;
	else if (strcmp(word, "lines") == 0)
		last->lines = (int64_t)number;
	else if (strcmp(word, "words") == 0)
		last->words = (int64_t)number;
	else
		last->literals = (int64_t)number;
	return 0;
}

static int
line_parse(struct script *s, char *text, unsigned line, struct err *err)
{
	char *rest = text + strcspn(text, " ");
	struct step *step;

	if (*rest != '\0')
		*rest++ = '\0';
	if (strcmp(text, "protocol") == 0)
		return protocol_parse(s, rest, err);
	if (is_modifier(text))
		return modifier_parse(s, text, rest, err);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].word) != 0)
			continue;
		step = step_add(s, words[i].kind, line);
		if (step == NULL || (step->text = strdup(rest)) == NULL)
			return err_set(err, ERR_TEMP, "out of memory");
		if (words[i].text == (*rest == '\0'))
			return err_set(err, ERR_SYNTAX, "\"%s\" %s", text,
			    words[i].text ? "needs a text" : "stands alone");
		if (step->kind == STEP_THINK)
			step->think_ms = (unsigned)strtoul(rest, NULL, 10);
		if (step->kind == STEP_LOOP)
			s->loop = s->steps_len;
		return 0;
	}
	return err_set(err, ERR_SYNTAX, "unknown step \"%s\"", text);
}

/* Puts the settings' values where their names stand in braces. */
static int
line_expand(char *text, size_t size, const struct setting *settings,
    size_t settings_len, struct err *err)
{
	CLEANUP(buf_fini) struct buf out;

	buf_init(&out, size - 1);
	for (const char *p = text; *p != '\0';) {
		size_t i, len = 0;

		for (i = 0; *p == '{' && i < settings_len; i++) {
			len = strlen(settings[i].name);
			if (strncmp(p + 1, settings[i].name, len) == 0 &&
			    p[1 + len] == '}')
				break;
		}
		if (*p == '{' && i < settings_len) {
			buf_append_str(&out, settings[i].value);
			p += len + 2;
		} else {
			buf_append_octet(&out, *p++);
		}
	}
	if (buf_check(&out, err) == -1)
		return err_prefix(err, "the line with its settings");
	memcpy(text, buf_str(&out), out.len + 1);
	return 0;
}

int
script_load(const char *path, const struct setting *settings,
    size_t settings_len, struct script *out, struct err *err)
{
	FILE *file = fopen(path, "re");
	char text[1024];
	unsigned line = 0;
	int rc = 0;

	*out = (struct script){ .protocol = PROTOCOL_SMTP };
	if (file == NULL)
		return err_sys(err, "open %s", path);
	if (step_add(out, STEP_GREETING, 0) == NULL)
		rc = err_set(err, ERR_TEMP, "out of memory");
	while (rc == 0 && fgets(text, sizeof(text), file) != NULL) {
		line++;
		text[strcspn(text, "\r\n")] = '\0';
		if (text[0] == '\0' || text[0] == '#')
			continue;
		if (line_expand(text, sizeof(text), settings, settings_len,
			err) == -1 ||
		    line_parse(out, text, line, err) == -1)
			rc = err_prefix(err, "%s:%u", path, line);
	}
	(void)fclose(file);
	if (rc == -1)
		script_fini(out);
	return rc;
}

void
script_fini(struct script *s)
{
	for (size_t i = 0; i < s->steps_len; i++)
		free(s->steps[i].text);
	free(s->steps);
	*s = (struct script){ .steps = NULL };
}
