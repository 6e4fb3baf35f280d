//! Chromium without a screen, driven by chromedriver: what people see. Where it is not there, its test says so and passes.
//!
//! The commands are those of WebDriver (W3C), plain HTTP with JSON, of which a handful is enough.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use super::command::where_present;
use super::directory::Directory;
use super::eventually_within;
use super::peer::Peer;

/// Starting a browser and having it draw a page takes seconds where others want the processor too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A desktop's window, and that of a phone.
pub(crate) const DESKTOP: (u32, u32) = (1280, 900);
pub(crate) const PHONE: (u32, u32) = (360, 740);

/// A browser with one window.
pub(crate) struct Chromium {
    driver: SocketAddr,
    session: String,
    _peer: Peer,
    _profile: Directory,
}

impl Chromium {
    /// A new one that has been nowhere, if there is Chromium here.
    pub(crate) fn start() -> Option<Self> {
        where_present("chromium", &["--version"])?;
        let peer = Peer::start("chromedriver", &[], |_, address| {
            vec![format!("--port={}", address.port())]
        })?;
        let profile = Directory::new();
        let arguments = [
            "--headless=new".to_owned(),
            // Tests may run as root, whom it does not take otherwise.
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--no-first-run".to_owned(),
            format!("--user-data-dir={}", profile.text("")),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let started = exchange(peer.address, "POST", "/session", &capabilities);
        let session = started["sessionId"].as_str().unwrap().to_owned();
        let chromium = Self {
            driver: peer.address,
            session,
            _peer: peer,
            _profile: profile,
        };
        chromium.window(DESKTOP);
        Some(chromium)
    }

    /// Gives the window this size in CSS pixels, as a phone has it where it is that narrow.
    pub(crate) fn window(&self, (width, height): (u32, u32)) {
        let is_phone = width < 600;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Prefers `dark` or `light`.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Runs no script of pages from now on.
    pub(crate) fn without_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    }

    /// Opens `url` as if its address were typed, and waits until it has loaded.
    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// What the body of a function in the page returns.
    pub(crate) fn evaluate(&self, body: &str) -> Value {
        self.post("execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// The text that is seen of the first element that fits `selector`.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.evaluate(&format!(
            "return document.querySelector({selector:?})?.innerText ?? null"
        ));
        text.as_str().unwrap_or_else(|| panic!("no {selector}")).to_owned()
    }

    /// Waits until `body` returns true.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, body: &str) {
        eventually_within(PATIENCE, what, || self.evaluate(body) == true);
    }

    /// Fails if the page is wider than the window.
    #[track_caller]
    pub(crate) fn assert_nothing_overflows(&self) {
        let widths = self.evaluate("return [document.documentElement.scrollWidth, window.innerWidth]");
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{widths}");
    }

    /// Fails if the browser has anything to say: errors of scripts, of the policy, of what could not be loaded.
    #[track_caller]
    pub(crate) fn assert_console_is_silent(&self) {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        assert_eq!(entries, json!([]));
    }

    /// Every node of the accessibility tree that is not ignored: its role and its name.
    pub(crate) fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.devtools("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let text = |node: &Value, field: &str| node[field]["value"].as_str().unwrap_or_default().to_owned();
        nodes
            .filter(|node| node["ignored"] != true)
            .map(|node| (text(node, "role"), text(node, "name")))
            .collect()
    }

    /// Keeps the whole page as an image, `target/screenshots/{name}.png`.
    pub(crate) fn screenshot(&self, name: &str) {
        let image = self.devtools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        let bytes = Base64::decode_vec(image["data"].as_str().unwrap()).unwrap();
        let directory = screenshots();
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{name}.png")), bytes).unwrap();
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    fn post(&self, command: &str, parameters: &Value) -> Value {
        exchange(
            self.driver,
            "POST",
            &format!("/session/{}/{command}", self.session),
            parameters,
        )
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser ends with its session. Where the test has failed, the driver may be gone.
        let _ = request(self.driver, "DELETE", &format!("/session/{}", self.session), &json!({}));
    }
}

fn screenshots() -> PathBuf {
    // The directory for tests' files lies in target.
    let files = Path::new(env!("CARGO_TARGET_TMPDIR"));
    files.parent().unwrap_or(files).join("screenshots")
}

/// The value that the driver answers with.
#[track_caller]
fn exchange(driver: SocketAddr, method: &str, path: &str, parameters: &Value) -> Value {
    let mut answer = request(driver, method, path, parameters).unwrap();
    let value = answer["value"].take();
    assert!(value.get("error").is_none(), "{method} {path} {parameters}: {value}");
    value
}

fn request(driver: SocketAddr, method: &str, path: &str, parameters: &Value) -> std::io::Result<Value> {
    let body = parameters.to_string();
    let mut stream = TcpStream::connect(driver)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {driver}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    // It keeps the connection open, whatever it is told.
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    serde_json::from_slice(&body).map_err(std::io::Error::other)
}
