/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A filter that does what a script tells it and records what it is told.
 *
 *	stages	negotiate connect helo mail rcpt data header eoh body eom
 *		unknown
 *	verdicts	continue accept reject tempfail discard skip
 *	at any stage	reply|code|enhanced|text  replies|code|enhanced|a|b
 *		sleep|milliseconds  die  macro|name
 *		if|text		the rest of this stage's lines count only when
 *				the event's first argument holds the text
 *	at eom	addheader|name|value  insheader|index|name|value
 *		chgheader|index|name|value  addrcpt|address
 *		addrcptpar|address|parameters  delrcpt|address
 *		chgfrom|address|parameters  body|text  bodyfill|octets
 *		quarantine|reason  progress
 *	at negotiate	actions|hex  protocol|hex  setsym|stage|list
 *
 * Records: one line an event, "name<TAB>argument...", escaped likewise.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#define LINE_SIZE 131072
#define WORDS_MAX 16

static const char *script_path, *record_path;
static pthread_mutex_t record_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the record
 * ------------------------------------------------------------------------- */

static void
record_text(FILE *f, const char *text, size_t len)
{
	(void)fputc('\t', f);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 32 || c > 126 || c == '\\')
			(void)fprintf(f, "\\x%02x", c);
		else
			(void)fputc(c, f);
	}
}

static void
record(const char *name, ...)
{
	const char *text;
	va_list args;
	FILE *f;

	(void)pthread_mutex_lock(&record_lock);
	f = fopen(record_path, "ae");
	if (f != NULL) {
		(void)fputs(name, f);
		va_start(args, name);
		while ((text = va_arg(args, const char *)) != NULL)
			record_text(f, text, strlen(text));
		va_end(args);
		(void)fputc('\n', f);
		(void)fclose(f);
	}
	(void)pthread_mutex_unlock(&record_lock);
}

static void
record_octets(const char *name, const void *octets, size_t len)
{
	FILE *f;

	(void)pthread_mutex_lock(&record_lock);
	f = fopen(record_path, "ae");
	if (f != NULL) {
		(void)fputs(name, f);
		record_text(f, octets, len);
		(void)fputc('\n', f);
		(void)fclose(f);
	}
	(void)pthread_mutex_unlock(&record_lock);
}

/* ---- the script
 * ------------------------------------------------------------------------- */

struct line {
	char *word[WORDS_MAX];
	size_t len[WORDS_MAX];
	size_t words;
};

static size_t
unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (*from != '\\' || from[1] == '\0') {
			*to++ = *from;
			continue;
		}
		from++;
		*to++ = (char)(*from == 'n'   ? '\n'
			       : *from == 'r' ? '\r'
			       : *from == 't' ? '\t'
			       : *from == '0' ? '\0'
					      : *from);
	}
	*to = '\0';
	return (size_t)(to - text);
}

static void
line_split(char *text, struct line *line)
{
	char *rest = text, *word;

	memset(line, 0, sizeof(*line));
	rest[strcspn(rest, "\n")] = '\0';
	while (line->words < WORDS_MAX && (word = strsep(&rest, "|")) != NULL) {
		line->word[line->words] = word;
		line->len[line->words++] = unescape(word);
	}
	for (size_t i = line->words; i < WORDS_MAX; i++) {
		static char empty[] = "";

		line->word[i] = empty;
	}
}

static int
verdict_of(const char *word, int otherwise)
{
	static const struct {
		const char *word;
		int verdict;
	} rows[] = {
		{ "continue", SMFIS_CONTINUE },
		{ "accept", SMFIS_ACCEPT },
		{ "reject", SMFIS_REJECT },
		{ "tempfail", SMFIS_TEMPFAIL },
		{ "discard", SMFIS_DISCARD },
		{ "skip", SMFIS_SKIP },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].verdict;
	}
	return otherwise;
}

