//! The keys of session tickets, as JSON: a part of `/certificates` and of what `check` prints. Never the keys themselves.

use serde_json::{Value, json};

use crate::chain::rfc3339;
use crate::reload::{TicketKeys, TicketsInForce};

/// What session ticket keys are made of.
pub fn tickets(keys: &TicketKeys) -> Value {
    let source = match keys {
        TicketKeys::OfProcess => "process",
        TicketKeys::OfFiles(_) => "keys",
        TicketKeys::OfSecret(_) => "secret",
    };
    let all = keys.all().iter().enumerate().map(|(place, key)| {
        json!({
            "file": key.path,
            "id": key.id,
            "seals": place == 0,
        })
    });
    json!({ "source": source, "keys": all.collect::<Vec<_>>() })
}

/// The same as it is in force.
pub(super) fn in_force(tickets_in_force: &TicketsInForce) -> Value {
    let mut value = tickets(&tickets_in_force.keys);
    for (place, key) in tickets_in_force.keys.all().iter().enumerate() {
        value["keys"][place]["since"] = json!(rfc3339(key.since));
    }
    value["since"] = json!(rfc3339(tickets_in_force.since));
    value["kept_because"] = json!(tickets_in_force.kept_because);
    value
}
