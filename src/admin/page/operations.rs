//! Servers, reloads, listeners: what surrounds the certificates.

use maud::{Markup, html};

use super::super::status::{Status, service, state};
use super::words::{ago, counted, moment, time};
use crate::proxy::State;
use crate::reload::{Cause, Outcome, Record};

/// So many reloads are in sight; the older ones on a click.
const IN_SIGHT: usize = 5;

/// What has been counted since the start. The script draws how much that is in a second, for as long as the page is open.
pub(super) fn traffic(status: &Status) -> Markup {
    let totals = &status.proxy.totals;
    html! {
        section #traffic aria-labelledby="traffic-title" {
            h2 #traffic-title { "Traffic" }
            div.plots {
                (plot("requests", totals.requests, totals.server_errors))
                (plot("handshakes", totals.handshakes, totals.handshake_failures))
            }
            p.remark data-part="open" {
                (counted(totals.connections_open, "connection")) " open, "
                (counted(totals.requests_in_progress, "request")) " in progress"
            }
        }
    }
}

/// The total of `what` and those of them that failed; above it the script draws.
fn plot(what: &str, total: u64, failed: u64) -> Markup {
    html! {
        figure.plot data-plot=(what) aria-label=(what) {
            p.rate hidden { }
            svg role="img" aria-label={ (what) " per second" } viewBox="0 0 240 40" preserveAspectRatio="none" hidden {
                polygon { }
                polyline { }
            }
            figcaption data-part={ "total " (what) } data-total=(total) {
                (total) " " (what) " since the start, "
                span.bad[failed > 0] { (failed) " failed" }
            }
        }
    }
}

/// The servers of each backend.
pub(super) fn backends(status: &Status) -> Markup {
    html! {
        section #backends aria-labelledby="backends-title" data-part="backends" {
            h2 #backends-title { "Backends" }
            @for backend in &status.proxy.backends {
                table {
                    caption { (backend.name) }
                    thead.unseen { tr { th scope="col" { "Server" } th scope="col" { "State" } } }
                    tbody {
                        @for server in &backend.servers {
                            tr {
                                th scope="row" { code { (server.address) } }
                                td {
                                    span.pill.{ (pill(server.state)) } { (state(server.state)) }
                                    @if !server.is_checked { " " small { "not checked" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn pill(state: State) -> &'static str {
    match state {
        State::Up => "well",
        State::Down => "error",
        State::Ejected => "warning",
    }
}

/// The latest reloads, and what came of them.
pub(super) fn reloads(status: &Status) -> Markup {
    let (latest, older) = status.reloads.split_at(status.reloads.len().min(IN_SIGHT));
    html! {
        section #reloads aria-labelledby="reloads-title" data-part="reloads" {
            h2 #reloads-title { "Reloads" }
            @if latest.is_empty() {
                p.remark { "Nothing has changed since the start, " (ago(status.started_at, status.at)) "." }
            }
            (list(latest, status))
            @if !older.is_empty() {
                details data-key="older reloads" {
                    summary { (counted(older.len() as u64, "older one")) }
                    (list(older, status))
                }
            }
        }
    }
}

fn list(records: &[Record], status: &Status) -> Markup {
    html! {
        ol.reloads {
            @for record in records {
                li {
                    p {
                        span.pill.{ (came(&record.outcome)) } { (record.outcome.as_str()) } " "
                        (time(record.at, &ago(record.at, status.at))) ", " (why(record.cause))
                        @if record.times > 1 { ", " (record.times) " times since " (moment(record.first_at)) }
                    }
                    @if !record.outcome.sentences().is_empty() {
                        ul { @for sentence in record.outcome.sentences() { li { (sentence) } } }
                    }
                    @if record.more > 0 { p.remark { "and " (record.more) " more: see the log" } }
                }
            }
        }
    }
}

fn came(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Unchanged => "note",
        Outcome::Changed(_) => "well",
        Outcome::Kept(_) | Outcome::Refused(_) => "warning",
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Asked => "as somebody asked",
        Cause::Files => "as files changed",
        Cause::Found => "as missing issuers were found",
        Cause::Time => "as the time had come",
    }
}

/// Where connections are accepted.
pub(super) fn listeners(status: &Status) -> Markup {
    html! {
        section #listeners aria-labelledby="listeners-title" data-part="listeners" {
            h2 #listeners-title { "Listeners" }
            table {
                thead.unseen { tr { th scope="col" { "Address" } th scope="col" { "What for" } th scope="col" { "State" } } }
                tbody {
                    @for listener in &status.proxy.listeners {
                        @let trouble = listener.trouble();
                        tr {
                            th scope="row" { code { (listener.at.address) } }
                            td { (service(&listener.at.service)) }
                            td {
                                @if trouble.is_none() { span.pill.well { "accepting" } }
                                @else { span.pill.error { "down" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
