-- One-time pre-keys, each given out once, ever. kind: 'ec' or 'pq' (those are signed).
CREATE TABLE pre_keys (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id UUID    NOT NULL,
    device_id  BIGINT  NOT NULL,
    kind       TEXT    NOT NULL,
    key_id     BIGINT  NOT NULL,
    public_key BYTEA    NOT NULL,
    signature  BYTEA,
    UNIQUE (account_id, device_id, kind, key_id),
    FOREIGN KEY (account_id, device_id) REFERENCES devices (account_id, device_id) ON DELETE CASCADE
);
