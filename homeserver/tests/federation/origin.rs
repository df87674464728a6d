//! A homeserver that signs what it should not: its transactions are refused as a whole, or by the envelope.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    draft::{Answer, Draft},
    peer::{Peer, homes},
};
use crate::common::{Home, Person, Socket};

const ALICE: &str = "alice@one.example";
const BOB: &str = "bob@two.example";

/// Homes that know the signing `two.example`, each with an Alice whose device has the registration id 7.
async fn with_alice(peer: &Peer, settings: &[&str]) -> Vec<(Home, Person)> {
    let mut all = Vec::new();
    for home in homes(&[peer], settings).await {
        let alice = home.register_with("alice", &json!({"registrationId": 7})).await;
        all.push((home, alice));
    }
    all
}

fn message(home: &Home, other: &Value) -> Value {
    let mut members = json!({
        "id": Uuid::new_v4(), "sender": BOB, "senderDevice": 1, "receiver": ALICE, "kind": "message", "content": "aGk=",
        "sentAt": home.now(),
    });
    put(&mut members, other);
    json!({ "message": members })
}

fn status(other: &Value) -> Value {
    let mut members = json!({"messageId": Uuid::new_v4(), "state": "received", "sender": BOB, "receiver": ALICE});
    put(&mut members, other);
    json!({ "status": members })
}

