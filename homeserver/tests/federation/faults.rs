//! Whatever happens to calls and answers between two homeservers: nothing is lost, order holds, and senders soon hear that
//! their messages are safe.

use std::time::Duration;

use uuid::Uuid;

use super::{
    faulty::{Faulty, Watched},
    forged,
    people::{ALICE, BOB},
    proxy::{Mode, body},
};

/// Messages of Alice, and of Bob, while something is wrong.
const FROM_ALICE: usize = 6;
const FROM_BOB: usize = 3;

async fn say_several(a: &mut Watched, b: &mut Watched) -> (Vec<Uuid>, Vec<Uuid>) {
    let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
    for number in 0..FROM_ALICE {
        from_a.push(a.say_soon(BOB).await);
        if number < FROM_BOB {
            from_b.push(b.say_soon(ALICE).await);
        }
    }
    (from_a, from_b)
}

/// Lets time pass in which homeservers try again, and fail.
async fn go_on(faulty: &Faulty, a: &mut Watched, b: &mut Watched) {
    for _ in 0..10 {
        faulty.pair.clock.advance(1_000);
        a.take_for(Duration::from_millis(30)).await;
        b.take_for(Duration::from_millis(30)).await;
    }
}

async fn through(mode: Mode) {
    for faulty in Faulty::both().await {
        let (mut a, mut b) = faulty.chat().await;
        for _ in 0..2 {
            for proxy in [&faulty.to_one, &faulty.to_two] {
                proxy.set(mode.clone());
            }
            let (mut from_a, mut from_b) = say_several(&mut a, &mut b).await;
            go_on(&faulty, &mut a, &mut b).await;
            from_a.push(a.say_soon(BOB).await);
            for proxy in [&faulty.to_one, &faulty.to_two] {
                proxy.set(Mode::Pass);
            }
            // What comes now must not overtake what waits.
            from_b.push(b.say_soon(ALICE).await);
            from_a.push(a.say_soon(BOB).await);
            faulty.heal([(&mut a, &from_a), (&mut b, &from_b)]).await;
        }
    }
}

#[tokio::test]
async fn nothing_listens() {
    through(Mode::Refuse).await;
}

#[tokio::test]
async fn answers_are_lost() {
    through(Mode::Swallow).await;
}

#[tokio::test]
async fn nothing_is_ever_said() {
    through(Mode::BlackHole).await;
}

#[tokio::test]
async fn an_answer_comes_a_byte_a_second() {
    through(Mode::Trickle).await;
}

#[tokio::test]
async fn answers_take_longer_than_a_message_waits_in_memory() {
    through(Mode::Delay(Duration::from_millis(400))).await;
}

#[tokio::test]
async fn one_way_only_is_open() {
    for faulty in Faulty::both().await {
        let (mut a, mut b) = faulty.chat().await;
        for closed in [&faulty.to_one, &faulty.to_two] {
            closed.set(Mode::BlackHole);
            let (from_a, from_b) = say_several(&mut a, &mut b).await;
            go_on(&faulty, &mut a, &mut b).await;
            closed.set(Mode::Pass);
            faulty.heal([(&mut a, &from_a), (&mut b, &from_b)]).await;
        }
    }
}

#[tokio::test]
async fn what_answers_in_the_others_place_settles_nothing() {
    for faulty in Faulty::both().await {
        let (mut a, mut b) = faulty.chat().await;
        let old = faulty.to_two.passed().pop().unwrap();
        assert!(body(&old.answer).starts_with(b"{\"data\""), "{}", String::from_utf8_lossy(&old.answer));
        for (what, forge) in forged::all(&faulty.pair.two, old) {
            let before = faulty.to_two.transactions();
            faulty.to_two.set(Mode::Answer(forge));
            let mut from_a = Vec::new();
            for _ in 0..3 {
                from_a.push(a.say_soon(BOB).await);
            }
            go_on(&faulty, &mut a, &mut b).await;
            assert!(faulty.to_two.transactions() > before, "{what}: it was asked");
            assert!(from_a.iter().all(|id| a.is_told(*id, "sent")), "{what}: {:?}", a.told);
            assert!(!from_a.iter().any(|id| b.shown.contains(id)), "{what}");
            faulty.to_two.set(Mode::Pass);
            faulty.heal([(&mut a, &from_a), (&mut b, &[])]).await;
        }
    }
}

#[tokio::test]
async fn a_request_that_comes_twice_counts_once() {
    for faulty in Faulty::both().await {
        let (mut a, mut b) = faulty.chat().await;
        for proxy in [&faulty.to_one, &faulty.to_two] {
            proxy.set(Mode::Twice);
        }
        let (from_a, from_b) = say_several(&mut a, &mut b).await;
        faulty.heal([(&mut a, &from_a), (&mut b, &from_b)]).await;
        faulty.pair.clock.advance(120_000);
        for proxy in [&faulty.to_one, &faulty.to_two] {
            let late = proxy.repeat(&proxy.passed().pop().unwrap().request).await;
            let again = [proxy.answered_again(), vec![late]].concat();
            assert!(again.len() > 2);
            for answer in again {
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("\"replayed\""), "{answer}");
            }
        }
        a.take_for(Duration::from_millis(100)).await;
        b.take_for(Duration::from_millis(100)).await;
        assert_eq!((a.copies, b.copies), (a.shown.len(), b.shown.len()), "nothing came twice");
    }
}
