/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's own structures, for store/ alone.
 *
 * Locks, in the order in which they may be taken:
 *
 *	folder.turn	whoever reads or changes the directory: held over I/O,
 *			which is its purpose
 *	store.mutex	accounts, folders, who has them open, the cache's list
 *	folder.mutex	the folder's current view and who rests
 *	store.watch.mutex	watch descriptors and who waits for news
 *	store.owners_mutex	owners
 *
 * Only the turn is ever held across I/O (and account_open, the first time).
 */
#ifndef HK_STORE_INSIDE_H
#define HK_STORE_INSIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "common/buf.h"
#include "common/err.h"
#include "store/account.h"
#include "store/disk.h"
#include "store/dotlock.h"
#include "store/mailbox.h"
#include "store/quota.h"
#include "store/view_edit.h"

#define ACCOUNT_BUCKETS 1024 /* a power of two */
#define OWNERS_MAX 2048      /* likewise */

struct watch_entry {
	int wd;
	struct folder *folder;
};

struct watches {
	pthread_mutex_t mutex;
	int fd;
	struct watch_entry *entries; /* ascending by wd */
	size_t room, count;
};

/* Whom to tell that a mailbox gets full: quota_owner of quota.h. */
struct owner {
	char account[STORE_TENANT_MAX + STORE_ACCOUNT_MAX + 2]; /* its text */
	char address[321], title[128], language[16];
	bool far_away; /* far from the next warning when last looked at */
};

struct store {
	char *path;
	int fd;
	size_t cache_octets;
	bool modseqs;
	struct store_listener listener;
	unsigned lock_wait_ms;
	char hostname[256]; /* as it stands in file names and locks */
	pid_t pid;
	_Atomic uint64_t last_name_us; /* of the last base name given out */

	pthread_mutex_t mutex;
	struct account *accounts[ACCOUNT_BUCKETS];
	/* Folders that nobody has open, the longest unused first. */
	struct folder *idle_first, *idle_last;
	size_t idle_octets;

	struct watches watch;

	pthread_mutex_t owners_mutex;
	struct owner **owners; /* OWNERS_MAX places, by hash, or NULL */
};

struct account {
	struct store *store;
	struct account *next; /* in the bucket */
	unsigned refs;        /* store.mutex; 0: kept for its cached folders */
	int fd;               /* Maildir */
	char *text;           /* "<tenant>/<id>" */
	char *path;           /* "<tenant>/<hh>/<id>/Maildir" */
	struct folder *folders;

	/* store.mutex: */
	unsigned keep_days; /* of deleted mail (kept.h) */
	struct quota_limits limits;
	bool limits_fresh; /* not compared with maildirsize yet */
};

/* One mailbox as the process sees it. */
struct folder {
	struct account *account;
	struct folder *next; /* of the account */
	char *directory;     /* "." or ".Work.2026" */
	unsigned handles;    /* store.mutex */
	struct folder *idle_prev, *idle_next;
	size_t idle_octets; /* counted in the store's */
	bool idle;
	/* Deleted or renumbered: it leaves with its last handle. */
	_Atomic bool dead;
	bool detached; /* renamed: store.mutex */

	pthread_mutex_t mutex;
	struct view *current;  /* NULL: not loaded, or all rest */
	struct packed *packed; /* of the last current view, if all rest */
	unsigned resting;      /* handles */

	pthread_mutex_t turn;
	/* The rest belongs to whoever has the turn.  Descriptors stay open
	 * while a handle is awake. */
	int fd, new_fd, cur_fd, tmp_fd;
	struct dotlock lock;
	struct scan_state {
		struct disk_stamp stamp;
		int64_t checked; /* seconds, when that was seen */
		bool dirty;      /* look once more, one second later */
		/* Of the entries that are no messages; 0: there were none. */
		uint64_t strays;
	} seen_new, seen_cur;
	struct uidlist_state {
		bool loaded;
		struct disk_stamp stamp; /* of the file at the last reading */
		uint64_t offset;         /* read up to here */
		/* What stands before that: the same inode may be another
		 * file's by now. */
		char tail[64];
		size_t tail_len;
		uint32_t last_uid; /* of the last line read */
		uint32_t lines;
		unsigned version;
		char *other; /* header fields to keep, or NULL */
		/* Lines whose file has not been seen yet, as text. */
		struct buf pending;
	} uidlist;
	struct disk_stamp keywords_stamp;
	uint64_t change; /* the last number given to a view */
	uint64_t saved_change; /* of hikyaku-modseq; 0: there is none */
	_Atomic bool tracked;  /* somebody asked for MODSEQs */

