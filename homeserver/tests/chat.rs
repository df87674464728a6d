//! The terminal client in a terminal: a pseudo-terminal runs the real `missive`, and a terminal emulator says what a
//! person would see.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "chat/life.rs"]
mod life;
#[path = "chat/people.rs"]
mod people;
mod process;
#[path = "chat/prompts.rs"]
mod prompts;
#[path = "chat/screen.rs"]
mod screen;
#[path = "chat/terminal.rs"]
mod terminal;
#[path = "chat/trust.rs"]
mod trust;
#[path = "chat/writing.rs"]
mod writing;
