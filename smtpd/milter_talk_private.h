/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by milter_talk.c, milter_answer.c and milter_content.c alone. */
#ifndef HK_SMTPD_MILTER_TALK_PRIVATE_H
#define HK_SMTPD_MILTER_TALK_PRIVATE_H

#include "smtpd/milter_talk.h"

/* It wants this event, and has not had its say. */
bool talk_wants(const struct milter_talk *t, enum milter_command command);

/* Appends the macros of a stage in front of the command they belong to. */
int talk_macros(struct milter_talk *t, enum milter_stage stage,
    enum milter_command command, struct err *err);

/*
 * An event's packet was appended: waits for its answer, if there will be one,
 * and puts it into *v.  -1: the milter failed.
 */
int talk_event(struct milter_talk *t, enum milter_command command,
    struct milter_verdict *v, struct err *err);
/* The same, but answers may be owed, up to the window. */
int talk_event_later(struct milter_talk *t, enum milter_command command,
    struct milter_verdict *v, struct err *err);
/* Waits for what is owed until at most so many answers are. */
int talk_settle(struct milter_talk *t, size_t owed, struct milter_verdict *v,
    struct err *err);

/* One final answer to a command. */
int talk_answer(struct milter_talk *t, enum milter_command command,
    const struct milter_reply *reply, struct milter_verdict *v,
    struct err *err);

/* The milter broke: logs it, closes, and applies the default action. */
void talk_failed(struct milter_talk *t, enum milter_command command,
    const struct err *err, struct milter_verdict *v);

unsigned talk_wait_ms(const struct milter_talk *t, enum milter_command command);

#endif