	/* watch.mutex: */
	int watch_new, watch_cur; /* -1: none */
	struct mailbox *watchers;
};

struct mailbox {
	struct folder *folder;
	struct span name; /* points behind the struct */
	enum mailbox_mode mode;
	struct view *view;     /* NULL while it rests */
	struct packed *packed; /* while it rests */
	bool resting;
	/* UIDs this session has moved out of new/; ascending, apart. */
	struct uid_range {
		uint32_t first, last;
	} * recent;
	size_t recent_count, recent_room;

	/* watch.mutex: */
	struct mailbox *next_watcher;
	void (*changed)(void *arg);
	void *changed_arg;
};

/* ---- account.c ---- */
/* Finds or makes the folder's entry and counts one handle. */
int folder_hold(struct account *a, struct span name, struct folder **folder_out,
    struct err *err);
void folder_release(struct folder *f);
/*
 * The directory will be another's or nobody's: new handles start afresh, and
 * with gone the old ones end.
 */
void account_forget_folder(struct account *a, const char *directory, bool gone);

/* A base name never given out before by this process. */
void store_base_name(struct store *s, struct buf *out);

/* ---- folder.c ---- */
struct folder *folder_new(struct account *a, const char *directory);
void folder_free(struct folder *f);
/* Opens the descriptors that are closed.  With the turn.  ERR_POLICY: no such
 * folder. */
int folder_open_files(struct folder *f, struct err *err);
void folder_close_files(struct folder *f);
/*
 * Makes a missing new, cur or tmp.  It is missing because somebody is just
 * making the mailbox, or was cut off while at it: the other parts' names, and
 * the mailbox's, may not be on the disk yet, either, and are flushed with it.
 */
int folder_make_part(
    struct account *a, int folder_fd, const char *name, struct err *err);
struct view *folder_current(struct folder *f); /* a reference, or NULL */
void folder_publish(struct folder *f, struct view *v); /* takes it over */
/*
 * Takes turn and lock and brings the view up to date; claimed (may be NULL)
 * gets the UIDs of mail moved out of new/ if move is true.
 * folder_end gives lock and turn back; call it whatever begin answered.
 */
int folder_begin(struct folder *f, struct err *err);
int folder_begin_change(
    struct folder *f, bool move, struct mailbox *claimer, struct err *err);
void folder_end(struct folder *f);
/* After own renames in cur/ or new/ under the lock: they are no news. */
void folder_saw_own_change(struct folder *f);
/*
 * Puts messages into the folder's view and list: adds, whose uid is set here,
 * are files that are already in new/ or cur/, flushed.  With turn and lock,
 * after folder_sync.
 */
int folder_add(
    struct folder *f, struct view_add *adds, size_t count, struct err *err);
/* Tells the listener which messages of v these edits remove. */
void folder_tell_removed(struct folder *f, const struct view *v,
    const struct view_edit *edits, size_t count);
/* The real name of base in cur/ or new/, by looking through both. */
int folder_find_file(struct folder *f, struct span base, struct buf *path_out,
    bool *found_out, struct err *err);

/* ---- change.c ---- */
struct removed {
	int64_t octets, messages;
	bool in_new, in_cur; /* where their files were */
};
struct expunging {
	int kept_fd; /* where the files go (kept_private.h), or -1 */
	bool kept;   /* some went there */
	/* Only those of which this says so; NULL: all. */
	bool (*due)(const void *arg, const struct stat *st, struct span base);
	const void *arg;
};
/* With turn and lock, up to date.  *removed counts also on failure. */
int folder_expunge(struct folder *f, const uint32_t *uids, size_t count,
    struct expunging *how, struct removed *removed, struct err *err);
/* As mailbox_expunge, but what goes is somewhere else and is not kept. */
int mailbox_expunge_moved(
    struct mailbox *m, const uint32_t *uids, size_t count, struct err *err);

