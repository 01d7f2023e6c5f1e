//! A browser for journeys through the console: Debian's Chromium, without a window, driven by
//! WebDriver, which is JSON over HTTP.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::{Weir, eventually};

/// A page of this height is looked at whole.
const MOST_HEIGHT: i64 = 4_000;
/// More places to stop at than any page of a journey has.
const MOST_TABS: usize = 250;
/// As WebDriver calls them.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
/// Of a window, usually.
const HEIGHT: i64 = 900;
/// What the id of an element is called.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One window, and the driver behind it, which ends with it.
pub struct Browser {
    driver: Driver,
    /// The mouse is let lie.
    by_keys: bool,
    console: String,
    process: Child,
}

/// A session of a driver.
struct Driver {
    http: Client<HttpConnector, Full<Bytes>>,
    /// `http://host:port/session/ID`
    url: String,
}

impl Driver {
    /// What a command answers, or what it says went wrong.
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Value> {
        let body = match method {
            Method::POST => body.to_string(),
            _ => String::new(),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap();
        let answer = self.http.request(request).await;
        let (head, body) = answer
            .map_err(|error| json!(error.to_string()))?
            .into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| json!(error.to_string()))?.to_bytes();
        let mut said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let value = said["value"].take();
        if head.status.is_success() {
            Ok(value)
        } else {
            Err(value)
        }
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, Value> {
        self.ask(Method::POST, path, body).await
    }

    /// The paths of elements.
    async fn find(&self, using: &str, what: &str) -> Vec<String> {
        let wanted = json!({"using": using, "value": what});
        let found = self.post("/elements", wanted).await.unwrap_or_default();
        let ids = found.as_array().into_iter().flatten();
        let ids = ids.filter_map(|element| element[ELEMENT].as_str());
        ids.map(|id| format!("/element/{id}")).collect()
    }
}

/// The browser ends with its session alone, also where a journey fails.
impl Drop for Browser {
    fn drop(&mut self) {
        let url: http::Uri = self.driver.url.parse().expect("it was asked");
        let asked = || -> std::io::Result<()> {
            let host = url.authority().map_or("", |host| host.as_str());
            let mut driver = std::net::TcpStream::connect(host)?;
            let end = format!("DELETE {} HTTP/1.0\r\nhost: {host}\r\n\r\n", url.path());
            driver.write_all(end.as_bytes())?;
            driver.read_to_end(&mut Vec::new()).map(drop)
        };
        let _ = asked();
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Browser {
    /// A new one in front of the console of a running system, with or without scripts. None where
    /// there is no browser on this machine: then it says so.
    ///
    /// # Panics
    /// There is one, and it does not start.
    pub async fn open(weir: &Weir, scripts: bool) -> Option<Self> {
        if !is_there("chromium") || !is_there("chromedriver") {
            eprintln!("LEFT OUT: there is no chromium, or no chromedriver");
            return None;
        }
        let port = weir_servers::free_port().unwrap();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // 2: they are blocked.
        let blocked = json!({"profile.managed_default_content_settings.javascript": 2});
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=1280,900"],
            "prefs": if scripts { json!({}) } else { blocked },
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let mut driver = Driver {
            http: Client::builder(TokioExecutor::new()).build_http(),
            url: format!("http://127.0.0.1:{port}"),
        };
        let session = eventually("the driver answers", async || {
            let made = driver.post("/session", wanted.clone()).await.ok()?;
            made["sessionId"].as_str().map(str::to_owned)
        })
        .await;
        driver.url = format!("{}/session/{session}", driver.url);
        Some(Self {
            driver,
            by_keys: false,
            console: weir.stack.console_url(),
            process,
        })
    }

    /// From now on everything is pressed and written by the keyboard alone.
    #[must_use]
    pub fn by_keys(mut self) -> Self {
        self.by_keys = true;
        self
    }

    /// As the administrator, by a link.
    ///
    /// # Panics
    /// It does not lead in.
    pub async fn sign_in(&self, weir: &Weir) {
        let program = weir_stack::find_programs(None).unwrap().join("weir");
        let said = Command::new(program)
            .args(["console", "--console", &self.console])
            .env("WEIR_TOKEN", weir.stack.token())
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8(said.stdout).unwrap();
        let link = said.lines().last().unwrap().trim();
        self.open_page(link).await;
        self.press("Sign in").await;
        self.sees("Data sources").await;
    }

    /// # Panics
    /// The browser is gone.
    pub async fn go(&self, path: &str) {
        self.open_page(&format!("{}{path}", self.console)).await;
    }

    async fn open_page(&self, url: &str) {
        self.driver.post("/url", json!({"url": url})).await.unwrap();
    }

    /// Presses the first button or link that begins so.
    ///
    /// # Panics
    /// There is none.
    pub async fn press(&self, says: &str) {
        if self.by_keys {
            eventually(&format!("{says:?} can be reached by Tab"), async || {
                let wanted = |focused: &Value| {
                    let said = focused["text"].as_str().unwrap_or_default();
                    focused["pressable"] == true && said.starts_with(says)
                };
                self.reach(wanted).await && self.keys(&[ENTER]).await.is_ok()
            })
            .await;
            return;
        }
        let path = format!(
            "(//main//button|//main//a|//main//summary|//nav//a)[starts-with(normalize-space(.), \
             \"{says}\")]"
        );
        eventually(&format!("{says:?} can be pressed"), async || {
            for found in self.driver.find("xpath", &path).await {
                let click = format!("{found}/click");
                if self.driver.post(&click, json!({})).await.is_ok() {
                    return true;
                }
            }
            false
        })
        .await;
    }

    /// Writes into the field of this name, in the place of what is there.
    ///
    /// # Panics
    /// There is none.
    pub async fn write(&self, name: &str, text: &str) {
        if self.by_keys {
            eventually(&format!("{name:?} can be reached by Tab"), async || {
                self.reach(|focused| focused["name"] == name).await
            })
            .await;
            // What is there is chosen by coming in.
            let letters: Vec<String> = text.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(|letter| &**letter).collect();
            self.keys(&letters).await.unwrap();
            return;
        }
        let css = format!("main [name='{name}']");
        eventually(&format!("{name:?} can be written"), async || {
            let found = self.driver.find("css selector", &css).await;
            let found = found.first()?;
            let driver = &self.driver;
            driver
                .post(&format!("{found}/clear"), json!({}))
                .await
                .ok()?;
            let keys = json!({"text": text});
            driver.post(&format!("{found}/value"), keys).await.ok()
        })
        .await;
    }

    /// Goes on by Tab until this has the focus; false where it never does.
    async fn reach(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        const FOCUSED: &str = "const at = document.activeElement;
            return {text: (at.innerText || '').replace(/\\s+/g, ' ').trim(), name: at.name || '',
                pressable: at.matches('button, a, summary') && !at.closest('.top'),
                seen: at === document.body || at.matches(':focus-visible')}";
        for _ in 0..MOST_TABS {
            if self.keys(&[TAB]).await.is_err() {
                return false;
            }
            let asked = json!({"script": FOCUSED, "args": []});
            let Ok(focused) = self.driver.post("/execute/sync", asked).await else {
                return false;
            };
            if wanted(&focused) {
                assert_eq!(focused["seen"], true, "the focus can't be seen: {focused}");
                return true;
            }
        }
        false
    }

    /// Pressed and let go one after the other.
    async fn keys(&self, keys: &[&str]) -> Result<Value, Value> {
        let each = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|what| json!({"type": what, "value": key})));
        let each: Vec<Value> = each.collect();
        let actions = json!({"actions": [{"type": "key", "id": "keys", "actions": each}]});
        self.driver.post("/actions", actions).await
    }

