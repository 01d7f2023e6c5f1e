//! The statements that are looked at, what they are given, and the rows they meet.

use weir_ledger::sql;

use super::super::{
    attach, correct, counts, export, forget, history, links, occurrences, people, reading,
    receipts, record, waiting,
};

/// Each statement with its arguments, in words of `WORDS`.
pub const HOT: &[(&str, &str, &str)] = &[
    ("fence", record::FENCE, "account"),
    ("anchor", sql::ANCHOR, "account"),
    ("standings", record::STANDINGS, "account kinds values"),
    ("lock", record::LOCK, "account kinds values flags days"),
    ("copies", record::COPIES, "account keys days"),
    (
        "waiting_copies",
        record::COPIES_IN_BACKLOG,
        "account kinds values keys days",
    ),
    (
        "store",
        record::STORE,
        "account days keys contacts keys texts times texts jsons times",
    ),
    (
        "wait",
        record::WAIT,
        "account days keys kinds values keys texts times texts jsons times key flags",
    ),
    (
        "begin_waiting",
        record::BEGIN_WAITING,
        "account kinds values days",
    ),
    ("correct", correct::CORRECT, "account keys days jsons"),
    (
        "correct_waiting",
        correct::CORRECT_WAITING,
        "account kinds values keys days jsons",
    ),
    ("received", receipts::RECEIVED, "account keys"),
    ("receive", receipts::RECEIVE, "account keys day"),
    (
        "count",
        counts::ADD,
        "account one keys days texts numbers numbers",
    ),
    (
        "count_and_charge",
        counts::ADD_AND_CHARGE,
        "account one keys days texts numbers numbers old_day key one",
    ),
    ("find_to_fold", counts::TO_FOLD, "account older_day fifty"),
    ("take_to_fold", counts::TAKE, "account key older_day one"),
    ("names", history::NAMES, "account"),
    ("last_day", history::LAST_DAY, "account key older_day day"),
    (
        "day_counts",
        history::COUNTS,
        "account key older_day day fifty",
    ),
    ("survivors", history::SURVIVORS, "account contacts"),
    (
        "account_list",
        history::LIST,
        "account low_key last_key old_day today today old_day day old_day day old_day day old_day \
         day old_time time none today thousand million one fifty",
    ),
    (
        "export_page",
        export::PAGE,
        "account low_key last_key old_day today today old_day day old_day day old_day day old_day \
         day old_time time none today thousand million yes",
    ),
    (
        "occurrences",
        occurrences::OCCURRENCES,
        "account some_contacts low_key fifty",
    ),
    ("piece", occurrences::PIECE, "account low_key thousand"),
    (
        "keep",
        occurrences::KEEP,
        "account keys contacts texts times times",
    ),
    (
        "forget_occurrences",
        people::DELETE_OCCURRENCES,
        "account contact",
    ),
    (
        "waiting_list",
        waiting::LIST,
        "account kind value low_key old_day fifty million one",
    ),
    (
        "waiting_identifiers",
        waiting::IDENTIFIERS,
        "account kind value old_day ten ten",
    ),
    ("charge", sql::CHARGE, "account old_day key one"),
    ("close", sql::CLOSE, "account old_days keys"),
    ("units", sql::UNITS, "account old_days keys"),
    ("raise", sql::RAISE, "account one one value"),
    ("sums", sql::SUMS, "account day"),
    ("windows", sql::WINDOWS, "account old_day"),
    ("merge", links::MERGE, "account keys contacts numbers"),
    ("own", people::OWN, "account"),
    ("unmerge", people::UNMERGE, "account contact one"),
    ("late", people::LATE, "account contact time"),
    ("move", people::MOVE, "account key day contact"),
    ("forget_merge", people::FORGET_MERGE, "account contact"),
    ("first", people::FIRST, "account key day"),
    ("erased_counts", people::COUNTS, "account key"),
    ("counted", people::COUNTED, "account key json"),
    ("of_contact", people::OF_CONTACT, "account contact fifty"),
    (
        "delete_activity",
        people::DELETE_ACTIVITY,
        "account key day",
    ),
    ("delete_counts", people::DELETE_COUNTS, "account contact"),
    (
        "lock_identifier",
        people::LOCK_IDENTIFIER,
        "account kind value",
    ),
    (
        "waiting_before",
        people::WAITING,
        "account kind value time fifty",
    ),
    (
        "delete_waiting",
        people::DELETE_WAITING,
        "account kind value key day",
    ),
    (
        "delete_identifier",
        people::DELETE_IDENTIFIER,
        "account kind value contacts",
    ),
    (
        "find_deletions",
        forget::DELETIONS.find,
        "account older_day fifty",
    ),
    (
        "forget_deletions",
        forget::DELETIONS.delete,
        "account hex json",
    ),
    (
        "find_erasures",
        forget::ERASURES.find,
        "account older_day fifty",
    ),
    (
        "forget_erasures",
        forget::ERASURES.delete,
        "account key day",
    ),
    (
        "begin_erasure",
        weir_tombstones::sql::BEGIN,
        "account time hash",
    ),
    ("note", weir_tombstones::sql::NOTE, "account hashes time"),
    ("look_up", weir_tombstones::sql::LOOK_UP, "account hashes"),
    (
        "link",
        links::LINK,
        "account kinds values contacts numbers times",
    ),
    ("families", links::FAMILIES, "account contacts"),
    ("lock_counts", attach::LOCK, "account contacts"),
    ("unlock_counts", attach::UNLOCK, "account contacts"),
    ("page", attach::PAGE, "account some_kinds some_values fifty"),
    ("counts", attach::COUNTS, "account contacts old_day day"),
    (
        "attach",
        attach::ATTACH,
        "account kinds values keys days contacts",
    ),
    ("discard", attach::DISCARD, "account keys days"),
    ("leave", attach::LEAVE, "account kind value last_key"),
    (
        "add_counts",
        attach::ADD_COUNTS,
        "account contacts days numbers",
    ),
    ("end_waiting", attach::END_WAITING, "account kinds values"),
    (
        "list",
        reading::LIST,
        "account contacts old_day time last_key fifty million one",
    ),
    (
        "waiting_of",
        reading::BACKLOG_OF_IDENTIFIER,
        "account old_day kind value",
    ),
    ("has_activity", reading::HAS_ACTIVITY, "account contact"),
    ("purge_end", sql::PURGE_END, "account older_day fifty"),
    (
        "find_counts",
        forget::COUNTS.find,
        "account older_day fifty",
    ),
    (
        "find_receipts",
        forget::RECEIPTS.find,
        "account older_day fifty",
    ),
    (
        "find_identifiers",
        forget::IDENTIFIERS.find,
        "account older_day fifty",
    ),
    ("purge", sql::PURGE, "account older_day older_day key"),
    ("sum_up", sql::SUM_UP, "account older_day"),
    ("purge_days", sql::PURGE_DAYS, "account older_day"),
    ("forget_counts", forget::COUNTS.delete, "account key day"),
    (
        "forget_receipts",
        forget::RECEIPTS.delete,
        "account key day",
    ),
    (
        "forget_identifiers",
        forget::IDENTIFIERS.delete,
        "account kind value",
    ),
];

