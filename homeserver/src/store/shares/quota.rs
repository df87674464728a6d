//! How much may be held, and how much is.

/// The part of an account's store that one sender may fill.
const OF_SENDER: u64 = 10;

/// The part that one other homeserver may fill, with all its members.
const OF_ORIGIN: u64 = 2;

/// However small the quota: a share takes a few of the largest messages …
const BYTES_MIN: u64 = 512 * 1024;
/// … and a window of small ones.
const ENTRIES_MIN: u64 = 64;

/// How much an account's pending store may hold.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Messages and statuses.
    pub entries: u64,
    /// Bytes of ciphertext.
    pub bytes: u64,
}

/// Entries and bytes as they were read, and as they are now.
#[derive(Default, Clone, Copy)]
pub(super) struct Held {
    read: (i64, i64),
    now: (i64, i64),
}

impl Quota {
    pub(super) fn of_sender(self) -> Self {
        self.part(OF_SENDER)
    }

    pub(super) fn of_origin(self) -> Self {
        self.part(OF_ORIGIN)
    }

    fn part(self, part: u64) -> Self {
        Self { entries: (self.entries / part).max(ENTRIES_MIN), bytes: (self.bytes / part).max(BYTES_MIN) }
    }
}

impl Held {
    pub(super) fn of(read: (i64, i64)) -> Self {
        Self { read, now: read }
    }

    pub(super) fn has_room(self, bytes: i64, quota: Quota) -> bool {
        let within = |held: i64, more: i64, limit: u64| i128::from(held) + i128::from(more) <= i128::from(limit);
        within(self.now.0, 1, quota.entries) && within(self.now.1, bytes, quota.bytes)
    }

    pub(super) fn add(&mut self, entries: i64, bytes: i64) {
        self.now.0 += entries;
        self.now.1 += bytes;
    }

    /// Entries and bytes now, if they are others than were read.
    pub(super) fn changed(self) -> Option<(i64, i64)> {
        (self.now != self.read).then_some(self.now)
    }
}
