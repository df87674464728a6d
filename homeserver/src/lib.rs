//! The Missive homeserver: accounts, key bundles, and the hand-over of end-to-end encrypted messages.
//!
//! Imports flow one way; `ARCHITECTURE.md` draws the arrows and `tests/architecture.rs` checks them.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod federation;
pub mod http;
pub mod hub;
pub mod jobs;
pub mod keys;
pub mod model;
pub mod peers;
pub mod server;
pub mod service;
pub mod store;
pub mod web;
pub mod ws;
