# SPDX-License-Identifier: BSD-2-Clause
dist_man_MANS += man/deliveryd.8 man/pop3d.8
