-- What the server remembers of itself: server_name, incarnation.
CREATE TABLE server (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Private signing keys, sealed by the master key.
CREATE TABLE signing_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    purpose    TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
);

-- What every server on this database must hear of within a second; polled, kept for three hours.
CREATE TABLE control_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,
    account_id BLOB    NOT NULL,
    session_id BLOB,
    created_at INTEGER NOT NULL
);
CREATE INDEX control_events_by_time ON control_events (created_at);
