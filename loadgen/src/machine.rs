//! Where it was measured.

use std::{fs, path::Path};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// `f_type` of a file system in memory (statfs(2)).
const TMPFS: i64 = 0x0102_1994;

/// The machine and the build.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    memory_mib: u64,
    /// Whether the server's files are in memory, where syncing costs nothing.
    pub data_in_memory: bool,
    /// Whether this program was built without optimisation.
    pub debug_build: bool,
}

impl Machine {
    /// This machine, with the server's data in that directory.
    pub fn here(directory: &Path) -> Self {
        let line = |file: &str, key: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.trim_start_matches([' ', '\t', ':']).trim().to_owned()
        };
        let memory = line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>();
        Self {
            processor: line("/proc/cpuinfo", "model name"),
            cores: fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count(),
            kernel: line("/proc/sys/kernel/osrelease", ""),
            memory_mib: memory.unwrap_or_default() / 1024,
            data_in_memory: rustix::fs::statfs(directory)
                .is_ok_and(|info| i128::from(info.f_type) == i128::from(TMPFS)),
            debug_build: cfg!(debug_assertions),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { processor, cores, kernel, memory_mib, .. } = self;
        write!(f, "{processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}")
    }
}

/// Lets this process and those it starts open as many files as the system allows; how many that is.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
