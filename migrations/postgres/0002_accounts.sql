CREATE TABLE accounts (
    id              UUID    NOT NULL PRIMARY KEY,
    name            TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash   TEXT    NOT NULL,
    identity_key    BYTEA,
    notification_id TEXT,
    created_at      BIGINT  NOT NULL,
    revoked_at      BIGINT,
    pending_entries BIGINT NOT NULL DEFAULT 0,
    pending_bytes   BIGINT NOT NULL DEFAULT 0
);

-- Keyed hashes of the names of deleted accounts, so that no name is given out again.
CREATE TABLE retired_names (
    name_hash BYTEA NOT NULL PRIMARY KEY
);

-- The highest key ids ever published, one a kind, so that no key comes back.
CREATE TABLE devices (
    account_id                    UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    device_id                     BIGINT  NOT NULL,
    name                          TEXT,
    registration_id               BIGINT,
    created_at                    BIGINT  NOT NULL,
    signed_pre_key_id             BIGINT,
    signed_pre_key                BYTEA,
    signed_pre_key_signature      BYTEA,
    pq_last_resort_pre_key_id     BIGINT,
    pq_last_resort_pre_key        BYTEA,
    pq_last_resort_signature      BYTEA,
    highest_pre_key_id            BIGINT,
    highest_pq_pre_key_id         BIGINT,
    last_upload_hash              BYTEA,
    last_rotation_hash            BYTEA,
    PRIMARY KEY (account_id, device_id)
);
