//! What the tests of the front door share: a real homeserver on a real port, on each of the two databases, and people
//! who talk to it over HTTP.
#![allow(dead_code, unused_imports)] // each test binary uses its part

mod database;
mod home;
mod pair;
pub(crate) mod peer;
mod person;
mod socket;

pub(crate) use database::Database;
pub(crate) use home::{Home, both, both_with};
pub(crate) use pair::{Pair, free_port, say};
pub(crate) use person::{PASSWORD, Person, Reply, claims};
pub(crate) use socket::Socket;
