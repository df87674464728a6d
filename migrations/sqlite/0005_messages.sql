-- Undelivered ciphertext, until the receiving device says it has it.
CREATE TABLE pending_messages (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id    BLOB    NOT NULL,
    device_id     INTEGER NOT NULL,
    sender        TEXT    NOT NULL,
    sender_id     BLOB,
    sender_device INTEGER NOT NULL,
    message_id    BLOB    NOT NULL,
    kind          TEXT,
    content       BLOB    NOT NULL,
    sent_at       INTEGER NOT NULL,
    UNIQUE (account_id, device_id, message_id, sender, sender_device),
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
CREATE INDEX pending_messages_in_order ON pending_messages (account_id, device_id, seq);

-- What became of sent messages, until the sending device says it knows. Account and device are the message's sender,
-- sender is who speaks: the message's receiver. state: 2 undeliverable, 3 received, 4 read.
CREATE TABLE message_statuses (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id BLOB    NOT NULL,
    device_id  INTEGER NOT NULL,
    message_id BLOB    NOT NULL,
    sender     TEXT    NOT NULL,
    state      INTEGER NOT NULL,
    code       TEXT,
    UNIQUE (account_id, device_id, message_id, sender),
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
CREATE INDEX message_statuses_in_order ON message_statuses (account_id, device_id, seq);

-- What each sender takes of an account's pending store: messages, and statuses that it caused. Gone with the last of them.
CREATE TABLE pending_shares (
    account_id BLOB   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    sender     TEXT   NOT NULL,
    entries    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    PRIMARY KEY (account_id, sender)
);
