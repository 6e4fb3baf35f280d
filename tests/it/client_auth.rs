//! Client certificates: who is asked, who gets in, and what backends hear of it.

mod commands;
mod fields;
mod policies;
mod renewal;
mod scene;
mod sessions;
