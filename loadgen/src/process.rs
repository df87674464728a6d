//! What processes have used, from `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// The processor time of a process so far.
pub fn processor_time(pid: u32) -> Result<Duration> {
    Ok(ticks(Stat::read(pid)?.own))
}

/// The processor time of a process, its children, and those of them that ended.
pub fn family_time(pid: u32) -> Result<Duration> {
    let head = Stat::read(pid)?;
    let children = stats().filter(|stat| stat.parent == pid).map(|stat| stat.own).sum::<u64>();
    Ok(ticks(head.own + head.ended_children + children))
}

/// The parent of a process, if it is a process of this machine with that name.
pub fn parent_of(pid: u32, name: &str) -> Option<u32> {
    let stat = Stat::read(pid).ok()?;
    (stat.name == name).then_some(stat.parent)
}

/// Bytes of a process in memory now.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The most bytes it had there since [`forget_peak`], or ever.
pub fn peak_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Forgets that, so that the peak counts from now on, where the kernel allows it (proc(5), `clear_refs`).
pub fn forget_peak(pid: u32) {
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

fn status_bytes(pid: u32, key: &str) -> Result<u64> {
    let text =
        fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("reading of process {pid}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("{key} of {pid}"))?;
    let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<u64>()?;
    Ok(kilobytes * 1024)
}

/// `/proc/<pid>/stat`, in clock ticks (proc(5)).
struct Stat {
    name: String,
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
        Self::parse(&text).with_context(|| format!("reading what process {pid} used"))
    }

    fn parse(text: &str) -> Option<Self> {
        // The name is in parentheses, and may have some itself.
        let (before, after) = text.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        let fields = after.split_ascii_whitespace().collect::<Vec<_>>();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            name,
            parent: u32::try_from(number(1)?).ok()?,
            own: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}

fn stats() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Stat::read(pid).ok())
}

fn ticks(count: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_micros(count.saturating_mul(1_000_000) / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name() {
        let line = "42 (a) (b) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.name.as_str(), stat.parent, stat.own, stat.ended_children), ("a) (b", 7, 30, 70));
    }

    #[test]
    fn our_own_use_is_known() {
        let own = std::process::id();
        let resident = resident_bytes(own).unwrap();
        assert!(resident > 100_000);
        assert!(peak_bytes(own).unwrap() >= resident / 2);
        let alone = processor_time(own).unwrap();
        assert!(family_time(own).unwrap() >= alone, "time only goes on");
    }
}
