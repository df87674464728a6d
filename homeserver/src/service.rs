//! The rules: plain functions over [`App`](crate::app::App), without HTTP and without SQL.

pub mod access;
pub mod accounts;
pub mod admin;
pub mod control;
pub mod delivery;
pub mod federation;
pub mod federation_keys;
pub mod health;
pub mod messages;
pub mod outbox;
pub mod peers;
pub mod prekeys;
pub mod remote_users;
pub mod retention;
pub mod sessions;
pub mod statuses;
pub mod tokens;
pub mod transactions;
