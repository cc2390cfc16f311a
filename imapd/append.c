/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * APPEND.                                   RFC 3501 6.3.11, RFC 4315 3
 *
 *	append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
 *
 * The message goes from the connection into a draft in the mailbox, never
 * into memory, so all that can be refused is refused when the literal is
 * announced and before the client sends it.
 */
#include "imapd/command.h"

#include <stdlib.h>

#include "store/draft.h"
#include "store/quota.h"

struct append {
	struct draft *draft;
	struct draft_options options;
	uint64_t octets;
	size_t rest_at; /* what of s->command stands behind the message */
};

void
append_free(struct append *a)
{
	if (a == NULL)
		return;
	draft_free(a->draft);
	free(a);
}
CLEANUP_DEFINE_PTR(struct append, append_free)

struct sink *
append_sink(struct append *a)
{
	return draft_sink(a->draft);
}

/* tag SP "APPEND"; false: another command. */
static bool
is_append(struct span *in)
{
	struct span tag, name;

	if (imap_tag_parse(in, &tag, NULL) == -1 ||
	    imap_sp_parse(in, NULL) == -1 ||
	    imap_atom_parse(in, &name, NULL) == -1)
		return false;
	return span_eq_nocase(name, SPAN("APPEND"));
}

/* Out of the command's octets, which move while the rest is gathered. */
static int
keywords_keep(
    struct imap_session *s, const struct imap_flags *flags, struct err *err)
{
	for (size_t i = 0; i < flags->keyword_count; i++) {
		flags->keywords[i] =
		    arena_copy(&s->arena, flags->keywords[i], err);
		if (flags->keywords[i].p == NULL)
			return -1;
	}
	return 0;
}

/* [SP flag-list] [SP date-time] SP, and the literal's "{". */
static int
options_parse(struct imap_session *s, struct span *in,
    struct draft_options *out, struct err *err)
{
	if (imap_sp_parse(in, err) == -1)
		return -1;
	if (in->len > 0 && in->p[0] == '(') {
		struct imap_flags flags;

		if (imap_flag_list_parse(in, &s->arena, &flags, err) == -1 ||
		    imap_sp_parse(in, err) == -1 ||
		    keywords_keep(s, &flags, err) == -1)
			return -1;
		out->letters = flags.letters;
		out->keywords = flags.keywords;
		out->keyword_count = flags.keyword_count;
	}
	if (in->len > 0 && in->p[0] == '"') {
		if (imap_date_time_parse(in, &out->date, err) == -1 ||
		    imap_sp_parse(in, err) == -1)
			return -1;
		out->has_date = true;
	}
	return imap_octet_parse(in, '{', err);
}

/* Opens the draft, or says in s->refusal and s->code why not. */
static int
append_begin(
    struct imap_session *s, struct span name, struct append *a, struct err *err)
{
	if (a->octets > s->message_max) {
		session_code(s, "TOOBIG");
		return err_set(err, ERR_LIMIT, "Message too large");
	}
	if (a->octets == 0)
		return err_set(err, ERR_POLICY, "Message is empty");
	if (!mailbox_exists(s->account, name)) {
		session_code(s, "TRYCREATE");
		return err_set(err, ERR_POLICY, "There is no such mailbox");
	}
	/* So that the client need not send what does not fit. */
	if (account_room(s->account, a->octets, 1, err) == 0 &&
	    draft_new(s->account, name, &a->draft, err) == 0)
		return 0;
	if (err->kind == ERR_POLICY)
		session_code(s, "TRYCREATE");
	if (err->kind == ERR_LIMIT)
		session_code(s, "OVERQUOTA");
	return -1;
}

enum append_literal
append_literal(struct imap_session *s, uint64_t octets)
{
	CLEANUP(append_free) struct append *a = calloc(1, sizeof(*a));
	struct span in = buf_span(&s->command), name;
	/* The name's own octets are all there: copied to see what it is. */
	struct err err = ERR_INIT;

	if (a == NULL) {
		(void)err_sys(&s->refusal, "calloc");
		return APPEND_REFUSED;
	}
	if (!is_append(&in))
		return APPEND_ARGUMENT;
	if (session_mailbox_parse(s, &in, &name, &err) == -1) {
		/* The literal is the name itself, or the name is none. */
		if (err.kind == ERR_SYNTAX)
			return APPEND_ARGUMENT;
		s->refusal = err;
		return APPEND_REFUSED;
	}
	if (options_parse(s, &in, &a->options, &err) == -1) {
		if (err.kind == ERR_SYNTAX)
			return APPEND_ARGUMENT;
		s->refusal = err;
		return APPEND_REFUSED;
	}
	a->octets = octets;
	a->options.want_uid = true;
	a->options.within_quota = true;
	if (append_begin(s, name, a, &s->refusal) == -1)
		return APPEND_REFUSED;
	a->rest_at = s->command.len + 2;
	s->append = STEAL(a);
	return APPEND_MESSAGE;
}

int
imap_append(struct imap_session *s, struct span args, struct err *err)
{
	struct draft_result result;
	struct append *a = s->append;

	(void)args;
	if (a == NULL)
		return err_set(err, ERR_SYNTAX,
		    "APPEND takes a mailbox, flags, a date, and a literal");
	if (s->command.len != a->rest_at)
		return err_set(err, ERR_SYNTAX, "unexpected argument");
	if (draft_commit(a->draft, &a->options, &result, err) == -1) {
		if (err->kind == ERR_LIMIT)
			session_code(s, "OVERQUOTA");
		return -1;
	}
	log_notice(&s->log, "message appended", log_str("file", result.name),
	    log_u64("octets", a->octets), log_u64("uid", result.uid));
	session_code(s, "APPENDUID %u %u", result.uidvalidity, result.uid);
	return 0;
}
