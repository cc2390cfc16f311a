/* SPDX-License-Identifier: BSD-2-Clause */
/* common/journal and what it stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/crc32c.h"
#include "common/journal.h"

#define SEGMENT (128 * 1024)
#define KIND 0x54534554U

/* ---- CRC-32C ---- */

static void
test_crc32c(void **state)
{
	/* RFC 3720 appendix B.4, and the check value of the Rocksoft model. */
	static const struct {
		unsigned char first;
		int step;
		size_t len;
		uint32_t crc;
	} cases[] = {
		{ 0, 0, 32, 0x8a9136aaU },
		{ 255, 0, 32, 0x62a8ab43U },
		{ 0, 1, 32, 0x46dd794eU },
		{ 31, -1, 32, 0x113fdb5cU },
		{ '1', 1, 9, 0xe3069283U },
		{ 0, 0, 0, 0 },
	};
	unsigned char octets[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k < sizeof(octets); k++)
			octets[k] = (unsigned char)(cases[i].first +
						    (int)k * cases[i].step);
		assert_int_equal(crc32c(0, octets, cases[i].len), cases[i].crc);
		assert_int_equal(
		    crc32c_plain(0, octets, cases[i].len), cases[i].crc);
		for (size_t cut = 0; cut <= cases[i].len; cut++)
			assert_int_equal(crc32c(crc32c(0, octets, cut),
					     octets + cut, cases[i].len - cut),
			    cases[i].crc);
	}
}

/* ---- heads and records, each refusal ---- */

static const struct journal_head good_head = {
	.kind = KIND,
	.id = "0123456789abcde",
	.octets = SEGMENT,
	.generation = 7,
	.oldest = 5,
	.step = 1,
};

/* Puts octets into a head at an offset and makes its checksum right again. */
struct edit {
	size_t at, len;
	const char *octets;
	bool mend;
	size_t cut; /* shorter by so many */
	enum err_kind kind;
	const char *says;
};

