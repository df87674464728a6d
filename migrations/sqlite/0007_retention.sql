-- How long servers have run on this database, all told: the time by which messages expire. One row. Its holder alone
-- advances it; beat rises with every change, so that of two who try only one does.
CREATE TABLE retention_clock (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    millis INTEGER NOT NULL,
    holder BLOB,
    beat   INTEGER NOT NULL
);
INSERT INTO retention_clock (id, millis, holder, beat) VALUES (1, 0, NULL, 0);

-- What the clock read when the message was stored. Messages of before have their whole time from now on.
ALTER TABLE pending_messages ADD COLUMN stored_at INTEGER NOT NULL DEFAULT 0;
