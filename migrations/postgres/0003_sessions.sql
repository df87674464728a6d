-- A log-in. Of its refresh token only the hash is kept, and of the one before it, for a client that missed the answer.
CREATE TABLE sessions (
    id                  UUID    NOT NULL PRIMARY KEY,
    account_id          UUID    NOT NULL,
    device_id           BIGINT  NOT NULL,
    scope               TEXT    NOT NULL,
    created_at          BIGINT  NOT NULL,
    last_used_at        BIGINT  NOT NULL,
    token_hash          BYTEA    NOT NULL UNIQUE,
    token_expires_at    BIGINT  NOT NULL,
    previous_token_hash BYTEA,
    rotated_at          BIGINT,
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_expiry ON sessions (token_expires_at);
