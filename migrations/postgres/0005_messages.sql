-- Undelivered ciphertext, until the receiving device says it has it.
CREATE TABLE pending_messages (
    seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id    UUID    NOT NULL,
    device_id     BIGINT  NOT NULL,
    sender        TEXT    NOT NULL,
    sender_id     UUID,
    sender_device BIGINT  NOT NULL,
    message_id    UUID    NOT NULL,
    kind          TEXT,
    content       BYTEA    NOT NULL,
    sent_at       BIGINT  NOT NULL,
    UNIQUE (account_id, device_id, message_id, sender, sender_device),
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
CREATE INDEX pending_messages_in_order ON pending_messages (account_id, device_id, seq);

-- What became of sent messages, until the sending device says it knows. Account and device are the message's sender,
-- sender is who speaks: the message's receiver. state: 2 undeliverable, 3 received, 4 read.
CREATE TABLE message_statuses (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id UUID    NOT NULL,
    device_id  BIGINT  NOT NULL,
    message_id UUID    NOT NULL,
    sender     TEXT    NOT NULL,
    state      BIGINT  NOT NULL,
    code       TEXT,
    UNIQUE (account_id, device_id, message_id, sender),
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
CREATE INDEX message_statuses_in_order ON message_statuses (account_id, device_id, seq);

-- What each sender takes of an account's pending store: messages, and statuses that it caused. Gone with the last of them.
CREATE TABLE pending_shares (
    account_id UUID   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    sender     TEXT   NOT NULL,
    entries    BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    PRIMARY KEY (account_id, sender)
);
