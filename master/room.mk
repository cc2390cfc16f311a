# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += master/libmaster.a
master_libmaster_a_SOURCES = \
	master/admin.c master/admin.h master/admin_protocol.h \
	master/caret.c master/caret.h \
	master/conf.c master/conf.h master/conf_check.c \
	master/feed.c master/feed.h \
	master/lookup.c master/lookup.h \
	master/manage_conf.c master/manage_conf.h \
	master/master.c master/loop.h master/master.h \
	master/metrics.c master/metrics.h \
	master/metrics_conf.c master/metrics_conf.h \
	master/nightly.c master/nightly.h \
	master/notify.c master/notify.h \
	master/reload.c master/reload.h \
	master/request.c master/request.h \
	master/service.c master/service.h \
	master/sockets.c master/sockets.h \
	master/spawn.c master/spawn.h \
	master/start.c master/start.h \
	master/state.c master/state.h \
	master/store_conf.c master/store_conf.h \
	master/unit.c master/unit.h

daemon_PROGRAMS += master/hikyakud
master_hikyakud_SOURCES = master/hikyakud.c
master_hikyakud_LDADD = master/libmaster.a tenants/libtenants.a \
	store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

daemon_PROGRAMS += master/metricsd
master_metricsd_SOURCES = master/metricsd.c
master_metricsd_LDADD = master/libmaster.a store/libstore.a \
	mime/libmime.a common/libcommon.a $(MICROHTTPD_LIBS) $(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

bin_PROGRAMS += master/hikyaku
master_hikyaku_SOURCES = master/hikyaku.c master/hikyaku.h \
	master/ask.c master/ask.h master/hikyaku_account.c \
	master/hikyaku_mailbox.c master/hikyaku_milter.c \
	master/hikyaku_queue.c \
	master/import.h master/import_chunk.c \
	master/import_read.c master/import_report.c \
	master/hikyaku_rule.c master/hikyaku_run.c master/hikyaku_status.c \
	master/hikyaku_store.c \
	master/mailbox_backup.c master/mailbox_mbox.c \
	master/mailbox_status.c \
	master/mailbox_undelete.c master/mailbox_verbs.h \
	master/mailwork.c master/mailwork.h \
	master/manage.c master/manage.h \
	master/manage_add.c master/manage_new.h \
	master/manage_app.c \
	master/manage_admin.c master/manage_delete.c \
	master/manage_domain.c master/manage_find.c master/manage_import.c \
	master/manage_limits.c master/manage_options.c \
	master/manage_passwd.c master/manage_purge.c \
	master/manage_references.c master/manage_references.h \
	master/manage_rename.c master/manage_rename.h master/manage_set.c \
	master/manage_show.c master/manage_tenant.c \
	master/progress.c master/progress.h \
	master/purge_work.c master/purge_work.h \
	master/record.c master/record.h
master_hikyaku_LDADD = master/libmaster.a tenants/libprovision.a \
	tenants/libdirectory.a tenants/libtenants.a store/libstore.a mime/libmime.a \
	common/libcommon.a $(LDAP_LIBS) $(JANSSON_LIBS) $(CRYPT_LIBS) \
	$(ICU_LIBS) $(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

EXTRA_DIST += master/hikyaku.conf.example master/hikyakud.service.in \
	master/completion.bash
exampledir = $(docdir)
example_DATA = master/hikyaku.conf.example
# bash-completion finds it by the name of the command.
completiondir = $(datadir)/bash-completion/completions
nodist_completion_DATA = master/completion/hikyaku
CLEANFILES += master/completion/hikyaku
master/completion/hikyaku: master/completion.bash
	$(AM_V_GEN)$(MKDIR_P) master/completion && \
		cp $(srcdir)/master/completion.bash $@
# Beneath the prefix, so that it needs no root; a packager moves it.
systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = master/hikyakud.service
CLEANFILES += master/hikyakud.service
master/hikyakud.service: master/hikyakud.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) master && sed \
		-e 's|@daemondir''@|$(daemondir)|' \
		-e 's|@bindir''@|$(bindir)|' \
		$(srcdir)/master/hikyakud.service.in >$@.tmp && mv $@.tmp $@

# For tests of hikyakud: every daemon in one small program.  (Not beside those
# tests: a folder that is distributed whole must hold nothing that is built.)
noinst_PROGRAMS += tests/dummy/dummy_daemon
tests_dummy_dummy_daemon_SOURCES = tests/dummy/dummy_daemon.c
tests_dummy_dummy_daemon_LDADD = common/libcommon.a $(OPENSSL_LIBS) \
	$(CONFUSE_LIBS)

unit_tests += tests/unit/test_master
tests_unit_test_master_SOURCES = tests/unit/test_master.c
tests_unit_test_master_LDADD = $(master_hikyakud_LDADD) $(unit_ldadd)

unit_tests += tests/unit/test_caret
tests_unit_test_caret_SOURCES = tests/unit/test_caret.c
tests_unit_test_caret_LDADD = master/libmaster.a mime/libmime.a \
	common/libcommon.a $(ICU_LIBS) $(unit_ldadd)
