//! What homeservers elsewhere are told of their users' messages: in the commit that settles those.

use homeserver::{
    model::MessageSelector,
    store::{WriteOp, WriteResult},
};
use missive_wire::{Code, DeviceId, Envelope, KeyUpload, State, StatusEnvelope, Transaction};
use uuid::Uuid;

use crate::{
    database::Kind,
    on_both,
    rig::{Rig, account, address, device, id, now, store_from},
};

on_both!(
    a_settled_message_leaves_one_status,
    a_revoked_account_tells_everyone,
    a_deleted_account_tells_everyone,
    an_account_that_starts_over_tells_everyone,
);

fn read(json: &str) -> StatusEnvelope {
    let body = Transaction::body([json]);
    let envelope = Transaction::read(&body).unwrap().envelopes(&body).remove(0).unwrap();
    let Envelope::Status(status) = envelope else { panic!("{envelope:?}") };
    status
}

async fn a_settled_message_leaves_one_status(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let settle = || WriteOp::Settle {
        device: device(0),
        receiver: address(0),
        which: MessageSelector::Triple("bob@two.example".parse().unwrap(), DeviceId::FIRST, id(1)),
        state: State::Undeliverable,
        code: Some(Code::Refused),
    };
    rig.write(vec![store_from(0, "bob@two.example", 1)]).await;
    let before = rig.share(0, "@two.example").await.unwrap();
    let other = rig.other_writer().await;
    let (one, two) = tokio::join!(rig.writer.write(vec![settle(), settle()]), other.write(vec![settle()]));
    let settled = one.unwrap().results.into_iter().chain(two.unwrap().results);
    let rows = settled.flat_map(|result| if let WriteResult::Settled(rows) = result { rows } else { Vec::new() });
    let rows = rows.collect::<Vec<_>>();
    assert_eq!((rows.len(), rows[0].sender), (1, None));
    assert_eq!(rows[0].elsewhere, Some("bob@two.example".parse().unwrap()));
    let envelopes = rig.envelopes("two.example").await;
    let wanted = StatusEnvelope {
        message_ids: vec![id(1)],
        state: State::Undeliverable,
        code: Some(Code::Refused),
        sender: address(0),
        receiver: "bob@two.example".parse().unwrap(),
        receiver_device: DeviceId::FIRST,
    };
    assert_eq!(envelopes.iter().map(|json| read(json)).collect::<Vec<_>>(), [wanted]);
    assert_eq!(rig.share(0, "@two.example").await.unwrap().0, before.0, "it takes the place of the message");
    // A member of this homeserver whose account is no more is not somebody elsewhere.
    rig.write(vec![store_from(0, "gone@one.example", 2)]).await;
    let which = MessageSelector::Id(id(2));
    rig.write(vec![WriteOp::Settle {
        device: device(0),
        receiver: address(0),
        which,
        state: State::Received,
        code: None,
    }])
    .await;
    assert_eq!(rig.store.outbox_destinations().await.unwrap().len(), 1);
}

/// Three messages for an account that closes.
async fn leave_messages(rig: &Rig) {
    let senders = ["bob@two.example", "bob@two.example", "dora@three.example"];
    rig.write((1..).zip(senders).map(|(number, sender)| store_from(0, sender, number)).collect()).await;
}

async fn check_told(rig: &Rig) {
    for (server, ids) in [("two.example", vec![id(1), id(2)]), ("three.example", vec![id(3)])] {
        let statuses = rig.envelopes(server).await.iter().map(|json| read(json)).collect::<Vec<_>>();
        assert_eq!(statuses.iter().flat_map(|one| one.message_ids.clone()).collect::<Vec<_>>(), ids, "in their order");
        let gone = |one: &StatusEnvelope| (one.state, one.code) == (State::Undeliverable, Some(Code::ReceiverGone));
        assert!(statuses.iter().all(gone), "{statuses:?}");
    }
    assert_eq!(rig.database.rows("pending_messages").await, 0);
}

async fn a_revoked_account_tells_everyone(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    leave_messages(&rig).await;
    rig.store.revoke_account(account(0), &address(0), now()).await.unwrap().unwrap();
    check_told(&rig).await;
    assert_eq!(rig.share(0, "@two.example").await.unwrap().0, 2);
}

async fn a_deleted_account_tells_everyone(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    leave_messages(&rig).await;
    rig.store.delete_account(account(0), &address(0), b"alice", now()).await.unwrap().unwrap();
    check_told(&rig).await;
    let all = rig.waiting("two.example").await;
    let results = rig.write(all.into_iter().map(|row| WriteOp::Dequeue { row, status: None }).collect()).await;
    assert!(matches!(results[..], [WriteResult::Done(1), WriteResult::Done(1)]), "{results:?}");
}

async fn an_account_that_starts_over_tells_everyone(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    leave_messages(&rig).await;
    let keys = (&b"another"[..], &KeyUpload::default(), &b"hash"[..]);
    rig.store.start_over(device(0), Uuid::nil(), &address(0), keys, now()).await.unwrap().unwrap();
    check_told(&rig).await;
}
