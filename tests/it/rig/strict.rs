//! What a backend received, read back by a parser that allows nothing: an independent opinion on how many requests it
//! is and where each ends.

/// A request as the parser reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case, in the order they came.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why bytes are not a sequence of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// They end within a request.
    Unfinished,
    /// Something that no request has.
    Malformed(String),
}

/// Every request of `bytes`, and what is wrong after them, if anything is.
pub(crate) fn requests(mut bytes: &[u8]) -> (Vec<Request>, Option<Fault>) {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        match request(&mut bytes) {
            Ok(request) => requests.push(request),
            Err(fault) => return (requests, Some(fault)),
        }
    }
    (requests, None)
}

impl Request {
    /// The value of the one field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "two fields {name}: {self:?}");
        value
    }
}

fn request(rest: &mut &[u8]) -> Result<Request, Fault> {
    let start = text(line(rest)?)?;
    let parts: Vec<&str> = start.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else {
        return Err(malformed("request line", &start));
    };
    if !is_token(method) || !target.starts_with('/') && target != "*" {
        return Err(malformed("request line", &start));
    }
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        fields: fields(rest)?,
        body: Vec::new(),
    };
    let count = |name: &str| request.fields.iter().filter(|(known, _)| known == name).count();
    if count("host") != 1 || count("content-length") + count("transfer-encoding") > 1 {
        return Err(malformed("host or framing fields", &start));
    }
    if let Some(coding) = request.field("transfer-encoding") {
        if coding != "chunked" {
            return Err(malformed("transfer coding", coding));
        }
        request.body = chunked(rest)?;
    } else if let Some(length) = request.field("content-length") {
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed("length", length));
        }
        let length = length.parse().map_err(|_| malformed("length", length))?;
        request.body = take(rest, length)?.to_vec();
    }
    Ok(request)
}

fn fields(rest: &mut &[u8]) -> Result<Vec<(String, String)>, Fault> {
    let mut fields = Vec::new();
    loop {
        let line = text(line(rest)?)?;
        if line.is_empty() {
            return Ok(fields);
        }
        match line.split_once(": ") {
            Some((name, value)) if is_token(name) && value.trim_ascii() == value => {
                fields.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            // hyper writes an empty value so.
            None if line.strip_suffix(':').is_some_and(is_token) => {
                fields.push((line.trim_end_matches(':').to_ascii_lowercase(), String::new()));
            }
            _ => return Err(malformed("field", &line)),
        }
    }
}

fn chunked(rest: &mut &[u8]) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    loop {
        let size = text(line(rest)?)?;
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed("chunk size", &size));
        }
        let length = usize::from_str_radix(&size, 16).map_err(|_| malformed("chunk size", &size))?;
        if length == 0 {
            return match fields(rest)?.is_empty() {
                true => Ok(body),
                false => Err(malformed("trailers", "")),
            };
        }
        body.extend_from_slice(take(rest, length)?);
        if take(rest, 2)? != b"\r\n" {
            return Err(malformed("end of a chunk", ""));
        }
    }
}

/// A line without its CRLF. Neither of the two may stand alone.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let end = rest
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .ok_or(Fault::Unfinished)?;
    let line = take(rest, end)?;
    *rest = &rest[2..];
    Ok(line)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Fault> {
    let (taken, left) = rest.split_at_checked(count).ok_or(Fault::Unfinished)?;
    *rest = left;
    Ok(taken)
}

fn text(line: &[u8]) -> Result<String, Fault> {
    let plain = line.iter().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f);
    let text = String::from_utf8_lossy(line).into_owned();
    if plain {
        Ok(text)
    } else {
        Err(malformed("control character", &text))
    }
}

fn is_token(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

fn malformed(what: &str, text: &str) -> Fault {
    Fault::Malformed(format!("{what}: {text:?}"))
}
