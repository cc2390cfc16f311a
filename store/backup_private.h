/* SPDX-License-Identifier: BSD-2-Clause */
/* What backup_write.c, backup_read.c and backup_place.c share. */
#ifndef HK_STORE_BACKUP_PRIVATE_H
#define HK_STORE_BACKUP_PRIVATE_H

#include <sys/types.h>

#include "store/backup.h"
#include "store/inside.h"

/* A folder of the backup as a view: UIDs, names and fields that its list gives,
 * and new UIDs for files that it does not name. */
struct backup_folder {
	int fd;
	struct view *view;
	uint32_t known; /* the first so many have their UID from the list */
	uint32_t uidvalidity, uidnext;
	char mailbox_id[33];
	struct keywords *keywords;
};
void backup_folder_fini(struct backup_folder *f);
CLEANUP_DEFINE_VALUE(struct backup_folder, backup_folder_fini)
/* As outside. */
int backup_folder_load(int dir_fd, const char *directory,
    struct backup_folder *out, struct err *err);

/* Copies a whole file.  *bare_lf_out (may be NULL): line feeds alone. */
int backup_copy(int from, int to, uint64_t *octets_out, uint64_t *bare_lf_out,
    struct err *err);

/* Calls each() for INBOX and the folders of a Maildir++; false stops. */
int backup_each_folder(int dir_fd,
    bool (*each)(void *arg, const char *directory, struct span name), void *arg,
    struct err *err);

#endif
