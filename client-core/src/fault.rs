//! Where a test kills the program: every step at which a crash must neither lose nor double anything.

/// Ends the process as `kill -9` would, when `MISSIVE_FAULT` names this point; `name:3` ends it at the third time.
/// Only debug builds look.
pub(crate) fn point(name: &'static str) {
    #[cfg(all(debug_assertions, unix))]
    injected::point(name);
    #[cfg(not(all(debug_assertions, unix)))]
    let _ = name;
}

#[cfg(all(debug_assertions, unix))]
mod injected {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    use rustix::process::{Signal, getpid, kill_process};

    static ASKED: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        let asked = std::env::var("MISSIVE_FAULT").ok()?;
        let (name, time) = asked.split_once(':').unwrap_or((&asked, "1"));
        Some((name.to_owned(), time.parse().ok()?))
    });

    static TIMES: AtomicU32 = AtomicU32::new(0);

    pub(super) fn point(name: &str) {
        let Some((asked, time)) = &*ASKED else { return };
        if asked == name && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *time {
            let _ = kill_process(getpid(), Signal::KILL);
            // The signal may take a moment to come.
            std::thread::park();
        }
    }
}
