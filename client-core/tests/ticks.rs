//! Statuses from anybody, in any order, about anything: what is shown is what the message's receiver has said.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use client_core::wire::{Code, MessageId, State, StatusUpdate};
use common::{Party, bundle};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// A status frame.
#[derive(Debug, Clone)]
struct Said {
    /// Whether the message's receiver says it, and not somebody else.
    genuine: bool,
    /// Whether it is about the form that the message was encrypted into last.
    newest: bool,
    state: State,
    code: Option<Code>,
}

/// What should be shown.
#[derive(Debug, Default)]
struct Model {
    state: Option<State>,
    code: Option<Code>,
    again: bool,
}

impl Model {
    fn hear(&mut self, said: &Said) {
        let rises = self.state.is_none_or(|known| known < said.state);
        let old_form = self.again && !said.newest;
        if !said.genuine || !rises || (old_form && said.state == State::Undeliverable) {
            return;
        }
        let unreadable = matches!(said.code, Some(Code::Undecryptable | Code::DeviceMismatch));
        if said.state == State::Undeliverable && unreadable && !self.again {
            self.again = true;
            return;
        }
        self.state = Some(said.state);
        self.code = said.code.filter(|_| said.state == State::Undeliverable);
    }
}

fn said() -> impl Strategy<Value = Said> {
    let state = prop_oneof![Just(State::Sent), Just(State::Undeliverable), Just(State::Received), Just(State::Read),];
    let code = prop_oneof![
        Just(None),
        Just(Some(Code::Undecryptable)),
        Just(Some(Code::DeviceMismatch)),
        Just(Some(Code::Expired)),
        Just(Some(Code::Refused)),
    ];
    (prop::bool::weighted(0.6), any::<bool>(), state, code).prop_map(|(genuine, newest, state, code)| Said {
        genuine,
        newest,
        state,
        code,
    })
}

#[test]
fn no_false_tick_is_shown_whatever_is_said() {
    let runtime = Runtime::new().unwrap();
    let (alice, bob) =
        runtime.block_on(async { (Party::new("alice@one.example").await, Party::new("bob@two.example").await) });
    let strangers = ["bob@one.example", "mallory@two.example", "alice@one.example", "b0b@two.example"];
    let mut runner = TestRunner::new(ProptestConfig::with_cases(150));
    runner
        .run(&(prop::collection::vec(said(), 1..12), any::<prop::sample::Index>()), |(all, stranger)| {
            runtime.block_on(async {
                // Its sessions may be done with after the case before.
                let claimed = bundle(&bob.upload, None);
                alice.mailbox.learn_bundle(bob.address(), &claimed).await.unwrap();
                let id = alice.mailbox.compose(bob.address(), "hello").await.unwrap();
                let mut model = Model::default();
                let mut newest = id;
                for said in &all {
                    let sender =
                        if said.genuine { bob.address().clone() } else { stranger.get(&strangers).parse().unwrap() };
                    let about = if said.newest { newest } else { id };
                    let update = StatusUpdate {
                        message_id: Some(about),
                        message_ids: vec![Uuid::now_v7()],
                        state: said.state,
                        sender,
                        code: said.code,
                    };
                    model.hear(said);
                    let applied = alice.mailbox.apply_status(&update).await.unwrap();
                    assert!(said.genuine || applied.changes.is_empty());
                    newest = encrypt_again(&alice, &bob, id).await.unwrap_or(newest);
                }
                let shown = alice.mailbox.history(bob.address(), 1).await.unwrap().pop().unwrap();
                prop_assert_eq!((shown.id, shown.state, shown.code), (id, model.state, model.code));
                // Nothing is left behind for the next case.
                let over = StatusUpdate {
                    message_id: Some(newest),
                    message_ids: Vec::new(),
                    state: State::Read,
                    sender: bob.address().clone(),
                    code: None,
                };
                alice.mailbox.apply_status(&over).await.unwrap();
                prop_assert!(alice.mailbox.outbox(0, 10).await.unwrap().is_empty());
                Ok(())
            })
        })
        .unwrap();
}

/// The id of the form that a message has been encrypted into again.
async fn encrypt_again(alice: &Party, bob: &Party, id: MessageId) -> Option<MessageId> {
    let again = alice.mailbox.to_encrypt_again().await.unwrap().pop()?;
    assert_eq!(again.message, id);
    alice.mailbox.learn_bundle(bob.address(), &bundle(&bob.upload, None)).await.unwrap();
    alice.mailbox.encrypt_again(&again).await.unwrap();
    Some(again.under)
}
