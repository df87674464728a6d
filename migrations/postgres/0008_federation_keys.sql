-- The keys that sign what this server says to others, in the order they were made. The private half is sealed by the
-- master key, and deleted once the key has ended or is revoked. All but the first have a statement (signed_by,
-- signature); a revoked one has its revocation's signature, by the recovery key.
CREATE TABLE federation_keys (
    position             BIGINT  NOT NULL PRIMARY KEY,
    id                   TEXT    NOT NULL UNIQUE,
    public_key           BYTEA   NOT NULL,
    sealed               BYTEA,
    created_at           BIGINT  NOT NULL,
    valid_from           BIGINT  NOT NULL,
    valid_until          BIGINT  NOT NULL,
    signed_by            TEXT,
    signature            BYTEA,
    revoked_at           BIGINT,
    revocation_signature BYTEA
);

-- The public half of the recovery key, whose private half never comes here. One row at most.
CREATE TABLE federation_recovery_key (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    public_key BYTEA  NOT NULL,
    created_at BIGINT NOT NULL
);
