//! Two homeserver processes exchange messages and statuses: over HTTP and over HTTPS, found where a setting says and by
//! name, on both databases.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "federation_process/people.rs"]
mod people;
mod process;

use people::{Correspondent, meet};
use process::{Kind, Pair, Person, Transport, User};

on_both_databases!(
    over_http,
    over_https,
    by_name,
    with_the_terminal_client_over_http,
    with_the_terminal_client_by_name,
);

async fn over_http(kind: Kind) {
    exchange(kind, Transport::Http).await;
}

async fn over_https(kind: Kind) {
    exchange(kind, Transport::Https).await;
}

async fn by_name(kind: Kind) {
    exchange(kind, Transport::ByName).await;
}

async fn exchange(kind: Kind, transport: Transport) {
    let Some(mut pair) = Pair::start(kind, transport, &[]).await else { return };
    let (alice, bob) = (Person::register(&pair.one, "alice").await, Person::register(&pair.two, "bob").await);
    meet(&alice, &bob).await;
    both_online(&alice, &bob).await;
    both_online(&bob, &alice).await;
    receiver_offline(&alice, &bob).await;
    receiver_offline(&bob, &alice).await;
    let (alice, bob) = homeserver_down(&mut pair, alice, bob).await;
    both_online(&bob, &alice).await;
    for server in [&pair.one, &pair.two] {
        for table in ["federation_outbox", "pending_messages", "message_statuses"] {
            server.database.wait_for_rows(table, 0).await;
        }
    }
}

/// Each tick comes: `received`, perhaps after `sent`, then `read`.
async fn both_online(sender: &Person, receiver: &Person) {
    let (mut from, mut to) = (Correspondent::connect(sender).await, Correspondent::connect(receiver).await);
    let sent = from.write_many(receiver, 20).await;
    let read = to.receive(&sender.address(), &sent).await;
    from.told(&receiver.address(), &sent, "received").await;
    to.read(&sender.address(), &read).await;
    from.told(&receiver.address(), &sent, "read").await;
}

/// The receiver comes after the sender has gone, and the sender is told when it is back.
async fn receiver_offline(sender: &Person, receiver: &Person) {
    let mut from = Correspondent::connect(sender).await;
    let sent = from.write_many(receiver, 100).await;
    from.told(&receiver.address(), &sent, "sent").await;
    drop(from);
    Correspondent::connect(receiver).await.receive(&sender.address(), &sent).await;
    Correspondent::connect(sender).await.told(&receiver.address(), &sent, "received").await;
}

/// The receiver's homeserver is away. What was written meanwhile survives a SIGKILL of the sender's.
async fn homeserver_down(pair: &mut Pair, mut alice: Person, mut bob: Person) -> (Person, Person) {
    let mut from = Correspondent::connect(&alice).await;
    pair.two.stop();
    let sent = from.write_many(&bob, 50).await;
    from.told(&bob.address(), &sent, "sent").await;
    drop(from);
    pair.one.kill();
    pair.one.restart();
    alice.renew(&pair.one).await;
    pair.two.restart();
    bob.renew(&pair.two).await;
    Correspondent::connect(&bob).await.receive(&alice.address(), &sent).await;
    Correspondent::connect(&alice).await.told(&bob.address(), &sent, "received").await;
    (alice, bob)
}

async fn with_the_terminal_client_over_http(kind: Kind) {
    with_the_terminal_client(kind, Transport::Http).await;
}

async fn with_the_terminal_client_by_name(kind: Kind) {
    with_the_terminal_client(kind, Transport::ByName).await;
}

async fn with_the_terminal_client(kind: Kind, transport: Transport) {
    let Some(pair) = Pair::start(kind, transport, &[]).await else { return };
    tokio::task::block_in_place(|| {
        let (alice, bob) = (User::register(&pair.one, "alice"), User::register(&pair.two, "bob"));
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            write_to(from, to);
        }
        let history = alice.history(&bob);
        let said = history.iter().filter(|line| line.get("text").is_some()).collect::<Vec<_>>();
        assert_eq!(said.len(), 4, "{history:?}");
        assert!(said[..2].iter().all(|line| line["state"] == "received"), "{history:?}");
    });
    for server in [&pair.one, &pair.two] {
        server.database.wait_for_rows("federation_outbox", 0).await;
        server.database.wait_for_rows("pending_messages", 0).await;
    }
}

/// To somebody who is online, then to the same one offline.
fn write_to(from: &User, to: &User) {
    let mut listener = to.listen(&["--count", "1"]);
    listener.line("drained");
    assert_eq!(from.send(to, "hello over there", "received")["state"], "received");
    let message = listener.line("message");
    assert_eq!(
        (message["text"].as_str(), message["sender"].as_str()),
        (Some("hello over there"), Some(&*from.address()))
    );
    listener.succeed();

    assert_eq!(from.send(to, "until later", "sent")["state"], "sent");
    let mut listener = to.listen(&["--count", "1"]);
    assert_eq!(listener.line("message")["text"], "until later");
    listener.succeed();
    // The sender is told when it is there again.
    from.listen_for("1", &[]);
}
