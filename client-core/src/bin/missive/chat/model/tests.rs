//! The model, with the keys that a person presses and the screen that they see.

mod conversations;
mod hostile;
mod rig;
mod scrolling;
mod sending;
