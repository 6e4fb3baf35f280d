//! The values that keys about the delivery of bodies can have.

use super::words::words;
use crate::proxy::{Buffering, Expect};

words!(Buffering: "auto" => Self::Auto, "on" => Self::On; "off" => Self::Off);

words!(Expect: "answer" => Self::Answer; "forward" => Self::Forward);
