//! How fast one account encrypts and decrypts: each message a commit, on a real disk, as the client does it.
//!
//! `cargo bench -p client-core`, with the number of messages as an argument if it is to be another.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use client_core::Settled;
use common::{Party, bundle};

const REPEAT: usize = 5;

/// A text that makes the payload two blocks of padding longer than an empty one.
const TEXT_BYTES: usize = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test` builds and runs benches too; it is no place to measure.
    let mut arguments = std::env::args().skip(1);
    if arguments.any(|argument| argument == "--test") || cfg!(debug_assertions) {
        println!("skipped: only a release build is measured");
        return;
    }
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(2_000);
    println!("one account, {TEXT_BYTES} bytes of text a message, {count} messages, median of {REPEAT} (range)");
    println!("| step | per second | µs each |\n|---|---|---|");
    let (mut first_out, mut first_in, mut out, mut inn) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPEAT {
        let (encrypted, decrypted) = first_messages(count / 10).await;
        first_out.push(encrypted);
        first_in.push(decrypted);
        let (encrypted, decrypted) = conversation(count).await;
        out.push(encrypted);
        inn.push(decrypted);
    }
    report("encrypt, store and queue", out);
    report("decrypt and store", inn);
    report("build a session (PQXDH), encrypt the first message", first_out);
    report("decrypt a first message, which builds the session", first_in);
}

/// Seconds a message, out and in, in a session where both sides write.
async fn conversation(count: usize) -> (f64, f64) {
    let (alice, mut bob) = (Party::new("alice@one.example").await, Party::new("bob@two.example").await);
    alice.meet(&mut bob).await;
    let text = "x".repeat(TEXT_BYTES);
    let (mut encrypting, mut decrypting) = (Duration::ZERO, Duration::ZERO);
    // Turns of ten: in a conversation the ratchet moves.
    for turn in 0..count / 10 {
        let (from, to) = if turn % 2 == 0 { (&alice, &bob) } else { (&bob, &alice) };
        for _ in 0..10 {
            let begun = Instant::now();
            let id = from.mailbox.compose(to.address(), &text).await.unwrap();
            encrypting += begun.elapsed();
            let delivered = from.delivered(id).await;
            let begun = Instant::now();
            let received = to.mailbox.receive(&delivered).await.unwrap();
            decrypting += begun.elapsed();
            assert_eq!(received.settled, Settled::Received);
        }
    }
    (each(encrypting, count), each(decrypting, count))
}

/// Seconds a first message, out and in; each sender's, with keys of last resort.
async fn first_messages(count: usize) -> (f64, f64) {
    let bob = Party::new("bob@two.example").await;
    let (mut encrypting, mut decrypting) = (Duration::ZERO, Duration::ZERO);
    let senders = count.clamp(1, 50);
    for n in 0..senders {
        let alice = Party::new(&format!("a{n}@one.example")).await;
        let claimed = bundle(&bob.upload, None);
        let begun = Instant::now();
        alice.mailbox.learn_bundle(bob.address(), &claimed).await.unwrap();
        let id = alice.mailbox.compose(bob.address(), "hello").await.unwrap();
        encrypting += begun.elapsed();
        let delivered = alice.delivered(id).await;
        let begun = Instant::now();
        assert_eq!(bob.mailbox.receive(&delivered).await.unwrap().settled, Settled::Received);
        decrypting += begun.elapsed();
    }
    (each(encrypting, senders), each(decrypting, senders))
}

fn each(total: Duration, count: usize) -> f64 {
    total.as_secs_f64() / f64::from(u32::try_from(count.max(1)).unwrap())
}

fn report(step: &str, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let (median, best, worst) = (seconds[seconds.len() / 2], seconds[0], seconds[seconds.len() - 1]);
    let micros = |seconds: f64| seconds * 1e6;
    println!(
        "| {step} | {:.0} ({:.0}–{:.0}) | {:.0} ({:.0}–{:.0}) |",
        1.0 / median,
        1.0 / worst,
        1.0 / best,
        micros(median),
        micros(best),
        micros(worst)
    );
}
