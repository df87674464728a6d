-- What the server remembers of itself: server_name, incarnation.
CREATE TABLE server (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Private signing keys, sealed by the master key.
CREATE TABLE signing_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    purpose    TEXT    NOT NULL,
    sealed     BYTEA    NOT NULL,
    created_at BIGINT  NOT NULL
);

-- What every server on this database must hear of within a second; polled, kept for three hours.
CREATE TABLE control_events (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       TEXT    NOT NULL,
    account_id UUID    NOT NULL,
    session_id UUID,
    created_at BIGINT  NOT NULL
);
CREATE INDEX control_events_by_time ON control_events (created_at);
