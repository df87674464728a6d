-- Both tables are queues that whole batches of rows pass through. No foreign key: each would cost a lookup a row. Whoever
-- deletes a device deletes its rows here in the same transaction, holding the account.
ALTER TABLE pending_messages DROP CONSTRAINT pending_messages_account_id_device_id_fkey;
ALTER TABLE pending_messages DROP CONSTRAINT pending_messages_account_id_device_id_message_id_sender_sen_key;
-- Ids rise with time: with them in front, whatever is being stored touches the same few pages of the index, whoever it is
-- for.
CREATE UNIQUE INDEX pending_messages_once ON pending_messages (message_id, account_id, device_id, sender, sender_device);
-- Ciphertext does not get smaller.
ALTER TABLE pending_messages ALTER COLUMN content SET STORAGE EXTERNAL;

-- One tree, in the order in which a device reads it: ids rise with time.
ALTER TABLE message_statuses DROP CONSTRAINT message_statuses_account_id_device_id_fkey;
DROP INDEX message_statuses_in_order;
ALTER TABLE message_statuses DROP COLUMN seq;
ALTER TABLE message_statuses DROP CONSTRAINT message_statuses_account_id_device_id_message_id_sender_key;
ALTER TABLE message_statuses ALTER COLUMN sender TYPE TEXT COLLATE "C";
ALTER TABLE message_statuses ADD PRIMARY KEY (account_id, device_id, message_id, sender);

-- What passed through is dead soon: vacuumed by how much of it there is, not by how much there once was.
ALTER TABLE pending_messages SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
ALTER TABLE message_statuses SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
-- Counters change with every batch: room on their pages keeps that off the indexes.
ALTER TABLE accounts SET (fillfactor = 70);
ALTER TABLE pending_shares SET (fillfactor = 50);
