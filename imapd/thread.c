/* SPDX-License-Identifier: BSD-2-Clause */
/* THREAD.                                          RFC 5256 section 3 */
#include "imapd/command.h"
#include "imapd/modseq.h"
#include "imapd/search.h"
#include "imapd/sort.h"
#include "imapd/thread_link.h"

/* Ids and links of one command. */
#define THREAD_ARENA_MAX (256 * 1024 * 1024)

static int
algorithm_parse(struct span *in, enum thread_algorithm *out, struct err *err)
{
	static const struct {
		const char *name;
		enum thread_algorithm algorithm;
	} names[] = {
		{ "ORDEREDSUBJECT", THREAD_ORDEREDSUBJECT },
		{ "REFERENCES", THREAD_REFERENCES },
		{ "REFS", THREAD_REFS },
	};
	struct span name;

	if (imap_sp_parse(in, err) == -1 ||
	    imap_atom_parse(in, &name, err) == -1)
		return -1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_eq_nocase(name, span_str(names[i].name))) {
			*out = names[i].algorithm;
			return 0;
		}
	}
	return err_set(err, ERR_SYNTAX, "Unknown thread algorithm");
}

static int
message_get(struct sort_reader *r, uint32_t index, bool references,
    struct arena *a, struct thread_message *out, struct err *err)
{
	struct known_sort k;

	if (sort_reader_get(r, index, &k, err) == -1)
		return -1;
	out->date = k.sent;
	out->reply = k.reply;
	out->subject = arena_copy(a, k.subject, err);
	if (out->subject.p == NULL)
		return -1;
	if (!references)
		return 0;
	out->message_id = arena_copy(a, k.message_id, err);
	out->references = arena_copy(a, k.references, err);
	return out->message_id.p == NULL || out->references.p == NULL ? -1 : 0;
}

static struct thread_message *
messages_get(struct imap_session *s, const uint32_t *found, size_t count,
    bool references, struct arena *a, struct err *err)
{
	CLEANUP(sort_reader_fini) struct sort_reader r;
	struct thread_message *messages =
	    arena_array(a, count, sizeof(*messages), err);

	sort_reader_init(&r, s, count);
	if (messages == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (message_get(
			&r, found[i], references, a, &messages[i], err) == -1)
			return NULL;
	}
	return messages;
}

/*
 * thread-list = "(" (thread-members / thread-nested) ")"
 *
 * However deep it is: there is no recursion.
 */
static void
thread_write(struct imap_session *s, const struct thread *t, uint32_t root,
    const uint32_t *numbers)
{
	const struct thread_node *nodes = t->nodes;
	uint32_t n = root;

	buf_append_octet(&s->out, '(');
	for (;;) {
		uint32_t child = nodes[n].child;
		bool forks = child != nodes[n].last_child;

		if (n < t->messages) {
			buf_append_u64(&s->out, numbers[n]);
			if (child != THREAD_NONE)
				buf_append_octet(&s->out, ' ');
		}
		session_out(s);
		if (child != THREAD_NONE) {
			if (forks)
				buf_append_octet(&s->out, '(');
			n = child;
			continue;
		}
		while (n != root && nodes[n].next == THREAD_NONE) {
			n = nodes[n].parent;
			if (nodes[n].child != nodes[n].last_child)
				buf_append_octet(&s->out, ')');
		}
		if (n == root)
			break;
		buf_append(&s->out, SPAN(")("));
		n = nodes[n].next;
	}
	buf_append_octet(&s->out, ')');
}

int
imap_thread(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(arena_fini) struct arena a;
	struct search_program program = { .keys = NULL };
	enum thread_algorithm algorithm = THREAD_REFERENCES;
	struct thread_message *messages;
	struct thread thread;
	uint32_t *found;
	size_t count;

	arena_init(&a, THREAD_ARENA_MAX);
	if (algorithm_parse(&args, &algorithm, err) == -1 ||
	    search_criteria_parse(&args, &s->arena, &program, err) == -1) {
		if (err->kind == ERR_POLICY)
			session_code(s, "BADCHARSET");
		return -1;
	}
	if (search_run(s, &program, &found, &count, err) == -1)
		return -1;
	messages = messages_get(
	    s, found, count, algorithm != THREAD_ORDEREDSUBJECT, &a, err);
	if (messages == NULL || thread_link(algorithm, messages,
				    (uint32_t)count, &a, &thread, err) == -1)
		return -1;
	if (program.modseq)
		session_condstore(s);
	session_numbers(s, found, count);
	buf_append(&s->out, SPAN("* THREAD"));
	for (uint32_t n = thread.root; n != THREAD_NONE;
	     n = thread.nodes[n].next) {
		if (n == thread.root)
			buf_append_octet(&s->out, ' ');
		thread_write(s, &thread, n, found);
	}
	buf_append(&s->out, SPAN("\r\n"));
	return 0;
}
