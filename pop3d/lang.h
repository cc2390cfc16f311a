/* SPDX-License-Identifier: BSD-2-Clause */
/* LANG, before and after login.			RFC 6856 section 3 */
#ifndef HK_POP3D_LANG_H
#define HK_POP3D_LANG_H

#include "common/conn.h"
#include "common/span.h"
#include "pop3d/text.h"

/* Replies; preferred is what "*" means now. */
void pop3_lang(struct conn *c, struct span argument, enum language preferred,
    enum language *language);

#endif
