-- The keys that sign what this server says to others, in the order they were made. The private half is sealed by the
-- master key, and deleted once the key has ended or is revoked. All but the first have a statement (signed_by,
-- signature); a revoked one has its revocation's signature, by the recovery key.
CREATE TABLE federation_keys (
    position             INTEGER NOT NULL PRIMARY KEY,
    id                   TEXT    NOT NULL UNIQUE,
    public_key           BLOB    NOT NULL,
    sealed               BLOB,
    created_at           INTEGER NOT NULL,
    valid_from           INTEGER NOT NULL,
    valid_until          INTEGER NOT NULL,
    signed_by            TEXT,
    signature            BLOB,
    revoked_at           INTEGER,
    revocation_signature BLOB
);

-- The public half of the recovery key, whose private half never comes here. One row at most.
CREATE TABLE federation_recovery_key (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    public_key BLOB    NOT NULL,
    created_at INTEGER NOT NULL
);
