/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/text.h"

#include <string.h>

static const struct {
	const char *tag, *name;
} languages[LANGUAGE_COUNT] = {
	[LANGUAGE_EN] = { "en", "English" },
	[LANGUAGE_JA] = { "ja", "日本語" },
};

static const struct {
	const char *english, *japanese;
} texts[] = {
	/* before login */
	{ "a name and a digest are expected", "名前とダイジェストが必要です" },
	{ "APOP is not offered, use USER and PASS",
	    "APOP は使えません。USER と PASS を使ってください" },
	{ "Begin TLS negotiation", "TLS を開始してください" },
	{ "Capability list follows", "機能の一覧" },
	{ "Goodbye", "さようなら" },
	{ "Language changed", "言語を変更しました" },
	{ "Languages follow", "言語の一覧" },
	{ "Logged in", "ログインしました" },
	{ "Mechanisms follow", "認証方式の一覧" },
	{ "Out of memory", "メモリが足りません" },
	{ "POP3 server ready", "POP3 サーバーの準備ができました" },
	{ "Send PASS", "PASS を送ってください" },
	{ "Server is going down, come back",
	    "サーバーが停止します。後でもう一度接続してください" },
	{ "TLS after UTF8 is too late", "UTF8 の後に TLS は開始できません" },
	{ "TLS is active already", "TLS はすでに有効です" },
	{ "TLS is not available", "TLS は使えません" },
	{ "Too many bad commands, goodbye",
	    "誤ったコマンドが多すぎます。切断します" },
	{ "USER comes first", "先に USER を送ってください" },
	{ "User name too long", "ユーザー名が長すぎます" },
	{ "UTF-8 from now on", "これより UTF-8 を使います" },
	{ "log in first", "先にログインしてください" },
	{ "no such language", "その言語はありません" },
	/* of tenants/login.h */
	{ "A password is accepted under TLS only",
	    "パスワードは TLS の中でのみ受け付けます" },
	{ "Authentication cancelled", "認証を中止しました" },
	{ "Logging in is not possible now, try again later",
	    "今はログインできません。後でもう一度お試しください" },
	{ "Malformed response", "応答の形式が正しくありません" },
	{ "Mechanism not supported", "その認証方式は使えません" },
	{ "This account cannot use this mechanism, try another",
	    "このアカウントでその認証方式は使えません。別の方式をお試しくださ"
	    "い" },
	{ "This account may not log in here",
	    "このアカウントはここにログインできません" },
	{ "Wrong user name or password", "ユーザー名かパスワードが違います" },
	/* lines */
	{ "a number is missing", "番号がありません" },
	{ "an argument is missing", "引数が足りません" },
	{ "control character in a line", "行に制御文字があります" },
	{ "line too long", "行が長すぎます" },
	{ "no argument belongs here", "引数は要りません" },
	{ "no number", "番号ではありません" },
	{ "no such command", "そのコマンドはありません" },
	{ "number over 32 bits", "番号が大きすぎます" },
	{ "one number is expected", "番号は一つだけです" },
	/* after login */
	{ "Another session has this maildrop",
	    "このメールボックスは別の接続が使用中です" },
	{ "Too many sessions of this account",
	    "このアカウントの接続が多すぎます" },
	{ "Maildrop cannot be opened", "メールボックスを開けません" },
	{ "No message is marked as deleted", "削除の印をすべて外しました" },
	{ "Still here", "接続は続いています" },
	{ "Top of message follows", "メッセージの先頭部分" },
	{ "Unique-ids follow", "固有識別子の一覧" },
	{ "Will be deleted at QUIT", "QUIT の時に削除します" },
	{ "You have logged in just now, wait a little",
	    "ログインしたばかりです。しばらくお待ちください" },
	{ "message cannot be marked now",
	    "今はメッセージに印を付けられません" },
	{ "message cannot be read now", "今はメッセージを読めません" },
	{ "message was removed by another session",
	    "メッセージは別の接続が削除しました" },
	{ "messages", "通" },
	{ "no such message", "そのメッセージはありません" },
	{ "not after login", "ログインの後は使えません" },
	{ "octets", "オクテット" },
	{ "size cannot be read now", "今は大きさを調べられません" },
	{ "sizes cannot be read now", "今は大きさを調べられません" },
	{ "some deleted messages were not removed",
	    "一部のメッセージを削除できませんでした" },
	{ "the count of lines is missing or wrong",
	    "行数がないか、正しくありません" },
	{ "this message needs UTF8", "このメッセージには UTF8 が必要です" },
	{ "unique-id cannot be told", "固有識別子を伝えられません" },
	{ "unique-ids cannot be told now", "今は固有識別子を伝えられません" },
};

const char *
language_tag(enum language language)
{
	return languages[language].tag;
}

const char *
language_name(enum language language)
{
	return languages[language].name;
}

bool
language_find(struct span range, enum language *language_out)
{
	for (;;) {
		ptrdiff_t hyphen = span_rindex(range, '-');

		for (int i = 0; i < LANGUAGE_COUNT; i++)
			if (span_eq_nocase(range, span_str(languages[i].tag))) {
				*language_out = (enum language)i;
				return true;
			}
		if (hyphen < 0)
			return false;
		range = span_first(range, (size_t)hyphen);
	}
}

const char *
text_in(enum language language, const char *english)
{
	if (language == LANGUAGE_JA)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			if (strcmp(texts[i].english, english) == 0)
				return texts[i].japanese;
	return english;
}
