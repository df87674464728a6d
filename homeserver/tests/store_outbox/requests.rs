//! What is remembered of other homeservers' requests.

use homeserver::store::{WriteOp, WriteResult};
use missive_wire::Timestamp;

use crate::{database::Kind, on_both, rig::Rig};

on_both!(a_nonce_is_admitted_once, the_first_answer_stays);

fn admit(origin: &str, nonce: u32, expires_at: i64) -> WriteOp {
    let expires_at = Timestamp::from_millis(expires_at);
    WriteOp::Admit { origin: origin.parse().unwrap(), nonce: format!("nonce {nonce}"), expires_at }
}

fn keep(id: &str, results: &str, at: i64) -> WriteOp {
    WriteOp::KeepAnswer {
        origin: "two.example".parse().unwrap(),
        id: id.to_owned(),
        digest: b"digest".to_vec(),
        results: results.to_owned(),
        at: Timestamp::from_millis(at),
    }
}

fn done(results: &[WriteResult]) -> Vec<u64> {
    results
        .iter()
        .map(|result| if let WriteResult::Done(rows) = result { *rows } else { panic!("{result:?}") })
        .collect()
}

async fn a_nonce_is_admitted_once(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let other = rig.other_writer().await;
    for round in 0..20 {
        // In another order each, and each twice in one batch.
        let ops = |reversed: bool| {
            let mut ops = (0..10).map(|n| admit("two.example", round * 10 + n, 10)).collect::<Vec<_>>();
            if reversed {
                ops.reverse();
            }
            [ops.clone(), ops].concat()
        };
        let (one, two, three, four) = tokio::join!(
            rig.writer.write(ops(false)),
            other.write(ops(true)),
            rig.writer.write(ops(true)),
            other.write(ops(false))
        );
        let all = [one, two, three, four].map(|written| done(&written.unwrap().results));
        assert_eq!(all.iter().flatten().sum::<u64>(), 10, "round {round}: {all:?}");
    }
    assert_eq!(done(&rig.write(vec![admit("two.example", 1, 99), admit("three.example", 1, 99)]).await), [0, 1]);
    rig.write((1_000..3_500).map(|n| admit("two.example", n, 9)).collect()).await;
    let (now, day_ago) = (Timestamp::from_millis(9), Timestamp::from_millis(0));
    assert_eq!(rig.store.purge_federation(now, day_ago, day_ago).await.unwrap(), 2_500);
    assert_eq!(done(&rig.write(vec![admit("two.example", 1_000, 99), admit("two.example", 1, 99)]).await), [1, 0]);
}

async fn the_first_answer_stays(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let origin = "two.example".parse().unwrap();
    assert_eq!(rig.store.answered(&origin, "a").await.unwrap(), None);
    assert_eq!(done(&rig.write(vec![keep("a", "[1]", 5), keep("a", "[2]", 5), keep("b", "[3]", 6)]).await), [1, 0, 1]);
    assert_eq!(done(&rig.write(vec![keep("a", "[4]", 7)]).await), [0]);
    assert_eq!(rig.store.answered(&origin, "a").await.unwrap(), Some((b"digest".to_vec(), "[1]".to_owned())));
    assert_eq!(rig.store.answered(&"three.example".parse().unwrap(), "a").await.unwrap(), None);
    rig.store
        .purge_federation(Timestamp::from_millis(0), Timestamp::from_millis(6), Timestamp::from_millis(0))
        .await
        .unwrap();
    assert_eq!(rig.store.answered(&origin, "a").await.unwrap(), None);
    assert!(rig.store.answered(&origin, "b").await.unwrap().is_some());
}
