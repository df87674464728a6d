//! Two parties, the real cryptography and storage, no network.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use client_core::{
    Body, Credentials, Error, Failed, Registration, Settled, SignalError, Unlock,
    wire::{Base64, CipherKind, Code, Content, Delivered, PeerIncarnation, State, StatusUpdate},
};
use common::{Party, bundle};
use libsignal_protocol::{IdentityKey, KyberPayload, PreKeySignalMessage};
use rand::seq::SliceRandom as _;
use uuid::Uuid;

async fn pair() -> (Party, Party) {
    let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    alice.meet(&mut bob).await;
    (alice, bob)
}

/// Alice has written, Bob has answered: both sides' sessions are confirmed.
async fn confirmed_pair() -> (Party, Party) {
    let (alice, bob) = pair().await;
    let first = alice.write(&bob, "hello").await;
    bob.mailbox.receive(&first).await.unwrap();
    let answer = bob.write(&alice, "hello yourself").await;
    alice.mailbox.receive(&answer).await.unwrap();
    (alice, bob)
}

async fn text(party: &Party, delivered: &client_core::wire::Delivered) -> String {
    let received = party.mailbox.receive(delivered).await.unwrap();
    assert_eq!(received.settled, Settled::Received);
    received.message.unwrap().text().unwrap().to_owned()
}

fn status(id: Uuid, state: State, sender: &Party) -> StatusUpdate {
    StatusUpdate { message_id: Some(id), message_ids: Vec::new(), state, sender: sender.address().clone(), code: None }
}

#[tokio::test]
async fn hundreds_of_messages_both_ways_out_of_order() {
    let (alice, bob) = pair().await;
    for round in 0..12 {
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            let mut written = Vec::new();
            for n in 0..15 {
                let expected = format!("round {round}, message {n} – grüß dich 👋");
                written.push((from.write(to, &expected).await, expected));
            }
            written.shuffle(&mut rand::rng());
            for (delivered, expected) in &written {
                assert_eq!(text(to, delivered).await, *expected);
            }
            for (delivered, _) in &written {
                let copy = to.mailbox.receive(delivered).await.unwrap();
                assert_eq!((copy.settled, copy.message), (Settled::Received, None));
            }
        }
    }
    let history = bob.mailbox.history(alice.address(), 1000).await.unwrap();
    assert_eq!(history.len(), 2 * 12 * 15);
}

#[tokio::test]
async fn a_session_is_confirmed_by_an_answer() {
    let (alice, bob) = pair().await;
    let first = alice.write(&bob, "one").await;
    assert_eq!(first.kind, Some(CipherKind::PreKey));
    text(&bob, &first).await;
    let answer = bob.write(&alice, "two").await;
    assert_eq!(answer.kind, Some(CipherKind::Message));
    text(&alice, &answer).await;
    assert_eq!(alice.write(&bob, "three").await.kind, Some(CipherKind::Message));
}

#[tokio::test]
async fn a_message_without_its_kind_is_read() {
    let (alice, bob) = pair().await;
    let mut first = alice.write(&bob, "one").await;
    first.kind = None;
    assert_eq!(text(&bob, &first).await, "one");
    let mut answer = bob.write(&alice, "two").await;
    answer.kind = None;
    assert_eq!(text(&alice, &answer).await, "two");
}

#[tokio::test]
async fn a_replay_under_another_id_is_undecryptable() {
    let (alice, bob) = confirmed_pair().await;
    let mut message = alice.write(&bob, "once").await;
    assert_eq!(text(&bob, &message).await, "once");
    message.id = Uuid::now_v7();
    let replay = bob.mailbox.receive(&message).await.unwrap();
    assert_eq!(replay.settled, Settled::Undecryptable);
    assert_eq!(replay.message.unwrap().body, Body::Undecryptable);
    // And the same answer for a copy of the replay.
    assert_eq!(bob.mailbox.receive(&message).await.unwrap().settled, Settled::Undecryptable);
}

