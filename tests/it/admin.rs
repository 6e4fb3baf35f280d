//! The admin listener of the real binary: who may ask it, what it says, and the page for people.

mod access;
mod page;
mod ready;
mod told;