static void
test_head_refusals(void **state)
{
	static const struct edit edits[] = {
		{ 0, 0, "", false, 0, ERR_NONE, "" },
		{ 0, 0, "", false, 1, ERR_SYNTAX, "cut off" },
		{ 0, 1, "h", true, 0, ERR_SYNTAX, "no head" },
		{ 40, 1, "\x09", false, 0, ERR_SYNTAX, "damaged" },
		{ 60, 1, "\0", false, 0, ERR_SYNTAX, "damaged" },
		{ 8, 1, "\x02", true, 0, ERR_POLICY, "version 2" },
		{ 8, 4, "\0\0\0\0", true, 0, ERR_POLICY, "version 0" },
		{ 32, 8, "\0\0\0\0\0\0\0\0", true, 0, ERR_SYNTAX, "segment" },
		{ 32, 8, "\1\0\2\0\0\0\0\0", true, 0, ERR_SYNTAX, "segment" },
		{ 32, 8, "\0\0\0\0\1\0\0\0", true, 0, ERR_SYNTAX, "segment" },
		{ 40, 8, "\0\0\0\0\0\0\0\0", true, 0, ERR_SYNTAX,
		    "generation 0" },
		{ 48, 1, "\x08", true, 0, ERR_SYNTAX, "oldest 8" },
		{ 56, 1, "\x07", true, 0, ERR_SYNTAX, "step 7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct edit *e = &edits[i];
		char text[JOURNAL_HEAD_LEN];
		struct journal_head h = { 0 };
		struct err err = ERR_INIT;
		uint32_t crc;
		int got;

		journal_head_format(&good_head, text);
		memcpy(text + e->at, e->octets, e->len);
		crc = crc32c(0, text, 60);
		if (e->mend)
			memcpy(text + 60, &crc, sizeof(crc));
		got = journal_head_parse(
		    span_of(text, sizeof(text) - e->cut), &h, &err);
		assert_int_equal(got, e->kind == ERR_NONE ? 0 : -1);
		assert_int_equal(err.kind, e->kind);
		if (got == -1 && strstr(err.text, e->says) == NULL)
			fail_msg("case %zu: %s", i, err.text);
		if (got == 0)
			assert_memory_equal(&h, &good_head, sizeof(h));
		else
			assert_int_equal(h.generation, 0);
	}
}

static void
test_head_of_two(void **state)
{
	char pages[JOURNAL_DATA] = { 0 };
	struct journal_head h, odd = good_head, even = good_head;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
	    journal_head_choose(span_of(pages, sizeof(pages)), &h, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	journal_head_format(&odd, pages);
	even.generation = 8;
	journal_head_format(&even, pages + JOURNAL_PAGE);
	assert_int_equal(
	    journal_head_choose(span_of(pages, sizeof(pages)), &h, &err), 0);
	assert_int_equal(h.generation, 8);
	/* The later one was being written when the power went. */
	pages[JOURNAL_PAGE + 40] ^= 1;
	assert_int_equal(
	    journal_head_choose(span_of(pages, sizeof(pages)), &h, &err), 0);
	assert_int_equal(h.generation, 7);
	/* An odd generation's head in the even one's page is none. */
	journal_head_format(&odd, pages + JOURNAL_PAGE);
	memset(pages, 0, JOURNAL_PAGE);
	assert_int_equal(
	    journal_head_choose(span_of(pages, sizeof(pages)), &h, &err), -1);
	/* A later version's head counts, whatever the other is. */
	journal_head_format(&odd, pages);
	pages[JOURNAL_PAGE + 8] = 3;
	*(uint32_t *)(void *)(pages + JOURNAL_PAGE + 60) =
	    crc32c(0, pages + JOURNAL_PAGE, 60);
	err = ERR_INIT;
	assert_int_equal(
	    journal_head_choose(span_of(pages, sizeof(pages)), &h, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
}

static void
test_record_refusals(void **state)
{
	static const struct edit edits[] = {
		{ 0, 0, "", false, 0, ERR_NONE, "" },
		{ 0, 0, "", false, 5, ERR_SYNTAX, "behind the end" },
		{ 0, 0, "", false, 6, ERR_SYNTAX, "cut off" },
		{ 0, 1, "h", true, 0, ERR_SYNTAX, "no record" },
		{ 16, 1, "\x06", true, 0, ERR_SYNTAX, "generation 6" },
		{ 8, 1, "\x63", false, 0, ERR_SYNTAX, "head of a record" },
		{ 4, 1, "\x06", true, 0, ERR_SYNTAX, "behind the end" },
		{ 4, 4, "\1\0\x10\0", true, 0, ERR_LIMIT, "1048577 octets" },
		{ 4, 1, "\x04", true, 0, ERR_SYNTAX, "record 42 damaged" },
		{ 58, 1, "X", false, 0, ERR_SYNTAX, "record 42 damaged" },
		{ 8, 8, "\0\0\0\0\0\0\0\0", true, 0, ERR_SYNTAX, "record 0" },
		{ 24, 1, "\x2a", true, 0, ERR_SYNTAX, "flushed 42" },
	};
	const struct span piece = SPAN("hello");
	const struct journal_record r = { .number = 42,
		.flushed = 41,
		.time_ms = 99,
		.type = 513,
		.payload = piece };

	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct edit *e = &edits[i];
		char text[JOURNAL_RECORD_LEN + 5];
		struct journal_record got = { 0 };
		struct err err = ERR_INIT;
		uint32_t crc;
		int result;

		journal_record_format(
		    &good_head, &r, 5, journal_payload_crc(&piece, 1), text);
		memcpy(text + JOURNAL_RECORD_LEN, piece.p, piece.len);
		memcpy(text + e->at, e->octets, e->len);
		crc = crc32c(crc32c(0, good_head.id, JOURNAL_ID_LEN), text, 52);
		if (e->mend)
			memcpy(text + 52, &crc, sizeof(crc));
		result = journal_record_parse(&good_head,
		    span_of(text, e->cut == 6 ? JOURNAL_RECORD_LEN - 1
					      : sizeof(text) - e->cut),
		    &got, &err);
		assert_int_equal(result, e->kind == ERR_NONE ? 0 : -1);
		assert_int_equal(err.kind, e->kind);
		if (result == -1 && strstr(err.text, e->says) == NULL)
			fail_msg("case %zu: %s", i, err.text);
		if (result == -1) {
			assert_int_equal(got.number, 0);
			continue;
		}
		assert_int_equal(got.number, 42);
		assert_int_equal(got.type, 513);
		assert_int_equal(got.time_ms, 99);
		assert_true(span_eq(got.payload, piece));
	}
	/* The same octets under another journal's id. */
	{
		struct journal_head other = good_head;
		char text[JOURNAL_RECORD_LEN];
		struct journal_record got;
		struct err err = ERR_INIT;

		journal_record_format(&good_head, &r, 0, 0, text);
		assert_int_equal(journal_record_parse(&good_head,
				     span_of(text, sizeof(text)), &got, &err),
		    0);
		other.id[3] ^= 1;
		assert_int_equal(journal_record_parse(&other,
				     span_of(text, sizeof(text)), &got, &err),
		    -1);
	}
}

/* ---- a journal in a directory ---- */

struct rig {
	char path[64];
	struct journal_options options;
	struct journal *j;
	unsigned troubles;
	struct err trouble; /* the last */
	/* What the last recovery showed: */
	struct journal_ref refs[1024];
	uint16_t types[1024];
	char payloads[1024][32]; /* their beginnings */
	size_t count;
	unsigned hold_type; /* that recovery holds */
};

static void
on_trouble(void *arg, const struct err *err)
{
	struct rig *rig = arg;

	rig->troubles++;
	rig->trouble = *err;
}

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)snprintf(rig->path, sizeof(rig->path), "/tmp/hk-journal-XXXXXX");
	assert_non_null(mkdtemp(rig->path));
	rig->options = (struct journal_options){
		.path = rig->path,
		.kind = KIND,
		.segment_octets = SEGMENT,
		.segments_min = 3,
		.segments_max = 4,
		.wait_ms = 100,
		.trouble = on_trouble,
		.arg = rig,
	};
	rig->hold_type = 1;
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;
	char command[96];

	journal_close(rig->j);
	(void)snprintf(command, sizeof(command), "rm -r %s", rig->path);
	assert_int_equal(system(command), 0);
	free(rig);
	return 0;
}

static int
visit(void *arg, const struct journal_ref *ref,
    const struct journal_record *record, bool *hold_out, struct err *err)
{
	struct rig *rig = arg;

	(void)err;
	assert_true(rig->count < 1024);
	rig->refs[rig->count] = *ref;
	rig->types[rig->count] = record->type;
	(void)snprintf(rig->payloads[rig->count], 32, "%.*s",
	    SPAN_FMT(span_first(record->payload, 31)));
	rig->count++;
	*hold_out = record->type == rig->hold_type;
	return 0;
}

static void
open_again(struct rig *rig)
{
	struct err err = ERR_INIT;

	journal_close(rig->j);
	rig->j = NULL;
	rig->count = 0;
	if (journal_open(&rig->options, &rig->j, &err) == -1 ||
	    journal_recover(rig->j, visit, rig, &err) == -1 ||
	    journal_start(rig->j, &err) == -1)
		fail_msg("%s", err.text);
}

static int
append(struct rig *rig, uint16_t type, struct span payload,
    struct journal_ref *ref_out, struct err *err)
{
	struct journal_entry e = { .type = type,
		.hold = type == 1,
		.urgent = type == 2,
		.pieces = &payload,
		.piece_count = 1 };
	int done = journal_append(rig->j, &e, err);

	if (done == 0 && ref_out != NULL)
		*ref_out = e.ref;
	return done;
}

static struct journal_ref
must_append(struct rig *rig, uint16_t type, const char *payload)
{
	struct journal_ref ref = { 0 };
	struct err err = ERR_INIT;

	if (append(rig, type, span_str(payload), &ref, &err) == -1)
		fail_msg("%s", err.text);
	return ref;
}

static void
test_comes_back(void **state)
{
	struct rig *rig = *state;
	CLEANUP(buf_fini) struct buf payload;
	struct journal_ref ref[3];
	struct journal_stats stats;

	open_again(rig);
	assert_int_equal(rig->count, 0);
	ref[0] = must_append(rig, 1, "one");
	ref[1] = must_append(rig, 1, "");
	ref[2] = must_append(rig, 2, "three");
	journal_note(rig->j, 9, SPAN("a note"));
	assert_int_equal(ref[0].number, 1);
	assert_int_equal(ref[2].number, 3);
	assert_int_equal(ref[0].offset, JOURNAL_DATA);
	assert_int_equal(ref[1].offset, JOURNAL_DATA + JOURNAL_PAGE);
	buf_init(&payload, 100);
	assert_int_equal(journal_read(rig->j, &ref[0], &payload, NULL), 0);
	assert_string_equal(buf_str(&payload), "one");
	journal_stats(rig->j, &stats);
	assert_int_equal(stats.held, 2);
	assert_int_equal(stats.octets, 3);
	assert_int_equal(stats.segments, 3);

	open_again(rig);
	assert_int_equal(rig->troubles, 0);
	assert_int_equal(rig->count, 4);
	assert_string_equal(rig->payloads[0], "one");
	assert_string_equal(rig->payloads[2], "three");
	assert_string_equal(rig->payloads[3], "a note");
	assert_int_equal(rig->types[3], 9);
	/* Field by field: what lies between them is anybody's. */
	assert_int_equal(rig->refs[1].segment, ref[1].segment);
	assert_int_equal(rig->refs[1].offset, ref[1].offset);
	assert_int_equal(rig->refs[1].number, ref[1].number);
	assert_int_equal(rig->refs[1].generation, ref[1].generation);
	assert_int_equal(rig->refs[1].octets, ref[1].octets);
	journal_stats(rig->j, &stats);
	assert_int_equal(stats.held, 2);
	/* They can be read, and numbers go on. */
	buf_clear(&payload);
	assert_int_equal(
	    journal_read(rig->j, &rig->refs[0], &payload, NULL), 0);
	assert_string_equal(buf_str(&payload), "one");
	assert_int_equal(must_append(rig, 1, "five").number, 5);
	/* What nothing holds is not shown for ever. */
	journal_settle(rig->j, &rig->refs[0]);
	journal_settle(rig->j, &rig->refs[1]);
	open_again(rig);
	journal_settle(rig->j, &rig->refs[0]);
	journal_settle(rig->j, &rig->refs[1]);
	journal_settle(rig->j, &rig->refs[4]);
	rig->hold_type = 0;
	open_again(rig);
	open_again(rig);
	assert_int_equal(rig->count, 0);
	assert_int_equal(rig->troubles, 0);
}

static void
test_segments_are_used_again(void **state)
{
	struct rig *rig = *state;
	char payload[9001];
	uint64_t last = 0;

	memset(payload, 'x', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	open_again(rig);
	/* Several times around. */
	for (int i = 0; i < 200; i++) {
		struct journal_ref ref = must_append(rig, 1, payload);
		struct journal_stats stats;

		assert_int_equal(ref.number, last + 1);
		last = ref.number;
		journal_settle(rig->j, &ref);
		journal_stats(rig->j, &stats);
		assert_true(stats.segments <= 4);
	}
	/* Only what is newer than the oldest segment in use is shown, and
	 * nothing of their earlier uses. */
	open_again(rig);
	assert_int_equal(rig->troubles, 0);
	assert_true(rig->count > 0 && rig->count < 50);
	for (size_t i = 0; i < rig->count; i++)
		assert_int_equal(
		    rig->refs[i].number, last - rig->count + 1 + i);
	assert_int_equal(must_append(rig, 1, "x").number, last + 1);
}

static void
test_full(void **state)
{
	struct rig *rig = *state;
	char payload[30001];
	struct journal_ref refs[64];
	struct journal_stats stats;
	struct err err = ERR_INIT;
	size_t count = 0;

	memset(payload, 'x', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	open_again(rig);
	while (append(rig, 1, span_str(payload), &refs[count], &err) == 0)
		assert_true(++count < 64);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err.text, "all 4 segments are held"));
	/* Three segments of three; the fourth is kept. */
	assert_int_equal(count, 9);
	journal_stats(rig->j, &stats);
	assert_int_equal(stats.held, 9);
	/* What frees others still finds room. */
	(void)must_append(rig, 2, "urgent");
	/* Not the oldest: nothing is free yet. */
	for (size_t i = 3; i < count; i++)
		journal_settle(rig->j, &refs[i]);
	assert_int_equal(
	    append(rig, 1, span_str(payload), &refs[count], &err), -1);
	for (size_t i = 0; i < 3; i++)
		journal_settle(rig->j, &refs[i]);
	(void)must_append(rig, 1, payload);
	/* Full or not, a restart finds all that was acknowledged. */
	open_again(rig);
	assert_int_equal(rig->troubles, 0);
	assert_string_equal(rig->payloads[rig->count - 2], "urgent");
	assert_int_equal(rig->types[rig->count - 1], 1);
}

static void
test_full_of_held_after_restart(void **state)
{
	struct rig *rig = *state;
	char payload[30001];
	struct err err = ERR_INIT;

	memset(payload, 'x', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	open_again(rig);
	while (append(rig, 1, span_str(payload), NULL, &err) == 0)
		;
	open_again(rig);
	assert_int_equal(rig->count, 9);
	/* There is room to finish it, beyond the limit. */
	(void)must_append(rig, 2, "urgent");
	for (size_t i = 0; i < 9; i++)
		journal_settle(rig->j, &rig->refs[i]);
	for (int i = 0; i < 30; i++) {
		struct journal_ref ref = must_append(rig, 1, payload);

		journal_settle(rig->j, &ref);
	}
	rig->hold_type = 0;
	open_again(rig);
	assert_int_equal(rig->troubles, 0);
}

static void
test_too_large(void **state)
{
	struct rig *rig = *state;
	CLEANUP(mem_free) char *payload = calloc(1, SEGMENT);
	struct err err = ERR_INIT;
	size_t most = SEGMENT - JOURNAL_DATA - JOURNAL_RECORD_LEN;

	open_again(rig);
	assert_int_equal(
	    append(rig, 1, span_of(payload, most + 1), NULL, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(append(rig, 1, span_of(payload, most), NULL, &err), 0);
	open_again(rig);
	assert_int_equal(rig->count, 1);
	assert_int_equal(rig->refs[0].octets, most);
}

/* ---- what is not as it was written ---- */

static int
segment_fd(struct rig *rig, unsigned slot)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/segment-%04u", rig->path, slot);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd != -1);
	return fd;
}

static void
spoil(struct rig *rig, const struct journal_ref *ref, uint64_t at)
{
	int fd = segment_fd(rig, ref->segment);
	char c;

	assert_int_equal(pread(fd, &c, 1, (off_t)(ref->offset + at)), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, (off_t)(ref->offset + at)), 1);
	(void)close(fd);
}

static void
test_torn_end(void **state)
{
	struct rig *rig = *state;
	struct journal_ref ref;

	open_again(rig);
	(void)must_append(rig, 1, "kept");
	ref = must_append(rig, 1, "torn");
	journal_close(rig->j);
	rig->j = NULL;
	/* As if its page had not come whole: nothing says it was flushed. */
	spoil(rig, &ref, JOURNAL_RECORD_LEN + 1);
	open_again(rig);
	assert_int_equal(rig->troubles, 0);
	assert_int_equal(rig->count, 1);
	/* Its number is given again, and the old record stays void, even if
	 * its page comes back. */
	assert_int_equal(must_append(rig, 1, "new").number, 2);
	journal_close(rig->j);
	rig->j = NULL;
	spoil(rig, &ref, JOURNAL_RECORD_LEN + 1);
	open_again(rig);
	assert_int_equal(rig->count, 2);
	assert_string_equal(rig->payloads[1], "new");
	assert_int_equal(rig->troubles, 0);
}

static void
test_damage_is_told(void **state)
{
	struct rig *rig = *state;
	struct journal_ref ref[4];
	char want[200];

	open_again(rig);
	for (int i = 0; i < 4; i++)
		ref[i] = must_append(rig, 1, "acknowledged");
	journal_close(rig->j);
	rig->j = NULL;
	spoil(rig, &ref[1], 8);
	open_again(rig);
	assert_int_equal(rig->count, 3);
	assert_int_equal(rig->refs[1].number, 3);
	assert_int_equal(rig->troubles, 1);
	(void)snprintf(want, sizeof(want),
	    "%s/segment-%04u: records 2 to 2 before offset %llu", rig->path,
	    ref[2].segment, (unsigned long long)ref[2].offset);
	assert_memory_equal(rig->trouble.text, want, strlen(want));
	/* Read while it is held, it is refused too. */
	spoil(rig, &ref[2], JOURNAL_RECORD_LEN);
	{
		CLEANUP(buf_fini) struct buf payload;
		struct err err = ERR_INIT;

		buf_init(&payload, 100);
		assert_int_equal(
		    journal_read(rig->j, &ref[2], &payload, &err), -1);
		assert_non_null(strstr(err.text, "record 3 damaged"));
		assert_int_equal(payload.len, 0);
	}
}

static void
test_damage_at_the_front(void **state)
{
	struct rig *rig = *state;
	struct journal_ref first;

	open_again(rig);
	first = must_append(rig, 1, "a");
	(void)must_append(rig, 1, "b");
	journal_close(rig->j);
	rig->j = NULL;
	spoil(rig, &first, 0);
	open_again(rig);
	assert_int_equal(rig->count, 1);
	assert_int_equal(rig->troubles, 1);
	assert_non_null(strstr(rig->trouble.text, "records 1 to 1"));
}

static int
fails_to_open(struct rig *rig, struct err *err)
{
	journal_close(rig->j);
	rig->j = NULL;
	*err = ERR_INIT;
	return journal_open(&rig->options, &rig->j, err) == -1;
}

static void
test_not_ours(void **state)
{
	struct rig *rig = *state;
	char head[JOURNAL_HEAD_LEN];
	struct err err;
	uint32_t crc;
	int fd;

	open_again(rig);
	(void)must_append(rig, 1, "a");
	rig->options.kind++;
	assert_true(fails_to_open(rig, &err));
	assert_int_equal(err.kind, ERR_POLICY);
	assert_non_null(strstr(err.text, "kind"));
	rig->options.kind--;
	/* A later version's: untouched, and named. */
	fd = segment_fd(rig, 2);
	assert_int_equal(pread(fd, head, sizeof(head), JOURNAL_PAGE), 64);
	head[8] = 2;
	crc = crc32c(0, head, 60);
	memcpy(head + 60, &crc, sizeof(crc));
	assert_int_equal(pwrite(fd, head, sizeof(head), JOURNAL_PAGE), 64);
	assert_true(fails_to_open(rig, &err));
	assert_int_equal(err.kind, ERR_POLICY);
	assert_non_null(strstr(err.text, "segment-0002: version 2"));
	/* One of another journal among ours. */
	head[8] = 1;
	head[20] ^= 1;
	crc = crc32c(0, head, 60);
	memcpy(head + 60, &crc, sizeof(crc));
	assert_int_equal(pwrite(fd, head, sizeof(head), JOURNAL_PAGE), 64);
	assert_true(fails_to_open(rig, &err));
	assert_int_equal(err.kind, ERR_POLICY);
	assert_non_null(strstr(err.text, "another journal"));
	(void)close(fd);
	/* Another process's, at work: a lock of its own descriptor. */
	assert_int_equal(rig->troubles, 0);
}

static void
test_locked(void **state)
{
	struct rig *rig = *state;
	struct journal *other = NULL;
	struct err err = ERR_INIT;

	open_again(rig);
	assert_int_equal(journal_open(&rig->options, &other, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_non_null(strstr(err.text, "another process's"));
}

static void
test_head_lost(void **state)
{
	struct rig *rig = *state;
	static const char junk[] = "not a head";
	char aside[96];
	struct stat st;
	int fd;

	open_again(rig);
	(void)must_append(rig, 1, "a");
	journal_close(rig->j);
	rig->j = NULL;
	fd = segment_fd(rig, 1);
	for (off_t page = 0; page < 2; page++)
		assert_int_equal(
		    pwrite(fd, junk, sizeof(junk), page * (off_t)JOURNAL_PAGE),
		    sizeof(junk));
	(void)close(fd);
	open_again(rig);
	assert_int_equal(rig->count, 0);
	assert_int_equal(rig->troubles, 1);
	assert_non_null(strstr(rig->trouble.text, "segment-0001"));
	(void)snprintf(
	    aside, sizeof(aside), "%s/segment-0001.damaged", rig->path);
	assert_int_equal(stat(aside, &st), 0);
	(void)must_append(rig, 1, "b");
}

static void
test_segment_lost(void **state)
{
	struct rig *rig = *state;
	char payload[30001], path[96];
	struct journal_ref refs[9];

	memset(payload, 'x', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	open_again(rig);
	for (int i = 0; i < 9; i++)
		refs[i] = must_append(rig, 1, payload);
	journal_close(rig->j);
	rig->j = NULL;
	(void)snprintf(
	    path, sizeof(path), "%s/segment-%04u", rig->path, refs[4].segment);
	assert_int_equal(unlink(path), 0);
	open_again(rig);
	assert_int_equal(rig->count, 6);
	/* The hole in the numbers, and the segment that is named. */
	assert_int_equal(rig->troubles, 2);
	assert_non_null(strstr(rig->trouble.text, "records 4 to 6"));
}

static void
test_unfinished_segment(void **state)
{
	struct rig *rig = *state;
	char path[96];
	int fd;

	/* A file that its maker was killed over. */
	(void)snprintf(path, sizeof(path), "%s/segment-0002", rig->path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	assert_int_equal(ftruncate(fd, 3 * (off_t)JOURNAL_PAGE), 0);
	(void)close(fd);
	open_again(rig);
	assert_int_equal(rig->troubles, 0);
	(void)must_append(rig, 1, "a");
	/* Other files are left alone. */
	(void)snprintf(path, sizeof(path), "%s/segment-2", rig->path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	(void)close(fd);
	open_again(rig);
	assert_int_equal(rig->count, 1);
	assert_int_equal(access(path, F_OK), 0);
}

/* How many segments there are; each must have this size. */
static unsigned
segments_of_size(struct rig *rig, off_t size)
{
	DIR *dir = opendir(rig->path);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (strncmp(entry->d_name, "segment-", 8) != 0)
			continue;
		assert_int_equal(fstatat(dirfd(dir), entry->d_name, &st, 0), 0);
		assert_int_equal(st.st_size, size);
		count++;
	}
	(void)closedir(dir);
	return count;
}

static void
test_another_size(void **state)
{
	struct rig *rig = *state;

	open_again(rig);
	assert_int_equal(segments_of_size(rig, SEGMENT), 3);
	(void)must_append(rig, 1, "a");
	rig->options.segment_octets = 2 * SEGMENT;
	open_again(rig);
	assert_int_equal(rig->count, 1);
	journal_settle(rig->j, &rig->refs[0]);
	rig->hold_type = 0;
	open_again(rig);
	open_again(rig);
	assert_int_equal(segments_of_size(rig, 2 * (off_t)SEGMENT), 3);
	assert_int_equal(rig->troubles, 0);
}

/* ---- a write that fails ---- */

static void
test_failed_write(void **state)
{
	struct rig *rig = *state;
	struct rlimit before, small;
	char payload[9001];
	struct err err = ERR_INIT;
	struct journal_ref ref;

	memset(payload, 'x', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	open_again(rig);
	(void)must_append(rig, 1, "before");
	/* Files may not reach beyond the second page of records: the next
	 * one fails in the middle. */
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = JOURNAL_DATA + 2 * JOURNAL_PAGE;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(append(rig, 1, span_str(payload), NULL, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(err.os, EFBIG);
	assert_non_null(strstr(err.text, "segment-0001 at 12288"));
	assert_int_equal(rig->troubles, 1);
	/* The next goes to another segment, under the same number. */
	ref = must_append(rig, 1, "after");
	assert_int_equal(ref.number, 2);
	assert_int_equal(ref.segment, 2);
	rig->troubles = 0;
	open_again(rig);
	assert_int_equal(rig->count, 2);
	assert_string_equal(rig->payloads[0], "before");
	assert_string_equal(rig->payloads[1], "after");
	assert_int_equal(rig->troubles, 0);
}

/* ---- many at once ---- */

#define THREADS 8
#define EACH 40

static void *
appender(void *arg)
{
	struct rig *rig = arg;

	for (int i = 0; i < EACH; i++) {
		struct journal_ref ref;
		struct err err = ERR_INIT;

		if (append(rig, 1, SPAN("some octets"), &ref, &err) == -1)
			return NULL;
		if (i % 2 == 0)
			journal_settle(rig->j, &ref);
		journal_note(rig->j, 9, SPAN("done"));
	}
	return rig;
}

static void
test_threads(void **state)
{
	struct rig *rig = *state;
	pthread_t threads[THREADS];
	struct journal_stats stats;
	void *result;

	rig->options.wait_ms = 10000;
	rig->options.segments_max = 40;
	open_again(rig);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, appender, rig), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, rig);
	}
	journal_stats(rig->j, &stats);
	assert_int_equal(stats.held, THREADS * EACH / 2);
	assert_true(stats.commits <= THREADS * EACH);
	assert_true(stats.records >= THREADS * EACH);
	open_again(rig);
	assert_int_equal(rig->troubles, 0);
	for (size_t i = 1; i < rig->count; i++)
		assert_int_equal(
		    rig->refs[i].number, rig->refs[i - 1].number + 1);
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c),
		cmocka_unit_test(test_head_refusals),
		cmocka_unit_test(test_head_of_two),
		cmocka_unit_test(test_record_refusals),
		RIGGED(test_comes_back),
		RIGGED(test_segments_are_used_again),
		RIGGED(test_full),
		RIGGED(test_full_of_held_after_restart),
		RIGGED(test_too_large),
		RIGGED(test_torn_end),
		RIGGED(test_damage_is_told),
		RIGGED(test_damage_at_the_front),
		RIGGED(test_not_ours),
		RIGGED(test_locked),
		RIGGED(test_head_lost),
		RIGGED(test_segment_lost),
		RIGGED(test_unfinished_segment),
		RIGGED(test_another_size),
		RIGGED(test_failed_write),
		RIGGED(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