    /// Presses twice, as fast as can be, what begins so.
    ///
    /// # Panics
    /// There is none.
    pub async fn press_twice(&self, says: &str) {
        let path = format!("//main//button[starts-with(normalize-space(.), \"{says}\")]");
        let found = eventually(&format!("{says:?} is there"), async || {
            self.driver.find("xpath", &path).await.pop()
        })
        .await;
        let id = found.trim_start_matches("/element/");
        let mut actions = vec![json!({
            "type": "pointerMove", "origin": {ELEMENT: id}, "x": 0, "y": 0, "duration": 0,
        })];
        for _ in 0..2 {
            actions.push(json!({"type": "pointerDown", "button": 0}));
            actions.push(json!({"type": "pointerUp", "button": 0}));
        }
        let actions = json!({"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]});
        self.driver.post("/actions", actions).await.unwrap();
    }

    /// Forgets who is signed in, as a session's end does.
    ///
    /// # Panics
    /// The browser is gone.
    pub async fn end_session(&self) {
        let gone = self.driver.ask(Method::DELETE, "/cookie", Value::Null);
        gone.await.unwrap();
    }

    /// What stands there.
    ///
    /// # Panics
    /// There is nothing.
    pub async fn text(&self, css: &str) -> String {
        eventually(&format!("{css:?} is there"), async || {
            let found = self.driver.find("css selector", css).await;
            let path = format!("{}/text", found.first()?);
            let text = self
                .driver
                .ask(Method::GET, &path, Value::Null)
                .await
                .ok()?;
            text.as_str().map(str::to_owned)
        })
        .await
    }

    /// How many of them there are.
    pub async fn count(&self, css: &str) -> usize {
        self.driver.find("css selector", css).await.len()
    }

    /// Waits until the page says so.
    ///
    /// # Panics
    /// It never does.
    pub async fn sees(&self, says: &str) {
        eventually(&format!("the page says {says:?}"), async || {
            self.text("body").await.contains(says)
        })
        .await;
    }

    /// Until its title begins so.
    ///
    /// # Panics
    /// It never does.
    pub async fn is_titled(&self, title: &str) {
        eventually(&format!("the page's title is {title:?}"), async || {
            let found = self.run("return document.title").await;
            found.as_str().is_some_and(|found| found.starts_with(title))
        })
        .await;
    }

    /// The address within the console.
    ///
    /// # Panics
    /// The browser is gone.
    pub async fn path(&self) -> String {
        let url = self
            .driver
            .ask(Method::GET, "/url", Value::Null)
            .await
            .unwrap();
        let url = url.as_str().unwrap().strip_prefix(&self.console).unwrap();
        url.split('?').next().unwrap().to_owned()
    }

    /// What a script answers.
    ///
    /// # Panics
    /// It fails.
    pub async fn run(&self, script: &str) -> Value {
        let script = json!({"script": script, "args": []});
        self.driver.post("/execute/sync", script).await.unwrap()
    }

    /// As [`Self::run`], of a script that says when it is done.
    ///
    /// # Panics
    /// It fails.
    pub async fn run_until_done(&self, script: &str) -> Value {
        let script = json!({"script": script, "args": []});
        self.driver.post("/execute/async", script).await.unwrap()
    }

    /// The window is so large from now on.
    ///
    /// # Panics
    /// The browser is gone.
    async fn resize(&self, width: i64, height: i64) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        let set = self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        set.await.unwrap();
    }

    /// Pages are light or dark, in a window that is so wide, from the next one on.
    ///
    /// # Panics
    /// The browser is gone.
    pub async fn dress(&self, theme: &str, width: i64) {
        self.resize(width, HEIGHT).await;
        self.run(&format!("document.cookie = 'weir-theme={theme};path=/'"))
            .await;
    }

    /// Keeps a picture of the whole page, and answers whether it is wider than its window.
    ///
    /// # Panics
    /// It can't be taken.
    pub async fn picture(&self, file: &Path, width: i64) -> bool {
        let size =
            "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]";
        let size = self.run(size).await;
        let height = size[1].as_i64().unwrap().clamp(400, MOST_HEIGHT);
        // What sticks to an edge of the window is where it is on the whole page.
        self.resize(width, height).await;
        let taken = self.devtools("Page.captureScreenshot", json!({"format": "png"}));
        let taken = taken.await.unwrap();
        self.resize(width, HEIGHT).await;
        let png = taken["data"].as_str().unwrap().as_bytes();
        let png = BASE64.decode(png).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, png).unwrap();
        size[0].as_i64().unwrap() > width
    }

    /// A command of Chromium's own.
    async fn devtools(&self, command: &str, parameters: Value) -> Result<Value, Value> {
        let command = json!({"cmd": command, "params": parameters});
        self.driver.post("/goog/cdp/execute", command).await
    }

    /// Ends it.
    pub async fn close(self) {
        let _ = self.driver.ask(Method::DELETE, "", Value::Null).await;
    }
}

fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
