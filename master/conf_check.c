/* SPDX-License-Identifier: BSD-2-Clause */
/* Every daemon checks its own section: hikyakud runs each with -n. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/conf_outline.h"
#include "common/file.h"
#include "master/conf.h"
#include "master/spawn.h"

#define CHECK_WAIT_MS 10000

static int
check_end(pid_t pid, int pidfd, int *status_out, struct err *err)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	bool late = poll(&p, 1, CHECK_WAIT_MS) == 0;

	if (late)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, status_out, 0) == -1)
		if (errno != EINTR)
			return err_sys(err, "waitpid");
	if (late)
		return err_set(err, ERR_TEMP, "does not end");
	return 0;
}

/* The first line of what it wrote, as the error. */
static int
check_words(int out, const char *name, int status, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	struct span rest, line;
	char ended[64];

	buf_init(&text, 65536);
	if (lseek(out, 0, SEEK_SET) == -1 ||
	    file_read_fd(out, &text, NULL) == -1)
		buf_clear(&text);
	rest = buf_span(&text);
	if (span_take_until(&rest, '\n', &line) && line.len > 0)
		return err_set(err, ERR_SYNTAX, "%.*s", SPAN_FMT(line));
	spawn_status_text(status, ended, sizeof(ended));
	return err_set(err, ERR_SYNTAX, "%s -n: %s", name, ended);
}

static int
check_daemon(const struct master_conf *conf, const struct service *service,
    const char *path, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	CLEANUP(fd_close) int in = -1;
	CLEANUP(fd_close) int out = -1;
	CLEANUP(fd_close) int pidfd = -1;
	const char *words[] = { service->name, "-n", "-i", "-c", conf->file,
		NULL };
	char *argv[6];
	struct spawn s = { .path = path, .argv = argv, .control = -1 };
	int status;
	pid_t pid;

	memcpy(argv, words, sizeof(argv));
	buf_init(&text, CONF_TEXT_MAX);
	if (master_conf_text_for(conf, service, &text, err) == -1 ||
	    master_conf_user(conf, service, &s.uid, &s.gid, err) == -1 ||
	    file_memfd("conf", buf_span(&text), &in, err) == -1)
		return -1;
	out = memfd_create("output", MFD_CLOEXEC);
	if (out == -1)
		return err_sys(err, "memfd_create");
	s.in = in;
	s.out = out;
	if (spawn_start(&s, &pid, &pidfd, err) == -1 ||
	    check_end(pid, pidfd, &status, err) == -1)
		return -1;
	return status == 0 ? 0 : check_words(out, service->name, status, err);
}

int
master_conf_check_daemons(
    const struct master_conf *conf, const char *programs, struct err *err)
{
	for (size_t i = 0; i < services_len; i++) {
		char path[4096];

		if (!master_conf_wants(conf, &services[i]))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", programs,
			services[i].name) >= (int)sizeof(path))
			return err_set(
			    err, ERR_LIMIT, "%s: too long", programs);
		if (access(path, X_OK) == -1)
			return err_sys(err, "%s", path);
		if (check_daemon(conf, &services[i], path, err) == -1)
			return -1;
	}
	return 0;
}
