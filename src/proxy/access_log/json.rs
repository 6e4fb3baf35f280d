//! One JSON object a line, with the fields that the event on standard error has in the JSON log.

use std::io::Write;

use super::escape;
use super::event::TARGET;
use super::line::{Line, milliseconds};
use crate::telemetry::timestamp::Moment;

/// Appends the line.
pub(super) fn write(line: &mut Vec<u8>, of: &Line<'_>) {
    // Writing to memory does not fail.
    let _ = write!(
        line,
        "{{\"timestamp\":\"{}\",\"level\":\"INFO\",\"message\":\"request\",\"peer\":\"{}\"",
        Moment(of.time),
        of.peer
    );
    if let Some(client) = of.client {
        let _ = write!(line, ",\"client\":\"{client}\"");
    }
    let _ = write!(line, ",\"method\":\"{}\"", of.method);
    text(line, "host", of.host);
    text(line, "path", Some(of.target));
    let (status, bytes, bytes_in, duration) = (of.status, of.bytes, of.bytes_in, milliseconds(of.duration));
    let _ = write!(
        line,
        ",\"protocol\":\"{}\",\"scheme\":\"{}\",\"status\":{status},\"bytes\":{bytes},\"bytes_in\":{bytes_in},\
         \"duration_ms\":{duration},\"end\":\"{}\"",
        of.protocol,
        of.scheme,
        of.end.word()
    );
    text(line, "cause", of.cause.map(str::as_bytes));
    text(line, "server", of.server.map(str::as_bytes));
    if let Some(time) = of.server_time {
        let _ = write!(line, ",\"server_ms\":{}", milliseconds(time));
    }
    text(line, "tls", of.tls.map(str::as_bytes));
    if let Some(resumed) = of.resumed {
        let _ = write!(line, ",\"resumed\":{resumed}");
    }
    text(line, "server_name", of.server_name.map(str::as_bytes));
    text(line, "user", of.user);
    text(line, "request_id", of.request_id);
    text(line, "user_agent", of.user_agent);
    text(line, "referer", of.referer);
    let _ = writeln!(line, ",\"target\":\"{TARGET}\"}}");
}

/// A field, if there is one.
fn text(line: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        let _ = write!(line, ",\"{name}\":\"");
        escape::json(line, value);
        line.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::proxy::access_log::line::tests::{bare, hostile, plain};

    #[test]
    fn a_line_is_one_flat_object() {
        let expected = json!({
            "timestamp": "2026-11-22T15:04:05.007Z",
            "level": "INFO",
            "message": "request",
            "target": "fullchain::access",
            "peer": "192.0.2.1:4711",
            "method": "GET",
            "host": "a.test",
            "path": "/docs/a.html?lang=en",
            "protocol": "HTTP/1.1",
            "scheme": "https",
            "status": 200,
            "bytes": 512,
            "bytes_in": 3,
            "duration_ms": 12,
            "end": "complete",
            "server": "backend:80",
            "server_ms": 9,
            "tls": "TLSv1.3",
            "resumed": false,
            "server_name": "a.test",
            "user": "alice",
            "request_id": "0a1b",
            "user_agent": "Mozilla/5.0 (X11)",
            "referer": "https://b.test/start",
        });
        assert_eq!(written(&plain()), expected);
    }

    #[test]
    fn the_client_of_a_trusted_proxy_stands_beside_it() {
        let line = Line {
            client: Some([198, 51, 100, 7].into()),
            ..plain()
        };
        assert_eq!(written(&line)["client"], "198.51.100.7");
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let object = written(&bare());
        let absent = [
            "client",
            "host",
            "cause",
            "server",
            "server_ms",
            "tls",
            "resumed",
            "server_name",
            "user",
        ];
        for name in absent.into_iter().chain(["request_id", "user_agent"]) {
            assert_eq!(object.get(name), None, "{name}");
        }
        assert_eq!((&object["status"], &object["end"]), (&json!(499), &json!("abandoned")));
    }

    #[test]
    fn whatever_comes_stays_in_its_string() {
        let object = written(&hostile());
        assert_eq!(object["path"], r#"/a b\x0d\x0ac"\x5c\x00\x1b[2J?q=" \xc2\x9b\x09#"#);
        assert_eq!(object["user"], r#"mallory" 200 1\x0d\x0a\x1b]0;owned\x07 \xff"#);
        assert_eq!(object["request_id"], "\"},{\"");
        assert_eq!(object["cause"], "refused");
    }

    fn written(of: &Line<'_>) -> Value {
        let mut line = Vec::new();
        write(&mut line, of);
        let end = line.pop();
        assert!(end == Some(b'\n') && line.iter().all(|byte| matches!(byte, b' '..=b'~')));
        serde_json::from_slice(&line).unwrap()
    }
}
