/* SPDX-License-Identifier: BSD-2-Clause */
/* Which accounts a tenant has in the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "store/disk.h"
#include "store/retention.h"

struct accounts {
	bool (*each)(void *arg, struct span account_id, struct err *err);
	void *arg;
	struct err *err;
	bool failed;
};

static bool
accounts_entry(void *arg, const char *name, unsigned char type)
{
	struct accounts *a = arg;
	struct span id = span_str(name);

	(void)type;
	/* What is put aside (removal.h) has a dot in its name. */
	if (store_account_valid(id) && !a->each(a->arg, id, a->err))
		a->failed = true;
	return !a->failed;
}

int
store_accounts_each(const char *store_path, struct span tenant, unsigned first,
    bool (*each)(void *arg, struct span account_id, struct err *err), void *arg,
    struct err *err)
{
	struct accounts a = { .each = each, .arg = arg, .err = err };
	CLEANUP(fd_close)
	int store = open(store_path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (store == -1)
		return err_sys(err, "open the store %s", store_path);
	if (!store_tenant_valid(tenant))
		return err_set(err, ERR_SYNTAX, "no name of a tenant");
	for (unsigned i = 0; i < 256 && !a.failed; i++) {
		char path[STORE_TENANT_MAX + 8];
		struct err why = ERR_INIT;
		CLEANUP(fd_close) int fd = -1;

		(void)snprintf(path, sizeof(path), "%.*s/%02x",
		    SPAN_FMT(tenant), (first + i) % 256);
		fd = disk_open_directory(store, path, &why);
		if (fd == -1 && why.os == ENOENT)
			continue;
		if (fd == -1) {
			if (err != NULL)
				*err = why;
			return -1;
		}
		if (disk_list(fd, accounts_entry, &a, err) == -1)
			return -1;
	}
	return a.failed ? -1 : 0;
}