/* ---- content.c ---- */
struct message_found {
	struct view *view; /* a reference */
	uint32_t index;
	struct stat st;
};
/*
 * Opens the file of a message, wherever it is by now.  Answers the descriptor
 * or -1 (ERR_POLICY: the message is gone, or something else has its name).
 */
int message_open(struct mailbox *m, uint32_t uid,
    struct message_found *found_out, struct err *err);
/* Line feeds without a carriage return before them. */
size_t bare_line_feeds(struct span s);
/* Copies from with one before each: from.len + bare_line_feeds octets. */
void to_crlf(struct span from, char *to);

/* ---- leftovers.c ---- */
/* Removes files in tmp/ that are older than 36 hours.  With the turn. */
void leftovers_remove(struct folder *f);
/* Of any tmp/; answers how many. */
uint64_t leftovers_remove_in(int tmp_fd, time_t now);

/* ---- recent.c ---- */
struct scan;
/* What the scan moved out of new/ becomes the session's \Recent. */
void recent_claim(struct mailbox *claimer, const struct scan *scan);

/* ---- sync.c ---- */
/* With the turn: looks at the two directories, and acts if they changed. */
int folder_sync(
    struct folder *f, bool move, struct mailbox *claimer, struct err *err);

/* ---- draft.c ---- */
/* fsync of new/ or cur/ (and what else makes a rename there durable). */
int folder_flush(int directory_fd, struct err *err);

/* ---- uidfile.c: dovecot-uidlist on disk.  With turn and lock ---- */
struct known { /* a line of the list */
	uint32_t uid;
	struct span base, fields; /* in the caller's text */
};
struct known_list {
	struct known *items;
	size_t count, room;
	struct buf text; /* what the spans point into */
	bool whole;      /* all of the file, not only what is new */
	bool rewrite;    /* the file must be written anew */
	uint32_t uidvalidity, uidnext; /* 0: there is no usable file */
	char mailbox_id[33];
};
void known_list_fini(struct known_list *k);
CLEANUP_DEFINE_VALUE(struct known_list, known_list_fini)
int uidfile_read(
    struct folder *f, bool whole, struct known_list *k, struct err *err);
/* Appends lines already formatted (whole, in one write), flushed. */
int uidfile_append(struct folder *f, struct span lines, uint32_t count,
    uint32_t last_uid, struct err *err);
/*
 * Before giving out a UID: whether somebody wrote the file since we read it.
 * Then the next folder_sync reads it, whatever the directories say.
 */
void uidfile_check(struct folder *f);
/* Writes the list anew from a view and the pending lines. */
int uidfile_rewrite(struct folder *f, const struct view *v, struct err *err);

/* ---- keywords ---- */
int keywordfile_read(
    struct folder *f, struct keywords **keywords_out, struct err *err);
int keywordfile_write(
    struct folder *f, const struct keywords *k, struct err *err);

/* The number of a keyword, made if need be.  With turn and lock. */
int folder_keyword(
    struct folder *f, struct span name, unsigned *number_out, struct err *err);

/* ---- quota.c ---- */
/* What maildirsize says; counted only if it is over the limits. */
bool quota_peek(struct account *a, struct usage *out);

/* ---- owner.c ---- */
void owners_fini(struct store *s);
/* Copies what is known; false: nothing. */
bool owner_get(struct account *a, struct owner *out);
void owner_set_far(struct account *a, bool far_away);

/* ---- warning.c ---- */
/* Tells the owner what they have not been told yet; full: mail was refused. */
void warning_look(struct account *a, const struct usage *usage, bool full);
/* After a change of the files, by what maildirsize says then. */
void warning_after(struct account *a, bool grew);

/* ---- quota_count.c ---- */
/*
 * Octets and messages of all folders.  *steady_out: nothing moved meanwhile.
 * With the exclusive lock.
 */
int quota_count(struct account *a, uint64_t *octets_out, uint64_t *messages_out,
    bool *steady_out, struct err *err);
/* Of one folder. */
int quota_count_folder(struct account *a, const char *directory,
    uint64_t *octets_out, uint64_t *messages_out, struct err *err);

/* ---- watch.c ---- */
int watch_init(struct watches *w);
void watch_fini(struct watches *w);
void watch_remove_folder(struct folder *f);
void watch_remove_mailbox(struct mailbox *m);
/* Tells the folder's watchers (this process changed it itself). */
void watch_tell(struct folder *f);

#endif
