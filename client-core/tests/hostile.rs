//! Ciphertexts from someone who means harm: no panic, and nothing changes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use client_core::{
    Settled,
    wire::{CipherKind, Content, Delivered},
};
use common::{Party, bundle};
use libsignal_protocol::{IdentityKey, KyberPayload, PreKeySignalMessage, PublicKey, SignalMessage};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Two parties with a confirmed session, and a message from Alice that Bob has not seen.
fn pair(runtime: &Runtime) -> (Party, Party, Delivered) {
    runtime.block_on(async {
        let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
        alice.meet(&mut bob).await;
        let first = alice.write(&bob, "hello").await;
        bob.mailbox.receive(&first).await.unwrap();
        let answer = bob.write(&alice, "hello").await;
        alice.mailbox.receive(&answer).await.unwrap();
        let message = alice.write(&bob, "the real one").await;
        (alice, bob, message)
    })
}

fn with(delivered: &Delivered, kind: Option<CipherKind>, ciphertext: &[u8]) -> Delivered {
    Delivered { id: Uuid::now_v7(), kind, content: Content::encode(ciphertext), ..delivered.clone() }
}

#[test]
fn mangled_messages_are_undecryptable_and_change_nothing() {
    let runtime = Runtime::new().unwrap();
    let (_alice, bob, message) = pair(&runtime);
    let genuine = message.content.decode();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let mangling = (any::<prop::sample::Index>(), 1_u8.., any::<prop::sample::Index>(), any::<bool>());
    runner
        .run(&mangling, |(at, flip, cut, cuts)| {
            let mut bytes = genuine.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            for kind in [None, Some(CipherKind::Message), Some(CipherKind::PreKey)] {
                let received = runtime.block_on(bob.mailbox.receive(&with(&message, kind, &bytes))).unwrap();
                prop_assert_eq!(received.settled, Settled::Undecryptable);
            }
            Ok(())
        })
        .unwrap();
    let received = runtime.block_on(bob.mailbox.receive(&message)).unwrap();
    assert_eq!(received.message.unwrap().text(), Some("the real one"));
}

#[test]
fn mangled_first_messages_never_fail_the_receiver() {
    let runtime = Runtime::new().unwrap();
    let (bob, message) = runtime.block_on(async {
        let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
        alice.meet(&mut bob).await;
        let message = alice.write(&bob, "hello").await;
        (bob, message)
    });
    let genuine = message.content.decode();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&(any::<prop::sample::Index>(), 1_u8..), |(at, flip)| {
            let mut bytes = genuine.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let received = runtime.block_on(bob.mailbox.receive(&with(&message, message.kind, &bytes))).unwrap();
            // What is not authenticated may be altered; the id in the payload is then not the frame's.
            prop_assert_ne!(received.settled, Settled::Received);
            Ok(())
        })
        .unwrap();
}

#[test]
fn noise_is_undecryptable() {
    let runtime = Runtime::new().unwrap();
    let (_alice, bob, message) = pair(&runtime);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let noise = prop::collection::vec(any::<u8>(), 0..400);
    runner
        .run(&noise, |mut bytes| {
            if let Some(first) = bytes.first_mut() {
                *first = 0x44;
            }
            let received = runtime.block_on(bob.mailbox.receive(&with(&message, None, &bytes))).unwrap();
            prop_assert_eq!(received.settled, Settled::Undecryptable);
            Ok(())
        })
        .unwrap();
}

/// Each of these makes libsignal v0.85.3 panic, or go on without its post-quantum half, before it authenticates.
#[test]
fn malformed_post_quantum_parts_are_refused_before_they_are_read() {
    let panics = count_panics();
    let runtime = Runtime::new().unwrap();
    let (alice, bob, message) = pair(&runtime);
    let genuine = SignalMessage::try_from(message.content.decode().as_slice()).unwrap();
    let identity = |party: &Party| IdentityKey::decode(&party.upload.identity_key.as_ref().unwrap().0).unwrap();
    let forge = |ratchet_key: PublicKey, pq_ratchet: &[u8]| {
        let (counter, body) = (genuine.counter(), genuine.body());
        SignalMessage::new(4, &[1; 32], ratchet_key, counter, 0, body, &identity(&alice), &identity(&bob), pq_ratchet)
            .unwrap()
    };
    let long = [&[1][..], &[0xff; 20]].concat();
    let fields: [&[u8]; 7] = [&[], &[0], &[9, 1, 1, 1], &[1], &[1, 1], &[1, 0, 0, 0], &long];
    for field in fields {
        let forged = forge(*genuine.sender_ratchet_key(), field);
        let forged = with(&message, Some(CipherKind::Message), forged.serialized());
        let received = runtime.block_on(bob.mailbox.receive(&forged)).unwrap();
        assert_eq!(received.settled, Settled::Undecryptable, "{field:?}");
    }
    for field in fields {
        let first = runtime.block_on(first_message(&bob));
        let forged = in_first_message(&first.content.decode(), field);
        let forged = with(&first, Some(CipherKind::PreKey), &forged);
        let received = runtime.block_on(bob.mailbox.receive(&forged)).unwrap();
        assert_eq!(received.settled, Settled::Undecryptable, "{field:?}");
    }
    assert_eq!(panics(), 0, "libsignal has read what it cannot read");
    let zeros = PublicKey::deserialize(&[&[5][..], &[0; 32]].concat()).unwrap();
    let forged = with(&message, Some(CipherKind::Message), forge(zeros, genuine.pq_ratchet()).serialized());
    assert_eq!(runtime.block_on(bob.mailbox.receive(&forged)).unwrap().settled, Settled::Undecryptable);

    let received = runtime.block_on(bob.mailbox.receive(&message)).unwrap();
    assert_eq!(received.message.unwrap().text(), Some("the real one"));
}

/// Bob's last-resort key is used, so that any number can begin.
async fn first_message(bob: &Party) -> Delivered {
    let carol = Party::new("carol@one.example").await;
    carol.mailbox.learn_bundle(bob.address(), &bundle(&bob.upload, None)).await.unwrap();
    carol.write(bob, "hello").await
}

/// The same first message with another post-quantum part inside.
fn in_first_message(genuine: &[u8], pq_ratchet: &[u8]) -> Vec<u8> {
    let first = PreKeySignalMessage::try_from(genuine).unwrap();
    let (inside, sender) = (first.message(), first.identity_key());
    let (key, body) = (*inside.sender_ratchet_key(), inside.body());
    let inside = SignalMessage::new(4, &[1; 32], key, inside.counter(), 0, body, sender, sender, pq_ratchet).unwrap();
    let kyber = KyberPayload::new(first.kyber_pre_key_id().unwrap(), first.kyber_ciphertext().unwrap().clone());
    PreKeySignalMessage::new(
        4,
        first.registration_id(),
        first.pre_key_id(),
        first.signed_pre_key_id(),
        Some(kyber),
        *first.base_key(),
        *sender,
        inside,
    )
    .unwrap()
    .serialized()
    .to_vec()
}

/// A caught panic is an answer like any other; this tells that there was one.
fn count_panics() -> impl Fn() -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let (counter, before) = (count.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counter.fetch_add(1, Ordering::Relaxed);
        before(panic);
    }));
    move || count.load(Ordering::Relaxed)
}
