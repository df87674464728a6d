-- One-time pre-keys, each given out once, ever. kind: 'ec' or 'pq' (those are signed).
CREATE TABLE pre_keys (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id BLOB    NOT NULL,
    device_id  INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    key_id     INTEGER NOT NULL,
    public_key BLOB    NOT NULL,
    signature  BLOB,
    UNIQUE (account_id, device_id, kind, key_id),
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
