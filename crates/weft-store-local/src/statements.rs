//! Every statement that the writer runs, prepared once for its connection.

use rusqlite::{Connection, Result, Statement};

macro_rules! statements {
    ($($name:ident $sql:literal;)*) => {
        pub(crate) struct Statements<'db> {
            $(pub(crate) $name: Statement<'db>,)*
        }

        impl<'db> Statements<'db> {
            pub(crate) fn prepare(db: &'db Connection) -> Result<Self> {
                Ok(Self { $($name: db.prepare($sql)?,)* })
            }
        }
    };
}

statements! {
    begin "BEGIN IMMEDIATE";
    commit "COMMIT";
    savepoint "SAVEPOINT txn";
    release "RELEASE txn";
    rollback_to "ROLLBACK TO txn";

    version_get "SELECT version FROM meta";
    version_set "UPDATE meta SET version = ?1";

    item_version "SELECT version FROM item WHERE space = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)";
    item_get "SELECT value, expires FROM item WHERE space = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)";
    item_put "INSERT INTO item (space, key, version, expires, value) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET version = excluded.version, expires = excluded.expires, value = excluded.value";
    item_delete "DELETE FROM item WHERE space = ?1 AND key = ?2";
    item_sweep "DELETE FROM item WHERE (space, key) IN
        (SELECT space, key FROM item WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";

    log_get "SELECT id, first, length FROM log WHERE name = ?1";
    log_add "INSERT INTO log (name, first, length) VALUES (?1, 0, ?2)";
    log_length "UPDATE log SET length = ?2 WHERE id = ?1";
    log_first "UPDATE log SET first = ?2 WHERE id = ?1";
    record_add "INSERT INTO record (log, position, payload) VALUES (?1, ?2, ?3)";
    record_trim "DELETE FROM record WHERE log = ?1 AND position < ?2";

    message_add "INSERT INTO message (queue, seq, sent, at, ready, lease, attempt, grp, payload)
        VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7)";
    message_grouped "SELECT 1 FROM message WHERE queue = ?1 AND grp = ?2 LIMIT 1";
    message_promote "UPDATE message SET ready = at WHERE queue = ?1
        AND seq = (SELECT min(seq) FROM message WHERE queue = ?1 AND grp = ?2)";
    message_held "SELECT grp FROM message WHERE queue = ?1 AND seq = ?2 AND lease = ?3";
    message_delete "DELETE FROM message WHERE queue = ?1 AND seq = ?2";
    message_ready "UPDATE message SET ready = ?3, lease = ?4 WHERE queue = ?1 AND seq = ?2";
    message_due "SELECT seq, sent, attempt, grp, payload FROM message
        WHERE queue = ?1 AND ready <= ?2 ORDER BY ready, seq LIMIT ?3";
    message_lease "UPDATE message SET ready = ?3, lease = ?4, attempt = ?5 WHERE queue = ?1 AND seq = ?2";

    timer_version "SELECT version FROM timer WHERE name = ?1";
    timer_arm "INSERT INTO timer (name, at, version, payload) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET at = excluded.at, version = excluded.version, payload = excluded.payload";
    timer_disarm "DELETE FROM timer WHERE name = ?1";

    owner_get "SELECT epoch FROM owner WHERE name = ?1";
    owner_set "INSERT INTO owner (name, epoch) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET epoch = excluded.epoch";

    seen_get "SELECT seq FROM seen WHERE kind = ?1 AND scope = ?2 AND id = ?3 AND until > ?4";
    seen_set "INSERT INTO seen (kind, scope, id, until, seq) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET until = excluded.until, seq = excluded.seq";
    seen_sweep "DELETE FROM seen WHERE (kind, scope, id) IN
        (SELECT kind, scope, id FROM seen WHERE until <= ?1 ORDER BY until LIMIT ?2)";
}
