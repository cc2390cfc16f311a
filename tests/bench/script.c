/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const char *const protocols[] = { "smtp", "lmtp", "pop3", "imap" };

static struct step *
step_add(struct script *s, enum step_kind kind, unsigned line)
{
	struct step *steps =
	    realloc(s->steps, (s->steps_len + 1) * sizeof(*steps));

	if (steps == NULL)
		return NULL;
	s->steps = steps;
	steps[s->steps_len] =
	    (struct step){ .kind = kind, .lines = -1, .line = line };
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
	    "protocol \"%s\": expected smtp, lmtp, pop3 or imap", name);
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
	else
		last->lines = (int64_t)number;
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
	if (strcmp(text, "expect") == 0 || strcmp(text, "lines") == 0)
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

int
script_load(const char *path, struct script *out, struct err *err)
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
		if (line_parse(out, text, line, err) == -1)
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
