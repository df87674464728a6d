//! Where the workspace is, and cargo in it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// Works in the folder of the workspace's `Cargo.toml` from now on, wherever we were called.
pub(crate) fn enter() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is not inside a workspace")?;
    env::set_current_dir(root).with_context(|| format!("entering {}", root.display()))
}

/// Where cargo builds; `CARGO_TARGET_DIR` moves it.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_package(&mut cargo);
    cargo
}

/// `cargo run` describes xtask in variables on which some build scripts depend: passing them on would
/// rebuild dependencies at each change between `cargo xtask test` and `cargo test`.
fn forget_package(command: &mut Command) {
    forget(command, |name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
}

/// Keeps the caller's own settings of a homeserver or client from the command.
pub(crate) fn forget_settings(command: &mut Command) {
    forget(command, |name| name.starts_with("MISSIVE_"));
}

fn forget(command: &mut Command, which: impl Fn(&str) -> bool) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(&which)) {
        command.env_remove(name);
    }
}
