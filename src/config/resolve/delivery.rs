//! How request bodies get to a backend.

use super::alone::{alone, departure, place};
use crate::config::error::{Fault, Problem};
use crate::config::layer::Given;
use crate::config::raw;
use crate::config::tables::Table;
use crate::config::units::ByteSize;
use crate::proxy::{Buffering, Delivery, Spool};

/// What a `[[backend]]` says of it.
pub(super) fn delivery(table: &Table<'_, raw::Backend>, faults: &mut Vec<Fault>) -> Delivery {
    let default = Delivery::default();
    let memory = table.one(|table| &table.spool_memory, faults);
    let limit = table.one(|table| &table.spool_limit, faults);
    let directory = table.one(|table| &table.spool_dir, faults);
    let buffering = table
        .one(|table| &table.request_buffering, faults)
        .map_or(default.buffering, |given| given.value);
    if buffering == Buffering::Off {
        let places = [
            departure(&memory, &ByteSize(default.spool.memory)),
            departure(&limit, &size(default.spool.limit)),
            place(&directory),
        ];
        alone(
            places,
            "no body is put aside with request_buffering = \"off\"",
            "leave it out, or write request_buffering = \"auto\" or \"on\"",
            faults,
        );
    }
    let spool = Spool {
        memory: memory.as_ref().map_or(default.spool.memory, |given| given.value.0),
        limit: limit.map_or(default.spool.limit, |given| given.value.0 as u64),
        directory: directory.map(Given::path),
    };
    if let Some(memory) = memory.filter(|_| spool.memory as u64 > spool.limit) {
        let limit = size(spool.limit).text();
        let problem = Problem::new(format!("is more than the `spool_limit`, {limit}"));
        faults.push(problem.at(memory.place));
    }
    Delivery {
        buffering,
        spool,
        expect: table
            .one(|table| &table.expect, faults)
            .map_or(default.expect, |given| given.value),
    }
}

fn size(bytes: u64) -> ByteSize {
    ByteSize(usize::try_from(bytes).unwrap_or(usize::MAX))
}
