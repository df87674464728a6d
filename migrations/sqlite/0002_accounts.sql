CREATE TABLE accounts (
    id              BLOB    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL UNIQUE,
    password_hash   TEXT    NOT NULL,
    identity_key    BLOB,
    notification_id TEXT,
    created_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    pending_entries INTEGER NOT NULL DEFAULT 0,
    pending_bytes   INTEGER NOT NULL DEFAULT 0
);

-- Keyed hashes of the names of deleted accounts, so that no name is given out again.
CREATE TABLE retired_names (
    name_hash BLOB NOT NULL PRIMARY KEY
);

-- The highest key ids ever published, one a kind, so that no key comes back.
CREATE TABLE devices (
    account_id                    BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    device_id                     INTEGER NOT NULL,
    name                          TEXT,
    registration_id               INTEGER,
    created_at                    INTEGER NOT NULL,
    signed_pre_key_id             INTEGER,
    signed_pre_key                BLOB,
    signed_pre_key_signature      BLOB,
    pq_last_resort_pre_key_id     INTEGER,
    pq_last_resort_pre_key        BLOB,
    pq_last_resort_signature      BLOB,
    highest_pre_key_id            INTEGER,
    highest_pq_pre_key_id         INTEGER,
    last_upload_hash              BLOB,
    last_rotation_hash            BLOB,
    PRIMARY KEY (account_id, device_id)
);
