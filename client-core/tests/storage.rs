//! The encrypted file: what a thief sees, what a crash leaves, who may open it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use client_core::{
    Clock, Error, Mailbox, Namespace, Settled, Storage, StorageError, Unlock, WrappedBy, locks, wire::Address,
};
use common::{KEY, Party, mailbox};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, sqlite::SqliteConnectOptions};

async fn open(home: &Path, address: &Address, unlock: &Unlock) -> Result<Storage, StorageError> {
    Storage::open(&Namespace::find(home, address, unlock).await?, Duration::from_millis(100)).await
}

/// The one directory of an account in `home`.
fn directory(home: &Path) -> PathBuf {
    let mut all = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let found = all.next().unwrap();
    assert_eq!(all.next(), None);
    found
}

async fn sql(party: &Party, text: &'static str) {
    let path = directory(party.home.path()).join("store.db");
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    connection.execute(text).await.unwrap();
    connection.close().await.unwrap();
}

fn files(home: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(home).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap()));
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn a_stolen_copy_tells_no_text_name_or_key() {
    let (alice, mut bob) = (Party::new("alicesname@one.example").await, Party::new("bobsname@two.example").await);
    alice.meet(&mut bob).await;
    let message = alice.write(&bob, "the eagle has landed").await;
    bob.mailbox.receive(&message).await.unwrap();
    let answer = bob.write(&alice, "the eagle has understood").await;
    alice.mailbox.receive(&answer).await.unwrap();

    let copy = files(alice.home.path());
    assert!(copy.iter().any(|(name, _)| name.ends_with("store.db")));
    let identity = alice.upload.identity_key.as_ref().unwrap().0.as_slice();
    let id = message.id.to_string();
    for (name, bytes) in &copy {
        for secret in [
            b"eagle".as_slice(),
            b"alicesname",
            b"one.example",
            b"bobsname",
            b"two.example",
            &identity[1..],
            &KEY,
            id.as_bytes(),
        ] {
            let found = contains(bytes, secret) || contains(name.as_bytes(), secret);
            assert!(!found, "{name} contains {:?}", String::from_utf8_lossy(secret));
        }
        assert!(!contains(bytes, message.id.as_bytes()), "{name} contains a message's id");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let alice = Party::new("alice@one.example").await;
    let directory = directory(alice.home.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let home = tempfile::tempdir().unwrap();
    let address: Address = "alice@one.example".parse().unwrap();
    drop(common::storage(home.path(), &address, &Unlock::Key(KEY)).await);
    let wrong = open(home.path(), &address, &Unlock::Key([8; 32])).await.unwrap_err();
    assert!(matches!(wrong, StorageError::WrongKey), "{wrong}");
    let other = open(home.path(), &address, &Unlock::Passphrase("x".to_owned().into())).await.unwrap_err();
    assert!(matches!(other, StorageError::OtherLock(WrappedBy::Key)), "{other}");
    open(home.path(), &address, &Unlock::Key(KEY)).await.unwrap();
}

#[tokio::test]
async fn a_passphrase_opens_it_and_another_does_not() {
    let home = tempfile::tempdir().unwrap();
    let address: Address = "alice@one.example".parse().unwrap();
    let passphrase = |text: &str| Unlock::Passphrase(text.to_owned().into());
    drop(common::storage(home.path(), &address, &passphrase("right")).await);
    assert_eq!(locks(home.path()).unwrap(), [WrappedBy::Passphrase]);
    let wrong = open(home.path(), &address, &passphrase("wrong")).await.unwrap_err();
    assert!(matches!(wrong, StorageError::WrongKey), "{wrong}");
    open(home.path(), &address, &passphrase("right")).await.unwrap();
}

/// A typing error must not make a second place for an account: two would be two owners of one device.
#[tokio::test]
async fn an_account_has_one_place() {
    let home = tempfile::tempdir().unwrap();
    let (alice, bob): (Address, Address) = ("alice@one.example".parse().unwrap(), "bob@one.example".parse().unwrap());
    let passphrase = |text: &str| Unlock::Passphrase(text.to_owned().into());
    let first = Namespace::make(home.path(), &alice, &passphrase("right")).await.unwrap();
    assert_eq!(first.address(), &alice);
    Namespace::make(home.path(), &alice, &passphrase("right")).await.unwrap();
    let wrong = Namespace::make(home.path(), &alice, &passphrase("wrong")).await.unwrap_err();
    assert!(matches!(&wrong, StorageError::MayBeHere(why) if matches!(**why, StorageError::WrongKey)), "{wrong}");
    let other = Namespace::make(home.path(), &alice, &Unlock::Key(KEY)).await.unwrap_err();
    let is_other = |why: &StorageError| matches!(why, StorageError::OtherLock(WrappedBy::Passphrase));
    assert!(matches!(&other, StorageError::MayBeHere(why) if is_other(why)), "{other}");
    assert_eq!(locks(home.path()).unwrap().len(), 1);
    // An account that is certain to be new may be closed with something else, and opens beside the first.
    Namespace::make_new(home.path(), &bob, &Unlock::Key(KEY)).await.unwrap();
    Namespace::find(home.path(), &bob, &Unlock::Key(KEY)).await.unwrap();
    Namespace::find(home.path(), &alice, &passphrase("right")).await.unwrap();
    // One that is damaged is no reason not to open the others.
    fs::create_dir(home.path().join("0123456789abcdef0123456789abcdef")).unwrap();
    fs::write(home.path().join("0123456789abcdef0123456789abcdef/key.json"), "not ours").unwrap();
    Namespace::find(home.path(), &bob, &Unlock::Key(KEY)).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_is_private_and_serves_several_accounts() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("key");
    let unlock = Unlock::KeyFile(path.clone());
    let (alice, bob) = ("alice@one.example".parse().unwrap(), "bob@localhost:8080".parse().unwrap());
    drop(common::storage(home.path(), &alice, &unlock).await);
    drop(common::storage(home.path(), &bob, &unlock).await);
    let all = Namespace::all(home.path(), &unlock).await.unwrap();
    assert_eq!(all.iter().map(Namespace::address).collect::<Vec<_>>(), [&alice, &bob]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    open(home.path(), &alice, &unlock).await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = open(home.path(), &alice, &unlock).await.unwrap_err();
    assert!(matches!(refused, StorageError::KeyFile { .. }), "{refused}");
}

/// Of two who make the same key file at once, one is first, and the other takes its key.
#[tokio::test]
async fn a_key_file_is_made_once_and_nothing_beside_it_is_touched() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("my.key");
    fs::write(home.path().join("my.new"), "somebody's").unwrap();
    let unlock = Unlock::KeyFile(path);
    let addresses: Vec<Address> = (0..8).map(|n| format!("a{n}@one.example").parse().unwrap()).collect();
    let made = addresses.iter().map(|address| {
        let (home, address, unlock) = (home.path().to_owned(), address.clone(), unlock.clone());
        tokio::spawn(async move { drop(common::storage(&home, &address, &unlock).await) })
    });
    for task in made.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    for address in &addresses {
        open(home.path(), address, &unlock).await.unwrap();
    }
    assert_eq!(fs::read(home.path().join("my.new")).unwrap(), b"somebody's");
    let left = fs::read_dir(home.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert_eq!(left, 3, "the key, the lock, and what was there before");
}

#[tokio::test]
async fn a_namespace_has_one_owner_and_lets_others_look() {
    let home = tempfile::tempdir().unwrap();
    let (address, unlock) = ("alice@one.example".parse().unwrap(), Unlock::Key(KEY));
    let owner = common::storage(home.path(), &address, &unlock).await;
    let second = open(home.path(), &address, &unlock).await.unwrap_err();
    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
    let namespace = Namespace::find(home.path(), &address, &unlock).await.unwrap();
    assert!(namespace.is_open().unwrap());
    let beside = Storage::beside(&namespace).await.unwrap();
    let refused = Mailbox::open(Arc::new(beside), address.clone(), Clock::system()).await.unwrap_err();
    assert!(matches!(refused, Error::Storage(StorageError::NotOwner)), "{refused}");
    drop(owner);
    assert!(!namespace.is_open().unwrap());
    open(home.path(), &address, &unlock).await.unwrap();
    let nobody = "nobody@one.example".parse().unwrap();
    assert!(matches!(open(home.path(), &nobody, &unlock).await, Err(StorageError::NoSuchAccount)));
}

/// A write that fails late, as if the process had died there.
const FAIL_AT_MESSAGE: &str = "CREATE TRIGGER injected BEFORE INSERT ON rows WHEN NEW.kind = 10
    BEGIN SELECT RAISE(ABORT, 'injected'); END";

#[tokio::test]
async fn a_failed_receive_leaves_the_ratchet_as_it_was() {
    let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    alice.meet(&mut bob).await;
    for text in ["the first, which builds the session", "the second"] {
        let message = alice.write(&bob, text).await;
        sql(&bob, FAIL_AT_MESSAGE).await;
        let failed = bob.mailbox.receive(&message).await.unwrap_err();
        assert!(matches!(failed, Error::Storage(StorageError::Database(_))), "{failed}");
        sql(&bob, "DROP TRIGGER injected").await;
        let received = bob.mailbox.receive(&message).await.unwrap();
        assert_eq!(received.settled, Settled::Received);
        assert_eq!(received.message.unwrap().text(), Some(text));
    }
}

#[tokio::test]
async fn a_failed_compose_leaves_the_ratchet_as_it_was() {
    let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    alice.meet(&mut bob).await;
    sql(&alice, FAIL_AT_MESSAGE).await;
    alice.mailbox.compose(bob.address(), "lost").await.unwrap_err();
    assert!(alice.mailbox.outbox(0, 10).await.unwrap().is_empty());
    sql(&alice, "DROP TRIGGER injected").await;
    let message = alice.write(&bob, "kept").await;
    assert_eq!(bob.mailbox.receive(&message).await.unwrap().message.unwrap().text(), Some("kept"));
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    alice.meet(&mut bob).await;
    let first = alice.write(&bob, "before").await;
    let Party { mailbox: old, home, .. } = alice;
    let address = old.own().clone();
    drop(old);
    let again = mailbox(home.path(), "alice@one.example").await;
    bob.mailbox.receive(&first).await.unwrap();
    let id = again.compose(bob.address(), "after").await.unwrap();
    let outbox = again.outbox(0, 10).await.unwrap();
    assert_eq!(outbox.len(), 2);
    assert_eq!(outbox[1].1.id, id);
    let second = common::deliver(&address, &outbox[1].1);
    assert_eq!(bob.mailbox.receive(&second).await.unwrap().message.unwrap().text(), Some("after"));
    assert_eq!(again.history(bob.address(), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_row_moved_to_another_place_does_not_open() {
    let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    alice.meet(&mut bob).await;
    for text in ["one", "two"] {
        alice.mailbox.compose(bob.address(), text).await.unwrap();
    }
    sql(
        &alice,
        "UPDATE rows SET body = (SELECT body FROM rows WHERE kind = 10 ORDER BY position DESC LIMIT 1) WHERE position =
         (SELECT position FROM rows WHERE kind = 10 ORDER BY position LIMIT 1)",
    )
    .await;
    let damaged = alice.mailbox.history(bob.address(), 10).await.unwrap_err();
    assert!(matches!(damaged, Error::Storage(StorageError::Damaged(_))), "{damaged}");
}
