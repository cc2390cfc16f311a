/* SPDX-License-Identifier: BSD-2-Clause */
/* What systemd wants to know (sd_notify(3)), if it started us. */
#ifndef HK_MASTER_NOTIFY_H
#define HK_MASTER_NOTIFY_H

#include <stdint.h>

#include "common/cleanup.h"

struct notify;

/* NULL when nobody wants to know. */
struct notify *notify_new(void);
void notify_free(struct notify *n);
CLEANUP_DEFINE_PTR(struct notify, notify_free)

/* "READY=1", "STOPPING=1", "RELOADING=1" ...; n may be NULL. */
void notify_send(struct notify *n, const char *text);
/* RELOADING=1 with the time that Type=notify-reload asks for. */
void notify_reloading(struct notify *n);

/* Keeps the watchdog quiet; answers when to call again, 0: never. */
uint64_t notify_watchdog(struct notify *n, uint64_t now_ms);

#endif
