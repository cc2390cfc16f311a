/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * That a store is there at all.
 *
 *	.hikyaku-store = "1 " id LF	; in <store>, and in <store>/<tenant>
 *	id             = 32HEXDIG	; lower case, made at random
 *
 * Where a file system is not mounted, there is an empty directory: nobody may
 * take it for a new store, since people would find no mail in it, and get mail
 * that vanishes when the file system comes back.  So the file is made once,
 * and a copy of it is kept one level above: of the store in hikyakud's
 * state-directory, of a tenant's part in <store>.  The copy tells that there
 * was a store before.  Where the file then is missing, or tells another id,
 * nothing is made until an operator has looked.
 */
#ifndef HK_STORE_MARKER_H
#define HK_STORE_MARKER_H

#include "common/err.h"

#define STORE_MARKER ".hikyaku-store"
/* In <store>, before a tenant's name: the copy of its marker. */
#define STORE_KNOWN ".known-"

struct marker_place {
	int directory;      /* where the marker is, or shall be */
	int copy_directory; /* where its copy is */
	const char *copy;   /* the copy's name */
	const char *name;   /* of the store or tenant, for errors */
};

/*
 * Whether what is there is what was there before.  Errors: ERR_POLICY, it is
 * not there, or it is another one; ERR_TEMP.
 */
int marker_compare(const struct marker_place *place, struct err *err);

/*
 * Compares, and makes the marker where there is neither, and the copy.
 * Durable when this returns.  It belongs to whom the directory belongs.
 */
int marker_settle(const struct marker_place *place, struct err *err);

/* The marker alone, of what nobody has used yet. */
int marker_make(int directory, struct err *err);

/* For who would make something in a directory: ERR_TEMP without a marker. */
int marker_need(int dirfd, const char *path, struct err *err);

#endif
