/* SPDX-License-Identifier: BSD-2-Clause */
/* GETQUOTA, GETQUOTAROOT, SETQUOTA.                            RFC 9208 */
#include "store/quota.h"

#include "imapd/command.h"
#include "imapd/reply.h"

/*
 * An account has one quota root, of this name, if it has limits.  They come
 * from the directory, so that no client sets them.
 */
static const char root_name[] = "User quota";

static bool
has_limits(const struct usage *u)
{
	return u->limits.octets != 0 || u->limits.messages != 0;
}

/* "* QUOTA" SP root SP "(" [resource *(SP resource)] ")", in units of 1024. */
static void
quota_write(struct imap_session *s, const struct usage *u)
{
	const char *between = "";

	buf_append(&s->out, SPAN("* QUOTA "));
	imap_astring_write(&s->out, span_str(root_name));
	buf_append(&s->out, SPAN(" ("));
	if (u->limits.octets != 0) {
		buf_append(&s->out, SPAN("STORAGE "));
		buf_append_u64(
		    &s->out, u->octets / 1024 + (u->octets % 1024 != 0));
		buf_append_octet(&s->out, ' ');
		buf_append_u64(&s->out, u->limits.octets / 1024);
		between = " ";
	}
	if (u->limits.messages != 0) {
		buf_append_fmt(&s->out, "%sMESSAGE ", between);
		buf_append_u64(&s->out, u->messages);
		buf_append_octet(&s->out, ' ');
		buf_append_u64(&s->out, u->limits.messages);
	}
	buf_append(&s->out, SPAN(")\r\n"));
}

/* SP quota-root-name */
static int
root_parse(struct imap_session *s, struct span *in, struct span *root_out,
    struct err *err)
{
	if (imap_sp_parse(in, err) == -1 ||
	    imap_astring_parse(in, &s->arena, root_out, err) == -1)
		return -1;
	return 0;
}

int
imap_getquota(struct imap_session *s, struct span args, struct err *err)
{
	struct usage usage;
	struct span root;

	if (root_parse(s, &args, &root, err) == -1 ||
	    imap_end_parse(&args, err) == -1 ||
	    account_usage(s->account, &usage, err) == -1)
		return -1;
	if (!has_limits(&usage) || !span_eq(root, span_str(root_name))) {
		session_code(s, "NONEXISTENT");
		return err_set(err, ERR_POLICY, "There is no such quota root");
	}
	quota_write(s, &usage);
	return 0;
}

int
imap_getquotaroot(struct imap_session *s, struct span args, struct err *err)
{
	struct usage usage;
	struct span name;

	if (session_mailbox_parse(s, &args, &name, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	if (!mailbox_exists(s->account, name)) {
		session_code(s, "NONEXISTENT");
		return err_set(err, ERR_POLICY, "There is no such mailbox");
	}
	if (account_usage(s->account, &usage, err) == -1)
		return -1;
	buf_append(&s->out, SPAN("* QUOTAROOT "));
	imap_mailbox_write(&s->out, name);
	if (has_limits(&usage)) {
		buf_append_octet(&s->out, ' ');
		imap_astring_write(&s->out, span_str(root_name));
	}
	buf_append(&s->out, SPAN("\r\n"));
	if (has_limits(&usage))
		quota_write(s, &usage);
	return 0;
}

/* Known, so that the answer is not BAD, and refused to everybody. */
int
imap_setquota(struct imap_session *s, struct span args, struct err *err)
{
	struct span root;

	if (root_parse(s, &args, &root, err) == -1)
		return -1;
	return err_set(
	    err, ERR_POLICY, "Quotas are set by the mail administrator");
}
