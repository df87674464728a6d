//! A homeserver that is put back from a backup: what it had taken and not delivered is gone, and comes again.

use std::time::Duration;

use homeserver::{service::peers, store::Store};
use serde_json::json;
use uuid::Uuid;

use super::{
    faulty::{Faulty, Watched},
    people::{BOB, status_of},
    proxy::Mode,
};
use crate::common::{Home, Socket, say};

/// Messages that are lost with the database.
const LOST: usize = 5;

/// What the home's database is now, for [`put_back`]. Nothing on PostgreSQL, where the same is done by changing rows.
async fn back_up(home: &Home) {
    if let Store::Sqlite { write, .. } = &home.app.store {
        let text = format!("VACUUM INTO '{}'", home.database_file().with_extension("backup").display());
        sqlx::query(sqlx::AssertSqlSafe(text)).execute(write).await.unwrap();
    }
}

/// Stops the home and starts it on the older database, under a new incarnation.
async fn put_back(home: &mut Home) {
    if home.is_postgres() {
        home.execute("DELETE FROM pending_messages").await;
        home.execute("DELETE FROM pending_shares").await;
        home.execute("DELETE FROM federation_transactions").await;
    }
    home.stop().await;
    if !home.is_postgres() {
        let file = home.database_file();
        for ending in ["-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{ending}", file.display())));
        }
        std::fs::copy(file.with_extension("backup"), file).unwrap();
    }
    let admin = home.admin().await;
    let text = format!("UPDATE server SET value = '{}' WHERE key = 'incarnation'", Uuid::new_v4());
    match &admin.store {
        Store::Sqlite { write, .. } => drop(sqlx::query(sqlx::AssertSqlSafe(text)).execute(write).await.unwrap()),
        Store::Postgres(pool) => drop(sqlx::query(sqlx::AssertSqlSafe(text)).execute(pool).await.unwrap()),
    }
    admin.store.close().await;
    home.start_again().await;
}

#[tokio::test]
async fn what_a_restored_homeserver_had_taken_is_sent_again() {
    for mut faulty in Faulty::both().await {
        let (mut a, b) = faulty.chat().await;
        drop(b);
        back_up(&faulty.pair.two).await;
        let mut lost = Vec::new();
        for _ in 0..LOST {
            lost.push(a.say_soon(BOB).await);
        }
        while peers::list(&faulty.pair.one.app).await.unwrap()[0].waiting > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What waits at the one is not lost.
        faulty.to_two.set(Mode::Refuse);
        let kept = a.say_soon(BOB).await;
        put_back(&mut faulty.pair.two).await;
        faulty.to_two.lead_to(&faulty.pair.two);
        faulty.to_two.set(Mode::Pass);
        faulty.pair.clock.advance(5_000);

        let told = a.socket.next_with("peerIncarnation").await;
        let incarnation = json!(faulty.pair.two.app.incarnation);
        assert_eq!(told["peerIncarnation"], json!({"server": "two.example", "incarnation": incarnation}));
        for _ in 0..2 {
            // Also who was away hears of it, each time.
            let alice = faulty.pair.one.log_in("alice").await;
            a = Watched::new(Socket::open(&faulty.pair.one, &alice).await);
            assert_eq!(a.socket.next_with("peerIncarnation").await["peerIncarnation"]["incarnation"], incarnation);
        }
        let after = say(&mut a.socket, BOB, "aGk=").await;
        status_of(&mut a.socket, after, "sent").await;
        for id in lost.iter().chain([&kept]) {
            a.socket.send(&json!({"id": id, "receiver": BOB, "kind": "message", "content": "aGk="})).await;
        }
        let bob = faulty.pair.two.log_in("bob").await;
        let mut b = Watched::new(Socket::open(&faulty.pair.two, &bob).await);
        let all = [&lost[..], &[kept, after]].concat();
        for id in &all {
            a.told.insert(*id, "sent".to_owned());
        }
        while !all.iter().all(|id| a.is_told(*id, "received") && b.shown.contains(id)) {
            faulty.pair.clock.advance(1_000);
            a.take_for(Duration::from_millis(50)).await;
            b.take_for(Duration::from_millis(50)).await;
        }
        assert_eq!(b.shown.len(), all.len(), "nothing else");
        b.is_in_order(&lost);
    }
}
