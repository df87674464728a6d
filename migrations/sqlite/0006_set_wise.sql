-- Both tables are queues that whole batches of rows pass through. No foreign key: each would cost a lookup a row. Whoever
-- deletes a device deletes its rows here in the same transaction, holding the account.
CREATE TABLE pending_messages_new (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id    BLOB    NOT NULL,
    device_id     INTEGER NOT NULL,
    sender        TEXT    NOT NULL,
    sender_id     BLOB,
    sender_device INTEGER NOT NULL,
    message_id    BLOB    NOT NULL,
    kind          TEXT,
    content       BLOB    NOT NULL,
    sent_at       INTEGER NOT NULL
);
INSERT INTO pending_messages_new (seq, account_id, device_id, sender, sender_id, sender_device, message_id, kind, content, sent_at)
    SELECT seq, account_id, device_id, sender, sender_id, sender_device, message_id, kind, content, sent_at
    FROM pending_messages ORDER BY seq;
-- What was delivered must not give its place to another: the counter goes on where it was.
DELETE FROM sqlite_sequence WHERE name = 'pending_messages_new';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'pending_messages_new', seq FROM sqlite_sequence WHERE name = 'pending_messages';
DROP TABLE pending_messages;
ALTER TABLE pending_messages_new RENAME TO pending_messages;
-- Ids rise with time: with them in front, whatever is being stored touches the same few pages of the index, whoever it is
-- for.
CREATE UNIQUE INDEX pending_messages_once ON pending_messages (message_id, account_id, device_id, sender, sender_device);
-- Its rows are in the order of seq, which ends every entry of an index.
CREATE INDEX pending_messages_in_order ON pending_messages (account_id, device_id);

-- One tree, in the order in which a device reads it: ids rise with time.
CREATE TABLE message_statuses_new (
    account_id BLOB    NOT NULL,
    device_id  INTEGER NOT NULL,
    message_id BLOB    NOT NULL,
    sender     TEXT    NOT NULL,
    state      INTEGER NOT NULL,
    code       TEXT,
    PRIMARY KEY (account_id, device_id, message_id, sender)
) WITHOUT ROWID;
INSERT INTO message_statuses_new (account_id, device_id, message_id, sender, state, code)
    SELECT account_id, device_id, message_id, sender, state, code FROM message_statuses;
DROP TABLE message_statuses;
ALTER TABLE message_statuses_new RENAME TO message_statuses;