/// Words for arguments; `n` runs from 1 to 100, or to 5.
pub const WORDS: &[(&str, &str)] = &[
    ("account", "md5('account')::uuid"),
    ("one", "1"),
    ("fifty", "50"),
    ("ten", "10"),
    ("thousand", "1000"),
    ("none", "NULL::uuid"),
    ("today", "current_date"),
    ("old_time", "now() - interval '1 year'"),
    ("low_key", "'00000000-0000-0000-0000-000000000000'"),
    ("million", "1000000"),
    ("kind", "'a'"),
    ("value", "'v1'"),
    ("key", "md5('new')::uuid"),
    ("json", "'[]'"),
    ("hex", "'00'"),
    ("hash", "'\\x00'"),
    ("hashes", "array_agg(decode(md5('h' || n), 'hex'))"),
    ("last_key", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    ("contact", "md5('c1')::uuid"),
    ("time", "now() + interval '1 year'"),
    ("day", "current_date"),
    ("old_day", "current_date - 10"),
    ("older_day", "current_date - 300"),
    ("kinds", "array_agg('a'::text)"),
    ("values", "array_agg('v' || n)"),
    ("flags", "array_agg(true)"),
    ("yes", "true"),
    ("numbers", "array_agg(n)"),
    ("days", "array_agg(current_date + n % 300)"),
    ("old_days", "array_agg(current_date - 1 - n % 300)"),
    ("times", "array_agg(now())"),
    ("keys", "array_agg(md5('k' || n)::uuid)"),
    ("contacts", "array_agg(md5('c' || n)::uuid)"),
    ("texts", "array_agg('text'::text)"),
    ("jsons", "array_agg('{}'::json)"),
    (
        "some_contacts",
        "array_agg(md5('c' || n)::uuid) FILTER (WHERE n <= 5)",
    ),
    ("some_kinds", "array_agg('a'::text) FILTER (WHERE n <= 5)"),
    ("some_values", "array_agg('v' || n) FILTER (WHERE n <= 5)"),
];

/// An account of many, as it is when somebody imported it a moment ago.
pub const FILL: &str = "
    INSERT INTO accounts SELECT md5('account')::uuid;
    INSERT INTO accounts SELECT md5('other' || n)::uuid FROM generate_series(1, 2000) n;
    INSERT INTO identifiers (account_id, kind, value, contact_id, version, waiting, forget_day)
        SELECT md5('account')::uuid, 'a', 'v' || n, NULL, -1, true, current_date + 10 - n % 330
        FROM generate_series(1, $ROWS) n;
    INSERT INTO activities (account_id, expire_day, activity_key, contact_id, event_time)
        SELECT md5('account')::uuid, current_date + n % 300, md5('k' || n)::uuid,
            md5('c' || n % 1000)::uuid, now() FROM generate_series(1, $ROWS) n;
    INSERT INTO backlog SELECT md5('account')::uuid, current_date + n % 300, 'a', 'v' || n % 400,
            md5('k' || n)::uuid, md5('k')::uuid, 'name', now(), 'message', '{}', now(), NULL, false
        FROM generate_series(1, $ROWS) n;
    INSERT INTO contact_merges SELECT md5('account')::uuid, md5('m' || n)::uuid,
            md5('c' || n % 2000)::uuid, 1 FROM generate_series(1, $ROWS) n;
    INSERT INTO deletions SELECT md5('account')::uuid, decode(md5('h' || n), 'hex'),
            now() - n % 330 * interval '1 day' FROM generate_series(1, $ROWS) n;
    INSERT INTO erasures SELECT md5('account')::uuid, md5('k' || n)::uuid, '[]',
            current_date - n % 330 FROM generate_series(1, $ROWS) n;
    INSERT INTO undated_receipts SELECT md5('account')::uuid, md5('k' || n)::uuid,
            current_date - n % 330 FROM generate_series(1, $ROWS) n;
    INSERT INTO activity_counts SELECT md5('account')::uuid, md5('k' || n % 20)::uuid,
            current_date - n / 20, 1, 'name', 1, 0 FROM generate_series(1, $ROWS) n;
    INSERT INTO occurrences SELECT md5('account')::uuid, md5('c' || n % 1000)::uuid,
            md5('k' || n)::uuid, 'name', now(), now() FROM generate_series(1, $ROWS) n;
    INSERT INTO attached_counts SELECT md5('account')::uuid, md5('c' || n % 1000)::uuid,
            current_date - n / 1000 * 20, 1 FROM generate_series(1, $ROWS) n;
    INSERT INTO usage SELECT md5('account')::uuid, current_date - 1 - n % 300,
            md5('k' || n)::uuid, 1 FROM generate_series(1, $ROWS) n;";
