-- Envelopes for other homeservers, until those have said that they have them. account_id is on whose behalf: a message's
-- sender, with its device, or whoever speaks in a status (device_id 0). receiver is an address of the destination, and
-- receiver_device the device that a status is for (0 for a message). state: 0 for a message, else the status's, as in
-- message_statuses. No foreign key: what a closed account's correspondents must be told outlives it.
CREATE TABLE federation_outbox (
    seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination     TEXT    NOT NULL,
    lane            BIGINT  NOT NULL,
    account_id      UUID    NOT NULL,
    device_id       BIGINT  NOT NULL,
    receiver        TEXT    NOT NULL,
    receiver_device BIGINT  NOT NULL,
    message_id      UUID    NOT NULL,
    state           BIGINT  NOT NULL,
    envelope        TEXT    NOT NULL,
    stored_at       BIGINT  NOT NULL
);
CREATE UNIQUE INDEX federation_outbox_once
    ON federation_outbox (message_id, account_id, device_id, receiver, receiver_device, state);
CREATE INDEX federation_outbox_in_order ON federation_outbox (destination, lane, seq);
CREATE INDEX federation_outbox_messages ON federation_outbox (destination, lane) WHERE state = 0;

-- Which server on this database empties a lane of the outbox, and until when it may be trusted to. That two do so at once
-- only sends what they send twice.
CREATE TABLE federation_lanes (
    destination TEXT    NOT NULL,
    lane        BIGINT  NOT NULL,
    holder      UUID    NOT NULL,
    held_until  BIGINT  NOT NULL,
    PRIMARY KEY (destination, lane)
);

-- Other homeservers whose keys were met. pinned: what is trusted of their keys; unexplained: what they publish now that
-- nothing explains, for an admin to accept. incarnation_at is by the retention clock; failing_since and next_try are set
-- while a server cannot be reached.
CREATE TABLE federation_peers (
    server         TEXT    NOT NULL PRIMARY KEY,
    pinned         TEXT    NOT NULL,
    unexplained    TEXT,
    met_at         BIGINT  NOT NULL,
    reached_at     BIGINT,
    incarnation    UUID,
    incarnation_at BIGINT,
    failing_since  BIGINT,
    failures       BIGINT  NOT NULL DEFAULT 0,
    next_try       BIGINT,
    last_error     TEXT
);

-- The nonces of other servers' requests, until no copy of those would be taken any more.
CREATE TABLE federation_nonces (
    origin     TEXT    NOT NULL,
    nonce      TEXT    NOT NULL,
    expires_at BIGINT  NOT NULL,
    PRIMARY KEY (origin, nonce)
);
CREATE INDEX federation_nonces_by_expiry ON federation_nonces (expires_at);

-- Transactions of other servers that were answered, for a day: one that comes again gets the answer that it had. results
-- are JSON.
CREATE TABLE federation_transactions (
    origin     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    digest     BYTEA   NOT NULL,
    results    TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    PRIMARY KEY (origin, id)
);
CREATE INDEX federation_transactions_by_time ON federation_transactions (created_at);

-- Bundles that other servers claimed, for an hour: a claim that comes again gets the keys that it took.
CREATE TABLE federation_claims (
    origin     TEXT    NOT NULL,
    claim_id   TEXT    NOT NULL,
    account_id UUID    NOT NULL,
    bundle     TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    PRIMARY KEY (origin, claim_id)
);
CREATE INDEX federation_claims_by_time ON federation_claims (created_at);
