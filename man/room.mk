# SPDX-License-Identifier: BSD-2-Clause
dist_man_MANS += man/deliveryd.8 man/imapd.8 man/pop3d.8
dist_man_MANS += man/hikyaku-journal.5 man/hikyaku-store.5
dist_man_MANS += man/hikyaku-mailbox.1 man/hikyaku-store.1
dist_man_MANS += man/hikyaku.1 man/hikyaku-account.1 man/hikyaku.conf.5 man/hikyakud.8 \
	man/metricsd.8
dist_man_MANS += man/hash-password.8 man/hikyaku-directory.7 man/tenantd.8
dist_man_MANS += man/milter-check.8 man/smtpd.8
dist_man_MANS += man/hikyaku-queue.1 man/hikyaku-queue.5 man/relayd.8
dist_man_MANS += man/hikyaku-rules.7
dist_man_MANS += man/antivirus.8 man/hikyaku-filters.7 man/quarantine.8 man/forward.8 man/autoreply.8
