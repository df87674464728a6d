//! What libsignal v0.85.3 does not check for itself, checked before it is asked.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use libsignal_protocol::{PreKeySignalMessage, PublicKey, SignalMessage, SignalProtocolError};

#[cfg(panic = "abort")]
compile_error!("hostile bytes can make libsignal v0.85.3 panic: unwinding must stay possible");

/// The version of SPQR's messages that libsignal v0.85.3 writes.
const SPQR_V1: u8 = 1;

/// A 64-bit varint has at most ten bytes.
const VARINT_BYTES_MAX: usize = 10;

/// Whether an SPQR field is framed as spqr's `v1/chunked/states/serialize.rs` reads it: version 1, epoch, index and at
/// least one byte. It indexes without looking, before anything is authenticated. A message without SPQR, or of a
/// version that it would pass over in silence, is refused too: the ratchet would go on without its post-quantum half.
pub(crate) fn spqr_framing_is_sound(field: &[u8]) -> bool {
    let Some((&SPQR_V1, rest)) = field.split_first() else { return false };
    let Some((epoch, rest)) = varint(rest) else { return false };
    let Some((index, rest)) = varint(rest) else { return false };
    epoch != 0 && u32::try_from(index).is_ok() && !rest.is_empty()
}

/// Every EC key and the SPQR field of a message.
pub(crate) fn check_message(message: &SignalMessage) -> Result<(), &'static str> {
    require_canonical(message.sender_ratchet_key())?;
    if spqr_framing_is_sound(message.pq_ratchet()) { Ok(()) } else { Err("its post-quantum part is malformed") }
}

/// As [`check_message`], for a message that builds a session.
pub(crate) fn check_pre_key_message(message: &PreKeySignalMessage) -> Result<(), &'static str> {
    require_canonical(message.identity_key().public_key())?;
    require_canonical(message.base_key())?;
    check_message(message.message())
}

/// libsignal accepts keys that make every agreement all zeros; this refuses them.
pub(crate) fn require_canonical(key: &PublicKey) -> Result<(), &'static str> {
    if key.is_canonical() { Ok(()) } else { Err("a public key is not canonical") }
}

/// Runs libsignal on staged stores, which never wait, and turns a panic into an error.
pub(crate) fn run<T>(work: impl Future<Output = Result<T, SignalProtocolError>>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(|| work.now_or_never())) {
        Ok(Some(Ok(value))) => Ok(value),
        Ok(Some(Err(error))) => Err(error.to_string()),
        Ok(None) => Err("the cryptography waited".to_owned()),
        Err(_) => Err("the cryptography failed".to_owned()),
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (i, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * i);
        if shifted >> (7 * i) != bits {
            return None;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let byte = u8::try_from(value & 0x7f).unwrap();
            value >>= 7;
            if value == 0 {
                bytes.push(byte);
                return bytes;
            }
            bytes.push(byte | 0x80);
        }
    }

    #[test]
    fn refuses_what_would_panic() {
        for field in [
            &[][..],
            &[0],
            &[2, 1, 1, 0],
            &[1],
            &[1, 1],
            &[1, 1, 0],
            &[1, 0, 0, 0],
            &[1, 1, 0xff, 0xff, 0xff, 0xff, 0x1f, 0],
            &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0],
        ] {
            assert!(!spqr_framing_is_sound(field), "{field:?}");
        }
        assert!(spqr_framing_is_sound(&[1, 1, 0, 0]));
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let failed = run::<()>(async { panic!("as an index out of bounds would") });
        assert_eq!(failed, Err("the cryptography failed".to_owned()));
        assert_eq!(run::<()>(std::future::pending()), Err("the cryptography waited".to_owned()));
    }

    proptest! {
        #[test]
        fn accepts_exactly_what_is_framed(epoch: u64, index: u64, tail in prop::collection::vec(any::<u8>(), 0..40)) {
            let field = [vec![1], encode(epoch), encode(index), tail.clone()].concat();
            let sound = epoch != 0 && u32::try_from(index).is_ok() && !tail.is_empty();
            prop_assert_eq!(spqr_framing_is_sound(&field), sound);
        }

        #[test]
        fn never_panics(field in prop::collection::vec(any::<u8>(), 0..64)) {
            spqr_framing_is_sound(&field);
        }
    }
}
