-- A log-in. Of its refresh token only the hash is kept, and of the one before it, for a client that missed the answer.
CREATE TABLE sessions (
    id                  BLOB    NOT NULL PRIMARY KEY,
    account_id          BLOB    NOT NULL,
    device_id           INTEGER NOT NULL,
    scope               TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    last_used_at        INTEGER NOT NULL,
    token_hash          BLOB    NOT NULL UNIQUE,
    token_expires_at    INTEGER NOT NULL,
    previous_token_hash BLOB,
    rotated_at          INTEGER,
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_expiry ON sessions (token_expires_at);