static void
do_body_fill(SMFICTX *ctx, size_t octets)
{
	char *text = malloc(octets + 1);

	if (text == NULL)
		return;
	for (size_t i = 0; i < octets; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'f';
	(void)smfi_replacebody(ctx, (unsigned char *)text, (int)octets);
	free(text);
}

static int
number(const char *text)
{
	return (int)strtol(text, NULL, 0);
}

static void
do_edit(SMFICTX *ctx, const struct line *l)
{
	const char *verb = l->word[1];
	int result = MI_SUCCESS;

	if (strcmp(verb, "addheader") == 0)
		result = smfi_addheader(ctx, l->word[2], l->word[3]);
	else if (strcmp(verb, "insheader") == 0)
		result = smfi_insheader(
		    ctx, number(l->word[2]), l->word[3], l->word[4]);
	else if (strcmp(verb, "chgheader") == 0)
		result = smfi_chgheader(
		    ctx, l->word[3], number(l->word[2]), l->word[4]);
	else if (strcmp(verb, "addrcpt") == 0)
		result = smfi_addrcpt(ctx, l->word[2]);
	else if (strcmp(verb, "addrcptpar") == 0)
		result = smfi_addrcpt_par(ctx, l->word[2], l->word[3]);
	else if (strcmp(verb, "delrcpt") == 0)
		result = smfi_delrcpt(ctx, l->word[2]);
	else if (strcmp(verb, "chgfrom") == 0)
		result = smfi_chgfrom(
		    ctx, l->word[2], l->word[3][0] == '\0' ? NULL : l->word[3]);
	else if (strcmp(verb, "body") == 0)
		result = smfi_replacebody(
		    ctx, (unsigned char *)l->word[2], (int)l->len[2]);
	else if (strcmp(verb, "bodyfill") == 0)
		do_body_fill(ctx, (size_t)number(l->word[2]));
	else if (strcmp(verb, "quarantine") == 0)
		result = smfi_quarantine(ctx, l->word[2]);
	else if (strcmp(verb, "progress") == 0)
		result = smfi_progress(ctx);
	if (result != MI_SUCCESS)
		record("edit failed", verb, NULL);
}

static int
do_reply(SMFICTX *ctx, const struct line *l)
{
	char *enhanced = l->word[3][0] == '\0' ? NULL : l->word[3];
	int result;

	if (strcmp(l->word[1], "replies") == 0)
		result = smfi_setmlreply(
		    ctx, l->word[2], enhanced, l->word[4], l->word[5], NULL);
	else
		result = smfi_setreply(ctx, l->word[2], enhanced, l->word[4]);
	if (result != MI_SUCCESS)
		record("reply failed", l->word[4], NULL);
	return l->word[2][0] == '5' ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static void
do_macro(SMFICTX *ctx, const char *name)
{
	const char *value = smfi_getsymval(ctx, (char *)(uintptr_t)name);

	record("macro", name, value == NULL ? "(none)" : value, NULL);
}

/* One line of the stage; answers the verdict so far. */
static int
do_line(SMFICTX *ctx, const struct line *l, int verdict)
{
	const char *verb = l->word[1];

	if (strcmp(verb, "sleep") == 0)
		(void)usleep((useconds_t)number(l->word[2]) * 1000);
	else if (strcmp(verb, "die") == 0)
		_exit(1);
	else if (strcmp(verb, "macro") == 0)
		do_macro(ctx, l->word[2]);
	else if (strcmp(verb, "reply") == 0 || strcmp(verb, "replies") == 0)
		return do_reply(ctx, l);
	else if (verdict_of(verb, -1) == -1)
		do_edit(ctx, l);
	return verdict_of(verb, verdict);
}

static int
play(SMFICTX *ctx, const char *stage, const char *argument)
{
	char *text = malloc(LINE_SIZE);
	FILE *f = fopen(script_path, "re");
	int verdict = SMFIS_CONTINUE;
	bool applies = true;
	struct line l;

	while (text != NULL && f != NULL && fgets(text, LINE_SIZE, f) != NULL) {
		line_split(text, &l);
		if (l.words < 2 || strcmp(l.word[0], stage) != 0)
			continue;
		if (strcmp(l.word[1], "if") == 0)
			applies = argument != NULL &&
				  strstr(argument, l.word[2]) != NULL;
		else if (applies)
			verdict = do_line(ctx, &l, verdict);
	}
	if (f != NULL)
		(void)fclose(f);
	free(text);
	return verdict;
}

/* ---- what libmilter calls
 * --------------------------------------------------------------- */

static sfsistat
at_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	record("connect", host,
	    address == NULL                  ? "U"
	    : address->sa_family == AF_INET  ? "4"
	    : address->sa_family == AF_INET6 ? "6"
					     : "L",
	    NULL);
	return play(ctx, "connect", host);
}

static sfsistat
at_helo(SMFICTX *ctx, char *helo)
{
	record("helo", helo, NULL);
	return play(ctx, "helo", helo);
}

static void
record_arguments(const char *name, char **argv)
{
	record(name, argv[0], argv[1], argv[1] == NULL ? NULL : argv[2], NULL);
}

static sfsistat
at_mail(SMFICTX *ctx, char **argv)
{
	record_arguments("mail", argv);
	return play(ctx, "mail", argv[0]);
}

static sfsistat
at_rcpt(SMFICTX *ctx, char **argv)
{
	record_arguments("rcpt", argv);
	return play(ctx, "rcpt", argv[0]);
}

static sfsistat
at_data(SMFICTX *ctx)
{
	record("data", NULL);
	return play(ctx, "data", NULL);
}

static sfsistat
at_header(SMFICTX *ctx, char *name, char *value)
{
	record("header", name, value, NULL);
	return play(ctx, "header", name);
}

static sfsistat
at_eoh(SMFICTX *ctx)
{
	record("eoh", NULL);
	return play(ctx, "eoh", NULL);
}

static sfsistat
at_body(SMFICTX *ctx, unsigned char *octets, size_t len)
{
	char digits[32];

	(void)snprintf(digits, sizeof(digits), "%zu", len);
	if (len <= 2000)
		record_octets("body", octets, len);
	else
		record("body of", digits, NULL);
	return play(ctx, "body", NULL);
}

static sfsistat
at_eom(SMFICTX *ctx)
{
	record("eom", NULL);
	return play(ctx, "eom", NULL);
}

static sfsistat
at_abort(SMFICTX *ctx)
{
	(void)ctx;
	record("abort", NULL);
	return SMFIS_CONTINUE;
}

static sfsistat
at_close(SMFICTX *ctx)
{
	(void)ctx;
	record("close", NULL);
	return SMFIS_CONTINUE;
}

static sfsistat
at_unknown(SMFICTX *ctx, const char *line)
{
	record("unknown", line, NULL);
	return play(ctx, "unknown", line);
}

static void
negotiate_line(SMFICTX *ctx, const struct line *l, unsigned long *actions,
    unsigned long *protocol)
{
	if (strcmp(l->word[1], "actions") == 0)
		*actions = strtoul(l->word[2], NULL, 16);
	else if (strcmp(l->word[1], "protocol") == 0)
		*protocol = strtoul(l->word[2], NULL, 16);
	else if (strcmp(l->word[1], "setsym") == 0 &&
		 smfi_setsymlist(ctx, number(l->word[2]), l->word[3]) !=
		     MI_SUCCESS)
		record("setsym failed", l->word[3], NULL);
}

static sfsistat
at_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
    unsigned long f3, unsigned long *pf0, unsigned long *pf1,
    unsigned long *pf2, unsigned long *pf3)
{
	char *text = malloc(LINE_SIZE), offered[64];
	FILE *f = fopen(script_path, "re");
	struct line l;

	(void)snprintf(offered, sizeof(offered), "%lx %lx", f0, f1);
	record("negotiate", offered, NULL);
	*pf0 = f0 & 0x1ff;
	*pf1 = 0;
	*pf2 = f2 & 0;
	*pf3 = f3 & 0;
	while (text != NULL && f != NULL && fgets(text, LINE_SIZE, f) != NULL) {
		line_split(text, &l);
		if (strcmp(l.word[0], "negotiate") == 0)
			negotiate_line(ctx, &l, pf0, pf1);
	}
	if (f != NULL)
		(void)fclose(f);
	free(text);
	*pf1 &= f1;
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	static char filter_name[] = "script";
	struct smfiDesc filter = {
		.xxfi_name = filter_name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = 0x1ff,
		.xxfi_connect = at_connect,
		.xxfi_helo = at_helo,
		.xxfi_envfrom = at_mail,
		.xxfi_envrcpt = at_rcpt,
		.xxfi_header = at_header,
		.xxfi_eoh = at_eoh,
		.xxfi_body = at_body,
		.xxfi_eom = at_eom,
		.xxfi_abort = at_abort,
		.xxfi_close = at_close,
		.xxfi_unknown = at_unknown,
		.xxfi_data = at_data,
		.xxfi_negotiate = at_negotiate,
	};

	if (argc != 4) {
		(void)fputs(
		    "usage: script_filter socket script record\n", stderr);
		return 2;
	}
	script_path = argv[2];
	record_path = argv[3];
	if (smfi_setconn(argv[1]) != MI_SUCCESS ||
	    smfi_register(filter) != MI_SUCCESS)
		return 1;
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
