//! Documents of keys: what cannot be is refused before anything is judged.

use homeserver::peers::trust::{DocumentError, KeyDocument, Signer};
use missive_wire::{Base64, Revocation, Rotation, ServerKeys};

use super::{
    server::wire,
    trust::{RECOVERY, day, entry, id},
};

/// A document as it is on the wire.
fn published() -> ServerKeys {
    let key = |seed| wire(entry(seed, 0));
    ServerKeys {
        keys: vec![key(1), key(2)],
        rotations: vec![Rotation { key: key(2), signed_by: id(1), signature: Base64(vec![0; 64]) }],
        revocations: vec![Revocation { key_id: id(1), revoked_at: day(0), signature: Base64(vec![0; 64]) }],
        recovery_key: Some(Base64(entry(RECOVERY, 0).public_key.to_vec())),
    }
}

#[test]
fn documents_are_checked_before_they_are_judged() {
    let checked = KeyDocument::try_from(published()).unwrap();
    assert_eq!(checked.statements[0].signed_by, Signer::Key(id(1)));
    let refused = |alter: fn(&mut ServerKeys)| {
        let mut keys = published();
        alter(&mut keys);
        KeyDocument::try_from(keys).unwrap_err()
    };
    assert_eq!(refused(|keys| keys.keys[1].key_id = "k1".into()), DocumentError::DuplicateKey("k1".into()));
    assert_eq!(refused(|keys| keys.keys[0].public_key.0.truncate(31)), DocumentError::PublicKey("k1".into()));
    // The neutral element, of small order, "verifies" signatures of anything.
    let weak = |keys: &mut ServerKeys| keys.keys[0].public_key = Base64([&[1][..], &[0; 31]].concat());
    assert_eq!(refused(weak), DocumentError::PublicKey("k1".into()));
    assert_eq!(
        refused(|keys| keys.recovery_key = Some(Base64(vec![0; 3]))),
        DocumentError::PublicKey("recovery".into())
    );
    assert_eq!(refused(|keys| keys.rotations[0].signature.0.push(0)), DocumentError::Signature("k2".into()));
    assert_eq!(refused(|keys| keys.revocations[0].signature.0.clear()), DocumentError::Signature("k1".into()));
    assert_eq!(refused(|keys| keys.keys[0].valid_until = day(-1)), DocumentError::Validity("k1".into()));
    let many = |keys: &mut ServerKeys| keys.rotations = vec![keys.rotations[0].clone(); 513];
    assert_eq!(refused(many), DocumentError::TooMany("rotations"));
    for id in ["", "recovery", "a b", "a\nb", "ä", "\"", &"a".repeat(65)] {
        let mut keys = published();
        keys.keys[0].key_id = id.to_owned();
        assert_eq!(KeyDocument::try_from(keys).unwrap_err(), DocumentError::KeyId, "{id}");
        let mut keys = published();
        keys.rotations[0].signed_by = id.to_owned();
        assert_eq!(KeyDocument::try_from(keys).is_ok(), id == "recovery", "{id}");
    }
}