#[tokio::test]
async fn the_network_cannot_change_who_writes() {
    let (alice, bob) = pair().await;
    let mut message = alice.write(&bob, "from alice").await;
    message.sender = "mallory@one.example".parse().unwrap();
    let received = bob.mailbox.receive(&message).await.unwrap();
    assert_eq!(received.settled, Settled::Refused);
    assert!(matches!(received.message.unwrap().body, Body::Refused(reason) if reason.contains("sender")));
}

#[tokio::test]
async fn the_network_cannot_change_an_id() {
    let (alice, bob) = pair().await;
    let mut message = alice.write(&bob, "hello").await;
    message.id = Uuid::now_v7();
    let received = bob.mailbox.receive(&message).await.unwrap();
    assert!(matches!(received.message.unwrap().body, Body::Refused(reason) if reason.contains("id")));
}

#[tokio::test]
async fn one_time_keys_are_used_once() {
    let (alice, bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    let carol = Party::new("carol@one.example").await;
    let same = bundle(&bob.upload, Some(0));
    alice.mailbox.learn_bundle(bob.address(), &same).await.unwrap();
    carol.mailbox.learn_bundle(bob.address(), &same).await.unwrap();
    text(&bob, &alice.write(&bob, "first").await).await;
    let second = bob.mailbox.receive(&carol.write(&bob, "second").await).await.unwrap();
    assert_eq!(second.settled, Settled::Undecryptable);
}

#[tokio::test]
async fn the_last_resort_key_serves_many_and_no_replay() {
    let bob = Party::new("bob@two.example").await;
    for name in ["alice@one.example", "carol@one.example"] {
        let party = Party::new(name).await;
        party.mailbox.learn_bundle(bob.address(), &bundle(&bob.upload, None)).await.unwrap();
        let mut message = party.write(&bob, "hello").await;
        assert_eq!(text(&bob, &message).await, "hello");
        message.sender = "mallory@one.example".parse().unwrap();
        assert_eq!(bob.mailbox.receive(&message).await.unwrap().settled, Settled::Undecryptable);
    }
}

#[tokio::test]
async fn a_changed_identity_is_read_marked_and_not_written_to() {
    let (alice, mut bob) = confirmed_pair().await;
    bob.mailbox.install().await.unwrap();
    bob.upload = bob.mailbox.pending_upload().await.unwrap().unwrap();
    bob.mailbox.learn_bundle(alice.address(), &bundle(&alice.upload, Some(5))).await.unwrap();
    let message = bob.write(&alice, "new phone").await;
    let received = alice.mailbox.receive(&message).await.unwrap().message.unwrap();
    assert_eq!((received.text(), received.identity_changed), (Some("new phone"), true));

    let refused = alice.mailbox.compose(bob.address(), "is it you?").await.unwrap_err();
    assert!(matches!(refused, Error::Signal(SignalError::IdentityChanged(_))), "{refused}");
    let number = alice.mailbox.safety_number(bob.address()).await.unwrap().unwrap();
    assert!(number.changed());
    assert_eq!(number.digits(), bob.mailbox.safety_number(alice.address()).await.unwrap().unwrap().digits());
    assert!(alice.mailbox.accept_identity(&number).await.unwrap());
    assert!(!alice.mailbox.accept_identity(&number).await.unwrap());
    assert_eq!(text(&bob, &alice.write(&bob, "is it you?").await).await, "is it you?");
}

#[tokio::test]
async fn a_swapped_bundle_waits_for_acceptance() {
    let (alice, bob) = confirmed_pair().await;
    let mallory = Party::new("bob@two.example").await;
    let refused = alice.mailbox.learn_bundle(bob.address(), &bundle(&mallory.upload, Some(0))).await.unwrap_err();
    assert!(matches!(refused, Error::Signal(SignalError::IdentityChanged(_))), "{refused}");
    let refused = alice.mailbox.compose(bob.address(), "secret").await.unwrap_err();
    assert!(matches!(refused, Error::Signal(SignalError::IdentityChanged(_))), "{refused}");
    assert!(text(&alice, &bob.write(&alice, "still me").await).await == "still me");
}

/// Between looking and accepting, the homeserver may slip in another key: that one is not accepted with the first.
#[tokio::test]
async fn only_the_key_that_was_compared_is_accepted() {
    let (alice, bob) = confirmed_pair().await;
    let swap = async |other: &Party| {
        let swapped = alice.mailbox.learn_bundle(bob.address(), &bundle(&other.upload, Some(0))).await.unwrap_err();
        assert!(matches!(swapped, Error::Signal(SignalError::IdentityChanged(_))), "{swapped}");
        alice.mailbox.safety_number(bob.address()).await.unwrap().unwrap()
    };
    let genuine = swap(&Party::new("bob@two.example").await).await;
    let forged = swap(&Party::new("bob@two.example").await).await;
    assert_ne!(genuine.digits(), forged.digits());
    assert!(!genuine.matches_digits(forged.digits()) && !genuine.matches_scanned(forged.scannable()));
    let refused = alice.mailbox.accept_identity(&genuine).await.unwrap_err();
    assert!(matches!(refused, Error::OtherIdentity(_)), "{refused}");
    assert!(alice.mailbox.reject_identity(bob.address()).await.unwrap());
    assert!(!alice.mailbox.reject_identity(bob.address()).await.unwrap());
    assert_eq!(text(&bob, &alice.write(&bob, "it is still you").await).await, "it is still you");
}

/// The key on the outside of a message of a session that is there already is anybody's word.
#[tokio::test]
async fn a_swapped_key_on_the_outside_changes_nothing() {
    let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    alice.meet(&mut bob).await;
    assert_eq!(text(&bob, &alice.write(&bob, "one").await).await, "one");
    let second = alice.write(&bob, "two").await;
    let genuine = PreKeySignalMessage::try_from(second.content.decode().as_slice()).unwrap();
    let mallory = Party::new("mallory@one.example").await;
    let key = IdentityKey::decode(&mallory.upload.identity_key.as_ref().unwrap().0).unwrap();
    let kyber = KyberPayload::new(genuine.kyber_pre_key_id().unwrap(), genuine.kyber_ciphertext().unwrap().clone());
    let forged = PreKeySignalMessage::new(
        4,
        genuine.registration_id(),
        genuine.pre_key_id(),
        genuine.signed_pre_key_id(),
        Some(kyber),
        *genuine.base_key(),
        key,
        genuine.message().clone(),
    )
    .unwrap();
    let forged = Delivered { content: Content::encode(forged.serialized()), ..second };
    let _ = bob.mailbox.receive(&forged).await.unwrap();
    let number = bob.mailbox.safety_number(alice.address()).await.unwrap().unwrap();
    assert!(!number.changed(), "nobody has shown another key");
}

#[tokio::test]
async fn keys_that_are_not_sound_are_refused() {
    let (alice, bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    let sound = bundle(&bob.upload, Some(0));
    let low_order = || Base64([vec![5], vec![0; 32]].concat());
    let mut cases = Vec::from([sound.clone(), sound.clone(), sound.clone(), sound.clone(), sound.clone(), sound]);
    cases[0].identity_key = low_order();
    cases[1].devices[0].signed_pre_key.public_key = low_order();
    cases[2].devices[0].pre_key.as_mut().unwrap().public_key = low_order();
    cases[3].devices[0].signed_pre_key.signature.0[5] ^= 1;
    cases[4].devices[0].pq_pre_key.signature.0[5] ^= 1;
    cases[5].devices.clear();
    for case in &cases {
        let refused = alice.mailbox.learn_bundle(bob.address(), case).await.unwrap_err();
        assert!(matches!(refused, Error::Signal(SignalError::BadBundle { .. })), "{refused}");
        let refused = alice.mailbox.compose(bob.address(), "hello").await.unwrap_err();
        assert!(matches!(refused, Error::Signal(SignalError::NoSession(_))), "{refused}");
    }
}

#[tokio::test]
async fn states_only_rise_and_only_the_receiver_tells_them() {
    let (alice, bob) = confirmed_pair().await;
    let id = alice.mailbox.compose(bob.address(), "hello").await.unwrap();
    let in_outbox = async || {
        let outbox = alice.mailbox.outbox(0, 100).await.unwrap();
        outbox.into_iter().find(|(_, outgoing)| outgoing.id == id).map(|(_, outgoing)| outgoing.sent)
    };
    assert_eq!(in_outbox().await, Some(false));

    let forged = alice.mailbox.apply_status(&status(id, State::Read, &alice)).await.unwrap();
    assert!(forged.changes.is_empty() && forged.genuine.is_empty());

    let sent = alice.mailbox.apply_status(&status(id, State::Sent, &bob)).await.unwrap();
    assert_eq!(sent.changes[0].state, State::Sent);
    assert_eq!(in_outbox().await, Some(true));

    let read = alice.mailbox.apply_status(&status(id, State::Read, &bob)).await.unwrap();
    assert_eq!(read.changes[0].state, State::Read);
    assert_eq!(in_outbox().await, None);

    let late = alice.mailbox.apply_status(&status(id, State::Received, &bob)).await.unwrap();
    assert!(late.changes.is_empty());
    assert_eq!(late.genuine, [id]);
    let history = alice.mailbox.history(bob.address(), 1).await.unwrap();
    assert_eq!(history[0].state, Some(State::Read));
}

#[tokio::test]
async fn what_could_not_be_read_is_encrypted_again_once() {
    let (alice, mut bob) = confirmed_pair().await;
    let lost = alice.write(&bob, "hear, hear").await;
    let unreadable = StatusUpdate { code: Some(Code::Undecryptable), ..status(lost.id, State::Undeliverable, &bob) };
    let applied = alice.mailbox.apply_status(&unreadable).await.unwrap();
    assert!(applied.again && applied.changes.is_empty(), "it is not over yet: {applied:?}");
    assert_eq!(applied.genuine, [lost.id]);
    assert!(alice.mailbox.outbox(0, 100).await.unwrap().iter().all(|(_, outgoing)| outgoing.id != lost.id));

    let again = alice.mailbox.to_encrypt_again().await.unwrap().pop().unwrap();
    let refused = alice.mailbox.encrypt_again(&again).await.unwrap_err();
    assert!(matches!(refused, Error::Signal(SignalError::NoSession(_))), "the old session is done with: {refused}");
    alice.meet(&mut bob).await;
    alice.mailbox.encrypt_again(&again).await.unwrap();
    assert!(alice.mailbox.to_encrypt_again().await.unwrap().is_empty());
    let second = alice.delivered(again.under).await;
    assert_eq!(second.id, again.under);
    assert_eq!(text(&bob, &second).await, "hear, hear");

    let read = alice.mailbox.apply_status(&status(second.id, State::Received, &bob)).await.unwrap();
    assert_eq!((read.changes[0].id, read.changes[0].state), (lost.id, State::Received), "told of the one message");
    let late = alice.mailbox.apply_status(&unreadable).await.unwrap();
    assert!(!late.again && late.changes.is_empty());
    let history = alice.mailbox.history(bob.address(), 10).await.unwrap();
    assert_eq!(history.iter().filter(|message| message.text() == Some("hear, hear")).count(), 1);
}

#[tokio::test]
async fn what_could_not_be_read_twice_is_undeliverable() {
    let (alice, mut bob) = confirmed_pair().await;
    let lost = alice.write(&bob, "lost").await;
    let unreadable = |id| StatusUpdate { code: Some(Code::Undecryptable), ..status(id, State::Undeliverable, &bob) };
    let first = unreadable(lost.id);
    alice.mailbox.apply_status(&first).await.unwrap();
    let again = alice.mailbox.to_encrypt_again().await.unwrap().pop().unwrap();
    let second = unreadable(again.under);
    alice.meet(&mut bob).await;
    alice.mailbox.encrypt_again(&again).await.unwrap();
    // What is told of the first form does not touch the second.
    assert!(alice.mailbox.apply_status(&first).await.unwrap().changes.is_empty());
    let over = alice.mailbox.apply_status(&second).await.unwrap();
    assert!(!over.again);
    assert_eq!((over.changes[0].id, over.changes[0].state), (lost.id, State::Undeliverable));
    assert!(alice.mailbox.to_encrypt_again().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_second_form_of_a_known_message_is_not_shown() {
    let (alice, mut bob) = confirmed_pair().await;
    let first = alice.write(&bob, "once").await;
    assert_eq!(text(&bob, &first).await, "once");
    let unreadable = StatusUpdate { code: Some(Code::Undecryptable), ..status(first.id, State::Undeliverable, &bob) };
    alice.mailbox.apply_status(&unreadable).await.unwrap();
    let again = alice.mailbox.to_encrypt_again().await.unwrap().pop().unwrap();
    alice.meet(&mut bob).await;
    alice.mailbox.encrypt_again(&again).await.unwrap();
    let received = bob.mailbox.receive(&alice.delivered(again.under).await).await.unwrap();
    assert_eq!((received.settled, received.message), (Settled::Received, None));
}

/// Of many that could not be read, the first has a new session built; the others use that one.
#[tokio::test]
async fn one_claim_serves_all_that_could_not_be_read() {
    let (alice, mut bob) = confirmed_pair().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(alice.write(&bob, &n.to_string()).await.id);
    }
    let unreadable = |id| StatusUpdate { code: Some(Code::Undecryptable), ..status(id, State::Undeliverable, &bob) };
    alice.mailbox.apply_status(&unreadable(ids[0])).await.unwrap();
    // What is written now stands behind what goes out again.
    let late = alice.mailbox.compose(bob.address(), "5").await.unwrap();
    let claimed = bob.claim();
    alice.mailbox.learn_bundle(bob.address(), &claimed).await.unwrap();
    let mut waiting = alice.mailbox.to_encrypt_again().await.unwrap();
    assert_eq!(waiting.iter().map(|again| again.message).collect::<Vec<_>>(), [ids[0], late]);
    let unreadable = |id| StatusUpdate { code: Some(Code::Undecryptable), ..status(id, State::Undeliverable, &bob) };
    for id in &ids[1..] {
        alice.mailbox.apply_status(&unreadable(*id)).await.unwrap();
    }
    waiting.clear();
    waiting.extend(alice.mailbox.to_encrypt_again().await.unwrap());
    for again in &waiting {
        alice.mailbox.encrypt_again(again).await.unwrap();
    }
    assert_eq!(waiting.len(), 6, "with one claim");
    for again in &waiting {
        text(&bob, &alice.delivered(again.under).await).await;
    }
}

#[tokio::test]
async fn what_was_for_other_devices_is_encrypted_again_under_its_id() {
    let (alice, mut bob) = confirmed_pair().await;
    let id = alice.mailbox.compose(bob.address(), "for your new device").await.unwrap();
    for _ in 0..5 {
        assert_eq!(alice.mailbox.fail(id, Code::DeviceMismatch).await.unwrap(), Failed::Again);
        assert!(alice.mailbox.outbox(0, 100).await.unwrap().iter().all(|(_, outgoing)| outgoing.id != id));
        let again = alice.mailbox.to_encrypt_again().await.unwrap().pop().unwrap();
        assert_eq!((again.message, again.under), (id, id));
        alice.meet(&mut bob).await;
        alice.mailbox.encrypt_again(&again).await.unwrap();
    }
    assert_eq!(text(&bob, &alice.delivered(id).await).await, "for your new device");
    // A homeserver that never agrees is not argued with for ever: once more under another id, then it is over.
    assert_eq!(alice.mailbox.fail(id, Code::DeviceMismatch).await.unwrap(), Failed::Again);
    let again = alice.mailbox.to_encrypt_again().await.unwrap().pop().unwrap();
    assert_ne!(again.under, id);
    alice.meet(&mut bob).await;
    alice.mailbox.encrypt_again(&again).await.unwrap();
    assert!(matches!(alice.mailbox.fail(again.under, Code::DeviceMismatch).await.unwrap(), Failed::For(_)));
}

#[tokio::test]
async fn a_restored_homeserver_gets_everything_again() {
    let (alice, bob) = confirmed_pair().await;
    let (before, after) = (Uuid::now_v7(), Uuid::now_v7());
    alice.mailbox.greet(before).await.unwrap();
    let id = alice.mailbox.compose(bob.address(), "hello").await.unwrap();
    alice.mailbox.apply_status(&status(id, State::Sent, &bob)).await.unwrap();
    let sent = async || alice.mailbox.outbox(0, 100).await.unwrap().iter().filter(|(_, o)| o.sent).count();
    alice.mailbox.greet(before).await.unwrap();
    assert_eq!(sent().await, 1);
    alice.mailbox.greet(after).await.unwrap();
    assert_eq!(sent().await, 0);
    // Taken again, it is not sent a third time.
    let again = alice.mailbox.apply_status(&status(id, State::Sent, &bob)).await.unwrap();
    assert!(again.changes.is_empty());
    assert_eq!(sent().await, 1);
}

#[tokio::test]
async fn another_restored_server_gets_what_is_its_own_again_once() {
    let (alice, bob) = confirmed_pair().await;
    let carol = Party::new("carol@three.example").await;
    alice.mailbox.learn_bundle(carol.address(), &bundle(&carol.upload, Some(0))).await.unwrap();
    let sent = async |to: &Party| {
        let id = alice.mailbox.compose(to.address(), "hello").await.unwrap();
        alice.mailbox.apply_status(&status(id, State::Sent, to)).await.unwrap();
    };
    let waiting = async |to: &Party| {
        let outbox = alice.mailbox.outbox(0, 100).await.unwrap();
        outbox.iter().filter(|(_, outgoing)| outgoing.receiver == *to.address() && !outgoing.sent).count()
    };
    sent(&carol).await;
    let first = waiting(&bob).await;
    sent(&bob).await;
    let peer = PeerIncarnation { server: bob.address().server.clone(), incarnation: Uuid::now_v7() };
    assert!(alice.mailbox.peer_greets(&peer).await.unwrap());
    assert_eq!((waiting(&bob).await, waiting(&carol).await), (first + 1, 0));
    assert!(!alice.mailbox.peer_greets(&peer).await.unwrap());
    let stranger = PeerIncarnation { server: "four.example".parse().unwrap(), ..peer };
    assert!(!alice.mailbox.peer_greets(&stranger).await.unwrap());
}

#[tokio::test]
async fn new_keys_lose_nothing_that_was_written_before() {
    let (alice, bob) = confirmed_pair().await;
    let message = alice.write(&bob, "written under the old keys").await;
    alice.mailbox.install().await.unwrap();
    let outbox = alice.mailbox.outbox(0, 100).await.unwrap();
    assert!(outbox.iter().any(|(_, outgoing)| outgoing.id == message.id));
    assert_eq!(text(&bob, &message).await, "written under the old keys");
}

#[tokio::test]
async fn a_message_too_long_changes_nothing() {
    let (alice, bob) = confirmed_pair().await;
    let refused = alice.mailbox.compose(bob.address(), &"x".repeat(150_000)).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge), "{refused}");
    assert!(matches!(alice.mailbox.compose(alice.address(), "me").await.unwrap_err(), Error::OwnAddress));
    assert_eq!(text(&bob, &alice.write(&bob, "short").await).await, "short");
}

#[tokio::test]
async fn nothing_secret_is_in_debug() {
    let (alice, bob) = pair().await;
    let message = alice.write(&bob, "a very secret text").await;
    let received = bob.mailbox.receive(&message).await.unwrap();
    let outbox = alice.mailbox.outbox(0, 10).await.unwrap();
    let shown = format!("{received:?} {outbox:?} {:?} {message:?}", alice.mailbox);
    assert!(!shown.contains("very secret"), "{shown}");
    assert!(!shown.contains(message.content.as_str()), "{shown}");

    let secret = || Some("secret".to_owned());
    let registration = Registration { name: "alice".into(), password: "secret".into(), invite: secret() };
    let credentials =
        Credentials { name: "alice".into(), password: "secret".into(), totp: secret(), recovery_code: secret() };
    let unlocks = [Unlock::Key(*b"secretsecretsecretsecretsecret!!"), Unlock::Passphrase("secret".into())];
    let shown = format!("{registration:?} {credentials:?} {unlocks:?}");
    assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
}
