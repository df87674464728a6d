//! The wire's shapes as they stand on the wire. A change here is a change of the protocol.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod codes;
mod federation;
mod frames;
mod hostile;
mod payload;
mod rest;
mod server_document;

use missive_wire::{Address, Base64, Content, DeviceId, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::{Uuid, uuid};

const ID: Uuid = uuid!("01955a3c-0000-7000-8000-000000000001");
const OTHER: Uuid = uuid!("01955a3c-0000-7000-8000-000000000002");

/// The value is written as this JSON, and read from it.
fn pin<T: Serialize + DeserializeOwned>(value: &T, json: &Value) {
    assert_eq!(serde_json::to_value(value).unwrap(), *json);
    read(value, json);
}

/// The value is read from this JSON, which may lack or add members.
fn read<T: Serialize + DeserializeOwned>(value: &T, json: &Value) {
    let read: T = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(value).unwrap());
}

fn alice() -> Address {
    "alice@one.example".parse().unwrap()
}

fn bob() -> Address {
    "bob@two.example:8448".parse().unwrap()
}

fn device(number: u64) -> DeviceId {
    DeviceId::try_from(number).unwrap()
}

fn at() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_000)
}

fn bytes() -> Base64 {
    Base64::from(&[0xfb, 0xff, 0x00][..])
}

fn content() -> Content {
    Content::encode(b"ciphertext")
}
