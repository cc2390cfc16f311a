/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/words.h"

static const char *const english[WORDS_END] = {
	[WORDS_VIRUS_REMOVED] =
	    "A virus was found in this mail, and its content was removed.\n"
	    "Name of the virus: %\n"
	    "If you know the sender, ask for the mail once more.\n",
	[WORDS_UNSCANNABLE_REMOVED] =
	    "This mail could not be searched for viruses, and its content was "
	    "removed.\n"
	    "Reason: %\n"
	    "If you know the sender, ask for the mail in another form.\n",
	[WORDS_NOTICE_SUBJECT] = "New mail from %",
	[WORDS_NOTICE_TEXT] = "Subject: %\n",
};

static const char *const japanese[WORDS_END] = {
	[WORDS_VIRUS_REMOVED] =
	    "このメールからウイルスが検出されたため、内容を削除しました。\n"
	    "ウイルス名: %\n"
	    "差出人に心当たりがある場合は、再送を依頼してください。\n",
	[WORDS_UNSCANNABLE_REMOVED] =
	    "このメールはウイルス検査ができなかったため、内容を削除しました。\n"
	    "理由: %\n"
	    "差出人に心当たりがある場合は、別の形式での送付を依頼してくださ"
	    "い。\n",
	[WORDS_NOTICE_SUBJECT] = "新着メール: %",
	[WORDS_NOTICE_TEXT] = "件名: %\n",
};

void
words_put(
    const char *language, enum words which, struct span name, struct buf *out)
{
	struct span text =
	    span_str(span_starts_nocase(span_str(language), SPAN("ja"))
			 ? japanese[which]
			 : english[which]);
	struct span before;

	if (span_take_until(&text, '%', &before)) {
		buf_append(out, before);
		buf_append(out, name);
	}
	buf_append(out, text);
}