/// Members in place of others; null takes one away.
fn put(members: &mut Value, other: &Value) {
    let members = members.as_object_mut().unwrap();
    members.extend(other.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
}

fn transaction(home: &Home, id: &str, body: Vec<u8>) -> Draft {
    Draft { body, ..Draft::to(home, "POST", &format!("/federation/v1/transactions/{id}")) }
}

async fn send(home: &Home, id: &str, envelopes: &[Value]) -> Answer {
    let answer = transaction(home, id, json!({ "envelopes": envelopes }).to_string().into_bytes()).send(home).await;
    assert!(answer.signed, "{answer:?}");
    answer
}

/// The results of a transaction of its own.
async fn results(home: &Home, envelopes: &[Value]) -> Vec<Value> {
    let answer = send(home, &Uuid::new_v4().to_string(), envelopes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["data"]["incarnation"], json!(home.app.incarnation));
    let results = answer.body["data"]["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), envelopes.len());
    results
}

fn accepted() -> Value {
    json!({"accepted": true})
}

#[tokio::test]
async fn each_envelope_is_judged_by_itself() {
    let peer = Peer::start("two.example", 2).await;
    for (home, alice) in with_alice(&peer, &[]).await {
        let device = |id| json!({"registrationId": id, "kind": "message", "content": "aGk="});
        let contents = |contents: Value| json!({"content": null, "kind": null, "contents": contents});
        let large = "A".repeat(196_612);
        let cases = [
            (message(&home, &json!({"sender": "carol@three.example"})), "not_owner"),
            (message(&home, &json!({"sender": "carol@one.example"})), "not_owner"),
            (message(&home, &json!({"sender": ALICE})), "not_owner"),
            (message(&home, &json!({"sender": "bob@two.example:8448"})), "not_owner"),
            (message(&home, &json!({"receiver": "alice@three.example"})), "not_found"),
            (message(&home, &json!({"receiver": BOB})), "not_found"),
            (message(&home, &json!({"receiver": "nobody@one.example"})), "not_found"),
            (message(&home, &json!({"content": large})), "too_large"),
            (message(&home, &json!({"content": "not base64!"})), "malformed"),
            (message(&home, &json!({"content": null})), "malformed"),
            (message(&home, &json!({"sender": "bob"})), "malformed"),
            (message(&home, &json!({"id": "x"})), "malformed"),
            (message(&home, &json!({"senderDevice": -1})), "malformed"),
            (message(&home, &json!({"contents": {"1": device(7)}})), "malformed"),
            (message(&home, &contents(json!({}))), "malformed"),
            (message(&home, &json!({"registrationId": 8})), "device_mismatch"),
            (message(&home, &contents(json!({"1": device(8)}))), "device_mismatch"),
            (message(&home, &contents(json!({"2": device(7)}))), "device_mismatch"),
            (message(&home, &contents(json!({"1": device(7), "3": device(7)}))), "device_mismatch"),
            (status(&json!({"sender": "carol@three.example"})), "not_owner"),
            (status(&json!({"sender": ALICE})), "not_owner"),
            (status(&json!({"receiver": "alice@three.example"})), "not_found"),
            (status(&json!({"receiver": "nobody@one.example"})), "not_found"),
            (status(&json!({"receiverDevice": 7})), "receiver_gone"),
            (status(&json!({"state": "sent"})), "malformed"),
            (status(&json!({"state": "eaten"})), "malformed"),
            (status(&json!({"messageId": null})), "malformed"),
            (json!({}), "malformed"),
            (json!(null), "malformed"),
            (json!({"later": {}}), "malformed"),
        ];
        // A good one behind each bad one.
        let mut envelopes = Vec::new();
        for (bad, _) in &cases {
            envelopes.extend([bad.clone(), message(&home, &json!({}))]);
        }
        let results = results(&home, &envelopes).await;
        for (number, (bad, code)) in cases.iter().enumerate() {
            let result = &results[number * 2];
            assert_eq!(result["code"], *code, "{result} of {}", bad.to_string().chars().take(200).collect::<String>());
            assert!(result["error"].as_str().unwrap().len() > 10, "{result}");
            assert_eq!(results[number * 2 + 1], accepted(), "behind {bad}");
        }
        let devices = |number: usize, member: &str| results[number * 2][member].clone();
        assert_eq!([devices(15, "staleDevices"), devices(16, "staleDevices")], [json!([1]), json!([1])]);
        assert_eq!([devices(17, "missingDevices"), devices(17, "extraDevices")], [json!([1]), json!([2])]);
        assert_eq!(devices(18, "extraDevices"), json!([3]));

        let mut a = Socket::open(&home, &alice).await;
        for good in envelopes.iter().skip(1).step_by(2) {
            let frame = a.next_with("content").await;
            assert_eq!((&frame["id"], &frame["sender"]), (&good["message"]["id"], &json!(BOB)), "and nothing else");
            a.send(&json!({"messageId": frame["id"], "receiver": BOB, "state": "received"})).await;
        }
    }
}

#[tokio::test]
async fn what_is_no_transaction_is_refused_as_a_whole() {
    let peer = Peer::start("two.example", 2).await;
    for (home, alice) in with_alice(&peer, &[]).await {
        let one = message(&home, &json!({}));
        let many = json!({"envelopes": vec![one.clone(); 101]}).to_string();
        let deep = format!("{{\"envelopes\":[{}{}]}}", "[".repeat(200_000), "]".repeat(200_000));
        let inside = format!("{{\"envelopes\":[{{\"message\":{}1{}}}]}}", "{\"a\":".repeat(50), "}".repeat(50));
        let large = format!("{{\"envelopes\":[{one},\"{}\"]}}", "x".repeat(1 << 20));
        let cut = format!("{{\"envelopes\":[{one}");
        for (body, status, code) in [
            (many.as_str(), 413, "too_large"),
            (&large, 413, "too_large"),
            (&deep, 400, "malformed"),
            (&inside, 400, "malformed"),
            (&cut, 400, "malformed"),
            ("{\"envelopes\":[]}", 400, "malformed"),
            ("{\"envelopes\":{}}", 400, "malformed"),
            ("{}", 400, "malformed"),
            ("", 400, "malformed"),
            ("\u{0}", 400, "malformed"),
        ] {
            let id = Uuid::new_v4().to_string();
            let answer = transaction(&home, &id, body.as_bytes().to_vec()).send(&home).await;
            let begin = body.chars().take(40).collect::<String>();
            assert_eq!((answer.says(), answer.signed), ((status, code), true), "{begin}");
        }
        for id in ["a.b", "%00", &"x".repeat(65)] {
            assert_eq!(send(&home, id, std::slice::from_ref(&one)).await.says(), (400, "malformed"), "{id}");
        }
        let wrong = Draft { destination: "three.example".into(), ..transaction(&home, "1", b"{}".to_vec()) };
        assert_eq!(wrong.send(&home).await.status, 401);
        assert_eq!(home.count_rows("pending_messages", "account_id", alice.id).await, 0);
    }
}

#[tokio::test]
async fn the_same_again_gets_the_same_answer() {
    let peer = Peer::start("two.example", 2).await;
    for (mut home, alice) in with_alice(&peer, &[]).await {
        let envelopes = [message(&home, &json!({})), message(&home, &json!({"receiver": "nobody@one.example"}))];
        let first = send(&home, "same", &envelopes).await;
        assert_eq!(first.status, 200);
        // What is remembered is written behind the answer.
        home.restart().await;
        let second = send(&home, "same", &envelopes).await;
        assert_eq!((second.status, &second.body), (200, &first.body));
        assert_eq!(home.count_rows("pending_messages", "account_id", alice.id).await, 1);
        let other = send(&home, "same", &[message(&home, &json!({}))]).await;
        assert_eq!(other.says(), (409, "transaction_reused"));
        assert_eq!(home.count_rows("pending_messages", "account_id", alice.id).await, 1);
        // The same message by another transaction is no other message.
        assert_eq!(results(&home, &envelopes[..1]).await, [accepted()]);
        assert_eq!(home.count_rows("pending_messages", "account_id", alice.id).await, 1);
    }
}

#[tokio::test]
async fn statuses_beyond_a_share_are_deferred() {
    let peer = Peer::start("two.example", 2).await;
    for (home, alice) in with_alice(&peer, &["limits.pending_messages=100"]).await {
        let mut known = Vec::new();
        for _ in 0..3 {
            let envelopes = (0..50).map(|_| status(&json!({}))).collect::<Vec<_>>();
            known.extend(results(&home, &envelopes).await);
        }
        let taken = known.iter().filter(|one| **one == accepted()).count();
        let deferred = known.iter().filter(|one| **one == json!({"deferred": true})).count();
        assert_eq!((taken, deferred), (64, 86), "of one sender, 64 at the least");
        // Others have room, as far as the whole server has.
        let carol = json!({"sender": "carol@two.example"});
        let envelopes = (0..50).map(|_| status(&carol)).collect::<Vec<_>>();
        let of_carol = results(&home, &envelopes).await;
        assert!(of_carol.contains(&json!({"deferred": true})), "a server's share ends, too");
        // Messages are deferred likewise, each and all that come behind.
        let envelopes = (0..80).map(|_| message(&home, &json!({}))).collect::<Vec<_>>();
        let messages = results(&home, &envelopes).await;
        let first = messages.iter().position(|one| *one == json!({"deferred": true}));
        assert!(messages[first.unwrap()..].iter().all(|one| *one == json!({"deferred": true})), "{messages:?}");
        drop(Socket::open(&home, &alice).await);
    }
}

#[tokio::test]
async fn many_at_once_of_one_pair_keep_their_order() {
    let peer = Peer::start("two.example", 2).await;
    for (home, alice) in with_alice(&peer, &[]).await {
        let mut a = Socket::open(&home, &alice).await;
        let envelopes = (0..100).map(|_| message(&home, &json!({}))).collect::<Vec<_>>();
        let answered = results(&home, &envelopes);
        let shown = async {
            let mut shown = Vec::new();
            while shown.len() < envelopes.len() {
                let frame = a.next_with("content").await;
                a.send(&json!({"messageId": frame["id"], "receiver": BOB, "state": "received"})).await;
                shown.push(frame["id"].clone());
            }
            shown
        };
        let (answered, shown) = tokio::join!(answered, shown);
        assert!(answered.iter().all(|one| one["accepted"] == true), "{answered:?}");
        assert_eq!(shown, envelopes.iter().map(|one| one["message"]["id"].clone()).collect::<Vec<_>>());
    }
}
